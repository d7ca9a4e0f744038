"""A Dataset that refers to a Dataset of another namespace."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import VolumeSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks
from suites.steps.dataset_references import (
    REFERENCE,
    creates_reference,
    deletes_reference,
    needs_controller,
    referring_user,
)
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User, fluid_volume

#: A Dataset that refers to one folder of the other one, and that folder.
FOLDER_REFERENCE: Final = "borrowed-folder"
FOLDER: Final = "train"
#: Seconds for which things that must not change are watched; Fluid tries a deletion again each 10 s.
WATCH_SECONDS: Final = 25.0


@scenario(
    "A16",
    Level.FULL,
    issues=(2061, 199),
    disturbs={Disruption.FLUID_COMPONENTS: "lets Fluid start its thinruntime-controller"},
    fields=("Dataset.status.datasetRef",),
)
def test_dataset_of_another_namespace_is_read_through_its_own_fuse(shared_user: User) -> None:
    """A Dataset that refers to one of another namespace serves its data through the other's Fuse and cache.

    The user creates, in a separate namespace, a Dataset whose mount point is dataset:// with the
    namespace and name of the other Dataset, no runtime, and an application on the claim of its name.
    Another Dataset refers to one folder of it, and its application reads the files of that folder only.
    """
    needs_controller(shared_user)
    with referring_user(shared_user) as user:
        dataset = creates_reference(shared_user, user)
        user.evidence.fact(
            "Dataset status", f"{dataset.name} is {dataset.phase}; the user created no runtime"
        )
        checks.claim_and_volume_of_fluid(user, REFERENCE)
        _check_same_volume(shared_user, user)
        _check_listed_as_reference(shared_user, user)
        pod = user.starts(user.application("a16-reader", REFERENCE))
        checks.served_by_fluid(shared_user, pod)
        user.reads_right(pod, who="application in another namespace")
        _check_no_other_pods(user, pod)
        checks.all_cached(shared_user)
        assert_diagnosis(user, pod.name, FindingCode.SERVED, names=(REFERENCE,))
        user.stops(pod)
        _check_folder(shared_user, user)
        deletes_reference(shared_user, user)
    checks.source_unchanged(shared_user)


def _check_folder(owner: User, user: User) -> None:
    """A Dataset that refers to one folder of another one shows the files of that folder, and no others."""
    creates_reference(owner, user, FOLDER_REFERENCE, FOLDER)
    reader = user.seeing(user.files.below(FOLDER))
    pod = reader.starts(reader.application("a16-folder", FOLDER_REFERENCE))
    checks.served_by_fluid(owner, pod)
    reader.reads_right(pod, who=f"application on the folder {FOLDER}")
    reader.stops(pod)
    user.deletes_dataset(FOLDER_REFERENCE)


def _check_same_volume(owner: User, user: User) -> None:
    """The volume of the reference has the same handle as that of the Dataset to which it refers."""
    objects = user.observer.objects
    own, borrowed = (
        objects.get(VolumeSnapshot, fluid_volume(owner)),
        objects.get(VolumeSnapshot, fluid_volume(user, REFERENCE)),
    )
    if own is None or borrowed is None or own.volume_handle != borrowed.volume_handle:
        checks.fail(
            "the volume of the reference is not that of the Dataset to which it refers",
            subject=f"volume {fluid_volume(user, REFERENCE)}",
            expected=f"volumeHandle {own.volume_handle if own else '(no volume)'}",
            seen=f"{borrowed.volume_handle} of {borrowed}" if borrowed else "no volume",
        )
    user.evidence.fact("volumes", f"both have the handle {own.volume_handle}", volume=borrowed.name)


def _check_listed_as_reference(owner: User, user: User) -> None:
    """The status of a Dataset lists the Datasets that refer to it."""
    expected = f"{user.namespace}/{REFERENCE}"
    found = owner.observer.dataset(owner.namespace, DATASET).dataset_ref
    if expected not in found:
        checks.fail(
            "the status of a Dataset does not list the one that refers to it",
            subject=f"Dataset {owner.namespace}/{DATASET}",
            expected=f"{expected} in status.datasetRef",
            seen=", ".join(found) or "none",
        )
    user.evidence.fact("Dataset status", f"{DATASET} lists {expected}, which refers to it")


def _check_no_other_pods(user: User, reader: PodSnapshot) -> None:
    """During a window, while the application reads, its namespace has no other Pod and needs no Fuse Pod."""

    def observe() -> tuple[int, tuple[str, ...]]:
        user.reads_right_quietly(reader)
        others = [
            pod for pod in user.observer.objects.list(PodSnapshot, user.namespace) if pod.name != reader.name
        ]
        return user.observer.fuse(user.namespace, REFERENCE).desired, tuple(map(str, others))

    def why_more(seen: tuple[int, tuple[str, ...]]) -> str | None:
        desired, others = seen
        if not (desired or others):
            return None
        return f"it has {desired} desired Fuse Pods, and other Pods: {'; '.join(others) or 'none'}"

    with user.evidence.phase("window", "no Fuse Pod of its own"):
        observations = hold(
            observe,
            why_more,
            subject=f"Dataset {user.namespace}/{REFERENCE}",
            condition="the absence of a Fuse Pod and of other Pods",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    user.evidence.fact("Pods", "the application is the only one in its namespace", looks=len(observations))
