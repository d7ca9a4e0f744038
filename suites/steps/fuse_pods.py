"""Fuse Pods that must be deleted."""

from __future__ import annotations

from typing import Final

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
