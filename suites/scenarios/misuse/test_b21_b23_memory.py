"""Caches that are larger than the memory of a node."""

from __future__ import annotations

import math
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items, quantity_at, text
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.run import cannot_run_here
from suites.run.dataset_pool import ReadyDataset
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.node_placement import WORKER_SECONDS, worker_without_node
from suites.steps.user import DATASET, User
from workloads.models.small_runtime import laptop_runtime

#: Restarts of a worker after which it counts as crashing at each start.
RESTARTS: Final = 2
GIBIBYTE: Final = 2**30
#: Share of a node's memory that a worker may request and still be placed next to others.
ROOM: Final = 0.8
#: Values of a capacity in the status that mean none.
NO_CAPACITY: Final = ("", "0.00B")


@scenario(
    "B21",
    Level.FULL,
    disturbs={
        Disruption.NODE_RESOURCES: "requests more memory than any node has, which may start an autoscaler"
    },
)
def test_worker_that_needs_more_memory_than_any_node_stays_pending(
    user: User, ready_dataset: ReadyDataset
) -> None:
    """A worker whose cache is larger than the memory of any node stays Pending, and its Dataset is not Bound.

    The user configures a tier in memory of twice the memory of the largest node, and no limit.
    """
    most = max(node.memory for node in user.observer.objects.list(NodeSnapshot))
    quota = f"{math.ceil(2 * most / GIBIBYTE)}Gi"
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, quota=quota))
    application = user.application("b21-waits", DATASET)
    user.applies(application.manifest())
    worker = worker_without_node(user, DATASET)
    asked = _requested_memory(user, worker)
    if asked <= most:
        checks.fail(
            "the worker does not request the memory that its cache may use",
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
            "the control proves nothing: the worker with a small cache has no node either",
            last_seen=str(small),
        )
    user.evidence.fact("control", f"a worker with a small cache runs on {small.node}")


def _requested_memory(user: User, pod: PodSnapshot) -> float:
    found = user.system.kube.get(kinds.POD, pod.name, user.namespace) or {}
    return sum(
        quantity_at(container, "resources", "requests", "memory")
        for container in items(found, "spec", "containers")
        if text(container, "name") == fluid_names.WORKER_CONTAINER
    )


@scenario(
    "B23",
    Level.FULL,
    disturbs={Disruption.NODE_RESOURCES: "requests up to 80 % of the memory of a node"},
)
def test_memory_tier_larger_than_shared_memory_has_no_worker(user: User, ready_dataset: ReadyDataset) -> None:
    """A tier in memory that is larger than the node's /dev/shm caches nothing, because its worker crashes.

    The user sets a quota of 1 GiB more than the /dev/shm of any node. Alluxio compares the two when a
    worker starts (DefaultStorageTier), and only the worker's log says so. The Dataset may be
    Bound meanwhile, because a worker counts as ready as soon as it runs.
    """
    there = max(_shared_memory(user, node) for node in user.system.nodes)
    quota = math.ceil(there / GIBIBYTE) + 1
    if quota * GIBIBYTE > ROOM * max(node.memory for node in user.observer.objects.list(NodeSnapshot)):
        cannot_run_here(f"no node has the memory that a worker with {quota} GiB in /dev/shm requests")
    user.evidence.fact("node", f"{there / GIBIBYTE:.1f} GiB fit into its shared memory", bytes=there)
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, quota=f"{quota}Gi"))
    worker, phases = _wait_for_restarts(user)
    user.evidence.fact("worker Pod", str(worker), restarts=worker.restarts)
    user.evidence.fact("Dataset status", f"phases meanwhile: {', '.join(phases)}")
    logs = user.system.kube.logs(
        user.namespace, worker.name, fluid_names.WORKER_CONTAINER, previous=True, tail=200
    )
    said = next((line.strip() for line in logs.splitlines() if "smaller than the configured" in line), "")
    user.evidence.attach("worker's log", logs)
    user.evidence.fact("worker's log", said[:400] or "no line about the size")
    for namespace, whose, serves in (
        (user.namespace, "the tier that is too large", False),
        (ready_dataset.namespace, "control: a tier that fits", True),
    ):
        _check_workers(user, namespace, whose, serves=serves)


def _shared_memory(user: User, node: str) -> int:
    """Size of /dev/shm on a node, in bytes."""
    done = user.system.provider.node_exec(node, ["stat", "-f", "-c", "%b %S", "/dev/shm"])  # noqa: S108 - the tier
    numbers = done.stdout.split()
    if done.exit_code != 0 or len(numbers) != 2 or not all(map(str.isdecimal, numbers)):  # noqa: PLR2004 - blocks, size
        raise InfrastructureError(
            f"the size of /dev/shm on node {node} is not known", last_seen=done.stdout + done.stderr
        )
    return int(numbers[0]) * int(numbers[1])


def _wait_for_restarts(user: User) -> tuple[PodSnapshot, tuple[str, ...]]:
    """Wait until the worker was restarted several times. Returns it with the Dataset's phases meanwhile."""
    objects, name = user.observer.objects, fluid_names.worker_pod(DATASET)
    phases: dict[str, None] = {}

    def observe() -> tuple[PodSnapshot | None, DatasetSnapshot]:
        user.request_reconcile()
        dataset = user.observer.dataset(user.namespace, DATASET)
        phases.setdefault(dataset.phase or "none")
        return objects.get(PodSnapshot, name, user.namespace), dataset

    def restarts(pod: PodSnapshot | None) -> int:
        container = pod.container(fluid_names.WORKER_CONTAINER) if pod else None
        return container.restarts if container else 0

    def was_restarted(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> bool:
        return restarts(seen[0]) >= RESTARTS

    def why_serving(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> str | None:
        capacity = seen[1].cache.capacity
        return None if capacity in NO_CAPACITY else f"it serves a cache of {capacity}"

    with user.evidence.phase("waiting", "the worker crashes at each start"):
        worker, _ = wait(
            observe,
            was_restarted,
            subject=f"Pod {user.namespace}/{name}",
            condition=f"{RESTARTS} restarts",
            timeout=WORKER_SECONDS,
            delay=3.0,
            failed=why_serving,
            describe=lambda seen: f"{seen[0] or 'no worker'}; {seen[1]}",
        )
    assert worker is not None
    return worker, tuple(phases)


def _check_workers(user: User, namespace: str, whose: str, *, serves: bool) -> None:
    """Whether the Dataset's Alluxio has a worker with capacity."""
    alluxio = user.observer.alluxio(namespace, DATASET)
    summary = alluxio.summary()
    if (summary.live_workers > 0 and summary.capacity > 0) != serves:
        checks.fail(
            f"{whose}: Alluxio's report is wrong",
            subject=f"Dataset {namespace}/{DATASET}",
            expected="workers with capacity" if serves else "no worker and no capacity",
            seen=str(summary),
        )
    user.evidence.fact("Alluxio report", f"{whose}: {summary}", workers=summary.live_workers)
