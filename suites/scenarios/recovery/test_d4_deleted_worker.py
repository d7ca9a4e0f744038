"""A worker that is deleted."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.predicates import is_bound
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import ByVersion
from suites.steps import checks, page_cache
from suites.steps.user import DATASET, SOURCE, User
from workloads.faults import delete_pod
from workloads.models.dataset import Dataset, NodeAffinity

#: Seconds until a deleted worker is replaced and reads are answered.
WORKER_BACK_SECONDS: Final = 240.0
#: Seconds until the Dataset is Bound after its worker was replaced; 0 where it must be Bound all the time.
BOUND_AGAIN_SECONDS: Final = ByVersion({"0.9": 120.0, "1.0": 0.0})
#: Phases of a Dataset while it has no worker. Up to 0.9 it is Failed until the worker runs again
#: (pkg/ddc/alluxio/health_check.go:38-59 of 0.9.3), later it stays Bound.
WITHOUT_WORKER: Final = ByVersion({"0.9": ("Bound", "Failed"), "1.0": ("Bound",)})


def _for_one_node(user: User) -> None:
    planned = Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared")
    user.creates_dataset(planned.evolve(node_affinity=NodeAffinity.on(user.system.nodes[0])))


@scenario("D4", Level.CONFORMANCE, alone=True, dataset=_for_one_node)
def test_deleted_worker_is_replaced_and_reads_continue(dataset_owner: User) -> None:
    """A deleted worker is replaced; then reads continue and the cache fills again.

    The only worker's Pod is deleted while everything is cached; the Dataset stays Bound. The Dataset is for
    one node, so that the new worker runs there: on another node it would have no blocks, and the old ones
    would stay in memory.
    """
    pod = dataset_owner.starts(dataset_owner.application("d4-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    name = fluid_names.worker_pod(DATASET)
    objects, allowed = dataset_owner.observer.objects, WITHOUT_WORKER.on(dataset_owner.system)
    was = objects.get(PodSnapshot, name, dataset_owner.namespace)
    page_cache.drop_files(dataset_owner, pod)
    fault = delete_pod(
        dataset_owner.system.kube, dataset_owner.namespace, name, because="the scenario's fault"
    )
    dataset_owner.evidence.fact("fault", fault.says)

    def observe() -> tuple[PodSnapshot | None, DatasetSnapshot]:
        return objects.get(PodSnapshot, name, dataset_owner.namespace), dataset_owner.observer.dataset(
            dataset_owner.namespace, DATASET
        )

    def state_of_worker() -> tuple[str, bool, bool]:
        worker = objects.get(PodSnapshot, name, dataset_owner.namespace)
        return ("", False, False) if worker is None else (worker.uid, worker.ready, worker.deleting)

    def unbound(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> str | None:
        return None if seen[1].phase in allowed else f"the Dataset's phase is {seen[1].phase}"

    def is_replaced(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> bool:
        worker = seen[0]
        return worker is not None and worker.ready and (was is None or worker.uid != was.uid)

    with dataset_owner.evidence.phase("waiting", "the worker is replaced"):
        wait(
            # The Dataset's phase is to be right also when Fluid reconciles without a worker.
            dataset_owner.with_reconcile_at_change(state_of_worker, observe, DATASET, kinds.ALLUXIO_RUNTIME),
            is_replaced,
            subject=f"Pod {dataset_owner.namespace}/{name}",
            condition=f"replacement by a ready Pod, while the Dataset is {' or '.join(allowed)}",
            timeout=WORKER_BACK_SECONDS,
            failed=unbound,
        )
    checks.reads_again(dataset_owner, pod, WORKER_BACK_SECONDS, advice="check the worker's log")
    dataset_owner.reads_right(pod, who="application, worker replaced")
    checks.all_cached(dataset_owner)
    dataset = _bound_again(dataset_owner)
    dataset_owner.evidence.fact("Dataset status", f"phase {dataset.phase}; meanwhile {' or '.join(allowed)}")


def _bound_again(user: User) -> DatasetSnapshot:
    """The Dataset is Bound; where it may have had another phase meanwhile, Fluid has time to reconcile."""

    def observe() -> DatasetSnapshot:
        user.request_reconcile()
        return user.observer.dataset(user.namespace, DATASET)

    with user.evidence.phase("waiting", "the Dataset is Bound"):
        return wait(
            observe,
            is_bound,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound after the worker was replaced",
            timeout=BOUND_AGAIN_SECONDS.on(user.system),
            delay=5.0,
        )
