"""A worker that starts again on another node."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.predicates import is_ready_on
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Leftover
from suites.steps import checks, leaks, page_cache, workers
from suites.steps.node_placement import labelled
from suites.steps.user import DATASET, User
from workloads.faults import delete_pod
from workloads.models.alluxio_runtime import Component
from workloads.models.small_runtime import laptop_runtime

#: Key of a label that no node has before the scenario sets it.
WORKER_KEY: Final = "fluid-conformance/worker"


@scenario(
    "D15",
    Level.FULL,
    disturbs={Disruption.NODE_LABELS: "labels two nodes, one after the other"},
    nodes=2,
    defects=(workers.BLOCKS_LEFT,),
    leftovers=(Leftover(workers.BLOCKS_LEFT.key, r"/alluxioworker/"),),
    fields=("AlluxioRuntime.spec.worker.nodeSelector",),
)
def test_worker_that_moves_to_another_node_serves_from_there(user: User) -> None:
    """A worker that is created again on another node serves from there, and the cache fills again.

    The administrator moves the label of ``worker.nodeSelector`` from one node to another, and the worker's
    Pod is deleted while everything is cached. The nodes' labels follow the worker. Alluxio is
    configured to forget a lost worker after 20 s.
    """
    former, latter = user.system.nodes[:2]
    runtime = laptop_runtime(user.namespace, DATASET, properties=workers.FORGETS_SOON)
    worker = (runtime.worker or Component()).evolve(node_selector={WORKER_KEY: user.namespace})
    with labelled(user, former, WORKER_KEY):
        user.creates_dataset(runtime=runtime.evolve(worker=worker))
        user.waits_until_bound()
        pod = user.starts(user.application("d15-reader", DATASET))
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        checks.all_cached(user)
    name = workers.find(user, DATASET).name
    leaks.expect_on_nodes(user, (former,))
    with labelled(user, latter, WORKER_KEY):
        fault = delete_pod(user.system.kube, user.namespace, name, because="the scenario's fault")
        user.evidence.fact("fault", fault.says)
        with user.evidence.phase("waiting", "the worker runs on the other node"):
            wait(
                lambda: user.observer.objects.get(PodSnapshot, name, user.namespace),
                is_ready_on(latter),
                subject=f"Pod {user.namespace}/{name}",
                condition=f"readiness on {latter}",
                timeout=workers.SCALE_SECONDS,
            )
        label = fluid_names.common_label(user.namespace, DATASET)
        workers.check_node_label(user, latter, label, "true")
        workers.check_node_labels_removed(user, former)
        page_cache.drop_files(user, pod)
        checks.reads_again(user, pod, workers.SCALE_SECONDS, advice="check the worker's log")
        checks.all_cached(user)
