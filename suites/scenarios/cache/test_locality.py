"""Group C: reads on the worker's node and on another one, told apart by Alluxio's own counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, User

#: Seconds until a read shows in the master's counters: clients and workers report every 10 s.
REPORTED_SECONDS: Final = 90.0
#: Share of the bytes that may be missing, or count on the other side: Alluxio prints two decimals.
SLACK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Read:
    """Bytes that Alluxio's clients read, by where they came from."""

    local: float
    remote: float
    source: float

    def since(self, before: Read) -> Read:
        """What was read between two looks."""
        return Read(self.local - before.local, self.remote - before.remote, self.source - before.source)

    def __str__(self) -> str:
        return (
            f"{self.local:.0f} bytes from the own node, {self.remote:.0f} from another, "
            f"{self.source:.0f} from the source"
        )


@scenario("C8", Level.FULL, nodes=2, alone=True)
def test_reads_on_the_workers_node_are_local_and_on_another_remote(dataset_owner: User) -> None:
    """Reads are right on the worker's node and on another, both from the cache: one locally, one remotely.

    The user runs an application away from the only worker, and when all is cached another one on its node.
    """
    worker = dataset_owner.observer.objects.get(
        PodSnapshot, fluid_names.worker_pod(DATASET), dataset_owner.namespace
    )
    assert worker is not None
    elsewhere = next(node for node in dataset_owner.system.nodes if node != worker.node)
    far = dataset_owner.starts(dataset_owner.application("c8-far", DATASET, node=elsewhere))
    checks.served_by_fluid(dataset_owner, far)
    dataset_owner.reads_right(far, who="application, first read")
    checks.all_cached(dataset_owner)

    total = dataset_owner.files.total_bytes
    remote = _reads(dataset_owner, far, lambda read: read.remote, total)
    _came_from(dataset_owner, far, remote, wanted=remote.remote, other=remote.local, total=total)
    # Only now, because a Fuse Pod remembers for 10 min where a file's blocks were when it was opened
    # (alluxio.user.metadata.cache.expiration.time): one that read it cold goes on through the worker.
    near = dataset_owner.starts(dataset_owner.application("c8-near", DATASET, node=worker.node))
    checks.served_by_fluid(dataset_owner, near)
    local = _reads(dataset_owner, near, lambda read: read.local, total)
    _came_from(dataset_owner, near, local, wanted=local.local, other=local.remote, total=total)


def _counters(user: User) -> Read:
    metrics = user.observer.alluxio(user.namespace, DATASET).metrics()
    return Read(metrics.read_local, metrics.read_remote, metrics.read_source)


def _settled(user: User) -> Read:
    """The counters once two looks in a row agree: reports of earlier reads have come in."""
    seen: list[Read] = []

    def look() -> Read:
        seen.append(_counters(user))
        return seen[-1]

    with user.evidence.phase("waiting", "Alluxio's counters come to rest"):
        return wait(
            look,
            lambda now: len(seen) > 1 and seen[-2] == now,
            subject=f"counters of {user.namespace}/{DATASET}",
            condition="equal values in two observations more than one report apart",
            timeout=REPORTED_SECONDS * user.timeout_factor,
            delay=11.0,
        )


def _reads(user: User, pod: PodSnapshot, part: Callable[[Read], float], total: int) -> Read:
    """What one read of all files adds to the counters, from the cache and not from the kernel's pages."""
    before = _settled(user)
    user.observer.drop_page_cache(pod.node)
    user.reads_right(pod, who=f"application on {pod.node}, page cache dropped")
    with user.evidence.phase("waiting", "Alluxio counts the read"):
        wait(
            lambda: _counters(user).since(before),
            lambda read: part(read) >= (1 - SLACK) * total,
            subject=f"counters of {user.namespace}/{DATASET}",
            condition=f"{total} more bytes read by {pod.name}",
            timeout=REPORTED_SECONDS * user.timeout_factor,
            delay=3.0,
            advice="see `alluxio fsadmin report metrics`, Cluster.BytesRead…",
        )
    return _settled(user).since(before)


def _came_from(user: User, pod: PodSnapshot, read: Read, *, wanted: float, other: float, total: int) -> None:
    """Nearly all bytes count on one side, and none came from the source."""
    if wanted < (1 - SLACK) * total or other > SLACK * total or read.source > SLACK * total:
        checks.fail(
            f"a read on {pod.node} did not come from where it had to",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{total} bytes, all from one side and none from the source",
            seen=str(read),
        )
    user.evidence.fact("Alluxio metrics", f"{pod.name} on {pod.node}: {read}", total=total)
