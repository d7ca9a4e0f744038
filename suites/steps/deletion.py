"""Deletion of a Dataset that is still in use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product import fluid_names
from clusters.product.alluxio.output import BlockFile
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from clusters.waiting import hold, wait
from suites.steps import leaks
from suites.steps.user import DATASET, GONE_SECONDS, User

#: Reason of the event with which Fluid refuses to delete a Dataset
#: (pkg/controllers/v1alpha1/dataset/dataset_controller.go of 1.0.8).
REFUSED: Final = "ErrorDeleteDataset"
#: Seconds for which a deletion that must wait is watched: two tries of Fluid, which tries it again every 10 s
#: (pkg/controllers/v1alpha1/dataset/dataset_controller.go:203-234 of 1.0.8).
WINDOW_SECONDS: Final = 25.0


@dataclass(frozen=True, slots=True)
class DeletionState:
    """A Dataset some time after its deletion was requested.

    Attributes:
        dataset: the Dataset, if it still exists.
        runtime: its runtime, if it still exists.
        events: events about the Dataset.
    """

    dataset: DatasetSnapshot | None
    runtime: AlluxioRuntimeSnapshot | None
    events: tuple[EventSnapshot, ...] = ()

    @property
    def deleted(self) -> bool:
        """Whether Dataset and runtime are gone."""
        return self.dataset is None and self.runtime is None

    def kept_for(self, pod: str) -> str:
        """Proof that Fluid keeps the Dataset because a Pod uses it, or an empty text.

        All of these are needed: the Dataset is being deleted, Fluid's finalizer keeps it, and an event of
        Fluid names the Pod. A slow deletion is no protection.
        """
        dataset = self.dataset
        if dataset is None or not dataset.deleting:
            return ""
        if fluid_names.DATASET_FINALIZER not in dataset.finalizers:
            return ""
        named = re.compile(rf"(?<![\w.-]){re.escape(pod)}(?![\w.-])")
        refusal = next(
            (event for event in self.events if event.reason == REFUSED and named.search(event.message)), None
        )
        if refusal is None:
            return ""
        return f"kept by finalizer {fluid_names.DATASET_FINALIZER}: {refusal.message}"

    def __str__(self) -> str:
        left = [str(item) for item in (self.dataset, self.runtime) if item is not None]
        events = [f"{event.reason}: {event.message[:200]}" for event in self.events[-2:]]
        return "; ".join([*left, *events]) or "deleted"


def request_deletion(user: User) -> None:
    """Request the deletion of the Dataset; do not wait for it."""
    user.system.kube.delete(kinds.DATASET, DATASET, user.namespace)


def delete_while_used_by(user: User, pod: PodSnapshot) -> str:
    """Delete the Dataset while a Pod uses it. Wait until it is deleted, or kept because of that Pod.

    Returns:
        Proof that Fluid keeps the Dataset, or an empty text if Dataset and runtime are deleted.

    Raises:
        WaitTimeoutError: neither; the deletion hangs without a reason that names the Pod.
    """
    objects = user.observer.objects
    request_deletion(user)

    def observe() -> DeletionState:
        return DeletionState(
            objects.get(DatasetSnapshot, DATASET, user.namespace),
            objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            objects.events(user.namespace, DATASET, kinds.DATASET.name),
        )

    def decided(state: DeletionState) -> bool:
        return state.deleted or bool(state.kept_for(pod.name))

    topics = [Topic(kinds.ALLUXIO_RUNTIME, user.namespace), Topic(kinds.EVENT, user.namespace)]
    with (
        user.evidence.phase("teardown", f"Dataset {DATASET} is deleted, or kept for Pod {pod.name}"),
        user.system.kube.changes(kinds.DATASET, user.namespace, more=topics) as changed,
    ):
        state = wait(
            observe,
            decided,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"deletion, or an event that Pod {pod.name} still uses it",
            timeout=GONE_SECONDS * user.timeout_factor,
            changes=changed,
            advice="check the finalizers and events of the Dataset",
        )
    return state.kept_for(pod.name)


@dataclass(frozen=True, slots=True)
class KeptDataset:
    """A Dataset that must still serve while it is being deleted, with its claim."""

    dataset: DatasetSnapshot | None
    claim: ClaimSnapshot | None


def why_not_kept(seen: KeptDataset) -> str | None:
    """What shows that a Dataset was deleted although it is in use, or None."""
    dataset, claim = seen.dataset, seen.claim
    if dataset is None:
        return "the Dataset was deleted although it is in use"
    if not dataset.deleting:
        return f"the Dataset is not being deleted: {dataset}"
    if fluid_names.DATASET_FINALIZER not in dataset.finalizers:
        return f"the Dataset has lost Fluid's finalizer although it is in use: {dataset}"
    if claim is None:
        return "the Dataset's claim was deleted although it is in use"
    return f"the Dataset's claim is being deleted although it is in use: {claim}" if claim.deleting else None


def stays_while_used(owner: User, reader: User, pod: PodSnapshot, used_by: str) -> None:
    """A Dataset that is being deleted stays with its claim for a window, and a Pod reads the right data.

    Args:
        owner: owner of the Dataset.
        reader: owner of the Pod, which may belong to a Dataset that refers to the owner's.
        pod: reads through the Dataset.
        used_by: what the Dataset waits for, for the report.
    """
    objects = owner.observer.objects

    def observe() -> KeptDataset:
        reader.reads_right_quietly(pod)
        return KeptDataset(
            objects.get(DatasetSnapshot, DATASET, owner.namespace),
            objects.get(ClaimSnapshot, DATASET, owner.namespace),
        )

    with owner.evidence.phase("window", f"the deleted Dataset waits for {used_by}"):
        observations = hold(
            observe,
            why_not_kept,
            subject=f"Dataset {owner.namespace}/{DATASET}",
            condition=f"pending deletion with its claim and correct reads by {pod.name}",
            window=WINDOW_SECONDS,
        )
    owner.evidence.fact(
        "Dataset", f"is being deleted and waits for {used_by}, which still reads", looks=len(observations)
    )


def check_cache_removed(user: User) -> None:
    """No cached block of the deleted Dataset is left on any node; Fluid may take a moment to remove them."""
    observer = user.observer

    def none_left(blocks: tuple[BlockFile, ...]) -> bool:
        return not blocks

    def described(blocks: tuple[BlockFile, ...]) -> str:
        size = sum(block.bytes for block in blocks)
        return f"{len(blocks)} blocks, {size} bytes, such as {blocks[0].path}" if blocks else "no block"

    with user.evidence.phase("waiting", "the cached blocks are removed from the nodes"):
        wait(
            lambda: observer.blocks(user.namespace, DATASET),
            none_left,
            subject=f"cache of the deleted Dataset {user.namespace}/{DATASET}",
            condition="removal of the cached blocks from all nodes",
            timeout=leaks.GONE_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=described,
            advice="check the alluxioruntime-controller's log for the clean-up of the cache",
        )
    user.evidence.fact("workers' tier folders", "no cached block of the deleted Dataset is left on any node")
