"""A worker that has no memory, or no room in its tier, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items, text
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, endurance, fault_readers, page_cache, workers
from suites.steps.endurance import FaultCase
from suites.steps.recorded_reads import Effect
from suites.steps.user import DATASET, SOURCE, User
from workloads.faults import Fault, exhaust_memory, shared_memory_full
from workloads.models.alluxio_runtime import Component
from workloads.models.dataset import Dataset, NodeAffinity
from workloads.models.shared import Resources
from workloads.models.small_runtime import laptop_runtime

#: Alluxio's worker, as it is named among the processes.
WORKER_CLASS: Final = "alluxio.worker.AlluxioWorker"
#: Seconds for which the readers are watched after the kill (two reconciles, which are requested), and until
#: all read right then.
WATCHED_SECONDS: Final = 40.0
HEALS_SECONDS: Final = 180.0


def _with_memory_limit(user: User) -> None:
    """Create the Dataset with a worker whose container has a limit of memory."""
    runtime = laptop_runtime(user.namespace, DATASET, quota="128Mi")
    limited = Resources(requests={"memory": "256Mi"}, limits={"memory": "1536Mi"})
    worker = (runtime.worker or Component()).evolve(resources=limited)
    user.creates_dataset(runtime=runtime.evolve(worker=worker))


@scenario("D22", Level.FULL, alone=True, dataset=_with_memory_limit)
def test_worker_that_is_out_of_memory_restarts_and_serves_again(dataset_owner: User) -> None:
    """A worker that the kernel kills for its memory restarts in its Pod, and reads and cache are as before.

    The memory of the only worker's container is used up until its limit. The Dataset stays Bound. Reads may
    wait or fail until the worker is back, and are never wrong.
    """
    user = dataset_owner
    worker = workers.find(user, DATASET)
    reader = fault_readers.application(user, "d22-reader", Effect.BREAKS, node=worker.node)
    control = fault_readers.control(user, "d22-raw", Effect.NONE, worker.node)
    restarts = _restarts(worker)
    run = partial(user.system.kube.exec, user.namespace, worker.name, fluid_names.WORKER_CONTAINER)

    @contextmanager
    def begin() -> Iterator[Fault]:
        yield exhaust_memory(run, WORKER_CLASS)

    case = FaultCase(begin, WATCHED_SECONDS, HEALS_SECONDS)
    endured = endurance.endure(user, case, (reader, control))
    endurance.check(user, case, (reader, control), endured)
    _check_restarted(user, worker, restarts)
    all_files = user.starts(user.application("d22-all", DATASET, node=worker.node))
    user.reads_right(all_files, who="new application")
    checks.all_cached(user)


def _restarts(worker: PodSnapshot) -> int:
    container = worker.container(fluid_names.WORKER_CONTAINER)
    return container.restarts if container is not None else 0


def _check_restarted(user: User, before: PodSnapshot, restarts: int) -> None:
    """The same Pod runs, its container was restarted, and its status says why."""
    found = user.system.kube.get(kinds.POD, before.name, user.namespace) or {}
    now = PodSnapshot.of(found)
    reasons = [
        text(status, "lastState", "terminated", "reason")
        for status in items(found, "status", "containerStatuses")
        if text(status, "name") == fluid_names.WORKER_CONTAINER
    ]
    if now.uid != before.uid or _restarts(now) <= restarts:
        checks.fail(
            "the worker's container was not restarted in its Pod",
            subject=f"Pod {user.namespace}/{before.name}",
            expected=f"the Pod with uid {before.uid}, and more than {restarts} restarts",
            seen=f"uid {now.uid}; {now}",
        )
    user.evidence.fact(
        "worker Pod", f"{now}; its last end: {', '.join(reasons)}", restarts=_restarts(now) - restarts
    )


def _on_one_node(user: User) -> None:
    """Create the Dataset with its worker on the first node."""
    planned = Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared")
    user.creates_dataset(planned.evolve(node_affinity=NodeAffinity.on(user.system.nodes[0])))


@scenario(
    "D23",
    Level.FULL,
    disturbs={Disruption.NODE: "makes /dev/shm of a node as small as what it holds, for half a minute"},
    alone=True,
    dataset=_on_one_node,
)
def test_files_are_read_right_while_the_tier_has_no_room(dataset_owner: User) -> None:
    """While a worker's tier has no room although its quota is not used up, all files are read right.

    Other programs have filled the node's /dev/shm. Files that are cached already are read from the cache,
    others from the source. When there is room again, all files are cached. The Dataset stays Bound.
    """
    user = dataset_owner
    worker = workers.find(user, DATASET)
    reader = fault_readers.application(user, "d23-reader", Effect.MAY_WAIT, node=worker.node)
    control = fault_readers.control(user, "d23-raw", Effect.NONE, worker.node)
    plain = user.starts(user.application("d23-all", DATASET, node=worker.node))

    def begin() -> AbstractContextManager[Fault]:
        return shared_memory_full(user.system.journal, worker.node)

    def read_what_is_not_cached() -> None:
        user.reads_right(plain, who="application that reads files that are not cached, no room in the tier")
        listing = user.observer.listing(user.namespace, DATASET)
        user.evidence.fact("Alluxio listing", f"{listing.percentage:.1f} % cached, no room in the tier")

    case = FaultCase(begin, WATCHED_SECONDS, HEALS_SECONDS, meanwhile=read_what_is_not_cached)
    endured = endurance.endure(user, case, (reader, control))
    endurance.check(user, case, (reader, control), endured)
    page_cache.drop_files(user, plain)
    user.reads_right(plain, who="application, room in the tier again")
    checks.all_cached(user)
