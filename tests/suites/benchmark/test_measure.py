"""Measuring arms against a small model of the system: page caches, Alluxio, NFS and Fuse Pods that add up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.product.nfs import ServedBytes
from suites.benchmark import arms
from suites.benchmark import measure as measuring_one
from suites.benchmark.alluxio_rest import CacheState
from suites.benchmark.fio_run import Reads, measure_argv, reading
from suites.benchmark.measure import Measurer, deadline
from suites.benchmark.profile import SeriesSpec, Settings
from suites.benchmark.results import RoundResult
from suites.benchmark.schedule import order
from suites.benchmark.shaping import TokenBucket
from suites.benchmark.testbed import Bench, Layout, Look
from workloads.fio import Plan

SAMPLE = Path(__file__).parents[2] / "data" / "fio" / "seqread.txt"
MIB = 1024 * 1024


def fio_says(read_bytes: int, milliseconds: int) -> dict[str, Any]:
    """A recorded output of fio with another amount and time."""
    text = SAMPLE.read_text()
    document: dict[str, Any] = json.loads(text[text.index("\n{") if not text.startswith("{") else 0 :])
    job = document["jobs"][0]
    document["jobs"] = [job]
    job["read"] |= {"io_bytes": read_bytes, "io_kbytes": read_bytes // 1024, "runtime": milliseconds}
    return document


@dataclass
class Model:
    """A node with two mounts, an Alluxio and an NFS server.

    Attributes:
        resident: bytes of the data in the page cache, by mount.
        percent: of each folder in Alluxio.
        sent: bytes that NFS has sent.
        fuse: number of the Fuse Pod.
        below: folders that the page cache of Alluxio's own mount holds.
        stale: the page cache is not dropped when it is asked for.
        hangs: fio does not end.
        limits: what NFS was held to, by turns.
        did: what was done.
    """

    data_bytes: int
    resident: dict[str, int] = field(default_factory=lambda: {"raw": 0, "fluid": 0})
    percent: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    fuse: int = 1
    stale: bool = False
    hangs: bool = False
    fails: bool = False
    below: set[str] = field(default_factory=set)
    limits: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    raw: Any = field(default_factory=lambda: SimpleNamespace(name="raw", namespace="n"))
    fluid: Any = field(default_factory=lambda: SimpleNamespace(name="fluid", namespace="n"))

    @property
    def system(self) -> Any:
        """Where fio is run."""
        run = lambda *words, **more: self.exec(*words, **more)  # noqa: E731, PLW0108 - tests replace exec later
        return SimpleNamespace(kube=SimpleNamespace(exec=run))

    def server_node(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """What tc is told."""
        if argv[0] == "env":
            return Completed(tuple(argv), 0, "7 (ganesha.nfsd) S " + "0 " * 18 + "1 0\n", "")
        if "replace" in argv:
            self.limits.append(argv[list(argv).index("rate") + 1])
        elif "del" in argv:
            self.limits.append("")
        held = bool(self.limits and self.limits[-1])
        return Completed(tuple(argv), 0, "qdisc tbf" if held else "qdisc noqueue", "")

    @property
    def limiter(self) -> TokenBucket:
        """Holds NFS back."""
        return TokenBucket(self.server_node)

    def drop_page_cache(self, pod: Any, folder: str) -> None:
        """Drop the page cache."""
        if not self.stale:
            self.resident[pod.name] = 0

    def fill_page_cache(self, pod: Any, folder: str, data_bytes: int) -> None:
        """Read it all."""
        self.resident[pod.name] = data_bytes

    def forget_below(self, folder: str) -> None:
        """Drop the page cache of Alluxio's own mount."""
        self.below.discard(folder)

    def none_cached(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Free a copy."""
        self.percent[layout.folder(copy)] = 0.0
        self.resident["fluid"] = 0

    def all_cached(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Alluxio catches up."""
        if self.percent.get(layout.folder(copy)):
            self.percent[layout.folder(copy)] = 100.0

    def fresh_client(self, *, hung: bool = False) -> None:
        """Another Fuse Pod."""
        self.fuse += 1
        self.resident["fluid"] = 0
        self.did.append("client in place of the hung one" if hung else "fresh client")

    def free(self, folder: str = "") -> None:
        """Empty Alluxio."""
        self.percent.clear()
        self.did.append(f"freed {folder or 'all'}")

    def removed(self) -> None:
        """Remove the Dataset."""
        self.did.append("removed")

    def end_reading(self, pod: Any) -> None:
        """Kill fio."""
        self.did.append(f"ended {pod.name}")

    def look(self, layout: Layout, copy: int, plan: Plan) -> Look:
        """All sources."""
        percent = self.percent.setdefault(layout.folder(copy), 0.0)
        held = CacheState(
            percent, int(self.data_bytes * percent / 100), {"Cluster.BytesReadUfsAll": self.sent}
        )
        return Look(
            datetime.now(UTC), held, ServedBytes(self.sent, "Ganesha", self.sent // MIB), f"u{self.fuse}"
        )

    def exec(self, namespace: str, pod: str, container: str, argv: Any, **more: Any) -> Completed:
        """Run fio on a mount."""
        if self.fails:
            raise InfrastructureError("the connection broke")
        if self.hangs:
            return Completed(argv, 124, "", "Terminated")
        folder, before = argv[4].removeprefix("/data/"), self.resident[pod]
        missing = self.data_bytes - before
        if pod == "raw" or (self.percent[folder] == 0 and folder not in self.below):
            self.sent += missing
        if pod == "fluid" and self.percent[folder] == 0:
            self.percent[folder] = 99.0
            self.below.add(folder)
        self.resident[pod] = self.data_bytes
        lines = [
            "seen load 0.5",
            f"seen resident-before {before}",
            "seen cpu-before cpu 0 0 0 0 0 0 0 0 0 0",
            json.dumps(fio_says(self.data_bytes, 400), indent=1),
            "seen cpu-after cpu 50 0 40 10 0 0 0 0 0 0",
            f"seen resident-after {self.resident[pod]}",
        ]
        return Completed(argv, 0, "\n".join(lines), "")


def by_hand(model: Any, plan: Plan, claim: str, folder: str, *, times: int, seconds: float) -> Reads:
    """A Job whose Pod reads once beforehand."""
    found = []
    for _ in range(times + 1):
        model.drop_page_cache(model.raw, folder)
        found.append(reading(model.exec("n", "raw", "c", measure_argv(plan, f"/data/{folder}", seconds))))
    return Reads.in_turn(found[1:], plan)


@pytest.fixture(autouse=True)
def job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model in place of a Job."""
    monkeypatch.setattr(measuring_one, "by_hand", by_hand)


@pytest.fixture
def wanted() -> SeriesSpec:
    """The shaped series of the default profile."""
    return Settings.of("default").wanted()[1]


def measurer(wanted: SeriesSpec, model: Model | None = None) -> tuple[Measurer, Model]:
    """A measurer on a model."""
    layout = Layout.of(wanted.plan("/data", 16), 4)
    made = model or Model(layout.files.total_bytes)
    bench = cast("Bench", made)
    return Measurer(bench, wanted, layout, 50.0 * MIB, 16, datetime.now(UTC)), made


def measure(one: Measurer, *numbers: int) -> list[RoundResult]:
    """Measure rounds in the order of the schedule."""
    for number in numbers:
        for block in order(one.wanted.series.blocks, number):
            for arm in block.arms:
                one(arm, number)
    return one.rounds


def test_every_arm_is_proved_when_all_is_as_it_should_be(wanted: SeriesSpec) -> None:
    """On a system that adds up all arms of several rounds are valid, whoever comes first."""
    found = measure(measurer(wanted)[0], *range(6))
    assert [one.reason for one in found if not one.valid] == []
    assert {one.arm for one in found} == set(wanted.series.arms)
    assert {one.polluted for one in found} == {""}
    assert found[0].value == pytest.approx(found[0].read_bytes / 0.4)
    assert found[0].proof is not None


def test_copy_that_comes_up_again_is_read_from_nfs_again(wanted: SeriesSpec) -> None:
    """What Alluxio read before lies in the page cache of its own mount, and is dropped from there too."""
    one, model = measurer(wanted)
    for number in (0, one.layout.copies):
        assert one(arms.FLUID_COLD, number).invalid == ""
    model.below.add(one.layout.folder(1))
    model.forget_below = lambda folder: None  # type: ignore[method-assign]
    assert "sent only 0" in one(arms.FLUID_COLD, 1).invalid


def test_short_reads_are_repeated_within_a_round() -> None:
    """With NFS free a raw read is over at once: one value is made of several, cold each time."""
    one, model = measurer(Settings.of("default").wanted()[0])
    assert one(arms.RAW_COLD, 0).invalid == ""
    assert [part.kind for part in one.rounds[-1].parts] == ["read"] * arms.MOST_READS
    assert one.rounds[-1].read_bytes == arms.MOST_READS * model.data_bytes == model.sent
    assert one.rounds[-1].value == pytest.approx(model.data_bytes / 0.4)
    assert one(arms.FLUID_COLD, 0).invalid == ""
    assert one.rounds[-1].parts == ()


def test_page_cache_that_cannot_be_dropped_makes_cold_arms_invalid(wanted: SeriesSpec) -> None:
    """The preparation is not believed: what is seen decides."""
    one, model = measurer(wanted)
    model.stale = True
    model.resident["raw"] = model.data_bytes
    one(arms.RAW_COLD, 0)
    assert "page cache" in one.rounds[-1].reason
    assert one.rounds[-1].value is not None


def test_client_that_stays_makes_the_fresh_arm_invalid(
    wanted: SeriesSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh client is proved by its Pod."""
    one, _ = measurer(wanted)
    monkeypatch.setattr(Model, "fresh_client", lambda _self, **_more: None)
    for arm in (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH):
        one(arm, 0)
    assert [each.valid for each in one.rounds] == [True, True, False]
    assert "still the one" in one.rounds[-1].reason


def test_arm_that_is_slowed_down_is_slowed_down_alone(wanted: SeriesSpec) -> None:
    """The limit is that of the arm while it is measured, and that of the series afterwards."""
    one, model = measurer(wanted)
    one(arms.RAW_COLD, 0)
    assert model.limits == []
    one(arms.RAW_SLOWED, 0)
    assert model.limits == [f"{8 * 50 * MIB}bit", f"{8 * 100 * MIB}bit"]


def test_hang_is_named_ended_and_its_client_replaced(wanted: SeriesSpec) -> None:
    """A fio that hangs on Fluid costs a round, not the run; the next round is proved again."""
    one, model = measurer(wanted)
    model.hangs = True
    measured = one(arms.FLUID_COLD, 0)
    assert "did not end" in measured.invalid
    assert model.did == ["client in place of the hung one"]
    assert any("did not end" in finding for finding in one.findings)
    assert one.rounds[-1].value is None
    model.hangs = False
    assert one(arms.FLUID_COLD, 1).invalid == ""


def test_broken_connection_makes_a_round_invalid(wanted: SeriesSpec) -> None:
    """What breaks in one round is its reason, and the others go on."""
    one, model = measurer(wanted)
    model.fails = True
    assert one(arms.RAW_COLD, 0).invalid == "the connection broke"
    model.fails = False
    assert one(arms.RAW_AGAIN, 0).invalid == ""


def test_ctrl_c_ends_what_reads(wanted: SeriesSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the fio in the Pod, takes the limit away, and is passed on."""
    one, model = measurer(wanted)

    def interrupted(*_: object, **__: object) -> Completed:
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "exec", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one(arms.RAW_SLOWED, 0)
    assert model.did == ["ended raw"]
    assert model.limits[-1] == f"{8 * 100 * MIB}bit"
    assert one.rounds == []


def test_timeline_has_a_look_before_and_after(wanted: SeriesSpec) -> None:
    """Two looks a round, in the order of time, with what NFS has sent rising."""
    one, _ = measurer(wanted)
    measure(one, 0)
    assert len(one.timeline) == 2 * len(wanted.series.arms)
    sent = [sample.nfs_read_bytes or 0 for sample in one.timeline]
    assert sent == sorted(sent)


def test_deadline_grows_with_what_is_read(wanted: SeriesSpec) -> None:
    """A mebibyte a second is the slowest that is waited for."""
    assert deadline(wanted.plan("/data", 16)) == 128
