"""Datasets over a folder or several claims, and applications that mount one folder."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, SOURCE, User
from workloads.application import CONTAINER, Application
from workloads.data import Files
from workloads.models.dataset import Dataset, Mount

#: A folder of the smoke data, and one that does not exist.
FOLDER: Final = "labels"
NO_FOLDER: Final = "no-such-folder"
#: Seconds until the kubelet has tried to start a container whose folder does not exist.
TRIED_SECONDS: Final = 120.0
#: Seconds for which that container is watched; the kubelet tries again every few seconds.
STAYS_SECONDS: Final = 15.0
#: Of the export; each is shown by a claim of its own.
TWO_FOLDERS: Final = ("train", "labels")


def _over_folder(user: User) -> None:
    user.creates_dataset(
        Dataset.over_claim(user.namespace, DATASET, SOURCE, folder="train").evolve(placement="Shared")
    )


@scenario(
    "A9",
    Level.CONFORMANCE,
    issues=(2752,),
    dataset=_over_folder,
    fields=("Dataset.spec.mounts[].mountPoint",),
)
def test_dataset_over_a_folder_of_the_claim_shows_only_that_folder(dataset_owner: User) -> None:
    """A Dataset over a folder of an NFS claim shows the files of that folder, and no others.

    The user's mount point is pvc://nfs-src/train.
    """
    reader = dataset_owner.seeing(dataset_owner.files.below("train"))
    pod = reader.starts(reader.application("a9-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)


@scenario("A10", Level.FULL)
def test_application_can_mount_one_folder_of_fluids_claim(shared_user: User) -> None:
    """An application that mounts a folder of Fluid's claim reads only that folder, through the Fuse.

    The user sets ``subPath: labels`` on the volumeMount. Another Pod names a folder that does not
    exist: its container does not start, and no folder is created at the source.
    """
    reader = shared_user.seeing(shared_user.files.below(FOLDER))
    pod = reader.starts(reader.application("a10-folder", DATASET, sub_path=FOLDER))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)
    root = shared_user.observer.mount(pod).root
    shared_user.evidence.fact(
        "application mountinfo", f"/data is {root} of the Fuse's file system", root=root
    )
    _check_does_not_start(
        shared_user, shared_user.application("a10-nowhere", DATASET, sub_path=NO_FOLDER, node=pod.node)
    )
    checks.source_unchanged(shared_user)


def _check_does_not_start(user: User, application: Application) -> None:
    """The kubelet has tried to start the container, and it does not run."""
    objects = user.observer.objects

    def observe() -> PodSnapshot | None:
        return objects.get(PodSnapshot, application.name, application.namespace)

    def state(pod: PodSnapshot | None) -> str:
        found = pod.container(CONTAINER) if pod is not None else None
        return found.state if found is not None else ""

    def runs(pod: PodSnapshot | None) -> str | None:
        ran = pod is None or pod.ready or pod.restarts or not state(pod).startswith("waiting")
        return f"its container ran: {pod}" if ran else None

    def runs_already(pod: PodSnapshot | None) -> str | None:
        return None if pod is None else runs(pod)

    def was_tried(pod: PodSnapshot | None) -> bool:
        return state(pod) not in ("", "waiting", "waiting: ContainerCreating")

    user.applies(application.manifest())
    subject = f"Pod {application.namespace}/{application.name}"
    with user.evidence.phase("waiting", "the kubelet tries to start a container without its folder"):
        wait(
            observe,
            # These states say that the kubelet has not tried to start the container yet.
            was_tried,
            subject=subject,
            condition="an attempt of the kubelet to start it",
            timeout=TRIED_SECONDS * user.timeout_factor,
            failed=runs_already,
            advice="check whether its volume was mounted",
        )
    with user.evidence.phase("window", "its container does not start"):
        observations = hold(
            observe, runs, subject=subject, condition="a container that does not start", window=STAYS_SECONDS
        )
    last = observations[-1]
    assert last is not None
    user.evidence.fact("Pod status", f"{last}", looks=len(observations), sub_path=application.sub_path)


def _over_two_claims(user: User) -> None:
    for folder in TWO_FOLDERS:
        user.creates_source(f"nfs-{folder}", folder=f"{user.folder}/{folder}")
    mounts = tuple(
        Mount(mount_point=f"pvc://nfs-{folder}", name=folder, path=f"/{folder}") for folder in TWO_FOLDERS
    )
    user.creates_dataset(Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"))


@scenario("A11", Level.CONFORMANCE, dataset=_over_two_claims, fields=("Dataset.spec.mounts[].path",))
def test_two_claims_appear_as_two_folders_of_one_dataset(dataset_owner: User) -> None:
    """A Dataset with two mounts of two NFS claims shows each in a folder of its own.

    The user's mount points are two claims, with paths ``/train`` and ``/labels``.
    """
    expected = Files(())
    for folder in TWO_FOLDERS:
        expected += dataset_owner.files.below(folder).under(folder)
    reader = dataset_owner.seeing(expected)
    pod = reader.starts(reader.application("a11-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)
