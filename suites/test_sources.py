"""Group A: where the data come from: folders of a claim, several claims, claims to write to."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from suites import checks
from suites.scenario import Level, scenario
from suites.user import DATASET, SOURCE, User
from workloads.data import Files
from workloads.models.dataset import Dataset, Mount
from workloads.models.laptop import laptop_runtime

#: Alluxio's property for where a write goes: to the cache and to the source at once.
WRITE_THROUGH: Final = {"alluxio.user.file.writetype.default": "CACHE_THROUGH"}
WRITTEN: Final = "written by the conformance harness\n"


@scenario("A9", Level.CONFORMANCE, issues=(2752,))
def test_dataset_over_a_folder_of_the_claim_shows_that_folder_alone(user: User) -> None:
    """A Dataset over a folder of an NFS claim shows the files of that folder, and no others.

    The user's mount point is pvc://nfs-src/train.
    """
    user.makes_dataset(
        Dataset.over_claim(user.namespace, DATASET, SOURCE, folder="train").but(placement="Shared")
    )
    user.waits_until_bound()
    reader = replace(user, files=user.files.below("train"))
    pod = reader.starts(reader.application("a9-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)


@scenario("A11", Level.CONFORMANCE)
def test_two_claims_appear_as_two_folders_of_one_dataset(user: User) -> None:
    """A Dataset with two mounts of two NFS claims shows each in a folder of its own.

    The user's mount points are two claims, with paths ``/train`` and ``/labels``.
    """
    folders = ("train", "labels")
    for folder in folders:
        user.makes_source(f"nfs-{folder}", folder=f"{user.folder}/{folder}")
    mounts = tuple(
        Mount(mount_point=f"pvc://nfs-{folder}", name=folder, path=f"/{folder}") for folder in folders
    )
    user.makes_dataset(Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"))
    user.waits_until_bound()
    expected = Files(())
    for folder in folders:
        expected += user.files.below(folder).under(folder)
    reader = replace(user, files=expected)
    pod = reader.starts(reader.application("a11-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)


@scenario("A14", Level.CONFORMANCE)
def test_write_through_a_read_write_dataset_reaches_the_nfs_server(user: User) -> None:
    """A file written through a read-write Dataset with write type CACHE_THROUGH lies on the NFS server.

    The user makes a Dataset with ``accessModes: [ReadWriteMany]`` over a claim of its own, and the
    application writes a file.
    """
    server, folder = user.system.nfs, f"/export/written-{user.namespace}"
    server.run("mkdir", "-m", "777", "-p", folder)
    try:
        user.makes_source("nfs-rw", folder=folder)
        dataset = Dataset.over_claim(user.namespace, DATASET, "nfs-rw")
        user.makes_dataset(
            dataset.but(placement="Shared", access_modes=("ReadWriteMany",)),
            laptop_runtime(user.namespace, DATASET, properties=WRITE_THROUGH),
        )
        user.waits_until_bound()
        _claim_is_read_write(user)
        pod = user.starts(user.application("a14-writer", DATASET))
        checks.served_by_fluid(user, pod)
        result = user.observer.write(pod, "/data/by-a14.txt")
        if not result.written:
            raise checks.fail(
                "a write through a read-write Dataset failed",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="the file is written",
                seen=result.message,
            )
        wanted = {"by-a14.txt": hashlib.sha256(WRITTEN.encode()).hexdigest()}
        there = dict(user.observer.at_the_source(folder))
        if there != wanted:
            raise checks.fail(
                "what was written through Fluid is not on the NFS server",
                subject=f"export {folder}",
                expected=str(wanted),
                seen=str(there),
            )
        user.evidence.fact("NFS server's disk", "the file that was written, checksum right", files=len(there))
        seen = user.observer.read(pod)
        if dict(seen.checksums) != wanted:
            raise checks.fail(
                "the application does not read back what it wrote",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected=str(wanted),
                seen=f"{dict(seen.checksums)} {seen.message}",
            )
        user.evidence.fact("application", "reads back what it wrote")
    finally:
        # The folder stays: it is mounted until the Dataset is gone.
        server.run("find", folder, "-mindepth", "1", "-delete")


def _claim_is_read_write(user: User) -> None:
    claim = user.observer.view.claim(user.namespace, DATASET)
    modes = claim.access_modes if claim else ()
    if modes != ("ReadWriteMany",):
        raise checks.fail(
            "Fluid's claim has not the access mode of its Dataset",
            subject=f"claim {user.namespace}/{DATASET}",
            expected="ReadWriteMany",
            seen=", ".join(modes) or "none",
        )
    user.evidence.fact("claim", "access mode ReadWriteMany, as the Dataset's")
