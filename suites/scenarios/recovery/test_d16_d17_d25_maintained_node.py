"""A node that is taken out of use for a while: drained, tainted so that no Pod may stay, or deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.run import cannot_run_here
from suites.steps import checks, control_plane, endurance, fault_readers, workers
from suites.steps.endurance import FaultCase
from suites.steps.recorded_reads import Effect, RecordedReader
from suites.steps.user import DATASET, User
from workloads.faults import Fault, deleted, drained, tainted
from workloads.faults.nodes import TAINT_KEY
from workloads.models.alluxio_runtime import Component
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which the node is out of use.
OUT_SECONDS: Final = 40.0
#: Seconds until all read right after that.
HEALS_SECONDS: Final = 120.0
#: Seconds until the worker of the node has left it, and until the status shows it.
LEFT_SECONDS: Final = 120.0


def _check(
    user: User,
    row: str,
    begin: Callable[[str], AbstractContextManager[Fault]],
    on_the_node: Sequence[RecordedReader] = (),
    *,
    out: float = OUT_SECONDS,
    fuse_stays: bool = True,
) -> None:
    """An application on another node is served all the time; afterwards the node serves as before.

    Args:
        user: the user with two workers, see `_creates_two_workers`.
        row: id in lower case, begins the names of Pods.
        begin: takes a node out of use.
        on_the_node: applications that stay on the node.
        out: seconds for which it is out of use, once its worker has left.
        fuse_stays: its Fuse Pod stays there.
    """
    other, node = user.system.nodes[:2]
    warm = user.starts(user.application(f"{row}-warm", DATASET, node=node))
    user.reads_right(warm, who=f"application on {node}, which fills the worker there")
    reader = fault_readers.application(user, f"{row}-reader", Effect.BREAKS, node=other)
    control = fault_readers.control(user, f"{row}-raw", Effect.NONE, other)
    readers = (reader, control, *on_the_node)
    case = FaultCase(
        partial(begin, node),
        out,
        HEALS_SECONDS,
        meanwhile=partial(_check_worker_left, user, node, fuse_stays=fuse_stays),
    )
    endured = endurance.endure(user, case, readers)
    endurance.check(user, case, readers, endured)
    back = workers.wait_for_ready(user, 2)
    if {pod.node for pod in back} != {other, node}:
        checks.fail(
            "the worker did not come back to the node that is in use again",
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            expected=f"workers on {other} and {node}",
            seen="; ".join(map(str, back)),
        )
    _wait_for_worker_phase(user, "Ready")
    new = user.starts(user.application(f"{row}-new", DATASET, node=node))
    checks.served_by_fluid(user, new)
    user.reads_right(new, who=f"application on {node}, in use again")


def _creates_two_workers(user: User) -> None:
    """Create a Dataset with a worker on each of two nodes, and the master on the one that stays in use."""
    other = user.system.nodes[0]
    runtime = laptop_runtime(
        user.namespace, DATASET, replicas=2, quota="256Mi", properties=workers.FORGETS_SOON
    )
    stays = {"kubernetes.io/hostname": other}
    user.creates_dataset(
        runtime=runtime.evolve(master=(runtime.master or Component()).evolve(node_selector=stays))
    )
    user.waits_until_bound()
    workers.wait_for_ready(user, 2)


def _check_worker_left(user: User, node: str, *, fuse_stays: bool) -> None:
    """The worker has left the node; the Fuse Pod stays; the status of the runtime says so.

    The Fuse's DaemonSet tolerates everything, and a drain leaves DaemonSets alone
    (charts/alluxio/templates/fuse/daemonset.yaml:91 of 1.0.8). One of two workers is ready then
    (pkg/utils/kubeclient/statefulset.go:139-144).
    """

    def workers_there() -> tuple[PodSnapshot, ...]:
        return tuple(pod for pod in workers.of_dataset(user) if pod.node == node)

    with user.evidence.phase("waiting", f"the worker leaves {node}"):
        wait(
            workers_there,
            lambda left: not left,
            subject=f"node {node}",
            condition="the end of its worker",
            timeout=LEFT_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda left: "; ".join(map(str, left)) or "no worker",
        )
    _wait_for_worker_phase(user, "PartialReady")
    if not fuse_stays:
        return
    fuse = user.observer.fuse(user.namespace, DATASET)
    if not fuse.ready_on(node):
        checks.fail(
            f"the Fuse Pod has left {node}, although it tolerates everything",
            subject=f"DaemonSet {user.namespace}/{fluid_names.fuse_name(DATASET)}",
            expected="a ready Fuse Pod, as before",
            seen=str(fuse),
        )
    user.evidence.fact("Fuse DaemonSet", f"its Pod stays on {node}")


def _wait_for_worker_phase(user: User, phase: str) -> None:
    def observe() -> str:
        found = user.observer.objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace)
        return found.worker.phase if found is not None else ""

    def is_it(seen: str) -> bool:
        return seen == phase

    with user.evidence.phase("waiting", f"the status says that the workers are {phase}"):
        wait(
            user.with_reconcile_requests(observe),
            is_it,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition=f"workerPhase {phase}",
            timeout=LEFT_SECONDS * user.timeout_factor,
            delay=1.0,
        )
    user.evidence.fact("AlluxioRuntime status", f"workerPhase {phase}")


@scenario(
    "D16",
    Level.FULL,
    disturbs={Disruption.NODE: "cordons a node, and deletes only Pods of the scenario from it"},
    alone=True,
    nodes=2,
)
def test_drained_node_loses_its_worker_and_has_it_back_afterwards(user: User) -> None:
    """While a node is drained, applications elsewhere read on; afterwards its worker and its Fuse serve it.

    An administrator drains one of two nodes with a worker for 40 s. All of the data are cached there, and an
    application on the other node reads them. The Dataset stays Bound.
    """
    _creates_two_workers(user)
    _check(user, "d16", partial(drained, user.system.journal, namespace=user.namespace))


@scenario(
    "D17",
    Level.FULL,
    disturbs={Disruption.NODE: "taints a node with NoExecute, which evicts all Pods without a toleration"},
    alone=True,
    nodes=2,
)
def test_tainted_node_serves_applications_that_may_stay(user: User) -> None:
    """On a node with a NoExecute taint, an application that tolerates it reads on; so does one elsewhere.

    An administrator taints one of two nodes with a worker for 40 s. The worker has no toleration and leaves;
    the Fuse tolerates everything and stays. The Dataset stays Bound.
    """
    _creates_two_workers(user)
    tolerates = {"key": TAINT_KEY, "operator": "Exists"}
    staying = fault_readers.application(
        user, "d17-staying", Effect.BREAKS, node=user.system.nodes[1], tolerations=(tolerates,)
    )
    _check(user, "d17", partial(tainted, user.system.journal), (staying,))


@scenario(
    "D25",
    Level.FULL,
    disturbs={Disruption.NODE: "deletes a node from the API, and registers it again"},
    alone=True,
    nodes=2,
)
def test_deleted_node_serves_again_once_it_is_registered(user: User) -> None:
    """While a node is deleted from the API, applications elsewhere read on; afterwards it serves again.

    An administrator deletes one of two nodes with a worker. Kubernetes removes the node's Pods; the worker
    finds no other node. Later the node is registered again as it was. The Dataset stays Bound.
    """
    if user.system.cluster.provider == "existing":
        cannot_run_here("a deleted node of a foreign cluster cannot be reached to register it again")
    plane = control_plane.only_node(user)
    _creates_two_workers(user)
    begin = partial(deleted, user.system.journal, control_plane=plane)
    _check(user, "d25", begin, out=5.0, fuse_stays=False)
