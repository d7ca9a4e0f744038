"""Datasets of two namespaces whose names Fluid does not tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import WaitError, hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset

#: Seconds until the second Dataset would be Bound with its own claim, on a busy two-core machine.
SECOND_SECONDS: Final = 200.0
#: Seconds for which the first Dataset is watched after the second one was deleted; Fluid retries after 20 s.
WATCH_SECONDS: Final = 60.0
SHARED_NAME: Final = Defect(
    "namespace-and-name-ambiguous",
    "Two Datasets whose namespace and name give the same text when joined by a dash, such as a-b/c and "
    "a/b-c, share one volume name: the second one has no volume of its own and cannot be used.",
    "pkg/ddc/base/pv.go:21-28, pkg/ddc/factory.go:67-70 (1.0.8)",
)
TAKEN_ALONG: Final = Defect(
    "deletion-takes-another-datasets-objects",
    "When the second of two Datasets with one volume name is deleted, Fluid deletes objects of the first "
    "one, which stays Bound.",
    "pkg/utils/dataset/volume/delete.go:31-84, pkg/ddc/factory.go:67-70 (1.0.8)",
)
LIKE_A_VOLUME: Final = Defect(
    "dataset-named-as-a-volume-takes-it",
    "A Dataset whose name is that of another Dataset's volume takes that volume for its own: it has no claim "
    "that is bound. Its deletion deletes the other one's volume, and does not end while the other one's "
    "claim exists.",
    "pkg/ddc/alluxio/runtime_info.go:46-60, pkg/ddc/base/pv.go:21-28 (1.0.8)",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What belongs to one Dataset.

    Attributes:
        dataset: the Dataset.
        claim: Fluid's claim in its namespace.
        volume: the volume to which that claim is bound, or with the Dataset's volume name.
        pods: of its runtime.
    """

    dataset: DatasetSnapshot
    claim: ClaimSnapshot | None
    volume: VolumeSnapshot | None
    pods: tuple[PodSnapshot, ...]

    @property
    def usable(self) -> bool:
        """Bound, with a Bound claim, and Pods of its own."""
        return (
            self.dataset.bound and self.claim is not None and self.claim.phase == "Bound" and bool(self.pods)
        )

    def __str__(self) -> str:
        return (
            f"{self.dataset}; {self.claim or 'no claim'}; {self.volume or 'no volume'}; {len(self.pods)} Pods"
        )


@scenario("B33", Level.FULL, alone=True, defects=(SHARED_NAME, TAKEN_ALONG))
def test_datasets_whose_joined_names_are_equal_do_not_affect_each_other(user: User) -> None:
    """Datasets a-b/c and a/b-c both serve their data, and deleting one leaves the other as it was.

    The user has a Dataset; another user, in a namespace whose name begins with the first one's, creates one
    so that namespace and name, joined by a dash, are the same. Then the second one is deleted.
    """
    _check_two(user, first=f"x-{DATASET}", ending="x", second=DATASET, shown=SHARED_NAME)


@scenario("B34", Level.FULL, alone=True, defects=(LIKE_A_VOLUME, TAKEN_ALONG))
def test_dataset_with_the_name_of_anothers_volume_does_not_affect_it(user: User) -> None:
    """A Dataset whose name is that of another Dataset's volume serves its data and does not affect the other.

    The user has a Dataset, whose volume has the name of its namespace and its own, joined by a dash. Another
    user calls a Dataset so. Then the second one is deleted.
    """
    volume = fluid_names.volume_name(user.namespace, DATASET)
    _check_two(user, first=DATASET, ending="other", second=volume, shown=LIKE_A_VOLUME)


def _check_two(user: User, *, first: str, ending: str, second: str, shown: Defect) -> None:
    """The first Dataset serves; a second one is created, judged and deleted; the first is as it was."""
    _creates(user, first)
    user.waits_until_bound(first)
    reader = user.starts(user.application(f"{first[:8]}-reader", first))
    checks.served_by_fluid(user, reader, first)
    user.reads_right(reader)
    before = _parts(user, first)
    with _other_user(user, ending) as other:
        try:
            other.creates_source(SOURCE)
            _creates(other, second)
            seen = _wait_until_usable(other, second)
            user.evidence.defect(shown.key, seen=not seen.usable, says=f"{other.namespace}/{second}: {seen}")
            user.reads_right(reader, who=f"application of {first}, with the second Dataset")
            _deletes(other, second)
            harm = _watch_for_harm(user, first, before)
            user.evidence.defect(TAKEN_ALONG.key, seen=bool(harm), says=harm or f"{first} is as it was")
        finally:
            # Where Fluid deletes the claim of the first one, it waits for the applications that use it. Where
            # it deletes its volume, the second one stays until the first one's claim is gone.
            user.stops(reader)
            user.deletes_dataset(first)


def _creates(user: User, name: str) -> None:
    user.creates_dataset(Dataset.over_claim(user.namespace, name, SOURCE).evolve(placement="Shared"))


@contextmanager
def _other_user(user: User, ending: str) -> Iterator[User]:
    """A user of another namespace, whose name is this one's and an ending; it is removed afterwards."""
    other = replace(user, namespace=f"{user.namespace}-{ending}", sent=[])
    user.creates_extra_namespace(other.namespace)
    try:
        yield other
    finally:
        other.removes_everything()


def _parts(user: User, name: str) -> Parts:
    objects = user.observer.objects
    claim = objects.get(ClaimSnapshot, name, user.namespace)
    volume = claim.volume_name if claim is not None and claim.volume_name else ""
    return Parts(
        user.observer.dataset(user.namespace, name),
        claim,
        objects.get(VolumeSnapshot, volume or fluid_names.volume_name(user.namespace, name)),
        objects.list(PodSnapshot, user.namespace, labels=f"release={name}"),
    )


def _wait_until_usable(user: User, name: str) -> Parts:
    """The second Dataset once it is usable, or as it is after the time in which it would be."""
    with user.evidence.phase("waiting", f"{name} becomes usable, or does not"):
        try:
            return wait(
                user.with_reconcile_requests(lambda: _parts(user, name), name),
                lambda seen: seen.usable,
                subject=f"Dataset {user.namespace}/{name}",
                condition="phase Bound with its own claim, volume and Pods",
                timeout=SECOND_SECONDS,
                delay=3.0,
            )
        except WaitError:
            return _parts(user, name)


def _deletes(user: User, name: str) -> None:
    """Request the deletion; it may wait for objects of the other Dataset, so that it is not awaited here."""
    for kind in (kinds.DATASET, kinds.ALLUXIO_RUNTIME):
        user.system.kube.delete(kind, name, user.namespace)
    user.evidence.fact("Dataset", f"{user.namespace}/{name} and its runtime are deleted by their user")


def _watch_for_harm(user: User, name: str, before: Parts) -> str:
    """What of the first Dataset was deleted or is being deleted in a window; empty if nothing was."""
    found: list[str] = []

    def observe() -> Parts:
        seen = _parts(user, name)
        found[:] = dict.fromkeys([*found, *_harm(before, seen)])
        return seen

    with user.evidence.phase("window", f"{name} is as it was"):
        seen = hold(
            observe,
            lambda _: None,
            subject=f"Dataset {user.namespace}/{name}",
            condition="its objects as they were",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    return f"{'; '.join(found)}; its phase is {seen[-1].dataset.phase}" if found else ""


def _harm(before: Parts, now: Parts) -> Iterator[str]:
    """What was deleted, or is being deleted, of what there was."""
    for what, was, is_ in (("claim", before.claim, now.claim), ("volume", before.volume, now.volume)):
        if was is not None and (is_ is None or is_.uid != was.uid):
            yield f"its {what} was deleted"
        elif is_ is not None and is_.deleting:
            yield f"its {what} is being deleted"
    lost = {pod.uid for pod in before.pods} - {pod.uid for pod in now.pods if not pod.deleting}
    if lost:
        yield f"{len(lost)} of its Pods were deleted"
    if not now.dataset.bound:
        yield f"its phase was {now.dataset.phase or 'empty'}"
