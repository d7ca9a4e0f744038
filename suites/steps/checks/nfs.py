"""What must hold of the NFS server and of applications that read it without Fluid."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.nfs import ServedBytes
from suites.steps.checks.failure import fail
from suites.steps.user import User

#: Bytes that an interface carries without reads: address resolution, mount traffic, attributes.
IDLE_BYTES: Final = 256 * 1024


def reads_raw_nfs(user: User, pod: PodSnapshot, application: str) -> None:
    """The application reads NFS past Fluid, by the type of its mount.

    Args:
        user: whose evidence it is.
        pod: the application.
        application: which one it is, in the error's sentence.
    """
    mount = user.observer.mount(pod)
    if mount.serves != "nfs":
        fail(
            f"{application} does not read raw NFS",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="a mount of type nfs, nfs4 or fuse.nfs",
            seen=str(mount),
        )
    user.evidence.fact(
        "application mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source
    )


def assert_nfs_sent_nothing(user: User, served: ServedBytes, what: str) -> None:
    """A read did not make the NFS server send data."""
    limit = 0 if served.reads is not None else IDLE_BYTES
    if served.read > limit or (served.reads or 0) > 0:
        fail(
            f"{what} made the NFS server send data",
            subject="NFS server",
            expected="a cached read costs the source nothing",
            seen=str(served),
        )
    user.evidence.fact("NFS server", f"{what} cost it nothing", bytes=served.read, reads=served.reads)


def assert_nfs_sent_all(user: User, served: ServedBytes, what: str) -> None:
    """A read made the NFS server send at least all the data: the counter can say no."""
    total = user.files.total_bytes
    if served.read < total:
        fail(
            f"{what} made the NFS server send only {served.read} of {total} bytes",
            subject="NFS server",
            expected="an uncached read costs the source every byte",
            seen=str(served),
            advice="the page cache was not dropped, or another server served the read",
        )
    user.evidence.fact("NFS server", f"{what} cost it every byte", bytes=served.read, reads=served.reads)


def source_unchanged(user: User) -> None:
    """The files at the source are just those that were put there."""
    found = user.observer.at_the_source(user.folder)
    difference = user.files.difference(found)
    if difference:
        fail(
            "the data at the source changed",
            subject=f"export {user.folder}",
            expected="the files as they were made",
            seen=str(difference),
        )
    user.evidence.fact(user.system.nfs.observed_on, "all files as they were made", files=len(found))
