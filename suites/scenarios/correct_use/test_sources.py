"""Group A: where the data come from: folders of a claim, several claims, claims to write to."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_ready
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import WaitError, hold, reason_if_any, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands
from workloads.data import Files
from workloads.models.dataset import Dataset, Mount
from workloads.models.small_runtime import laptop_runtime
from workloads.web_server import PORT, web_server

#: Of the export; each is shown by a claim of its own.
TWO_FOLDERS: Final = ("train", "labels")
#: Alluxio's property for where a write goes: to the cache and to the source at once.
WRITE_THROUGH: Final = {"alluxio.user.file.writetype.default": "CACHE_THROUGH"}
WRITTEN: Final = "written by the conformance harness\n"

#: Seconds until a changed mount point is in use: a ConfigMap reaches the master's Pod after up to 90 s.
UPDATE_SECONDS: Final = 300.0
#: Seconds for which a change that Fluid leaves alone is watched, with nudges.
IGNORED_SECONDS: Final = 35.0
WEB_FILE: Final = "hello.txt"
WEB_TEXT: Final = "served by a web server"


def _of_a_folder(user: User) -> None:
    user.creates_dataset(
        Dataset.over_claim(user.namespace, DATASET, SOURCE, folder="train").evolve(placement="Shared")
    )


@scenario("A9", Level.CONFORMANCE, issues=(2752,), dataset=_of_a_folder)
def test_dataset_over_a_folder_of_the_claim_shows_that_folder_alone(dataset_owner: User) -> None:
    """A Dataset over a folder of an NFS claim shows the files of that folder, and no others.

    The user's mount point is pvc://nfs-src/train.
    """
    reader = replace(dataset_owner, files=dataset_owner.files.below("train"))
    pod = reader.starts(reader.application("a9-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)


def _of_two_claims(user: User) -> None:
    for folder in TWO_FOLDERS:
        user.creates_source(f"nfs-{folder}", folder=f"{user.folder}/{folder}")
    mounts = tuple(
        Mount(mount_point=f"pvc://nfs-{folder}", name=folder, path=f"/{folder}") for folder in TWO_FOLDERS
    )
    user.creates_dataset(Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"))


@scenario("A11", Level.CONFORMANCE, dataset=_of_two_claims)
def test_two_claims_appear_as_two_folders_of_one_dataset(dataset_owner: User) -> None:
    """A Dataset with two mounts of two NFS claims shows each in a folder of its own.

    The user's mount points are two claims, with paths ``/train`` and ``/labels``.
    """
    expected = Files(())
    for folder in TWO_FOLDERS:
        expected += dataset_owner.files.below(folder).under(folder)
    reader = replace(dataset_owner, files=expected)
    pod = reader.starts(reader.application("a11-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)


def _folder_for_writing(user: User) -> str:
    return f"/export/written-{user.namespace}"


def _read_write(user: User) -> None:
    folder = _folder_for_writing(user)
    user.system.nfs.run("mkdir", "-m", "777", "-p", folder)
    user.creates_source("nfs-rw", folder=folder)
    dataset = Dataset.over_claim(user.namespace, DATASET, "nfs-rw")
    user.creates_dataset(
        dataset.evolve(placement="Shared", access_modes=("ReadWriteMany",)),
        laptop_runtime(user.namespace, DATASET, properties=WRITE_THROUGH),
    )


@scenario("A14", Level.CONFORMANCE, dataset=_read_write)
def test_write_through_a_read_write_dataset_reaches_the_nfs_server(dataset_owner: User) -> None:
    """A file written through a read-write Dataset with write type CACHE_THROUGH lies on the NFS server.

    The user makes a Dataset with ``accessModes: [ReadWriteMany]`` over a claim of its own, and the
    application writes a file.
    """
    server, folder = dataset_owner.system.nfs, _folder_for_writing(dataset_owner)
    try:
        _claim_is_read_write(dataset_owner)
        pod = dataset_owner.starts(dataset_owner.application("a14-writer", DATASET))
        checks.served_by_fluid(dataset_owner, pod)
        result = dataset_owner.observer.write(pod, "/data/by-a14.txt")
        if not result.written:
            checks.fail(
                "a write through a read-write Dataset failed",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="the file is written",
                seen=result.message,
            )
        wanted = {"by-a14.txt": hashlib.sha256(WRITTEN.encode()).hexdigest()}
        there = dict(dataset_owner.observer.at_the_source(folder))
        if there != wanted:
            checks.fail(
                "what was written through Fluid is not on the NFS server",
                subject=f"export {folder}",
                expected=str(wanted),
                seen=str(there),
            )
        dataset_owner.evidence.fact(
            "NFS server's disk", "the file that was written, checksum right", files=len(there)
        )
        seen = dataset_owner.observer.read(pod)
        if dict(seen.checksums) != wanted:
            checks.fail(
                "the application does not read back what it wrote",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected=str(wanted),
                seen=f"{dict(seen.checksums)} {seen.message}",
            )
        dataset_owner.evidence.fact("application", "reads back what it wrote")
    finally:
        # The folder stays: it is mounted until the Dataset is gone.
        server.run("find", folder, "-mindepth", "1", "-delete")


def _claim_is_read_write(user: User) -> None:
    claim = user.observer.objects.get(ClaimSnapshot, DATASET, user.namespace)
    modes = claim.access_modes if claim else ()
    if modes != ("ReadWriteMany",):
        checks.fail(
            "Fluid's claim has not the access mode of its Dataset",
            subject=f"claim {user.namespace}/{DATASET}",
            expected="ReadWriteMany",
            seen=", ".join(modes) or "none",
        )
    user.evidence.fact("claim", "access mode ReadWriteMany, as the Dataset's")


@scenario(
    "A27",
    Level.CONFORMANCE,
    issues=(3377,),
    defects=(
        Defect(
            "native-mount-edit-ignored",
            "A changed pvc:// mount point of a Bound Dataset is left alone without a word.",
            "pkg/ddc/alluxio/ufs_internal.go:148-190 (1.0.8)",
        ),
        Defect(
            "not-ready-after-update",
            "After a mount point was added the Dataset's condition Ready is False, though it serves.",
            "pkg/utils/dataset.go:141-145 (1.0.8)",
        ),
    ),
)
def test_mount_points_can_be_added_to_a_bound_dataset(dataset_owner: User) -> None:
    """A web server added to the mounts of a Bound Dataset appears as a folder, and goes when taken out.

    The user adds an http:// mount point while an application runs, removes it again, and then
    changes the pvc:// mount point to another claim.
    """
    server = _web(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("a27-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    native = Mount(mount_point=f"pvc://{SOURCE}", name=SOURCE, path="/")
    web = Mount(mount_point=f"http://{server.ip}:{PORT}/", name="web", path="/web")
    _edits(dataset_owner, native, web)
    _mounted(dataset_owner, "/web", there=True)
    dataset = dataset_owner.observer.dataset(dataset_owner.namespace, DATASET)
    ready = next((c for c in dataset.conditions if c.type == "Ready"), None)
    dataset_owner.evidence.defect(
        "not-ready-after-update",
        seen=dataset.bound and ready is not None and ready.status == "False",
        says=f"phase {dataset.phase}, condition {ready}",
    )
    _reads_web_file(dataset_owner, pod)
    _edits(dataset_owner, native)
    _mounted(dataset_owner, "/web", there=False)
    dataset_owner.creates_source("nfs-other", folder=f"{dataset_owner.folder}/labels")
    _edits(dataset_owner, Mount(mount_point="pvc://nfs-other", name="nfs-other", path="/"))
    _native_edit(dataset_owner, pod)


def _web(user: User) -> PodSnapshot:
    user.applies(web_server(user.namespace, "web", user.system.toolbox, WEB_FILE, WEB_TEXT))
    pod = wait(
        lambda: user.observer.objects.get(PodSnapshot, "web", user.namespace),
        is_ready,
        subject=f"Pod {user.namespace}/web",
        condition="condition Ready",
        timeout=60.0,
        failure_class=FailureClass.INFRASTRUCTURE,
    )
    assert pod is not None
    return pod


def _edits(user: User, *mounts: Mount) -> None:
    """Change the Dataset's mounts, as a user does with an editor."""
    body = {"spec": {"mounts": [mount.spec_fields() for mount in mounts]}}
    user.system.kube.patch(kinds.DATASET, DATASET, user.namespace, body)
    points = ", ".join(mount.mount_point for mount in mounts)
    user.evidence.fact("Dataset", f"the user sets its mounts to {points}")


def _mounted(user: User, path: str, *, there: bool) -> None:
    """Wait until Alluxio has, or has not, that mount, and the Dataset is Bound."""

    def look() -> tuple[tuple[str, ...], DatasetSnapshot]:
        mounts = user.observer.alluxio(user.namespace, DATASET).mounts()
        return tuple(mount.path for mount in mounts), user.observer.dataset(user.namespace, DATASET)

    with user.evidence.phase("waiting", f"{path} is {'added' if there else 'acquired out'}"):
        paths, dataset = wait(
            user.with_reconcile_requests(look),
            lambda seen: (path in seen[0]) == there and seen[1].bound,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"{'presence' if there else 'removal'} of mount {path} in Alluxio and phase Bound",
            timeout=UPDATE_SECONDS,
            delay=3.0,
            describe=lambda seen: f"mounts {', '.join(seen[0])}; phase {seen[1].phase}",
            advice="look at the ConfigMap of mounts and at the alluxioruntime-controller's log",
        )
    user.evidence.fact("Alluxio mounts", ", ".join(paths), phase=dataset.phase)


def _reads_web_file(user: User, pod: PodSnapshot) -> None:
    path = f"/data/web/{WEB_FILE}"
    done = user.observer.inside(pod, ("cat", path))
    if done.stdout != WEB_TEXT:
        checks.fail(
            "the application does not read what the web server serves",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{path} holds “{WEB_TEXT}”",
            seen=(done.stdout + done.stderr)[-500:],
        )
    user.evidence.fact("application", f"reads {path} from the web server", bytes=len(done.stdout))


def _native_edit(user: User, pod: PodSnapshot) -> None:
    """Whether a changed pvc:// mount point is left alone: the same files are served, and it stays Bound."""
    before = user.observer.objects.events(user.namespace, DATASET)

    def look() -> str:
        dataset = user.observer.dataset(user.namespace, DATASET)
        return "" if dataset.bound else f"the Dataset's phase is {dataset.phase}"

    try:
        with user.evidence.phase("window", "a changed pvc:// mount point"):
            hold(
                user.with_reconcile_requests(look),
                reason_if_any,
                subject=f"Dataset {user.namespace}/{DATASET}",
                condition="phase Bound without any effect of the change",
                window=IGNORED_SECONDS,
                delay=3.0,
            )
    except WaitError as error:
        user.evidence.defect("native-mount-edit-ignored", seen=False, says=error.message)
        return
    said = [e for e in user.observer.objects.events(user.namespace, DATASET) if e not in before]
    warned = [str(e) for e in said if e.type == "Warning"]
    done = user.observer.inside(pod, pod_commands.stat_argv("/data/train/part-0.bin"))
    old_data = pod_commands.file_stat(done) is not None
    user.evidence.defect(
        "native-mount-edit-ignored",
        seen=old_data and not warned,
        says="it stays Bound and serves the old claim's files"
        + (f", and warns: {warned[-1]}" if warned else ", and nothing is said")
        if old_data
        else "the old claim's files are not served any more",
    )
