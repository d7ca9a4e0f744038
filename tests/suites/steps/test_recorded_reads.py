"""What is concluded from the reads that applications recorded while something was broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError, ProductFailureError
from clusters.host.commands import Completed
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import ProductTimeoutError
from suites.record.evidence import Evidence
from suites.steps import endurance, recorded_reads
from suites.steps.endurance import FaultCase, endure
from suites.steps.recorded_reads import (
    Effect,
    RecordedReader,
    check_effect,
    seconds_to_heal,
    slowness_of_controls,
)
from suites.steps.user import User
from tests.clusters.conftest import FakeClock
from workloads.data import one_file
from workloads.faults import Fault
from workloads.recording_reader import Read, ReadRecord

FILES = one_file("data", 10)
(FILE,) = FILES.files
RIGHT = FILE.sha256()


class Cluster:
    """A cluster in which an application reads each second, unless it is made to do something else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.phase = "Bound"
        self.lines: list[str] = []
        self.outcome = f"ok\t{RIGHT}"
        observer = SimpleNamespace(
            inside=self.inside, dataset=lambda *_: DatasetSnapshot.of({"status": {"phase": self.phase}})
        )
        monkeypatch.setattr(User, "observer", property(lambda _: observer))
        kube = SimpleNamespace(clock=self.clock, patch=lambda *_: None)
        self.user = User(
            cast("Any", SimpleNamespace(kube=kube)), Evidence(silent=True), "fc-1", folder="", files=FILES
        )

    def inside(self, pod: PodSnapshot, argv: object) -> Completed:
        """One more read, and the record of all."""
        now = self.clock.now()
        self.lines.append(f"begin\t0\t{now}")
        if self.outcome:
            self.lines.append(f"end\t0\t{now + 0.5}\t{self.outcome}")
        else:
            self.lines.pop()  # it still waits: no new read begins
        return Completed((), 0, "\n".join([str(now), *self.lines, ""]), "")

    def reader(self, effect: Effect, *, control: bool = False) -> RecordedReader:
        """The application."""
        pod = PodSnapshot.of({"metadata": {"name": "reader", "namespace": "fc-1"}})
        return RecordedReader(self.user, pod, "reader", FILES, effect, control)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster."""
    monkeypatch.setattr(recorded_reads, "run_controls", lambda *_, **__: [])
    return Cluster(monkeypatch)


def case(cluster: Cluster, outcome: str, *, phase: str = "Bound", stays: bool = False) -> FaultCase:
    """A fault of 20 s during which reads end like this; it stays broken where that is said."""

    @contextmanager
    def begin() -> Iterator[Fault]:
        cluster.outcome, cluster.phase = outcome, phase
        yield Fault("something is broken")
        if not stays:
            cluster.outcome, cluster.phase = f"ok\t{RIGHT}", "Bound"

    def read() -> None:
        cluster.inside(PodSnapshot.of({}), ())

    return FaultCase(begin, lasts=20.0, heals=30.0, meanwhile=read)


def says(cluster: Cluster) -> str:
    """All facts."""
    return "\n".join(f"{fact.source}: {fact.says}" for fact in cluster.user.evidence.facts)


def test_reads_that_go_on_are_what_an_application_should_see(cluster: Cluster) -> None:
    """The fault, the reads during it, the time to heal and the phases are stated."""
    fault, reader = case(cluster, f"ok\t{RIGHT}"), cluster.reader(Effect.NONE)
    endured = endure(cluster.user, fault, (reader,))
    endurance.check(cluster.user, fault, (reader,), endured)
    assert endured.healing == {"reader": 0.0}
    text = says(cluster)
    assert "fault: something is broken" in text
    assert "0 failed, none wrong" in text
    assert "phase Bound during the fault" in text


@pytest.mark.parametrize("control", [False, True], ids=["application", "control"])
def test_wrong_bytes_are_never_permitted(cluster: Cluster, *, control: bool) -> None:
    """Whatever else a fault may do; of raw NFS they are not Fluid's fault."""
    fault, reader = case(cluster, "ok\tabc"), cluster.reader(Effect.BREAKS, control=control)
    kind = InfrastructureError if control else ProductFailureError
    with pytest.raises(kind, match="read wrong bytes 1 times, first of data"):
        endure(cluster.user, fault, (reader,))


def test_failed_reads_are_permitted_only_where_the_case_says_so(cluster: Cluster) -> None:
    """The same reads pass with one effect, and fail the product, or the control, with another."""
    fault = case(cluster, "failed\tInput/output error")
    breaks = cluster.reader(Effect.BREAKS)
    endured = endure(cluster.user, fault, (breaks,))
    endurance.check(cluster.user, fault, (breaks,), endured)
    assert "1 failed" in says(cluster)
    for effect in (Effect.NONE, Effect.MAY_WAIT, Effect.WAITS):
        with pytest.raises(ProductFailureError, match=r"reads failed, first data.bin: Input/output error"):
            endurance.check(cluster.user, fault, (cluster.reader(effect),), endured)
        with pytest.raises(InfrastructureError, match="reads failed"):
            endurance.check(cluster.user, fault, (cluster.reader(effect, control=True),), endured)


def test_application_that_does_not_go_on_fails_with_its_last_error(cluster: Cluster) -> None:
    """The wait names the file and why it was not read."""
    fault = case(cluster, "failed\tTransport endpoint is not connected", stays=True)
    with pytest.raises(ProductTimeoutError, match=r"data\.bin: Transport endpoint is not connected"):
        endure(cluster.user, fault, (cluster.reader(Effect.BREAKS),))
    control = cluster.reader(Effect.BREAKS, control=True)
    with pytest.raises(InfrastructureError, match="does not use Fluid, does not read"):
        endure(cluster.user, fault, (control,))


def test_phase_that_is_not_permitted_fails(cluster: Cluster) -> None:
    """What the status says meanwhile is part of the case."""
    fault, reader = case(cluster, f"ok\t{RIGHT}", phase="Failed"), cluster.reader(Effect.NONE)
    endured = endure(cluster.user, fault, (reader,))
    with pytest.raises(ProductFailureError, match="the Dataset was Failed during the fault"):
        endurance.check(cluster.user, fault, (reader,), endured)


def a_record(*reads: Read) -> ReadRecord:
    """A record that was read at 200 s."""
    return ReadRecord(reads, 200.0)


def test_read_that_waits_is_judged_by_its_length(cluster: Cluster) -> None:
    """It contradicts that reads go on, and is needed where the fault must have an effect."""
    waited = a_record(Read("data", 99.0, 150.0, RIGHT), Read("data", 151.0, 152.0, RIGHT))
    quick = a_record(Read("data", 110.0, 111.0, RIGHT), Read("data", 151.0, 152.0, RIGHT))
    with pytest.raises(ProductFailureError, match="a read took 51 s"):
        check_effect(cluster.reader(Effect.NONE), waited, 100.0, 140.0)
    check_effect(cluster.reader(Effect.WAITS), waited, 100.0, 140.0)
    check_effect(cluster.reader(Effect.MAY_WAIT), waited, 100.0, 140.0)
    with pytest.raises(InfrastructureError, match="did not notice the fault"):
        check_effect(cluster.reader(Effect.WAITS), quick, 100.0, 140.0)
    with pytest.raises(ProductFailureError, match="no read ended"):
        check_effect(cluster.reader(Effect.NONE), a_record(), 100.0, 140.0)
    assert seconds_to_heal(cluster.reader(Effect.WAITS), waited, 100.0, 140.0) == 10.0
    assert seconds_to_heal(cluster.reader(Effect.WAITS), quick, 100.0, 140.0) == 0.0


def test_read_may_take_longer_where_controls_are_slow_at_the_same_time(cluster: Cluster) -> None:
    """In proportion to the slowest read of raw NFS that the fault must not reach, and no further."""
    control = cluster.reader(Effect.NONE, control=True)
    waited = a_record(Read("data", 101.0, 121.0, RIGHT))
    for seconds, permitted in ((1.0, False), (1.5, False), (2.0, True)):
        records = {"reader": a_record(Read("data", 101.0, 101.0 + seconds, RIGHT))}
        slowness = slowness_of_controls((control,), records, {"reader": 100.0}, {"reader": 140.0})
        if permitted:
            check_effect(cluster.reader(Effect.NONE), waited, 100.0, 140.0, slowness=slowness)
            continue
        with pytest.raises(ProductFailureError, match="a read took 20 s"):
            check_effect(cluster.reader(Effect.NONE), waited, 100.0, 140.0, slowness=slowness)
    with pytest.raises(InfrastructureError, match="a read took 20 s"):
        check_effect(control, waited, 100.0, 140.0, slowness=2.0)


def test_controls_that_the_fault_may_reach_permit_nothing(cluster: Cluster) -> None:
    """That raw NFS waits on a node without the server says nothing about the machine."""
    readers = (cluster.reader(Effect.WAITS, control=True), cluster.reader(Effect.NONE))
    records = {"reader": a_record(Read("data", 101.0, 139.0, RIGHT))}
    assert slowness_of_controls(readers, records, {"reader": 100.0}, {"reader": 140.0}) == 1.0
