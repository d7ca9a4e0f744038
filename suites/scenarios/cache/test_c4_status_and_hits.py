"""The Dataset's status: what is cached, and how reads are served."""

from __future__ import annotations

from typing import Final

from clusters.product.fluid_snapshots import CacheStates
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, dataset_status, page_cache
from suites.steps.user import DATASET, User

#: Seconds until the hit ratio shows reads: it is computed at most once a minute, in a reconcile of the
#: controller (every 90 s), from the counters of two reconciles (pkg/ddc/alluxio/cache.go:99-120 of 1.0.8).
RATIO_SECONDS: Final = 420.0
#: Per cent from which a ratio counts as all: Fluid rounds to one decimal, and readers overlap samples.
NEARLY_ALL: Final = 90.0
#: Per cent of all throughput that the cache has at least: Alluxio's gauges count from its start, so that the
#: one read from the source stays in them, and each of the others makes its share smaller.
MOST: Final = 50.0
#: Two ratios that are each rounded to one decimal may differ by so much from their sum.
ROUNDING: Final = 0.15


@scenario(
    "C4",
    Level.CONFORMANCE,
    alone=True,
    untouched=True,
    fields=(
        "Dataset.status.cacheStates.cached",
        "Dataset.status.cacheStates.cachedPercentage",
        "Dataset.status.cacheStates.cacheHitRatio",
        "Dataset.status.cacheStates.localHitRatio",
        "Dataset.status.cacheStates.remoteHitRatio",
        "Dataset.status.cacheStates.cacheThroughputRatio",
        "Dataset.status.cacheStates.localThroughputRatio",
        "Dataset.status.cacheStates.remoteThroughputRatio",
    ),
)
def test_status_shows_what_is_cached_and_how_reads_are_served(dataset_owner: User) -> None:
    """The Dataset's status shows size and number of files, what is cached, and that reads hit the cache.

    The user reads all files, reads ``status.cacheStates``, and reads them again from the cache.
    """
    observer = dataset_owner.observer
    checks.nothing_cached(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("c4-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    dataset_status.check_all_cached(dataset_owner)

    def read_again() -> CacheStates:
        # Otherwise the reads would be served from the page cache, and Alluxio would count nothing.
        page_cache.drop_files(dataset_owner, pod, silent=True)
        dataset_owner.reads_right_quietly(pod)
        dataset_owner.request_reconcile()
        return observer.dataset(dataset_owner.namespace, DATASET).cache

    def nearly_all_hits(cache: CacheStates) -> bool:
        # A worker on the reader's node counts as remote here: a Fuse Pod that opened a file before it was
        # cached continues to read through the worker (C8 shows a local read).
        hits = min(cache.hit_ratio or 0.0, _shares(cache)) >= NEARLY_ALL
        return hits and (cache.throughput_ratio or 0.0) >= MOST

    with dataset_owner.evidence.phase("waiting", "the hit ratio shows the reads"):
        cache = wait(
            read_again,
            nearly_all_hits,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition=f"cacheHitRatio of {NEARLY_ALL:g} % and cacheThroughputRatio of {MOST:g} % and more "
            "while only cached files are read",
            timeout=RATIO_SECONDS * dataset_owner.timeout_factor,
            delay=5.0,
            describe=lambda seen: (
                f"hits {seen.hit_ratio} %, local and remote {_shares(seen):g} %; "
                f"throughput {seen.throughput_ratio} %"
            ),
            advice="see `alluxio fsadmin report metrics`, Cluster.BytesRead…",
        )
    dataset_owner.evidence.fact(
        "Dataset status",
        f"cacheHitRatio {cache.hit_ratio:g} %, of it local {cache.local_hit_ratio or 0:g} %, "
        f"remote {cache.remote_hit_ratio or 0:g} %",
    )
    _check_throughput(dataset_owner, cache)


def _check_throughput(user: User, cache: CacheStates) -> None:
    """The shares of local and remote throughput add up to that of the cache."""
    local, remote = cache.local_throughput_ratio or 0.0, cache.remote_throughput_ratio or 0.0
    ratio = cache.throughput_ratio or 0.0
    seen = f"cacheThroughputRatio {ratio:g} %, of it local {local:g} %, remote {remote:g} %"
    if abs(local + remote - ratio) > ROUNDING:
        checks.fail(
            "local and remote throughput do not add up to that of the cache",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="cacheThroughputRatio is localThroughputRatio and remoteThroughputRatio together",
            seen=seen,
        )
    user.evidence.fact("Dataset status", seen)


def _shares(cache: CacheStates) -> float:
    """Local and remote hits together, %."""
    return (cache.local_hit_ratio or 0.0) + (cache.remote_hit_ratio or 0.0)
