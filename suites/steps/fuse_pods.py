"""Fuse Pods that must be deleted, or come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fuse import FuseSnapshot
from clusters.product.predicates import fuse_has_no_pods
from clusters.waiting import wait
from suites.steps.user import DATASET, User

#: Seconds until a Fuse Pod that is no longer needed is gone (its grace period is 30 s).
GONE_SECONDS: Final = 90.0


def wait_until_gone(user: User) -> None:
    """Wait until the Dataset has no Fuse Pod."""
    with user.evidence.phase("waiting", "the Fuse Pod is deleted"):
        wait(
            lambda: user.observer.fuse(user.namespace, DATASET),
            fuse_has_no_pods,
            subject=f"Fuse of {user.namespace}/{DATASET}",
            condition="the absence of Fuse Pods",
            timeout=GONE_SECONDS,
        )
    user.evidence.fact("Fuse DaemonSet", "its Pod is deleted")


def wait_until_mounted(
    user: User, node: str, is_back: Callable[[PodSnapshot], bool], condition: str, timeout: float
) -> PodSnapshot:
    """Wait until the Fuse Pod of a node is ready and has mounted again.

    Args:
        user: whose Dataset it is.
        node: of the Fuse Pod.
        is_back: distinguishes the Pod from how it was before.
        condition: the same in words.
        timeout: seconds.
    """
    mount_point = fluid_names.host_mount(user.namespace, DATASET)

    def observe() -> tuple[FuseSnapshot, bool]:
        mounts = user.observer.host_mounts(node, user.namespace, DATASET)
        there = any(m.mount_point == mount_point and m.serves == "fluid" for m in mounts)
        return user.observer.fuse(user.namespace, DATASET), there

    def back(seen: tuple[FuseSnapshot, bool]) -> bool:
        fuse, mounted = seen
        pod = fuse.pod_on(node)
        return mounted and fuse.ready_on(node) and pod is not None and is_back(pod)

    with user.evidence.phase("waiting", "the Fuse mounts again"):
        fuse, _ = wait(
            observe,
            back,
            subject=f"Fuse of {user.namespace}/{DATASET}",
            condition=condition,
            timeout=timeout,
            describe=lambda seen: f"{seen[0]}; {'mounted' if seen[1] else 'not mounted'}",
            advice="check the Fuse Pod's previous log",
        )
    pod = fuse.pod_on(node)
    assert pod is not None
    return pod
