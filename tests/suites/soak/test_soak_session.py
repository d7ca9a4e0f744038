"""A soak goes on after failures, keeps what it found, and says at its end what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError
from clusters.host.commands import Completed
from suites.record.evidence import Evidence
from suites.sabotage.model import Place, Seen, Target
from suites.soak.model import Kind, Reads, Sample, Soak, Step, growth
from suites.soak.sampling import ETCD, Sampler, node_values
from suites.soak.session import SoakSession, judge
from suites.steps import leaks
from tests.clusters.conftest import FakeClock


class Owner:
    """Who created the Dataset that lives through the soak."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.removed: list[str] = []

    def removes_datasets(self) -> None:
        """Remove them, or fail."""
        if self.error:
            raise HarnessError(self.error)
        self.removed.append("datasets")

    def removes_everything(self) -> None:
        """Remove the rest."""
        self.removed.append("namespace")


class Runner:
    """Runs rows, each for a minute, with verdicts by row."""

    def __init__(self, clock: FakeClock, **verdicts: Seen) -> None:
        self.clock = clock
        self.verdicts = verdicts
        self.ran: list[tuple[str, Place, str]] = []
        self.shared = SimpleNamespace(namespace="long-lived")
        self.pool = SimpleNamespace(shared=Owner(), remove_shared=self.remove_shared, share=self.share)
        self.datasets = 1

    def remove_shared(self) -> None:
        """Remove the Dataset."""
        self.pool.shared = None

    def share(self) -> object:
        """Create another one."""
        self.datasets += 1
        self.pool.shared = Owner()
        return SimpleNamespace(namespace=f"long-lived-{self.datasets}")

    def user(self, tampering: object, factor: float, namespace: str) -> object:
        """A user with evidence."""
        return SimpleNamespace(namespace=namespace, evidence=Evidence(silent=True))

    def attempt(self, target: Target, user: Any) -> Seen:
        """Run a row."""
        self.clock.time += 60
        self.ran.append((target.scenario, target.place, user.namespace))
        if target.scenario == "D14":
            pytest.skip("Fluid has no webhook here")
        user.evidence.fact("reader", "reads ended", ended=10, failed=2, longest=4.5)
        user.evidence.fact("application", "read", files=15, bytes=9)
        user.evidence.defect("some-defect", seen=True, says="it shows")
        return self.verdicts.get(target.scenario, Seen("pass"))

    def remove_own(self) -> None:
        """Remove what the row created."""
        if self.verdicts.get("removal"):
            raise HarnessError("a namespace stays")


def a_session(clock: FakeClock, runner: Runner, *rows: str, **more: Any) -> tuple[SoakSession, list[str]]:
    """A session that runs these rows, and the lines that it shows."""
    lines: list[str] = []
    kept: list[str] = []

    def steps() -> Iterator[tuple[Kind, str]]:
        while True:
            for row in rows:
                yield Kind.FAULT if row.startswith("D") else Kind.USE, row

    session = SoakSession(
        Soak(3, 0.1),
        cast("Any", runner),
        steps(),
        lines.append,
        lambda soak: kept.append(json.dumps(soak.as_json())),
        clock=clock,
        **more,
    )
    return session, lines


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is left of the long-lived Dataset; nothing unless a test says so."""
    parts: list[str] = []
    monkeypatch.setattr(leaks, "after_a_while", lambda _: SimpleNamespace(parts=tuple(parts)))
    return parts


def test_steps_run_until_the_time_is_over() -> None:
    """A step that has begun is ended; reads, defects and lines are kept; all is deleted at the end."""
    clock = FakeClock()
    runner = Runner(clock)
    owner = runner.pool.shared
    session, lines = a_session(clock, runner, "A2", "E1")
    soak = session.run(150)
    assert [(step.number, step.row, step.at) for step in soak.steps] == [
        (1, "A2", 0.0), (2, "E1", 60.0), (3, "A2", 120.0),
    ]  # fmt: skip
    assert runner.ran[:2] == [("A2", Place.SHARED, "long-lived"), ("E1", Place.OWN, "")]
    assert soak.reads == Reads(right=69, failed=6, longest=4.5)
    assert soak.steps[0].defects == ("some-defect",)
    assert len(lines) == 3
    assert lines[0].startswith("soak step 1: A2 (correct use) pass, 60 s; 0 failed so far; 2 min left")
    assert owner.removed == ["datasets", "namespace"]
    assert soak.finished
    judge(soak)


def test_it_goes_on_after_failures_and_replaces_a_dead_dataset() -> None:
    """A failure on the long-lived Dataset that A2 sees as well ends that Dataset, not the soak."""
    clock = FakeClock()
    dead = Seen("fail", FailureClass.PRODUCT, "reads hang", "reads hang\nsince 12 s")
    runner = Runner(clock, A2=dead)
    session, lines = a_session(clock, runner, "A2", "E1")
    soak = session.run(150)
    assert [step.failed for step in soak.steps] == [True, False]
    assert soak.replaced == ["after A2: reads hang"]
    assert runner.datasets == 2
    assert any("serves no more after A2" in line for line in lines)
    with pytest.raises(ProductFailureError, match="1 of 2 steps of the soak failed") as caught:
        judge(soak)
    assert "step 1, A2 (product): reads hang" in caught.value.last_seen
    assert "--seed 3" in caught.value.advice


def test_failure_that_leaves_the_dataset_alive_replaces_nothing() -> None:
    """Only A2 decides."""
    clock = FakeClock()
    runner = Runner(clock, D9=Seen("fail", FailureClass.INFRASTRUCTURE, "no node"))
    session, _ = a_session(clock, runner, "D9")
    soak = session.run(100)
    assert runner.datasets == 1
    assert soak.replaced == []
    with pytest.raises(InfrastructureError, match="1 of 1 steps"):
        judge(soak)


def test_row_that_cannot_run_here_is_no_failure() -> None:
    """It is named, and the soak goes on."""
    clock = FakeClock()
    session, _ = a_session(clock, Runner(clock), "D14", "A2")
    soak = session.run(100)
    assert [(step.outcome, step.reason) for step in soak.steps] == [
        ("skipped", "Fluid has no webhook here"),
        ("pass", ""),
    ]
    judge(soak)


def test_what_cannot_be_removed_is_a_failure_of_its_step() -> None:
    """It is found right after the step, not at the end."""
    clock = FakeClock()
    runner = Runner(clock, removal=Seen("fail"))
    session, _ = a_session(clock, runner, "E1")
    (step,) = session.run(30).steps
    assert (step.failed, step.reason) == (True, "a namespace stays")


def test_leftovers_of_the_end_are_failures_of_the_product(nothing_left: list[str]) -> None:
    """Of the Dataset, and mounts of Fluid on any node."""
    clock = FakeClock()
    nothing_left.append("ConfigMap demo-config")
    session, _ = a_session(clock, Runner(clock), "A2", fuse_mounts=lambda: ("n1: /runtime-mnt/x",))
    soak = session.run(30)
    assert soak.leaks == ["ConfigMap demo-config", "n1: /runtime-mnt/x"]
    with pytest.raises(ProductFailureError, match="2 leftovers"):
        judge(soak)
    runner = Runner(clock)
    runner.pool.shared = Owner("it hangs")
    session, _ = a_session(clock, runner, "A2")
    assert session.run(30).leaks == ["it could not be removed: it hangs"]


def test_it_is_kept_in_a_file_after_each_step(tmp_path: Path) -> None:
    """A reader never sees an incomplete one."""
    soak = Soak(1, 2.0, steps=[Step(1, "A2", Kind.USE, "t", 0.0, 5.0, "pass")])
    soak.save(tmp_path / "run" / "soak.json")
    kept = json.loads((tmp_path / "run" / "soak.json").read_text())
    assert kept["steps"][0]["row"] == "A2"
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["soak.json"]


def test_growth_is_a_slope_and_the_medians_of_both_ends() -> None:
    """One odd sample at an end changes nothing; a series with one sample says nothing."""
    samples = [Sample(60.0 * n, {"a": 100.0 + n, "b": 5.0}) for n in range(20)]
    samples[-1] = Sample(samples[-1].at, {"a": 119.0, "b": 500.0, "c": 1.0})
    found = {one.series: one for one in growth(samples)}
    assert found.keys() == {"a", "b"}
    assert (found["a"].first, found["a"].last) == (102.0, 117.0)
    assert found["a"].per_hour == pytest.approx(60.0)
    assert (found["b"].first, found["b"].last) == (5.0, 5.0)
    assert growth(samples[:1]) == ()


PS = """ 1000 /sbin/init
 2048 fluid-csi start --nodeid=n1
 1024 /usr/local/bin/dataset-controller start
 4096 etcd --advertise-client-urls=x
   10 sh -c fluid-csi
    0
--
120
4194304
"""


def test_node_reports_memory_processes_mounts_and_etcd() -> None:
    """Memory by the name of the program, in bytes; a node without etcd has no file of it."""
    values = node_values(Completed((), 0, PS, ""), "n1")
    assert values == {
        "memory of fluid-csi": 2048 * 1024,
        "memory of dataset-controller": 1024 * 1024,
        "memory of etcd": 4096 * 1024,
        "processes on n1": 6,
        "mounts on n1": 120,
        ETCD: 4194304,
    }
    assert ETCD not in node_values(Completed((), 0, PS.replace("4194304\n", ""), ""), "n1")
    for broken in (
        Completed((), 1, PS, "no ps"),
        Completed((), 0, "1 a\n", ""),
        Completed((), 0, "--\nx", ""),
    ):
        with pytest.raises(InfrastructureError, match="does not report"):
            node_values(broken, "n1")


def test_samples_that_fail_are_left_out() -> None:
    """There is one at the beginning, one at the end, and some in between."""
    samples: list[Sample] = []
    clock = FakeClock()
    asked = 0

    def observe() -> dict[str, float]:
        nonlocal asked
        asked += 1
        clock.time += 1
        if asked == 2:
            raise InfrastructureError("no answer")
        return {"a": float(asked)}

    sampler = Sampler(observe, clock.now, samples.append, interval=0.01)
    with sampler:
        while asked < 4:
            pass
    assert [sample.values["a"] for sample in samples[:2]] == [1.0, 3.0]
    assert samples[-1].values["a"] == asked
