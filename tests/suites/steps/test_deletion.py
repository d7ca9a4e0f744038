"""Proof that a deleted Dataset is kept because a Pod uses it; a slow deletion is none."""

from __future__ import annotations

import pytest

from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from suites.steps.deletion import DeletionState, KeptDataset, why_not_kept

POD = "b4-elsewhere"


def dataset(
    *, deleting: bool = True, finalizers: tuple[str, ...] = (fluid_names.DATASET_FINALIZER,)
) -> DatasetSnapshot:
    """A Dataset that is being deleted, if not specified otherwise."""
    metadata = {"name": "demo", "namespace": "ns", "finalizers": list(finalizers)}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-22T18:55:42Z"
    return DatasetSnapshot.of({"metadata": metadata, "status": {"phase": "Bound"}})


def claim(*, deleting: bool = False) -> ClaimSnapshot:
    """The claim of the Dataset."""
    metadata = {"name": "demo", "namespace": "ns"}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-22T18:55:42Z"
    return ClaimSnapshot.of({"metadata": metadata})


def event(message: str, reason: str = "ErrorDeleteDataset") -> EventSnapshot:
    """An event about the Dataset."""
    about = {"kind": "Dataset", "namespace": "ns", "name": "demo"}
    return EventSnapshot.of(
        {"type": "Warning", "reason": reason, "message": message, "involvedObject": about}
    )


NAMED = event(f"Failed to delete dataset because Pod {POD} in Namespace ns is using it")


def test_dataset_is_kept_when_fluid_names_the_pod() -> None:
    """Deletion was requested, Fluid's finalizer is there, and an event names the Pod."""
    assert POD in DeletionState(dataset(), None, (NAMED,)).kept_for(POD)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(DeletionState(dataset(), None), id="it is only slow"),
        pytest.param(DeletionState(dataset(deleting=False), None, (NAMED,)), id="nobody deletes it"),
        pytest.param(
            DeletionState(dataset(finalizers=("other/protection",)), None, (NAMED,)), id="other finalizer"
        ),
        pytest.param(DeletionState(dataset(), None, (event(f"Pod {POD}-2 is using it"),)), id="another Pod"),
        pytest.param(
            DeletionState(dataset(), None, (event(f"Pod {POD} ended", "Other"),)), id="another event"
        ),
        pytest.param(DeletionState(None, None, (NAMED,)), id="it is deleted"),
    ],
)
def test_dataset_is_not_kept_without_each_part_of_the_proof(state: DeletionState) -> None:
    """A deletion that hangs for another reason does not count as protection."""
    assert state.kept_for(POD) == ""


def test_deletion_is_over_when_dataset_and_runtime_are_gone() -> None:
    """The runtime may take longer than the Dataset."""
    assert DeletionState(None, None).deleted
    assert not DeletionState(None, AlluxioRuntimeSnapshot.of({"metadata": {"name": "demo"}})).deleted


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (KeptDataset(None, claim()), "the Dataset was deleted"),
        (KeptDataset(dataset(deleting=False), claim()), "not being deleted"),
        (KeptDataset(dataset(finalizers=()), claim()), "lost Fluid's finalizer"),
        (KeptDataset(dataset(), None), "claim was deleted"),
        (KeptDataset(dataset(), claim(deleting=True)), "claim is being deleted"),
    ],
)
def test_dataset_in_use_must_stay_with_its_claim(seen: KeptDataset, reason: str) -> None:
    """The key fact is what the error says."""
    assert reason in (why_not_kept(seen) or "")


def test_dataset_in_use_that_stays_is_right() -> None:
    """It is being deleted, and kept with its claim."""
    assert why_not_kept(KeptDataset(dataset(), claim())) is None
