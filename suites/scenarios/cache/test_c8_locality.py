"""Reads on the worker's node and on another one, by Alluxio's own counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import CacheStates
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, page_cache
from suites.steps.user import DATASET, User

#: Seconds until a read is in the master's counters: clients and workers report every 10 s.
REPORTED_SECONDS: Final = 90.0
#: Seconds until the status shows where reads were served from, as in C4.
RATIO_SECONDS: Final = 420.0
#: Per cent from which a ratio counts as all, and up to which as none: readers overlap samples.
NEARLY_ALL: Final = 90.0
NEARLY_NONE: Final = 10.0
#: Share of the bytes that may be missing, or on the other side: Alluxio prints two decimals.
SLACK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Read:
    """Bytes that Alluxio's clients read, by their origin."""

    local: float
    remote: float
    source: float

    def since(self, before: Read) -> Read:
        """What was read since an earlier state."""
        return Read(self.local - before.local, self.remote - before.remote, self.source - before.source)

    def __str__(self) -> str:
        return (
            f"{self.local:.0f} bytes from the same node, {self.remote:.0f} from another, "
            f"{self.source:.0f} from the source"
        )


@scenario("C8", Level.FULL, nodes=2, alone=True)
def test_reads_on_the_workers_node_are_local_and_on_another_remote(dataset_owner: User) -> None:
    """Reads on the worker's node and on another node are right and from the cache, local and remote.

    The user starts an application on another node than the only worker, and another one on the worker's
    node when all files are cached.
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
    remote = _read_and_count(dataset_owner, far, lambda read: read.remote, total)
    _check_origin(dataset_owner, far, remote, expected=remote.remote, other=remote.local, total=total)
    _check_status_says_remote(dataset_owner, far)
    # Only now: a Fuse Pod remembers for 10 min where the blocks of a file were when it was opened
    # (alluxio.user.metadata.cache.expiration.time), so one that opened it before would read remotely.
    near = dataset_owner.starts(dataset_owner.application("c8-near", DATASET, node=worker.node))
    checks.served_by_fluid(dataset_owner, near)
    local = _read_and_count(dataset_owner, near, lambda read: read.local, total)
    _check_origin(dataset_owner, near, local, expected=local.local, other=local.remote, total=total)


def _check_status_says_remote(user: User, pod: PodSnapshot) -> None:
    """The Dataset's status says that reads on a node without a worker are remote hits, not local ones.

    Fluid computes both ratios at most once a minute (pkg/ddc/alluxio/cache.go:99-120 of 1.0.8).
    """

    def read_again() -> CacheStates:
        # Otherwise the reads would be served from the page cache, and Alluxio would count nothing.
        page_cache.drop_files(user, pod, silent=True)
        user.reads_right_quietly(pod)
        user.request_reconcile()
        return user.observer.dataset(user.namespace, DATASET).cache

    def is_remote(cache: CacheStates) -> bool:
        return (cache.remote_hit_ratio or 0.0) >= NEARLY_ALL and (cache.local_hit_ratio or 0.0) <= NEARLY_NONE

    with user.evidence.phase("waiting", "the status shows where reads are served from"):
        cache = wait(
            read_again,
            is_remote,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="remoteHitRatio of nearly 100 % and localHitRatio of nearly 0 %",
            timeout=RATIO_SECONDS * user.timeout_factor,
            delay=5.0,
            describe=lambda seen: f"remote {seen.remote_hit_ratio} %, local {seen.local_hit_ratio} %",
            advice="see `alluxio fsadmin report metrics`, Cluster.BytesRead…",
        )
    user.evidence.fact(
        "Dataset status",
        f"remoteHitRatio {cache.remote_hit_ratio} %, localHitRatio {cache.local_hit_ratio} %",
    )


def _counters(user: User) -> Read:
    metrics = user.observer.alluxio(user.namespace, DATASET).metrics()
    return Read(metrics.read_local, metrics.read_remote, metrics.read_source)


def _wait_until_settled(user: User) -> Read:
    """The counters once they are the same twice in a row: earlier reads are reported then."""
    seen: list[Read] = []

    def observe() -> Read:
        seen.append(_counters(user))
        return seen[-1]

    def is_unchanged(now: Read) -> bool:
        return len(seen) > 1 and seen[-2] == now

    with user.evidence.phase("waiting", "Alluxio's counters no longer change"):
        return wait(
            observe,
            is_unchanged,
            subject=f"counters of {user.namespace}/{DATASET}",
            condition="unchanged values in two reports",
            timeout=REPORTED_SECONDS * user.timeout_factor,
            delay=11.0,
        )


def _read_and_count(user: User, pod: PodSnapshot, part: Callable[[Read], float], total: int) -> Read:
    """What one read of all files adds to the counters, when their pages were dropped before."""
    before = _wait_until_settled(user)

    def is_counted(read: Read) -> bool:
        return part(read) >= (1 - SLACK) * total

    page_cache.drop_files(user, pod)
    user.reads_right(pod, who=f"application on {pod.node}, page cache dropped")
    with user.evidence.phase("waiting", "Alluxio counts the read"):
        wait(
            lambda: _counters(user).since(before),
            is_counted,
            subject=f"counters of {user.namespace}/{DATASET}",
            condition=f"{total} bytes more, read by {pod.name}",
            timeout=REPORTED_SECONDS * user.timeout_factor,
            delay=3.0,
            advice="see `alluxio fsadmin report metrics`, Cluster.BytesRead…",
        )
    return _wait_until_settled(user).since(before)


def _check_origin(
    user: User, pod: PodSnapshot, read: Read, *, expected: float, other: float, total: int
) -> None:
    """Nearly all bytes are from one side, and none are from the source."""
    if expected < (1 - SLACK) * total or other > SLACK * total or read.source > SLACK * total:
        checks.fail(
            f"a read on {pod.node} was not served from where it had to be",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{total} bytes, all from one side and none from the source",
            seen=str(read),
        )
    user.evidence.fact("Alluxio metrics", f"{pod.name} on {pod.node}: {read}", total=total)
