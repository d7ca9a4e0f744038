"""Group B: more than a node has, nodes that are not there, and nodes without a part of Fluid."""

from __future__ import annotations

import math
from typing import Final

from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items, quantity_at, text
from clusters.kubernetes.predicates import is_on
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.run import cannot_run_here
from suites.run.dataset_pool import ReadyDataset
from suites.steps import checks, csi_plugin
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.node_placement import PLACED_SECONDS, WORKER_SECONDS, labelled, worker_without_node
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import Fuse
from workloads.models.dataset import (
    Dataset,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
)
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which an application that cannot start is watched.
STUCK_SECONDS: Final = 20.0
#: Starts of a worker that are waited for, to see that it ends each time.
RESTARTS: Final = 2
GIBIBYTE: Final = 2**30
#: Share of a node's memory that a worker may ask for and still be placed beside others.
ROOM: Final = 0.8
#: Keys of labels that no node has before the scenario gives it to one.
FUSE_KEY: Final = "fluid-conformance/fuse"
CACHE_KEY: Final = "fluid-conformance/cache"
#: A capacity in the status that is none.
NO_CAPACITY: Final = ("", "0.00B")


@scenario("B21", Level.FULL)
def test_worker_that_asks_for_more_memory_than_a_node_has_finds_no_node(
    user: User, ready_dataset: ReadyDataset
) -> None:
    """A worker whose cache is larger than any node's memory finds no node, and its Dataset is not Bound.

    The user gives the runtime a tier in memory of twice what the largest node has, and no limit.
    """
    most = max(node.memory for node in user.observer.objects.list(NodeSnapshot))
    quota = f"{math.ceil(2 * most / GIBIBYTE)}Gi"
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, quota=quota))
    application = user.application("b21-waits", DATASET)
    user.applies(application.manifest())
    worker = worker_without_node(user, DATASET)
    asked = _memory_asked(user, worker)
    if asked <= most:
        checks.fail(
            "the worker does not ask for the memory that its cache may take",
            subject=f"Pod {user.namespace}/{worker.name}",
            expected=f"requests.memory of {quota}",
            seen=f"{asked:.0f} bytes",
        )
    user.evidence.fact(
        "worker's requests", f"{quota} of memory; the largest node has {most / GIBIBYTE:.1f} GiB", bytes=asked
    )
    checks.no_such_claim(user, DATASET)
    assert_diagnosis(
        user,
        application.name,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.TOO_LITTLE_MEMORY,
        names=(DATASET, "memory", "Lower the quota"),
    )
    small = user.observer.objects.get(PodSnapshot, fluid_names.worker_pod(DATASET), ready_dataset.namespace)
    if small is None or not small.node:
        raise InfrastructureError(
            "the control says nothing: the worker with a small cache has no node either", last_seen=str(small)
        )
    user.evidence.fact("control", f"a worker with a small cache runs on {small.node}")


def _memory_asked(user: User, pod: PodSnapshot) -> float:
    found = user.system.kube.get(kinds.POD, pod.name, user.namespace) or {}
    return sum(
        quantity_at(container, "resources", "requests", "memory")
        for container in items(found, "spec", "containers")
        if text(container, "name") == fluid_names.WORKER_CONTAINER
    )


@scenario("B23", Level.FULL)
def test_memory_tier_larger_than_the_nodes_holds_nothing(user: User, ready_dataset: ReadyDataset) -> None:
    """A tier in memory that is larger than the node's /dev/shm holds nothing: its worker ends at each start.

    The user sets a quota of 1 GiB more than /dev/shm has on any node. Alluxio compares the two when a
    worker starts (its DefaultStorageTier), and only the worker's log says so; the Dataset may be
    Bound meanwhile, because a worker counts as ready as soon as it runs.
    """
    there = max(_shared_memory(user, node) for node in user.system.nodes)
    quota = math.ceil(there / GIBIBYTE) + 1
    if quota * GIBIBYTE > ROOM * max(node.memory for node in user.observer.objects.list(NodeSnapshot)):
        cannot_run_here(f"no node has the memory that a worker with {quota} GiB in /dev/shm asks for")
    user.evidence.fact("node", f"{there / GIBIBYTE:.1f} GiB fit into its shared memory", bytes=there)
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, quota=f"{quota}Gi"))
    worker, phases = _ends_at_each_start(user)
    user.evidence.fact("worker Pod", str(worker), restarts=worker.restarts)
    user.evidence.fact("Dataset status", f"phases on the way: {', '.join(phases)}")
    logs = user.system.kube.logs(
        user.namespace, worker.name, fluid_names.WORKER_CONTAINER, previous=True, tail=200
    )
    said = next((line.strip() for line in logs.splitlines() if "smaller than the configured" in line), "")
    user.evidence.attach("worker's log", logs)
    user.evidence.fact("worker's log", said[:400] or "it says nothing of the size")
    for namespace, whose, serves in (
        (user.namespace, "the tier that is too large", False),
        (ready_dataset.namespace, "control: a tier that fits", True),
    ):
        _workers(user, namespace, whose, serves=serves)


def _shared_memory(user: User, node: str) -> int:
    """Bytes that /dev/shm of a node can hold."""
    done = user.system.provider.node_exec(node, ["stat", "-f", "-c", "%b %S", "/dev/shm"])  # noqa: S108 - the tier
    numbers = done.stdout.split()
    if done.exit_code != 0 or len(numbers) != 2 or not all(map(str.isdecimal, numbers)):  # noqa: PLR2004 - blocks, size
        raise InfrastructureError(
            f"node {node} does not tell the size of its /dev/shm", last_seen=done.stdout + done.stderr
        )
    return int(numbers[0]) * int(numbers[1])


def _ends_at_each_start(user: User) -> tuple[PodSnapshot, tuple[str, ...]]:
    """Wait until the worker was started several times; and the Dataset's phases on the way."""
    objects, name = user.observer.objects, fluid_names.worker_pod(DATASET)
    phases: dict[str, None] = {}

    def look() -> tuple[PodSnapshot | None, DatasetSnapshot]:
        user.request_reconcile()
        dataset = user.observer.dataset(user.namespace, DATASET)
        phases.setdefault(dataset.phase or "none")
        return objects.get(PodSnapshot, name, user.namespace), dataset

    def restarts(pod: PodSnapshot | None) -> int:
        container = pod.container(fluid_names.WORKER_CONTAINER) if pod else None
        return container.restarts if container else 0

    with user.evidence.phase("waiting", "the worker ends at each start"):
        worker, _ = wait(
            look,
            lambda seen: restarts(seen[0]) >= RESTARTS,
            subject=f"Pod {user.namespace}/{name}",
            condition=f"{RESTARTS + 1} starts",
            timeout=WORKER_SECONDS,
            delay=3.0,
            failed=lambda seen: (
                None
                if seen[1].cache.capacity in NO_CAPACITY
                else f"it serves a cache of {seen[1].cache.capacity}"
            ),
            describe=lambda seen: f"{seen[0] or 'no worker'}; {seen[1]}",
        )
    assert worker is not None
    return worker, tuple(phases)


def _workers(user: User, namespace: str, whose: str, *, serves: bool) -> None:
    """How many workers, and how much room, the Dataset's Alluxio has."""
    alluxio = user.observer.alluxio(namespace, DATASET)
    summary = alluxio.summary()
    if (summary.live_workers > 0 and summary.capacity > 0) != serves:
        checks.fail(
            f"{whose}: Alluxio's report is not as it must be",
            subject=f"Dataset {namespace}/{DATASET}",
            expected="workers with room" if serves else "no worker and no room",
            seen=str(summary),
        )
    user.evidence.fact("Alluxio report", f"{whose}: {summary}", workers=summary.live_workers)


@scenario("B24", Level.FULL, alone=True)
def test_application_on_a_node_without_the_csi_plugin_waits_for_it(shared_user: User) -> None:
    """An application on a node without Fluid's CSI plugin waits, and starts by itself when it is there.

    The plugin is kept off the nodes by its DaemonSet's nodeSelector; the user starts a Pod on Fluid's
    claim. Then the administrator lets the plugin back.
    """
    application = shared_user.application("b24-waits", DATASET)
    with csi_plugin.removed(shared_user.system.kube) as plugin:
        shared_user.evidence.fact("CSI plugin", str(plugin))
        shared_user.applies(application.manifest())
        was = _waits_on_its_node(shared_user, application.name)
        checks.reported_events(shared_user, application.name, "Pod")
        assert_diagnosis(
            shared_user,
            application.name,
            FindingCode.CSI_PLUGIN_MISSING,
            names=(application.name, was.node, "csi-nodeplugin-fluid"),
        )
    pod = shared_user.waits_until_running(application)
    checks.same_pod(was, pod)
    checks.served_by_fluid(shared_user, pod)
    shared_user.reads_right(pod)


def _waits_on_its_node(user: User, name: str) -> PodSnapshot:
    """The Pod has a node and no running container, all through a window."""
    objects = user.observer.objects
    user.waits_for_scheduling_verdict(user.namespace, name)
    with user.evidence.phase("window", f"Pod {name} waits on its node"):
        looks = hold(
            lambda: objects.get(PodSnapshot, name, user.namespace),
            lambda pod: (
                None
                if pod is not None and pod.node and pod.phase == "Pending"
                else f"it does not wait for its volume: {pod}"
            ),
            subject=f"Pod {user.namespace}/{name}",
            condition="phase Pending on a node",
            window=STUCK_SECONDS,
        )
    last = looks[-1]
    assert last is not None
    user.evidence.fact("Pod", f"waits on {last.node}, its containers not started", looks=len(looks))
    return last


@scenario("B25", Level.FULL)
def test_application_off_the_nodes_of_its_fuse_finds_no_node(user: User) -> None:
    """An application finds no node where the Fuse may not run; it starts as soon as one is let in.

    The user gives the runtime ``fuse.nodeSelector`` with a label that no node has. The Dataset gets Bound all
    the same; then the administrator labels a node.
    """
    selector = {FUSE_KEY: user.namespace}
    runtime = laptop_runtime(user.namespace, DATASET)
    fuse = (runtime.fuse or Fuse()).evolve(node_selector=selector)
    user.creates_dataset(runtime=runtime.evolve(fuse=fuse))
    user.waits_until_bound()
    checks.claim_and_volume_of_fluid(user)
    application = user.application("b25-waits", DATASET)
    user.applies(application.manifest())
    _finds_no_node(user, application.name)
    assert_diagnosis(
        user,
        application.name,
        FindingCode.VOLUME_ELSEWHERE,
        names=(application.name, DATASET, FUSE_KEY, "spec.fuse.nodeSelector"),
    )
    with labelled(user, user.system.nodes[0], FUSE_KEY):
        pod = user.waits_until_running(application)
        if pod.node != user.system.nodes[0]:
            checks.fail(
                "the application runs where its Fuse may not",
                subject=f"Pod {user.namespace}/{pod.name}",
                expected=f"node {user.system.nodes[0]}, the only one with {FUSE_KEY}",
                seen=pod.node,
            )
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        user.stops(pod)


def _finds_no_node(user: User, name: str) -> None:
    """The Pod is not scheduled all through a window, and no Fuse is asked for."""
    objects = user.observer.objects
    user.waits_for_scheduling_verdict(user.namespace, name)

    def wrong(pod: PodSnapshot | None) -> str | None:
        if pod is None or pod.node:
            return f"it does not wait for a node: {pod}"
        return checks.why_fuse_present(user.observer.fuse(user.namespace, DATASET))

    with user.evidence.phase("window", f"Pod {name} finds no node"):
        looks = hold(
            lambda: objects.get(PodSnapshot, name, user.namespace),
            wrong,
            subject=f"Pod {user.namespace}/{name}",
            condition="absence of a node and of a Fuse Pod",
            window=STUCK_SECONDS,
        )
    last = looks[-1]
    user.evidence.fact("Pod condition", last.scheduling if last else "", looks=len(looks))


@scenario("B26", Level.FULL, issues=(1729,))
def test_worker_for_nodes_that_are_not_there_finds_none(user: User) -> None:
    """A worker for nodes that are not there finds none, and its Dataset is not Bound until there is one.

    The user writes a ``nodeAffinity`` with a label that no node has into the Dataset, and labels a
    node later.
    """
    wanted = NodeSelectorRequirement(key=CACHE_KEY, operator="In", values=(user.namespace,))
    term = NodeSelectorTerm(match_expressions=(wanted,))
    affinity = NodeAffinity(required=NodeSelector(node_selector_terms=(term,)))
    dataset = Dataset.over_claim(user.namespace, DATASET, SOURCE)
    user.creates_dataset(dataset.evolve(placement="Shared", node_affinity=affinity))
    application = user.application("b26-waits", DATASET)
    user.applies(application.manifest())
    worker = worker_without_node(user, DATASET)
    checks.no_such_claim(user, DATASET)
    checks.reported_events(user, DATASET, "Dataset")
    assert_diagnosis(
        user,
        application.name,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NO_NODE_FITS,
        names=(DATASET, CACHE_KEY, "label a node"),
    )
    node, objects = user.system.nodes[0], user.observer.objects
    with labelled(user, node, CACHE_KEY), user.evidence.phase("waiting", "the worker gets its node"):
        wait(
            lambda: objects.get(PodSnapshot, worker.name, user.namespace),
            is_on(node),
            subject=f"Pod {user.namespace}/{worker.name}",
            condition=f"scheduling to {node}, which has the label now,",
            timeout=PLACED_SECONDS,
        )
    user.evidence.fact("control", f"once {node} had the label, the same worker was placed there")
