"""What must hold while a deletion has to wait."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold, reason_if_any
from suites.steps.user import DATASET, User

#: Seconds for which a deletion that must wait is watched; Fluid tries it again each 10 s.
DELETION_WINDOW_SECONDS: Final = 25.0


def deletion_waits(owner: User, reader: User, pod: PodSnapshot, whom: str) -> None:
    """A deleted Dataset and its claim stay for a window, and a Pod keeps reading correctly.

    Args:
        owner: of the Dataset.
        reader: of the Pod; the owner, or one whose Dataset refers to the owner's.
        pod: reads through it.
        whom: what the Dataset waits for, in a user's words.
    """
    objects = owner.observer.objects

    def look() -> str:
        reader.reads_right_quietly(pod)
        dataset, claim = (
            objects.get(DatasetSnapshot, DATASET, owner.namespace),
            objects.get(ClaimSnapshot, DATASET, owner.namespace),
        )
        if dataset is None or not dataset.deleting:
            return f"the Dataset is not being deleted: {dataset}"
        return "" if claim and not claim.deleting else f"its claim went: {claim}"

    with owner.evidence.phase("window", f"the deleted Dataset waits for {whom}"):
        looks = hold(
            look,
            reason_if_any,
            subject=f"Dataset {owner.namespace}/{DATASET}",
            condition=f"pending deletion with its claim and correct reads by {pod.name}",
            window=DELETION_WINDOW_SECONDS,
        )
    owner.evidence.fact("Dataset", f"is deleted, and waits for {whom}, which reads on", looks=len(looks))
