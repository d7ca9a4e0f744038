"""A DataLoad whose end Fluid 0.9 does not notice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json
from clusters.kubernetes.kinds import Kind
from clusters.product.fluid_snapshots import DataLoadSnapshot
from clusters.system import System
from suites.record.evidence import Evidence
from suites.steps.data_loads import NOT_NOTICED, NOTICED_SECONDS, UnnoticedCompletion
from suites.steps.user import User
from workloads.data import one_file

NEW, OLD = ("SuccessCriteriaMet", "Complete"), ("Complete", "SuccessCriteriaMet")


def a_load(phase: str = "Executing", name: str = "a") -> DataLoadSnapshot:
    """A DataLoad as the cluster returns it."""
    return DataLoadSnapshot.of({"metadata": {"name": name}, "status": {"phase": phase}})


def a_job(*conditions: str) -> Json:
    """A Job that has these conditions, in this order."""
    reported = [{"type": kind, "status": "True"} for kind in conditions]
    return {"metadata": {"name": "a-loader-job"}, "status": {"conditions": reported}}


class Cluster:
    """One Job, a version of Fluid and a clock that is moved by hand."""

    def __init__(self, version: str, job: Json | None) -> None:
        """Second 0."""
        self.seconds, self.job = 0.0, job
        kube = SimpleNamespace(clock=SimpleNamespace(now=self.now), get=self.get)
        system = cast("System", SimpleNamespace(fluid=SimpleNamespace(version=version), kube=kube))
        self.user = User(system, Evidence(silent=True), "fc-1", folder="/e", files=one_file("data", 10))

    def now(self) -> float:
        """The time."""
        return self.seconds

    def get(self, kind: Kind, name: str, namespace: str) -> Json | None:
        """The Job of the load ``a``."""
        assert (kind, namespace) == (kinds.JOB, "fc-1")
        return self.job if name.startswith("a-") else None

    def seen(self) -> tuple[bool, bool]:
        """Whether the load counts as overlooked at once, and long after."""
        overlooked = UnnoticedCompletion(self.user)
        at_once, self.seconds = overlooked(a_load()), NOTICED_SECONDS
        return at_once, overlooked(a_load())


@pytest.mark.parametrize(
    ("version", "job", "overlooked"),
    [
        ("v0.9.3-1", a_job(*NEW), True),
        ("v0.9.3-1", a_job(*OLD), False),
        ("v0.9.3-1", a_job("SuccessCriteriaMet"), False),
        ("v0.9.3-1", None, False),
        ("v1.0.8-1", a_job(*NEW), False),
    ],
)
def test_a_complete_job_is_overlooked_by_a_version_that_reads_its_first_condition(
    version: str, job: Json | None, *, overlooked: bool
) -> None:
    """Only the old version does, only if another condition is first, and only after several observations."""
    assert Cluster(version, job).seen() == (False, overlooked)


def test_the_defect_is_reported_of_the_load_whose_job_is_complete_and_not_of_one_that_waits() -> None:
    """Of two loads the one that is stuck is named; the evidence holds that the defect showed."""
    cluster = Cluster("v0.9.3-1", a_job(*NEW))
    overlooked = UnnoticedCompletion(cluster.user)
    overlooked(a_load())
    cluster.seconds = NOTICED_SECONDS
    assert overlooked.report(a_load(), a_load("Pending", "b"))
    assert cluster.user.evidence.defects_seen == [NOT_NOTICED.key]
    assert cluster.user.evidence.facts[-1].says.startswith("a Executing")
    assert ";" not in cluster.user.evidence.facts[-1].says


def test_a_load_that_completes_says_that_the_defect_is_gone_and_only_where_it_was() -> None:
    """A version that never had the defect says nothing of it."""
    for version, gone in (("v0.9.3-1", [NOT_NOTICED.key]), ("v1.0.8-1", [])):
        cluster = Cluster(version, a_job(*NEW))
        assert not UnnoticedCompletion(cluster.user).report(a_load("Complete"))
        assert cluster.user.evidence.defects_gone == gone
