"""Where workers may run: nodes with a label for them, and workers that find no node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import has_label, is_decided
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold, wait
from suites.steps.reconcile import RECONCILE_DELAY, TWO_RETRIES
from suites.steps.user import User

#: Seconds until a worker that cannot be placed has been made; the master has to be ready first.
WORKER_SECONDS: Final = 420.0
#: Seconds for which a worker that finds no node is watched; the scheduler tries again after 10 s at most.
STAYS_SECONDS: Final = 20.0
#: Seconds until the node of a ready worker has Fluid's labels: Fluid sets them at its first full reconcile
#: of a Dataset that is Bound, 90 s after the last one if none is requested (observed on 0.9.3).
LABELLED_SECONDS: Final = 120.0
#: Seconds until the scheduler has placed a Pod that has a node now, and until a node reports a new label.
PLACED_SECONDS: Final = 60.0


@contextmanager
def labelled(user: User, node: str, key: str) -> Iterator[None]:
    """A node has a label, with the namespace for its value, while the context lasts."""

    def wait_for(value: str | None) -> None:
        wait(
            lambda: user.observer.objects.get(NodeSnapshot, node),
            has_label(key, value),
            subject=f"node {node}",
            condition=f"{'presence' if value else 'removal'} of label {key}",
            timeout=PLACED_SECONDS,
            failure_class=FailureClass.INFRASTRUCTURE,
        )

    change = {"metadata": {"labels": {key: user.namespace}}}
    try:
        with user.system.journal.patched(kinds.NODE, node, None, change):
            wait_for(user.namespace)
            user.evidence.fact("node labels", f"{node} is given {key}={user.namespace}")
            yield
    finally:
        wait_for(None)


def why_worker_was_placed(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> str | None:
    """What contradicts that a worker has no node and its Dataset is not Bound, or None."""
    worker, dataset = seen
    if worker is None:
        return f"there is no worker; {dataset}"
    if worker.node:
        return f"its worker runs on {worker.node}, where it must not run"
    return f"the Dataset is Bound although its worker has no node; {worker}" if dataset.bound else None


def worker_without_node(user: User, name: str) -> PodSnapshot:
    """Wait for the Dataset's worker to be refused by the scheduler, and see that it stays so."""
    objects, pod = user.observer.objects, fluid_names.worker_pod(name)

    def observe() -> PodSnapshot | None:
        user.request_reconcile(name)
        return objects.get(PodSnapshot, pod, user.namespace)

    with user.evidence.phase("waiting", f"the worker of {name} is seen by the scheduler"):
        wait(
            observe,
            is_decided,
            subject=f"Pod {user.namespace}/{pod}",
            condition="a decision of the scheduler",
            timeout=WORKER_SECONDS,
            delay=5.0,
        )
    with user.evidence.phase("window", f"the worker of {name} finds no node"):
        observations = hold(
            lambda: (observe(), user.observer.dataset(user.namespace, name)),
            why_worker_was_placed,
            subject=f"Pod {user.namespace}/{pod}",
            condition="absence of a node and of a Bound Dataset",
            # Without requests the controller tries again by itself.
            window=STAYS_SECONDS if user.requests_reconciles else TWO_RETRIES,
            delay=RECONCILE_DELAY,
        )
    last = observations[-1][0]
    assert last is not None
    user.evidence.fact("Pod condition", last.scheduling, pod=last.name, looks=len(observations))
    return last
