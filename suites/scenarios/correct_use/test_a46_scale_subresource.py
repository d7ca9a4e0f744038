"""Workers that are scaled as `kubectl scale` and autoscalers do it: through the sub-resource ``scale``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import number, text
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Leftover
from suites.steps import checks, leaks, page_cache, workers
from suites.steps.user import DATASET, User

SCALE: Final = "scale"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A runtime while its number of workers changes.

    Attributes:
        replicas: of the sub-resource's status.
        selected: names of the Pods that its selector selects; None without a selector.
        ready: names of the workers that are ready.
        all: names of all workers.
    """

    replicas: int
    selected: frozenset[str] | None
    ready: frozenset[str]
    all: frozenset[str]

    def __str__(self) -> str:
        selected = "no selector" if self.selected is None else ", ".join(sorted(self.selected)) or "none"
        return (
            f"status.replicas {self.replicas}; selected: {selected}; "
            f"workers: {', '.join(sorted(self.all)) or 'none'}, {len(self.ready)} ready"
        )


@scenario(
    "A46",
    Level.FULL,
    nodes=2,
    alone=True,
    defects=(workers.BLOCKS_LEFT, workers.SELECTOR_LOST),
    leftovers=(Leftover(workers.BLOCKS_LEFT.key, r"/alluxioworker/"),),
    dataset=workers.creates_dataset_forgetting_soon,
    fields=(
        "AlluxioRuntime.spec.replicas",
        "AlluxioRuntime.status.currentWorkerNumberScheduled",
        "AlluxioRuntime.status.selector",
    ),
)
def test_workers_are_scaled_by_the_scale_subresource_also_to_none(dataset_owner: User) -> None:
    """The sub-resource scale adds and removes workers, selects exactly them, and goes to none and back.

    The user runs ``kubectl scale`` with 2, 1, 0 and 1 workers. What the first worker cached stays when the
    second one is removed; after the return from none the application reads all files again.
    """
    pod = dataset_owner.starts(dataset_owner.application("a46-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    lost = workers.report_lost_selector(dataset_owner)
    first = workers.find(dataset_owner, DATASET).node
    _scale(dataset_owner, 2, lost=lost)
    _scale(dataset_owner, 1, lost=lost)
    checks.all_cached(dataset_owner)
    page_cache.drop_files(dataset_owner, pod)
    dataset_owner.reads_right(pod, who="application, with the first worker alone")
    leaks.expect_on_nodes(dataset_owner, (first,))
    _scale(dataset_owner, 0, lost=lost)
    dataset = dataset_owner.observer.dataset(dataset_owner.namespace, DATASET)
    dataset_owner.evidence.fact("Dataset status", f"without workers: {dataset}")
    _scale(dataset_owner, 1, lost=lost)
    page_cache.drop_files(dataset_owner, pod)
    checks.reads_again(dataset_owner, pod, workers.SCALE_SECONDS, advice="check the worker's log")
    dataset_owner.reads_right(pod, who="application, with a worker again")


def _scale(user: User, replicas: int, *, lost: bool) -> None:
    """Set the number of workers, and wait until there are that many, ready and selected.

    Without a selector, which is a known defect, none can be selected.
    """
    kube, namespace = user.system.kube, user.namespace
    kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, namespace, {"spec": {"replicas": replicas}}, subresource=SCALE)
    user.evidence.fact("AlluxioRuntime", f"the user scales it to {replicas}")

    def observe() -> Scaled:
        # A patch without a change returns the sub-resource.
        scale = kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, namespace, {}, subresource=SCALE)
        selector = text(scale, "status", "selector")
        found = workers.of_dataset(user)
        return Scaled(
            number(scale, "status", "replicas"),
            frozenset(pod.name for pod in user.observer.objects.list(PodSnapshot, namespace, labels=selector))
            if selector
            else None,
            frozenset(pod.name for pod in found if pod.ready and not pod.deleting),
            frozenset(pod.name for pod in found),
        )

    def is_scaled(seen: Scaled) -> bool:
        counts = {seen.replicas, len(seen.ready), len(seen.all)}
        return counts == {replicas} and seen.selected == (None if lost else seen.all)

    with user.evidence.phase("waiting", f"{replicas} workers"):
        seen = wait(
            user.with_reconcile_requests(observe),
            is_scaled,
            subject=f"AlluxioRuntime {namespace}/{DATASET}",
            condition=f"status.replicas {replicas}, as many ready workers, and these selected",
            timeout=workers.SCALE_SECONDS,
            delay=2.0,
            advice="check the events of the AlluxioRuntime and the log of alluxioruntime-controller",
        )
    user.evidence.fact("sub-resource scale", str(seen))
