"""Nodes of the workers of Exclusive and Shared Datasets."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.steps import checks, workers
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.node_placement import STAYS_SECONDS, worker_without_node
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset, NodeAffinity

#: A second and a third Dataset next to the first.
SECOND: Final = "second"
THIRD: Final = "third"


@scenario(
    "A17",
    Level.CONFORMANCE,
    nodes=2,
    fields=(
        "Dataset.spec.placement",
        "AlluxioRuntime.status.workerPhase",
    ),
    disturbs={Disruption.NODE_RESOURCES: "occupies every node with Exclusive Datasets"},
)
def test_exclusive_datasets_have_their_workers_on_different_nodes(user: User) -> None:
    """Workers of Exclusive Datasets share a node with no other worker; one without a free node is Pending.

    The user creates two Datasets without a placement, which is Exclusive, and then sets as many workers for
    the second as there are nodes: one of them has no node. A third Dataset, with ``placement: Shared``, has
    no node either, until the second one is deleted. Then its worker runs on a node without the first.
    """
    for name in (DATASET, SECOND):
        user.creates_dataset(Dataset.over_claim(user.namespace, name, SOURCE))
        user.waits_until_bound(name)
    first, second = (workers.find(user, name) for name in (DATASET, SECOND))
    _check_apart(first, second, "two Exclusive Datasets", "one of them")
    for worker, name in ((first, DATASET), (second, SECOND)):
        value = fluid_names.exclusive_value(user.namespace, name)
        workers.check_node_label(user, worker.node, fluid_names.EXCLUSIVE_LABEL, value, name)
        workers.check_placement_label(worker, "Exclusive")
    replicas = len(user.system.nodes)
    workers.scale(user, SECOND, replicas)
    _wait_for_all_but_one(user, replicas)
    # Every node has a worker of an Exclusive Dataset now. The third master starts during the next window.
    user.creates_dataset(Dataset.over_claim(user.namespace, THIRD, SOURCE).evolve(placement="Shared"))
    _check_one_is_pending(user)
    worker_without_node(user, THIRD)
    _check_shared_after_deletion(user)


def _check_shared_after_deletion(user: User) -> None:
    """The Shared worker is placed once nodes are free of Exclusive ones; the first Dataset keeps its own."""
    user.deletes_dataset(SECOND)
    user.waits_until_bound(THIRD)
    first, shared = (workers.find(user, name) for name in (DATASET, THIRD))
    _check_apart(first, shared, "an Exclusive and a Shared Dataset", "the Shared one")


def _check_apart(first: PodSnapshot, second: PodSnapshot, whose: str, other: str) -> None:
    if first.node == second.node:
        checks.fail(
            f"workers of {whose} share a node",
            subject=f"node {first.node}",
            expected=f"{other} on another node",
            seen=f"{first}; {second}",
        )


def _wait_for_all_but_one(user: User, replicas: int) -> None:
    """All workers of the second Dataset but one are ready, and the runtime's status says so."""
    objects = user.observer.objects

    def observe() -> tuple[AlluxioRuntimeSnapshot | None, tuple[PodSnapshot, ...]]:
        user.request_reconcile(SECOND)
        return (
            objects.get(AlluxioRuntimeSnapshot, SECOND, user.namespace),
            workers.of_dataset(user, SECOND),
        )

    def all_but_one_ready(seen: tuple[AlluxioRuntimeSnapshot | None, tuple[PodSnapshot, ...]]) -> bool:
        runtime, pods = seen
        return (
            runtime is not None
            and runtime.worker.phase == "PartialReady"
            and sum(pod.ready for pod in pods) == replicas - 1
            and any(pod.scheduling for pod in pods)
        )

    with user.evidence.phase("waiting", "the other workers are ready"):
        runtime, _ = wait(
            observe,
            all_but_one_ready,
            subject=f"AlluxioRuntime {user.namespace}/{SECOND}",
            condition=f"{replicas - 1} of {replicas} workers ready, one without a node",
            timeout=workers.SCALE_SECONDS * user.timeout_factor,
            delay=5.0,
            describe=lambda seen: "; ".join([str(seen[0]), *map(str, seen[1])]),
        )
    user.evidence.fact("AlluxioRuntime status", str(runtime))


def _check_one_is_pending(user: User) -> None:
    """One worker of the second Dataset stays without a node."""

    def why_not_one_pending(pods: tuple[PodSnapshot, ...]) -> str | None:
        pending = sum(not pod.node for pod in pods)
        return None if pending == 1 else "; ".join(map(str, pods)) or "no workers"

    with user.evidence.phase("window", "one worker has no node"):
        hold(
            lambda: workers.of_dataset(user, SECOND),
            why_not_one_pending,
            subject=f"workers of {user.namespace}/{SECOND}",
            condition="one worker without a node",
            window=STAYS_SECONDS,
        )


def _shared_on_one_node(user: User, name: str = DATASET) -> None:
    pinned = NodeAffinity.on(user.system.nodes[0])
    dataset = Dataset.over_claim(user.namespace, name, SOURCE)
    user.creates_dataset(dataset.evolve(placement="Shared", node_affinity=pinned))


@scenario("A18", Level.CONFORMANCE, dataset=_shared_on_one_node, fields=("Dataset.spec.placement",))
def test_shared_datasets_share_a_node_that_no_exclusive_one_may_use(dataset_owner: User) -> None:
    """Workers of Shared Datasets share a node, and a worker of an Exclusive Dataset is Pending there.

    The user creates two Datasets with ``placement: Shared`` and a third one without, all for one node.
    """
    node = dataset_owner.system.nodes[0]
    pinned = NodeAffinity.on(node)
    _shared_on_one_node(dataset_owner, SECOND)
    dataset_owner.waits_until_bound(SECOND)
    placed = [workers.find(dataset_owner, name) for name in (DATASET, SECOND)]
    if {worker.node for worker in placed} != {node}:
        checks.fail(
            "workers of two Shared Datasets are not on the node that both require",
            subject=f"node {node}",
            expected="both workers",
            seen="; ".join(map(str, placed)),
        )
    _check_node_counts_datasets(dataset_owner, node)
    dataset_owner.creates_dataset(
        Dataset.over_claim(dataset_owner.namespace, THIRD, SOURCE).evolve(node_affinity=pinned)
    )
    application = dataset_owner.application("a18-waits", THIRD)
    dataset_owner.applies(application.manifest())
    worker_without_node(dataset_owner, THIRD)
    assert_diagnosis(
        dataset_owner,
        application.name,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NODES_TAKEN,
        names=(THIRD, "Shared"),
    )


def _check_node_counts_datasets(user: User, node: str) -> None:
    """The node's label counts the Datasets that it caches: the two of this scenario, and perhaps others."""
    number = workers.wait_for_node_label(
        user, node, fluid_names.DATASET_NUMBER_LABEL, _two_or_more, "2 or more", name=SECOND
    )
    user.evidence.fact("node labels", f"{node} caches {number} Datasets")


def _two_or_more(number: str) -> bool:
    return number.isdecimal() and int(number) >= 2  # noqa: PLR2004 - its name says so
