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
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import ArmKind
from suites.benchmark.run import arms
from suites.benchmark.run import measure as measuring_one
from suites.benchmark.run.measure import Measurer, deadline
from suites.benchmark.run.profile import SeriesSpec, Settings
from suites.benchmark.run.schedule import order
from suites.benchmark.testbed.alluxio_rest import CacheState
from suites.benchmark.testbed.fio_run import FioRuns, measure_argv, parse_run
from suites.benchmark.testbed.layout import Layout
from suites.benchmark.testbed.shaping import TokenBucket
from suites.benchmark.testbed.testbed import Observation, Testbed
from workloads.fio import Plan

SAMPLE = Path(__file__).parents[3] / "data" / "fio" / "seqread.txt"
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
        """The arguments of tc."""
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

    def drop_worker_page_cache(self, folder: str) -> None:
        """Drop the page cache of Alluxio's own mount."""
        self.below.discard(folder)

    def evict(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Free a copy."""
        self.percent[layout.folder(copy)] = 0.0
        self.resident["fluid"] = 0

    def wait_until_cached(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Alluxio catches up."""
        if self.percent.get(layout.folder(copy)):
            self.percent[layout.folder(copy)] = 100.0

    def replace_client(self, *, hung: bool = False) -> None:
        """Another Fuse Pod."""
        self.fuse += 1
        self.resident["fluid"] = 0
        self.did.append("client in place of the hung one" if hung else "fresh client")

    def free(self, folder: str = "") -> None:
        """Empty Alluxio."""
        self.percent.clear()
        self.did.append(f"freed {folder or 'all'}")

    def remove(self) -> None:
        """Remove the Dataset."""
        self.did.append("removed")

    def read(self, pod: Any, *words: Any, **more: Any) -> FioRuns:
        """Run fio as the testbed does, by `exec`."""
        return Testbed.read(cast("Testbed", self), pod, *words, **more)

    def stop_fio(self, pod: Any) -> None:
        """Kill fio."""
        self.did.append(f"ended {pod.name}")

    def observe(self, layout: Layout, copy: int, plan: Plan) -> Observation:
        """All sources."""
        percent = self.percent.setdefault(layout.folder(copy), 0.0)
        held = CacheState(
            percent, int(self.data_bytes * percent / 100), {"Cluster.BytesReadUfsAll": self.sent}
        )
        return Observation(
            datetime.now(UTC), held, ServedBytes(self.sent, "Ganesha", self.sent // MIB), f"u{self.fuse}"
        )

    def exec(self, namespace: str, pod: str, container: str, argv: Any, **more: Any) -> Completed:
        """Run fio on a mount."""
        if self.fails:
            raise InfrastructureError("the connection broke")
        if self.hangs:
            return Completed(argv, 0, "\nseen exit 124\nnext read\n", "Terminated")
        if argv[3] == "measure":
            return self.fio(pod, argv)
        outputs = []
        for number in range(int(argv[5])):
            if number and argv[6] and not self.stale:
                self.resident[pod] = 0
            outputs.append(f"{self.fio(pod, argv).stdout}\n\nseen exit 0\nnext read\n")
        return Completed(argv, 0, "".join(outputs), "")

    def fio(self, pod: str, argv: Any) -> Completed:
        """A run of fio."""
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
            "seen started 1000000000",
            json.dumps(fio_says(self.data_bytes, 400), indent=1),
            "seen cpu-after cpu 50 0 40 10 0 0 0 0 0 0",
            "seen ended 1500000000",
            f"seen resident-after {self.resident[pod]}",
        ]
        return Completed(argv, 0, "\n".join(lines), "")


def standalone_job(model: Any, plan: Plan, claim: str, folder: str, *, times: int, seconds: float) -> FioRuns:
    """A Job whose Pod reads once beforehand."""
    found = []
    for _ in range(times + 1):
        model.drop_page_cache(model.raw, folder)
        found.append(parse_run(model.exec("n", "raw", "c", measure_argv(plan, f"/data/{folder}", seconds))))
    return FioRuns.in_sequence(found[1:], plan)


@pytest.fixture(autouse=True)
def job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model in place of a Job."""
    monkeypatch.setattr(measuring_one, "read_in_standalone_job", standalone_job)


@pytest.fixture
def spec() -> SeriesSpec:
    """The shaped series of the default profile."""
    return Settings.of("default").series_specs()[1]


def measurer(spec: SeriesSpec, model: Model | None = None) -> tuple[Measurer, Model]:
    """A measurer on a model."""
    layout = Layout.of(spec.plan("/data", 16), 4)
    made = model or Model(layout.files.total_bytes)
    testbed = cast("Testbed", made)
    return Measurer(testbed, spec, layout, 50.0 * MIB, 16, datetime.now(UTC)), made


def measure(one: Measurer, *numbers: int) -> list[Round]:
    """Measure rounds in the order of the schedule."""
    return [
        one(arm, number)
        for number in numbers
        for block in order(one.spec.series.blocks, number)
        for arm in block.arms
    ]


def test_every_arm_is_proved_when_all_is_as_it_should_be(spec: SeriesSpec) -> None:
    """On a consistent system all arms of several rounds are valid in any order."""
    one, _ = measurer(spec)
    found = measure(one, *range(6))
    assert [each.reason for each in found if not each.valid] == []
    assert {each.arm for each in found} == set(spec.series.arms)
    assert {each.polluted for each in found} == {""}
    assert found[0].value == pytest.approx(one.layout.files.total_bytes / 0.3995)
    assert found[0].proof is not None
    # 90 ticks of each run of fio.
    assert found[0].cpu_seconds == pytest.approx(0.9 * found[0].read_bytes / one.layout.files.total_bytes)


def test_copy_that_comes_up_again_is_read_from_nfs_again(spec: SeriesSpec) -> None:
    """What Alluxio read before is in the page cache of its own mount, and is dropped from there too."""
    one, model = measurer(spec)
    for number in (0, one.layout.copies):
        assert one(arms.FLUID_COLD, number).reason == ""
    model.below.add(one.layout.folder(1))
    model.drop_worker_page_cache = lambda folder: None  # type: ignore[method-assign]
    assert "sent only 0" in one(arms.FLUID_COLD, 1).reason


def test_short_reads_are_repeated_within_a_round() -> None:
    """With NFS free a raw read is over at once: one value is computed from several, cold each time."""
    one, model = measurer(Settings.of("default").series_specs()[0])
    raw = one(arms.RAW_COLD, 0)
    assert raw.reason == ""
    times = arms.reads_per_value(arms.RAW_COLD, model.data_bytes, None)
    assert times * model.data_bytes / arms.EXPECTED_SPEED[ArmKind.RAW_COLD] >= arms.SHORT
    assert [part.kind for part in raw.parts] == ["read"] * times
    assert raw.read_bytes == times * model.data_bytes == model.sent
    assert raw.value == pytest.approx(model.data_bytes / 0.3995)
    fluid = one(arms.FLUID_COLD, 0)
    assert fluid.reason == ""
    assert fluid.parts == ()


def test_page_cache_that_cannot_be_dropped_makes_cold_arms_invalid(spec: SeriesSpec) -> None:
    """The preparation is not believed: what is seen decides."""
    one, model = measurer(spec)
    model.stale = True
    model.resident["raw"] = model.data_bytes
    found = one(arms.RAW_COLD, 0)
    assert "page cache" in found.reason
    assert found.value is not None


def test_client_that_stays_makes_the_fresh_arm_invalid(
    spec: SeriesSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh client is proved by its Pod."""
    one, _ = measurer(spec)
    monkeypatch.setattr(Model, "replace_client", lambda _self, **_more: None)
    found = [one(arm, 0) for arm in (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH)]
    assert [each.valid for each in found] == [True, True, False]
    assert "still the one" in found[-1].reason


def test_arm_that_is_slowed_down_is_slowed_down_alone(spec: SeriesSpec) -> None:
    """The limit is that of the arm while it is measured, and that of the series afterwards."""
    one, model = measurer(spec)
    one(arms.RAW_COLD, 0)
    assert model.limits == []
    one(arms.RAW_SLOWED, 0)
    assert model.limits == [f"{8 * 50 * MIB}bit", f"{8 * 100 * MIB}bit"]


def test_hang_is_named_ended_and_its_client_replaced(spec: SeriesSpec) -> None:
    """A fio that hangs on Fluid costs a round, not the run; the next round is proved again."""
    one, model = measurer(spec)
    model.hangs = True
    measured = one(arms.FLUID_COLD, 0)
    assert "did not end" in measured.reason
    assert model.did == ["client in place of the hung one"]
    assert any("did not end" in finding for finding in one.findings)
    assert measured.value is None
    model.hangs = False
    assert one(arms.FLUID_COLD, 1).reason == ""


def test_broken_connection_makes_a_round_invalid(spec: SeriesSpec) -> None:
    """What breaks in one round is its reason, and the others go on."""
    one, model = measurer(spec)
    model.fails = True
    assert one(arms.RAW_COLD, 0).reason == "the connection broke"
    model.fails = False
    assert one(arms.RAW_REPEATED, 0).reason == ""


def test_ctrl_c_ends_what_reads(spec: SeriesSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the fio in the Pod, removes the limit, and is raised."""
    one, model = measurer(spec)

    def interrupted(*_: object, **__: object) -> Completed:
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "exec", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one(arms.RAW_SLOWED, 0)
    assert model.did == ["ended raw"]
    assert model.limits[-1] == f"{8 * 100 * MIB}bit"


def test_timeline_has_an_observation_before_and_after(spec: SeriesSpec) -> None:
    """Two observations for each round, in the order of time, with rising bytes of NFS."""
    one, _ = measurer(spec)
    measure(one, 0)
    assert len(one.timeline) == 2 * len(spec.series.arms)
    sent = [sample.nfs_read_bytes or 0 for sample in one.timeline]
    assert sent == sorted(sent)


def test_deadline_grows_with_what_is_read(spec: SeriesSpec) -> None:
    """A mebibyte a second is the slowest that is waited for."""
    assert deadline(spec.plan("/data", 16)) == 128
