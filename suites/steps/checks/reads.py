"""What must hold of an application's reads when its mount breaks and recovers."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import WaitError, wait
from suites.steps.checks.failure import fail
from suites.steps.predicates import reads_all, says
from suites.steps.read_controls import run_controls
from suites.steps.user import User

#: Seconds until a mount answers that the Fuse behind it is gone: its process ends a moment after its Pod.
DEAD_SECONDS: Final = 30.0
#: How a file system says so (ENOTCONN).
DEAD: Final = "Transport endpoint is not connected"


def dead_mount(user: User, pod: PodSnapshot) -> None:
    """The application's mount is dead: nothing is behind it any more."""
    with user.evidence.phase("waiting", f"the mount of {pod.name} dies"):
        wait(
            lambda: user.observer.read(pod),
            says(DEAD),
            subject=f"Pod {pod.namespace}/{pod.name}",
            condition=f"the answer {DEAD!r}",
            timeout=DEAD_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: (
                seen.message.splitlines()[-1] if seen.message else f"it reads {len(seen.checksums)} files"
            ),
        )
    user.evidence.fact("application", f"{pod.name} reads no more: {DEAD}")


def reads_again(user: User, pod: PodSnapshot, timeout: float, *, advice: str) -> None:
    """A Pod whose reads were cut off reads all files again, without being created again.

    Args:
        user: whose files they are.
        pod: the application.
        timeout: seconds until it must.
        advice: what to check when it does not.

    Raises:
        WaitTimeoutError: it does not, and the controls without Fluid answer; a product failure.
        InfrastructureError: a control fails or is too slow as well.
    """
    try:
        with user.evidence.phase("waiting", "the application reads again"):
            wait(
                lambda: user.observer.read(pod),
                reads_all(user.files),
                subject=f"Pod {pod.namespace}/{pod.name}",
                condition="correct reads by the same Pod",
                timeout=timeout,
                delay=2.0,
                describe=lambda seen: seen.message.splitlines()[-1] if seen.message else "reads",
                advice=advice,
            )
    except WaitError as error:
        run_controls(user.system, pod, "does not recover", str(error), stretch=user.timeout_factor)
        raise


def same_pod(before: PodSnapshot, now: PodSnapshot) -> None:
    """An application that waited is the very Pod that runs now."""
    if now.uid != before.uid:
        fail(
            "the application was created again on its way",
            subject=f"Pod {now.namespace}/{now.name}",
            expected=f"the same Pod, uid {before.uid}",
            seen=now.uid,
        )
