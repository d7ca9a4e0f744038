"""A node that restarts, with the only worker and applications on it."""

from __future__ import annotations

from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import FailureClass
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, endurance, fault_readers, node_restart, page_cache, workers
from suites.steps.endurance import FaultCase
from suites.steps.recorded_reads import Effect
from suites.steps.user import DATASET, User
from workloads.models.alluxio_runtime import Component
from workloads.models.small_runtime import laptop_runtime

#: Seconds until Kubernetes has started all Pods of the node again.
BACK_SECONDS: Final = 240.0
#: Seconds for which is watched what follows (two reconciles, which are requested), and until all read
#: right then.
WATCHED_SECONDS: Final = 40.0
HEALS_SECONDS: Final = 180.0
_HOST: Final = "kubernetes.io/hostname"


def _worker_apart_from_master(user: User) -> None:
    """Create the Dataset with its master on the first node and its worker on the second."""
    first, second = user.system.nodes[:2]
    runtime = laptop_runtime(user.namespace, DATASET, properties=workers.FORGETS_SOON)
    user.creates_dataset(
        runtime=runtime.evolve(
            master=(runtime.master or Component()).evolve(node_selector={_HOST: first}),
            worker=(runtime.worker or Component()).evolve(node_selector={_HOST: second}),
        )
    )


@scenario(
    "D11",
    Level.FULL,
    disturbs={Disruption.NODE: "restarts a node"},
    alone=True,
    nodes=2,
    dataset=_worker_apart_from_master,
)
def test_restarted_node_serves_again(dataset_owner: User) -> None:
    """After the worker's node has restarted, its applications read on in their Pods, and so do others.

    An administrator restarts the node of the only worker, where all data are cached in memory. An application
    there is started again by Kubernetes (``restartPolicy: Always``); one on another node goes on. Reads may
    wait or fail meanwhile, and are never wrong. Worker and Fuse come back in their Pods, the Dataset stays
    Bound, and the cache, which was lost with the memory of the node, is filled again.
    """
    user = dataset_owner
    provider = node_restart.provider_of_nodes(user)
    other, node = user.system.nodes[:2]
    worker = workers.find(user, DATASET)
    if worker.node != node:
        checks.fail(
            "the worker does not run where its nodeSelector says",
            subject=f"Pod {user.namespace}/{worker.name}",
            expected=node,
            seen=worker.node,
        )
    there = fault_readers.application(user, "d11-there", Effect.BREAKS, node=node, restart_policy="Always")
    raw = fault_readers.control(user, "d11-raw", Effect.BREAKS, node, restart_policy="Always")
    elsewhere = fault_readers.application(user, "d11-elsewhere", Effect.BREAKS, node=other)
    control = fault_readers.control(user, "d11-raw-elsewhere", Effect.NONE, other)
    fuse = user.observer.fuse(user.namespace, DATASET).pod_on(node)
    assert fuse is not None

    def comes_back() -> None:
        node_restart.wait_until_back(user, raw.pod, BACK_SECONDS, failure_class=FailureClass.INFRASTRUCTURE)
        for pod in (worker, fuse, there.pod):
            now = node_restart.wait_until_back(user, pod, BACK_SECONDS)
            user.evidence.fact("Pod", f"{now} is the same Pod as before the restart")

    readers = (there, raw, elsewhere, control)
    case = FaultCase(
        partial(node_restart.restarted, provider, node), WATCHED_SECONDS, HEALS_SECONDS, meanwhile=comes_back
    )
    endured = endurance.endure(user, case, readers)
    endurance.check(user, case, readers, endured)
    _check_served_again(user, there.pod)
    new = user.starts(user.application("d11-new", DATASET, node=node))
    checks.served_by_fluid(user, new)
    page_cache.drop_files(user, new)
    user.reads_right(new, who=f"application that was started on {node} afterwards")
    checks.all_cached(user)
    workers.check_node_label(user, node, fluid_names.common_label(user.namespace, DATASET), "true")


def _check_served_again(user: User, was: PodSnapshot) -> None:
    """The application that Kubernetes started again reads through the Fuse of its node, as before."""
    now = user.observer.objects.get(PodSnapshot, was.name, was.namespace)
    assert now is not None
    checks.served_by_fluid(user, now)
