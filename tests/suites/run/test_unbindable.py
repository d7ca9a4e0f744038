"""Datasets that cannot get Bound: what counts against that."""

from datetime import UTC, datetime

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.catalogue import discovery
from suites.diagnosis import CauseCode, ClusterState, why_not_bound
from suites.run import unbindable
from suites.run.unbindable import Look

WAITING = PodSnapshot.of({"metadata": {"name": "app"}, "status": {"phase": "Pending"}})


def a_dataset(phase: str) -> DatasetSnapshot:
    """A Dataset of that phase."""
    return DatasetSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": phase}})


def a_look(
    dataset: DatasetSnapshot | None = None,
    claim: ClaimSnapshot | None = None,
    application: PodSnapshot | None = WAITING,
) -> Look:
    """A look, by default one at a runtime without a Dataset."""
    return Look(dataset=dataset, claim=claim, application=application, pods=())


def test_not_bound_without_claim_is_as_it_must_be() -> None:
    """Nothing contradicts a Dataset that is NotBound, or none at all, while its application waits."""
    assert not a_look(a_dataset("NotBound")).wrong
    assert not a_look().wrong


def test_bound_phase_contradicts() -> None:
    """A Dataset that gets Bound, or fails, is not one that merely waits."""
    assert "Bound" in a_look(a_dataset("Bound")).wrong
    assert "Failed" in a_look(a_dataset("Failed")).wrong


def test_claim_contradicts() -> None:
    """A claim of the Dataset's name is not there before it is Bound."""
    claim = ClaimSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": "Pending"}})
    assert "claim demo" in a_look(a_dataset("NotBound"), claim).wrong


def test_application_that_was_scheduled_contradicts() -> None:
    """An application that runs, or went away, has not waited."""
    placed = PodSnapshot.of({"metadata": {"name": "app"}, "spec": {"nodeName": "n1"}})
    assert "does not wait" in a_look(application=placed).wrong
    assert "does not wait" in a_look(application=None).wrong


def test_each_case_is_a_scenario() -> None:
    """What users do is told for scenarios that there are."""
    assert set(unbindable.CASES) <= {found.id for found in discovery.declared()}


def test_names_that_fluid_does_not_take_are_told_by_the_diagnosis() -> None:
    """Each Dataset of another name is one of the cases, and its name is really none for Fluid."""
    assert set(unbindable.NAMES) <= set(unbindable.CASES)
    for name in (*unbindable.NAMES.values(), unbindable.DOT):
        dataset = DatasetSnapshot.of({"metadata": {"namespace": "ns", "name": name}})
        state = ClusterState(datetime.now(UTC), datasets=(dataset,))
        assert why_not_bound(state, "ns", name)[0].code is CauseCode.INVALID_NAME
