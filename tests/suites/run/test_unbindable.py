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
from suites.run.unbindable import NotCreated, Observation, UnbindableDatasets, WatchResult, watch
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
    monkeypatch.setattr(unbindable, "WINDOW", 0.0)
    monkeypatch.setattr(unbindable, "_observe", lambda user, name: an_observation())

    def create(id_: str, user: User) -> None:
        if id_ == "B12":
            raise InfrastructureError("the API server does not answer")

    monkeypatch.setattr(unbindable, "_create", create)
    watched = watch({"B11": a_user("fc-1"), "B12": a_user("fc-2")})
    assert isinstance(watched["B11"], WatchResult)
    assert watched["B11"].together == 1
    failed = watched["B12"].with_evidence(Evidence(silent=True))
    assert isinstance(failed, NotCreated)
    assert failed.user.namespace == "fc-2"
    with pytest.raises(InfrastructureError, match="does not answer"):
        unbindable.watch_one("B12", a_user("fc-3"))


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scenarios whose Dataset was created; the window lasts until it is ended."""
    made: list[str] = []
    monkeypatch.setattr(unbindable, "WINDOW", 30.0)
    monkeypatch.setattr(unbindable, "_observe", lambda user, name: an_observation())
    monkeypatch.setattr(unbindable, "_create", lambda id_, user: made.append(id_))
    return made


def test_watch_of_a_run_is_done_once_for_all_scenarios(
    created: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each scenario receives its own Dataset from one window, which may have begun before it is asked for."""
    monkeypatch.setattr(unbindable, "WINDOW", 0.0)
    unbindables = UnbindableDatasets({"B11": a_user("fc-1"), "B12": a_user("fc-2")})
    unbindables.begin()
    unbindables.begin()
    assert unbindables.take("B11").user.namespace == "fc-1"
    assert unbindables.take("B12").user.namespace == "fc-2"
    assert sorted(created) == ["B11", "B12"]
    assert unbindables.close() == ()


def test_datasets_that_no_scenario_has_taken_are_left_to_be_removed(created: list[str]) -> None:
    """The end of a run does not wait for the window, and reports whose Datasets are still there."""
    user = a_user("fc-1")
    unbindables = UnbindableDatasets({"B11": user})
    unbindables.begin()
    assert unbindables.close() == (user,)
    assert created == ["B11"]


def test_watch_that_did_not_begin_leaves_nothing(created: list[str]) -> None:
    """A run that ends before its first scenario has nothing to remove, and nothing to wait for."""
    unbindables = UnbindableDatasets({"B11": a_user("fc-1")})
    unbindables.finish()
    assert unbindables.close() == ()
    assert not created


def test_failure_of_the_watch_is_reported_to_each_scenario(
    created: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that could not observe fails the scenarios that ask, and no other."""

    def observe(user: User, name: str) -> Observation:
        raise InfrastructureError("the API server does not answer")

    monkeypatch.setattr(unbindable, "_observe", observe)
    user = a_user("fc-1")
    unbindables = UnbindableDatasets({"B11": user})
    unbindables.begin()
    unbindables.finish()
    with pytest.raises(InfrastructureError, match="does not answer"):
        unbindables.take("B11")
    assert created
    assert unbindables.close() == (user,)


def test_only_scenarios_that_disturb_nothing_run_during_the_watch() -> None:
    """A run that stops the CSI plugin or the NFS server waits for the end of the watch; a reader does not."""
    disturbs = {found.id: found.disturbs_others for found in discovery.declared()}
    assert disturbs["B24"]
    assert disturbs["C5"]
    assert not disturbs["A2"]
    assert not disturbs["B11"]
