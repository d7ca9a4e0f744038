"""Workers that are added and removed."""

from __future__ import annotations

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, page_cache, workers
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User


@scenario(
    "A28",
    Level.CONFORMANCE,
    nodes=2,
    alone=True,
    untouched=True,
    dataset=workers.creates_dataset_forgetting_soon,
    fields=(
        "AlluxioRuntime.spec.replicas",
        "Dataset.status.cacheStates.cacheCapacity",
    ),
)
def test_workers_can_be_added_and_removed_while_an_application_reads(dataset_owner: User) -> None:
    """A second worker on another node doubles the cache, and its removal disturbs no reader.

    The user sets the runtime's ``replicas`` to 2 and back to 1 while an application reads. The nodes are
    labelled for the cache while they have a worker. Alluxio is configured to forget a lost worker after
    20 s; the status shows its capacity until then.
    """
    pod = dataset_owner.starts(dataset_owner.application("a28-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    workers.scale(dataset_owner, DATASET, 2)
    _wait_for_workers(dataset_owner, pod, 2, "1.00GiB")
    wait_for_event(dataset_owner, "AlluxioRuntime", DATASET, reason="Succeed", says="scaled out")
    nodes = {worker.node for worker in workers.of_dataset(dataset_owner)}
    for node in sorted(nodes):
        workers.check_node_label(
            dataset_owner, node, fluid_names.common_label(dataset_owner.namespace, DATASET), "true"
        )
    workers.scale(dataset_owner, DATASET, 1)
    _wait_for_workers(dataset_owner, pod, 1, "512.00MiB")
    wait_for_event(dataset_owner, "AlluxioRuntime", DATASET, reason="Succeed", says="scaled in")
    for node in sorted(nodes - {worker.node for worker in workers.of_dataset(dataset_owner)}):
        workers.check_node_labels_removed(dataset_owner, node)
    page_cache.drop_files(dataset_owner, pod)
    dataset_owner.reads_right(pod, who="application, with one worker again")


def _wait_for_workers(user: User, pod: PodSnapshot, number: int, capacity: str) -> None:
    """Wait until that many workers are ready and the status shows their capacity; the application reads."""

    def observe() -> tuple[int, str]:
        user.reads_right_quietly(pod)
        found = workers.of_dataset(user)
        # Pods that are still being deleted count as workers, so that the old number is not taken for the new.
        ready = sum(worker.ready for worker in found) if len(found) == number else len(found)
        return ready, user.observer.dataset(user.namespace, DATASET).cache.capacity

    def is_scaled(seen: tuple[int, str]) -> bool:
        return seen == (number, capacity)

    with user.evidence.phase("waiting", f"{number} workers are ready"):
        wait(
            user.with_reconcile_requests(observe),
            is_scaled,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition=f"{number} workers ready, cacheCapacity {capacity}",
            timeout=workers.SCALE_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: f"{seen[0]} workers ready, capacity {seen[1]}",
        )
    user.evidence.fact(
        "Dataset status", f"cacheCapacity {capacity} with {number} workers; the reads were right meanwhile"
    )
