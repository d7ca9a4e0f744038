"""Files that must be read again from where they are stored, not from the page cache of a node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.steps import workers
from suites.steps.user import User
from workloads import page_cache

#: Where applications mount their data.
_MOUNT: Final = "/data"
#: Where workers mount the source (Fluid's common.LocalStorageRootPath, 1.0.8).
_SOURCE_IN_WORKER: Final = "/underFSStorage"
#: Seconds for one mount.
_DROP_SECONDS: Final = 120.0
#: How often pages are dropped before it counts as impossible: they stay while a program reads the file.
_ATTEMPTS: Final = 3
#: Share of the data that may still be in the page cache: pages that are in use at that moment stay.
_ALLOWED: Final = 0.05


def drop_files(user: User, *pods: PodSnapshot, silent: bool = False) -> None:
    """Drop the pages of the user's files on the mounts of applications and of the Dataset's workers.

    An application then asks the file system behind its mount, and a worker that read a file from NFS once
    cannot answer from its own page cache. Files and mounts of others are not touched.

    Args:
        user: owner of the Dataset.
        pods: applications that mount the Dataset or its source.
        silent: state no fact about it, for callers that do so repeatedly.

    Raises:
        InfrastructureError: the pages are still there.
    """
    for pod in pods:
        drop = partial(user.observer.inside, pod, page_cache.drop_argv(_MOUNT), _DROP_SECONDS)
        _drop(user, f"Pod {pod.name}", drop, silent=silent)
    for pod in workers.of_dataset(user):
        drop = partial(
            user.system.kube.exec,
            pod.namespace,
            pod.name,
            fluid_names.WORKER_CONTAINER,
            page_cache.drop_argv(_SOURCE_IN_WORKER),
            timeout=_DROP_SECONDS,
        )
        _drop(user, f"worker {pod.name}", drop, silent=silent)


def _drop(user: User, whose: str, drop: Callable[[], Completed], *, silent: bool) -> None:
    """Drop pages, again if some stayed."""
    allowed = _ALLOWED * user.files.total_bytes
    for _ in range(_ATTEMPTS):
        left = page_cache.bytes_left(drop())
        if left is None or left <= allowed:
            break
    else:
        raise InfrastructureError(
            f"the page cache of {whose} was not dropped",
            condition=f"at most {allowed:.0f} bytes of the files in memory",
            last_seen=f"{left} bytes",
            advice="check for programs that read these files all the time",
        )
    if silent:
        return
    text = "dropped" if left is None else f"dropped, {left} bytes left"
    user.evidence.fact("page cache", f"files on the mount of {whose}: {text}", bytes=left)
