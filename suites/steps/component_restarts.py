"""Components of Fluid whose Pods are deleted, and are created again by their controllers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid
from clusters.waiting import wait
from suites.steps.user import User
from workloads.faults import Fault, FaultError

#: Seconds until as many Pods are ready as there were before.
BACK_SECONDS: Final = 120.0


@contextmanager
def pods_deleted(user: User, component: str) -> Iterator[Fault]:
    """All Pods of a component are deleted at once; the context ends when as many others are ready.

    There is nothing to undo: their DaemonSet or Deployment creates them, also if this process is killed.

    Args:
        user: whose evidence it is.
        component: name of the Deployment or DaemonSet in Fluid's namespace.

    Raises:
        FaultError: it has no Pod.
        WaitTimeoutError: it is not ready again in time; a product failure.
    """
    kube, objects = user.system.kube, user.observer.objects

    before = fluid.pods_of(objects, component)
    if not before:
        raise FaultError(f"Fluid has no Pod {component}-…")
    old = {pod.uid for pod in before}

    def are_replaced(now: tuple[PodSnapshot, ...]) -> bool:
        ready = [pod for pod in now if pod.ready and not pod.deleting and pod.uid not in old]
        return len(ready) >= len(before)

    for pod in before:
        kube.delete(kinds.POD, pod.name, fluid.NAMESPACE, because="the scenario restarts it", grace_seconds=1)
    yield Fault(f"{len(before)} Pods of {component} are deleted")
    with user.evidence.phase("waiting", f"{component} is ready again"):
        wait(
            partial(fluid.pods_of, objects, component),
            are_replaced,
            subject=f"{component} of {fluid.NAMESPACE}",
            condition=f"{len(before)} other Pods that are ready",
            timeout=BACK_SECONDS * user.timeout_factor,
            describe=lambda now: "; ".join(map(str, now)) or "no Pod",
            failure_class=FailureClass.PRODUCT,
            advice="check the log of the component",
        )
