"""Writes through read-only and read-write Datasets."""

from __future__ import annotations

import hashlib
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, source_files
from suites.steps.user import DATASET, User
from workloads.models.alluxio_runtime import Fuse
from workloads.models.dataset import Dataset, Mount
from workloads.models.small_runtime import laptop_runtime

#: Alluxio's property for the target of a write: the cache and the source at once.
WRITE_THROUGH: Final = {"alluxio.user.file.writetype.default": "CACHE_THROUGH"}
#: Arguments of the Fuse in A35, and the key of its defect.
FUSE_OPTIONS: Final = "--fuse-opts=kernel_cache,rw"
NO_EFFECT: Final = "read-only-bind-has-no-effect"
WRITTEN: Final = "written by the conformance harness\n"


@scenario("A13", Level.SMOKE, fields=("Dataset.spec.accessModes",))
def test_default_access_is_read_only(shared_user: User) -> None:
    """A Dataset without access modes is read-only: a write is refused and the source does not change.

    The user's application tries to write a file into the claim that Fluid created.
    """
    pod = shared_user.starts(shared_user.application("a13-writer", DATASET))
    checks.served_by_fluid(shared_user, pod)
    with source_files.restored(shared_user):
        _check_write_is_refused(shared_user, pod, "/data/written-by-a13")
        checks.source_unchanged(shared_user)
    _check_fuse_is_read_only(shared_user, pod)


def _check_write_is_refused(user: User, pod: PodSnapshot, path: str) -> None:
    result = user.observer.write(pod, path)
    if result.written or not result.read_only:
        checks.fail(
            "a write through a read-only Dataset was not refused",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="Read-only file system",
            seen=result.message or "it was written",
        )
    user.evidence.fact("application", f"a write is refused: {result.message.splitlines()[-1]}")


def _check_fuse_is_read_only(user: User, pod: PodSnapshot) -> None:
    """The Fuse itself refuses writes, not only the mount of one application.

    Fluid passes ``ro`` to the Fuse of a read-only Dataset (pkg/ddc/alluxio/transform_optimization.go:234-264
    of 1.0.8), so that nothing on the node can write through it.
    """
    mount = user.observer.mount(pod)
    if "ro" not in mount.super_options:
        checks.fail(
            "the Fuse of a read-only Dataset allows writes; only the application's mount refuses them",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="a file system of type fuse.alluxio-fuse with the option ro",
            seen=f"{mount}; options of the file system: {','.join(mount.super_options)}",
        )
    user.evidence.fact("application mountinfo", "the Fuse itself is mounted read-only")


def _read_write(user: User) -> None:
    folder = source_files.folder_for_writing(user)
    user.system.nfs.create_writable(folder)
    user.creates_source("nfs-rw", folder=folder)
    dataset = Dataset.over_claim(user.namespace, DATASET, "nfs-rw")
    user.creates_dataset(
        dataset.evolve(placement="Shared", access_modes=("ReadWriteMany",)),
        laptop_runtime(user.namespace, DATASET, properties=WRITE_THROUGH),
    )


def _fuse_allows_writes(user: User) -> None:
    runtime = laptop_runtime(user.namespace, DATASET)
    fuse = (runtime.fuse or Fuse()).evolve(args=("fuse", FUSE_OPTIONS))
    user.creates_dataset(runtime=runtime.evolve(fuse=fuse))


@scenario(
    "A35",
    Level.FULL,
    dataset=_fuse_allows_writes,
    defects=(
        Defect(
            NO_EFFECT,
            "A read-only Dataset whose Fuse allows writing (fuse.args) is writable in applications: the CSI "
            "plugin binds the volume with -o ro in its own mount namespace, and the mount that propagates to "
            "the node is without it.",
            "pkg/csi/plugins/nodeserver.go:176-191 (1.0.8)",
        ),
    ),
    fields=("AlluxioRuntime.spec.fuse.args",),
)
def test_read_only_dataset_refuses_writes_whatever_the_fuse_allows(dataset_owner: User) -> None:
    """A read-only Dataset refuses writes also when the arguments that the user sets for the Fuse allow them.

    The user sets ``fuse.args`` with the option ``rw``, which replaces Fluid's own ``ro``, and the application
    tries to write a file.
    """
    pod = dataset_owner.starts(dataset_owner.application("a35-writer", DATASET))
    fuse = checks.served_by_fluid(dataset_owner, pod)
    _check_has_arguments(dataset_owner, fuse.pod_on(pod.node))
    path = "/data/written-by-a35"
    with source_files.restored(dataset_owner):
        result = dataset_owner.observer.write(pod, path)
        if result.written:
            dataset_owner.observer.inside(pod, ("rm", "-f", path))
            source_files.undo_until_quiet(dataset_owner)
        elif not result.read_only:
            checks.fail(
                "a write through a read-only Dataset is neither refused as such nor carried out",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="Read-only file system",
                seen=result.message,
            )
    mounts = dataset_owner.observer.host_mounts(pod.node, dataset_owner.namespace, DATASET)
    bound = "; ".join(str(mount) for mount in mounts if pod.uid in mount.mount_point)
    dataset_owner.evidence.defect(
        NO_EFFECT,
        seen=result.written,
        says=f"the application wrote a file; its volume on the node is {bound or 'not mounted'}"
        if result.written
        else f"a write is refused: {result.message.splitlines()[-1]}",
    )


def _check_has_arguments(user: User, fuse: PodSnapshot | None) -> None:
    """The Fuse runs with the arguments that the user has set."""
    found = user.system.kube.get(kinds.POD, fuse.name, user.namespace) if fuse is not None else None
    arguments = [
        str(one) for container in items(found or {}, "spec", "containers") for one in container["args"]
    ]
    if not any(FUSE_OPTIONS in one for one in arguments):
        checks.fail(
            "the Fuse does not run with the arguments that the user has set",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=FUSE_OPTIONS,
            seen=", ".join(arguments) or "no arguments",
        )
    user.evidence.fact("Fuse Pod", f"runs with {', '.join(arguments)}")


@scenario(
    "A14",
    Level.CONFORMANCE,
    dataset=_read_write,
    fields=(
        "Dataset.spec.accessModes",
        "AlluxioRuntime.spec.properties",
    ),
)
def test_write_through_a_read_write_dataset_reaches_the_nfs_server(dataset_owner: User) -> None:
    """A file that is written through a read-write Dataset with write type CACHE_THROUGH is on the NFS server.

    The user creates a Dataset with ``accessModes: [ReadWriteMany]`` over a claim of its own, and the
    application writes a file.
    """
    source, folder = dataset_owner.system.nfs, source_files.folder_for_writing(dataset_owner)
    try:
        _check_claim_is_read_write(dataset_owner)
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
        expected = {"by-a14.txt": hashlib.sha256(WRITTEN.encode()).hexdigest()}
        there = dict(dataset_owner.observer.at_the_source(folder))
        if there != expected:
            checks.fail(
                "what was written through Fluid is not on the NFS server",
                subject=f"export {folder}",
                expected=str(expected),
                seen=str(there),
            )
        dataset_owner.evidence.fact(
            source.observed_on, "the file that was written, checksum right", files=len(there)
        )
        seen = dataset_owner.reads(pod)
        if dict(seen.checksums) != expected:
            checks.fail(
                "the application does not read back what it wrote",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected=str(expected),
                seen=str(dict(seen.checksums)),
            )
        dataset_owner.evidence.fact("application", "reads back what it wrote")
    finally:
        source.empty(folder)


def _check_claim_is_read_write(user: User) -> None:
    claim = user.observer.objects.get(ClaimSnapshot, DATASET, user.namespace)
    modes = claim.access_modes if claim else ()
    if modes != ("ReadWriteMany",):
        checks.fail(
            "Fluid's claim does not have the access mode of its Dataset",
            subject=f"claim {user.namespace}/{DATASET}",
            expected="ReadWriteMany",
            seen=", ".join(modes) or "none",
        )
    user.evidence.fact("claim", "access mode ReadWriteMany, like its Dataset")


@scenario(
    "A15",
    Level.FULL,
    issues=(998,),
    defects=(
        Defect(
            "read-only-claim-mount-writable",
            "A mount of a claim with readOnly true does not keep writes from the source if the Dataset is "
            "read-write.",
            "pkg/ddc/alluxio/transform_ufs.go:44-66 (1.0.8)",
        ),
    ),
    fields=("Dataset.spec.mounts[].readOnly",),
)
def test_write_does_not_reach_a_read_only_mount_of_a_claim(user: User) -> None:
    """A write to a read-write Dataset does not reach a source whose mount has ``readOnly: true``.

    The user creates a Dataset with ``accessModes: [ReadWriteMany]`` whose only mount is a read-only
    claim, and the application writes a file; A14 is the same without ``readOnly``.
    """
    source, folder = user.system.nfs, source_files.folder_for_writing(user)
    source.create_writable(folder)
    try:
        user.creates_source("nfs-rw", folder=folder)
        mount = Mount(mount_point="pvc://nfs-rw", name="nfs-rw", path="/", read_only=True)
        dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=(mount,), placement="Shared")
        user.creates_dataset(
            dataset.evolve(access_modes=("ReadWriteMany",)),
            laptop_runtime(user.namespace, DATASET, properties=WRITE_THROUGH),
        )
        user.waits_until_bound()
        pod = user.starts(user.application("a15-writer", DATASET))
        checks.served_by_fluid(user, pod)
        result = user.observer.write(pod, "/data/by-a15.txt")
        there = dict(user.observer.at_the_source(folder))
        through = there == {"by-a15.txt": hashlib.sha256(WRITTEN.encode()).hexdigest()}
        if not through and (result.written or there):
            checks.fail(
                "a write was neither refused nor carried out at the source",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="a refusal and nothing at the source, or the file",
                seen=f"written: {result.written}; {result.message}; at the source: {there or 'nothing'}",
            )
        user.evidence.defect(
            "read-only-claim-mount-writable",
            seen=through,
            says="the file that was written is on the NFS server"
            if through
            else f"the write did not reach the source: {result.message.splitlines()[-1]}",
            files=len(there),
        )
    finally:
        source.empty(folder)
