"""Datasets that cannot get Bound: what counts against that."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import InfrastructureError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.system import System
from suites.catalogue import discovery
from suites.diagnosis import CauseCode, ClusterState, why_not_bound
from suites.record.evidence import Evidence
from suites.run import unbindable
from suites.run.unbindable import NotCreated, Observation, WatchResult, watch
from suites.steps.user import User
from workloads.data import one_file

WAITING = PodSnapshot.of({"metadata": {"name": "app"}, "status": {"phase": "Pending"}})


def a_dataset(phase: str) -> DatasetSnapshot:
    """A Dataset of that phase."""
    return DatasetSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": phase}})


def an_observation(
    dataset: DatasetSnapshot | None = None,
    claim: ClaimSnapshot | None = None,
    application: PodSnapshot | None = WAITING,
) -> Observation:
    """An observation, by default of a runtime without a Dataset."""
    return Observation(dataset=dataset, claim=claim, application=application, pods=())


def test_not_bound_without_claim_is_as_it_must_be() -> None:
    """Nothing contradicts a Dataset that is NotBound, or none at all, while its application waits."""
    assert not an_observation(a_dataset("NotBound")).contradiction
    assert not an_observation().contradiction


def test_bound_phase_contradicts() -> None:
    """A Dataset that becomes Bound, or fails, is not one that merely waits."""
    assert "Bound" in an_observation(a_dataset("Bound")).contradiction
    assert "Failed" in an_observation(a_dataset("Failed")).contradiction


def test_claim_contradicts() -> None:
    """A claim of the Dataset's name is not there before it is Bound."""
    claim = ClaimSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": "Pending"}})
    assert "claim demo" in an_observation(a_dataset("NotBound"), claim).contradiction


def test_application_that_was_scheduled_contradicts() -> None:
    """An application that runs, or went away, has not waited."""
    placed = PodSnapshot.of({"metadata": {"name": "app"}, "spec": {"nodeName": "n1"}})
    assert "does not wait" in an_observation(application=placed).contradiction
    assert "does not wait" in an_observation(application=None).contradiction


def test_each_case_is_a_scenario() -> None:
    """Each case belongs to a scenario of the catalogue."""
    assert set(unbindable.CASES) <= {found.id for found in discovery.declared()}


def test_names_that_fluid_refuses_are_reported_by_the_diagnosis() -> None:
    """Each Dataset of another name is one of the cases, and its name is really none for Fluid."""
    assert set(unbindable.NAMES) <= set(unbindable.CASES)
    for name in (*unbindable.NAMES.values(), unbindable.DOT):
        dataset = DatasetSnapshot.of({"metadata": {"namespace": "ns", "name": name}})
        state = ClusterState(datetime.now(UTC), datasets=(dataset,))
        assert why_not_bound(state, "ns", name)[0].code is CauseCode.INVALID_NAME


def a_user(namespace: str) -> User:
    """A user with unused evidence."""
    system = cast("System", SimpleNamespace())
    return User(system, Evidence(silent=True), namespace, folder="/export/a", files=one_file("data", 10))


def test_one_that_cannot_be_created_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are watched; its own scenario receives the error, and a user to clean up after."""
    users = iter([a_user("fc-1"), a_user("fc-2")])
    monkeypatch.setattr(unbindable, "WINDOW", 0.0)
    monkeypatch.setattr(unbindable, "_observe", lambda user, name: an_observation())

    def create(id_: str, user: User) -> None:
        if id_ == "B12":
            raise InfrastructureError("the API server does not answer")

    monkeypatch.setattr(unbindable, "_create", create)
    watched = watch(["B11", "B12"], lambda: next(users))
    assert isinstance(watched["B11"], WatchResult)
    assert watched["B11"].together == 1
    failed = watched["B12"].with_evidence(Evidence(silent=True))
    assert isinstance(failed, NotCreated)
    assert failed.user.namespace == "fc-2"
    with pytest.raises(InfrastructureError, match="does not answer"):
        unbindable.watch_one("B12", a_user("fc-3"))
