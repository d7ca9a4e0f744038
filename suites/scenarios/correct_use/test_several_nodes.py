"""Group A: where the parts of Datasets run, on one node and on several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_ready_on
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Defect, Leftover, Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.node_placement import LABELLED_SECONDS, STAYS_SECONDS, labelled, worker_without_node
from suites.steps.user import DATASET, SOURCE, User
from workloads.faults import delete_pod
from workloads.models.alluxio_runtime import Component
from workloads.models.dataset import Dataset, NodeAffinity
from workloads.models.small_runtime import laptop_runtime

#: A second and a third Dataset beside the first.
SECOND: Final = "second"
THIRD: Final = "third"
#: Seconds until the number of workers has changed, and until the status tells the capacity.
SCALE_SECONDS: Final = 240.0
#: Alluxio counts the capacity of a worker that went for 5 min otherwise (its own default).
FORGETS_SOON: Final = {"alluxio.master.worker.timeout": "20sec"}
#: Key of a label that no node has before the scenario gives it to one.
WORKER_KEY: Final = "fluid-conformance/worker"


@scenario("A4", Level.CONFORMANCE, nodes=2)
def test_only_nodes_with_an_application_have_a_fuse_pod(dataset_owner: User) -> None:
    """Each node with an application has a Fuse Pod of its own, and no other node has one.

    The user starts an application on one node, and then another one on a second node.
    """
    first = dataset_owner.starts(
        dataset_owner.application("a4-first", DATASET, node=dataset_owner.system.nodes[0])
    )
    checks.served_by_fluid(dataset_owner, first)
    _fuses_on(dataset_owner, first)
    second = dataset_owner.starts(
        dataset_owner.application("a4-second", DATASET, node=dataset_owner.system.nodes[1])
    )
    for pod in (first, second):
        checks.served_by_fluid(dataset_owner, pod)
        dataset_owner.reads_right(pod, who=f"application on {pod.node}")
    _fuses_on(dataset_owner, first, second)


def _fuses_on(user: User, *pods: PodSnapshot) -> None:
    """Just the nodes of those applications are labelled and have a Fuse Pod, all through a window."""
    nodes = {pod.node for pod in pods}
    others = [node.name for node in user.observer.objects.list(NodeSnapshot) if node.name not in nodes]
    with user.evidence.phase("window", "no Fuse Pod on other nodes"):
        looks = hold(
            lambda: user.observer.fuse(user.namespace, DATASET),
            lambda fuse: (
                None
                if set(fuse.labelled) == nodes == set(fuse.pods) and fuse.desired == len(nodes)
                else str(fuse)
            ),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"Fuse Pods on exactly {', '.join(sorted(nodes))}",
            window=STAYS_SECONDS,
        )
    user.evidence.fact(
        "Fuse DaemonSet",
        f"Fuse Pods on {', '.join(sorted(nodes))}, none on {', '.join(others) or 'any other'}",
        looks=len(looks),
        desired=looks[-1].desired,
    )


@scenario("A17", Level.CONFORMANCE, nodes=2)
def test_exclusive_datasets_have_their_workers_on_different_nodes(user: User) -> None:
    """Workers of Datasets with Exclusive placement never share a node; one too many waits.

    The user makes two Datasets without a placement, which is Exclusive, and then asks for as many
    workers of the second as there are nodes.
    """
    for name in (DATASET, SECOND):
        user.creates_dataset(Dataset.over_claim(user.namespace, name, SOURCE))
        user.waits_until_bound(name)
    first, second = (_worker(user, name) for name in (DATASET, SECOND))
    if first.node == second.node:
        checks.fail(
            "workers of two Exclusive Datasets share a node",
            subject=f"node {first.node}",
            expected="one of them on another node",
            seen=f"{first}; {second}",
        )
    for worker, name in ((first, DATASET), (second, SECOND)):
        value = fluid_names.exclusive_value(user.namespace, name)
        _carries(user, worker.node, fluid_names.EXCLUSIVE_LABEL, value, name)
    wanted = len(user.system.nodes)
    _scale(user, SECOND, wanted)
    _one_waits(user, wanted)


def _one_waits(user: User, wanted: int) -> None:
    """One worker of the second Dataset finds no node; the others are ready, and the runtime says so."""
    objects = user.observer.objects

    def look() -> tuple[AlluxioRuntimeSnapshot | None, tuple[PodSnapshot, ...]]:
        user.request_reconcile(SECOND)
        return (
            objects.get(AlluxioRuntimeSnapshot, SECOND, user.namespace),
            objects.list(PodSnapshot, user.namespace, labels=fluid_names.pod_labels(SECOND, "worker")),
        )

    with user.evidence.phase("waiting", "the other workers are ready"):
        runtime, _ = wait(
            look,
            lambda seen: (
                seen[0] is not None
                and seen[0].worker.phase == "PartialReady"
                and sum(pod.ready for pod in seen[1]) == wanted - 1
                and any(pod.scheduling for pod in seen[1])
            ),
            subject=f"AlluxioRuntime {user.namespace}/{SECOND}",
            condition=f"{wanted - 1} of {wanted} ready workers and one without a node",
            timeout=SCALE_SECONDS,
            delay=5.0,
            describe=lambda seen: "; ".join([str(seen[0]), *map(str, seen[1])]),
        )
    with user.evidence.phase("window", "one worker finds no node"):
        hold(
            lambda: objects.list(
                PodSnapshot, user.namespace, labels=fluid_names.pod_labels(SECOND, "worker")
            ),
            lambda pods: (
                None if sum(not pod.node for pod in pods) == 1 else "; ".join(map(str, pods)) or "no workers"
            ),
            subject=f"workers of {user.namespace}/{SECOND}",
            condition="one Pod without a node",
            window=STAYS_SECONDS,
        )
    user.evidence.fact("AlluxioRuntime status", str(runtime))


def _shared_on_one_node(user: User, name: str = DATASET) -> None:
    pinned = NodeAffinity.on(user.system.nodes[0])
    dataset = Dataset.over_claim(user.namespace, name, SOURCE)
    user.creates_dataset(dataset.evolve(placement="Shared", node_affinity=pinned))


@scenario("A18", Level.CONFORMANCE, dataset=_shared_on_one_node)
def test_shared_datasets_share_a_node_and_keep_exclusive_ones_off(dataset_owner: User) -> None:
    """Workers of Datasets with Shared placement share a node, where no Exclusive one's then fits.

    The user makes two Datasets with ``placement: Shared`` and a third one without, all for one node.
    """
    node = dataset_owner.system.nodes[0]
    pinned = NodeAffinity.on(node)
    _shared_on_one_node(dataset_owner, SECOND)
    dataset_owner.waits_until_bound(SECOND)
    workers = [_worker(dataset_owner, name) for name in (DATASET, SECOND)]
    if {worker.node for worker in workers} != {node}:
        checks.fail(
            "workers of two Shared Datasets are not on the node that both ask for",
            subject=f"node {node}",
            expected="both workers",
            seen="; ".join(map(str, workers)),
        )
    _shares(dataset_owner, node)
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


def _shares(user: User, node: str) -> None:
    """The node counts the Datasets that it caches: the two of this scenario, and others may add."""
    number = _label_of(user, node, fluid_names.DATASET_NUMBER_LABEL, _two_or_more, "2 or more", name=SECOND)
    user.evidence.fact("node labels", f"{node} caches {number} Datasets")


def _two_or_more(number: str) -> bool:
    return number.isdecimal() and int(number) >= 2  # noqa: PLR2004 - its name says so


def _forgets_soon(user: User) -> None:
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, properties=FORGETS_SOON))


@scenario("A28", Level.CONFORMANCE, nodes=2, alone=True, dataset=_forgets_soon)
def test_workers_can_be_added_and_taken_away_while_an_application_reads(dataset_owner: User) -> None:
    """A second worker doubles the cache on another node; taking it away again disturbs no reader.

    The user sets the runtime's ``replicas`` to 2 and back to 1 while an application reads. Alluxio is
    told to forget a worker that went after 20 s instead of 5 min: the status tells its capacity till then.
    """
    pod = dataset_owner.starts(dataset_owner.application("a28-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    _scale(dataset_owner, DATASET, 2)
    _workers_ready(dataset_owner, pod, 2, "1.00GiB")
    wait_for_event(dataset_owner, "AlluxioRuntime", DATASET, reason="Succeed", says="scaled out")
    workers = dataset_owner.observer.objects.list(
        PodSnapshot, dataset_owner.namespace, labels=fluid_names.pod_labels(DATASET, "worker")
    )
    for node in sorted({worker.node for worker in workers}):
        _carries(dataset_owner, node, fluid_names.common_label(dataset_owner.namespace, DATASET), "true")
    _scale(dataset_owner, DATASET, 1)
    _workers_ready(dataset_owner, pod, 1, "512.00MiB")
    wait_for_event(dataset_owner, "AlluxioRuntime", DATASET, reason="Succeed", says="scaled in")
    dataset_owner.observer.drop_page_cache(pod.node)
    dataset_owner.reads_right(pod, who="application, one worker again")


def _workers_ready(user: User, pod: PodSnapshot, number: int, capacity: str) -> None:
    """Wait until that many workers are ready and the status tells their capacity; the application reads."""
    objects = user.observer.objects

    def look() -> tuple[int, str]:
        user.reads_right_quietly(pod)
        workers = objects.list(PodSnapshot, user.namespace, labels=fluid_names.pod_labels(DATASET, "worker"))
        ready = sum(worker.ready for worker in workers) if len(workers) == number else -1
        return ready, user.observer.dataset(user.namespace, DATASET).cache.capacity

    with user.evidence.phase("waiting", f"{number} workers serve"):
        wait(
            user.with_reconcile_requests(look),
            lambda seen: seen == (number, capacity),
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition=f"{number} ready workers and cacheCapacity {capacity}",
            timeout=SCALE_SECONDS,
            delay=1.0,
            describe=lambda seen: f"{seen[0]} ready, capacity {seen[1]}",
        )
    user.evidence.fact(
        "Dataset status", f"cacheCapacity {capacity} with {number} workers; reads right meanwhile"
    )


def _scale(user: User, name: str, replicas: int) -> None:
    """Change the number of workers, as the user does: the rest of the runtime stays as it was sent."""
    user.system.kube.patch(kinds.ALLUXIO_RUNTIME, name, user.namespace, {"spec": {"replicas": replicas}})
    user.evidence.fact("AlluxioRuntime", f"the user asks for {replicas} workers of {name}")


def _worker(user: User, name: str) -> PodSnapshot:
    found = user.observer.objects.get(PodSnapshot, fluid_names.worker_pod(name), user.namespace)
    if found is None or not found.node:
        checks.fail(
            f"Dataset {name} is Bound and its worker runs nowhere",
            subject=f"Dataset {user.namespace}/{name}",
            expected="a worker on a node",
            seen=str(found),
        )
    user.evidence.fact("worker", f"that of {name} runs on {found.node}")
    return found


def _carries(user: User, node: str, key: str, value: str, name: str = DATASET) -> None:
    """A node carries a label for a Dataset."""
    _label_of(user, node, key, lambda seen: seen == value, value, name=name)
    user.evidence.fact("node labels", f"{node} carries {key}={value}")


def _label_of(user: User, node: str, key: str, good: Callable[[str], bool], wanted: str, *, name: str) -> str:
    """A node's label, once it is good: Fluid sets it at its first whole look at a Dataset that is Bound."""

    def look() -> str:
        found = user.observer.objects.get(NodeSnapshot, node)
        return found.labels.get(key, "") if found else ""

    with user.evidence.phase("waiting", "the node is labelled for the cache"):
        return wait(
            user.with_reconcile_requests(look, name),
            good,
            subject=f"node {node}",
            condition=f"label {key}={wanted}",
            timeout=LABELLED_SECONDS * user.timeout_factor,
            describe=lambda seen: f"{key}={seen or '(none)'}",
            advice="look at the log of alluxioruntime-controller",
        )


@scenario(
    "D15",
    Level.FULL,
    nodes=2,
    defects=(
        Defect(
            "blocks-left-on-former-node",
            "When a worker's Pod comes back on another node, the blocks that it cached stay in the memory of "
            "its former node, also after the Dataset is deleted: no worker is there any more to free them.",
            "pkg/ddc/alluxio/shutdown.go:103-150, pkg/ddc/alluxio/cache.go:194-213 (1.0.8)",
        ),
    ),
    leftovers=(Leftover("blocks-left-on-former-node", r"/alluxioworker/"),),
)
def test_worker_that_comes_back_on_another_node_serves_from_there(user: User) -> None:
    """A worker that comes back on another node serves from there, and the cache fills again.

    The administrator moves the label of ``worker.nodeSelector`` from one node to the next, and the worker's
    Pod is deleted while everything is cached. Alluxio is told to forget a worker that went after 20 s.
    """
    former, latter = user.system.nodes[:2]
    runtime = laptop_runtime(user.namespace, DATASET, properties=FORGETS_SOON)
    worker = (runtime.worker or Component()).evolve(node_selector={WORKER_KEY: user.namespace})
    with labelled(user, former, WORKER_KEY):
        user.creates_dataset(runtime=runtime.evolve(worker=worker))
        user.waits_until_bound()
        pod = user.starts(user.application("d15-reader", DATASET))
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        checks.all_cached(user)
    name = _worker(user, DATASET).name
    user.evidence.leftovers_on(former)
    with labelled(user, latter, WORKER_KEY):
        fault = delete_pod(user.system.kube, user.namespace, name, because="the scenario's fault")
        user.evidence.fact("fault", fault.says)
        with user.evidence.phase("waiting", "the worker is back"):
            wait(
                lambda: user.observer.objects.get(PodSnapshot, name, user.namespace),
                is_ready_on(latter),
                subject=f"Pod {user.namespace}/{name}",
                condition=f"condition Ready on {latter}",
                timeout=SCALE_SECONDS,
            )
        user.observer.drop_page_cache(pod.node)
        checks.reads_again(user, pod, SCALE_SECONDS, advice="look at the worker's log")
        checks.all_cached(user)
