"""What must hold of the Fuse: served by it, one Pod on a node, none where it is not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fuse import FuseSnapshot
from clusters.waiting import hold
from suites.steps.checks.failure import fail
from suites.steps.idle_watch import ADVICE, DELAY, NOT_WATCHED, IdleResult
from suites.steps.user import DATASET, User

#: Source and beginning of the fact of `no_fuse_over_window`; a sabotage waits for it.
FUSE_DAEMON_SET: Final = "Fuse DaemonSet"
NO_FUSE_REQUESTED: Final = "requested no Fuse Pod"


def served_by_fluid(user: User, pod: PodSnapshot, dataset: str = DATASET) -> FuseSnapshot:
    """Three facts together prove that the application reads through a Fuse Pod.

    The mount's type inside the application, a ready Fuse Pod on its node, the label of its node.
    """
    observer, evidence = user.observer, user.evidence
    mount = observer.mount(pod)
    fuse = observer.fuse(user.namespace, dataset)
    subject = f"Pod {pod.namespace}/{pod.name}"
    if mount.serves != "fluid":
        fail(
            f"{pod.name} mounts claim {dataset} and still does not read through Fluid",
            subject=subject,
            expected="a mount of type fuse.alluxio-fuse at /data",
            seen=str(mount),
            advice="check the CSI plugin's logs on its node",
        )
    evidence.fact("application mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source)
    if not fuse.ready_on(pod.node):
        fail(
            f"no ready Fuse Pod on {pod.node}, where {pod.name} runs",
            subject=subject,
            expected="one ready Fuse Pod on the application's node",
            seen=str(fuse),
        )
    evidence.fact(
        FUSE_DAEMON_SET, f"one ready Fuse Pod on {pod.node}", desired=fuse.desired, ready=fuse.ready
    )
    if pod.node not in fuse.labelled:
        fail(
            f"node {pod.node} does not carry {fuse.label}",
            subject=subject,
            expected=f"label {fuse.label}=true on the application's node",
            seen=f"nodes with it: {', '.join(fuse.labelled) or 'none'}",
        )
    evidence.fact("node labels", f"{pod.node} carries {fuse.label}")
    return fuse


def one_fuse_pod(user: User, node: str, dataset: str = DATASET, *, warm: Iterable[str] = ()) -> FuseSnapshot:
    """Exactly one Fuse Pod of the Dataset exists, on that node.

    Args:
        user: whose Dataset it is.
        node: where the Fuse Pod has to be.
        dataset: its name.
        warm: further nodes with one each, which applications before left there.
    """
    fuse = user.observer.fuse(user.namespace, dataset)
    nodes = {node, *warm}
    count = len(fuse.pods) + len(fuse.unplaced) + len(fuse.doubled)
    if fuse.desired != len(nodes) or count != len(nodes) or not all(map(fuse.ready_on, nodes)):
        expected = "one is needed" if len(nodes) == 1 else f"{len(nodes)} are needed"
        fail(
            f"Dataset {dataset} has {count} Fuse Pods where {expected}"
            if count != len(nodes)
            else f"the Fuse of Dataset {dataset} is not desired and ready on each node that needs it",
            subject=f"DaemonSet {user.namespace}/{dataset}-fuse",
            expected=f"one Fuse Pod on each of {', '.join(sorted(nodes))}",
            seen=str(fuse),
        )
    user.evidence.fact(FUSE_DAEMON_SET, f"exactly one Fuse Pod on {node}", desired=fuse.desired, pods=count)
    return fuse


def fuse_absent(user: User, fuse: FuseSnapshot) -> None:
    """No Fuse Pod is needed, none is there, no node is labelled for one."""
    wrong = why_fuse_present(fuse)
    if wrong is not None:
        fail(
            f"{wrong}, though no application uses the Dataset",
            subject=f"Dataset {fuse.dataset}",
            expected="no Fuse Pod before an application needs it",
            seen=str(fuse),
        )
    user.evidence.fact(FUSE_DAEMON_SET, "requests no Fuse Pod, and no node is labelled", desired=fuse.desired)


def why_fuse_present(fuse: FuseSnapshot) -> str | None:
    """What contradicts the absence of a Fuse, or None. A DaemonSet must be there to need none."""
    if fuse.daemon_set is None:
        return "there is no Fuse DaemonSet"
    if fuse.labelled:
        return f"node {', '.join(fuse.labelled)} is labelled for a Fuse Pod"
    if fuse.desired or fuse.pods or fuse.unplaced:
        return f"there is a Fuse Pod ({fuse})"
    return None


def no_fuse_over_window(
    user: User,
    window: float,
    reading: Callable[[], None],
    dataset: str = DATASET,
    *,
    before: IdleResult = NOT_WATCHED,
) -> None:
    """Throughout the window, while the application reads, no Fuse Pod is created.

    Args:
        user: whose Dataset it is.
        window: seconds.
        reading: what the user does at each observation.
        dataset: its name.
        before: the part of the window that has passed already.
    """
    if before.error is not None:
        raise before.error
    observer = user.observer
    left = max(0.0, window - before.seconds)

    def observe() -> FuseSnapshot:
        reading()
        return observer.fuse(user.namespace, dataset)

    with user.evidence.phase("window", f"no Fuse Pod for {left:.0f} s"):
        seen = hold(
            observe,
            why_fuse_present,
            subject=f"Dataset {user.namespace}/{dataset}",
            condition="absence of a Fuse Pod",
            window=left,
            delay=DELAY,
            advice=ADVICE,
        )
    number, seconds = before.observations + len(seen), before.seconds + left
    user.evidence.fact(
        FUSE_DAEMON_SET,
        f"{NO_FUSE_REQUESTED} in {number} observations over {seconds:.0f} s"
        + (f", {before.seconds:.0f} s of it while other scenarios ran" if before.observations else ""),
        observations=number,
        window=seconds,
    )
