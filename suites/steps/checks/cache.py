"""What must hold of the cache, by sources that do not ask each other."""

from __future__ import annotations

from typing import Final

from clusters.product.predicates import is_fully_cached
from clusters.waiting import wait
from suites.steps.checks.failure import fail
from suites.steps.observer import Cached
from suites.steps.user import DATASET, User

#: Seconds from the last read until Alluxio holds all of it: it caches behind the reader's back.
CACHED_SECONDS: Final = 180.0


def nothing_cached(user: User, dataset: str = DATASET) -> Cached:
    """Nothing is cached, by every source."""
    cached = user.observer.cached(user.namespace, dataset)
    wrong = why_cached(cached)
    if wrong is not None:
        fail(
            f"something of {dataset} is cached: {wrong}",
            subject=f"Dataset {user.namespace}/{dataset}",
            expected="nothing cached",
            seen=str(cached),
        )
    _state_cached(user, cached)
    return cached


def why_cached(cached: Cached) -> str | None:
    """Which source contradicts that nothing is cached, or None."""
    if not cached.listing.files:
        return "Alluxio lists no file at all, so its listing does not show that nothing is cached"
    if not cached.listing.none_cached:
        listing = cached.listing
        return (
            f"Alluxio lists {len(listing.cached_files)} of {len(listing.files)} files as cached, wholly or "
            f"in part, {listing.cached_bytes:.0f} bytes"
        )
    if cached.blocks:
        return f"{len(cached.blocks)} block files on the workers"
    if (cached.status.cache.cached_percentage or 0.0) > 0:
        return f"the Dataset's status says {cached.status.cache.cached_percentage:g} %"
    return None


def all_cached(user: User, dataset: str = DATASET) -> Cached:
    """Everything is cached, by sources that agree; Alluxio is given the time to finish.

    Args:
        user: whose Dataset it is.
        dataset: its name.
    """
    observer, total = user.observer, user.files.total_bytes
    subject = f"Dataset {user.namespace}/{dataset}"
    with user.evidence.phase("waiting", "Alluxio holds all files"):
        wait(
            lambda: observer.listing(user.namespace, dataset),
            is_fully_cached,
            subject=subject,
            condition="100 % of every file in the cache",
            timeout=CACHED_SECONDS * user.timeout_factor,
            delay=2.0,
            advice="check the worker's logs and `alluxio fsadmin report`",
        )
    cached = observer.cached(user.namespace, dataset)
    if cached.listing.total_bytes != total:
        fail(
            f"Alluxio lists {cached.listing.total_bytes} bytes where {total} lie at the source",
            subject=subject,
            expected="all files of the source",
            seen=str(cached),
        )
    if cached.block_bytes < total:
        fail(
            f"the workers hold {cached.block_bytes} bytes in blocks where the files have {total}",
            subject=subject,
            expected="every byte in a block file on a worker",
            seen=str(cached),
            advice="Alluxio's listing and the worker's disk disagree",
        )
    _state_cached(user, cached)
    return cached


def _state_cached(user: User, cached: Cached) -> None:
    user.evidence.fact(
        "Alluxio listing",
        f"{cached.listing.percentage:.1f} % of {len(cached.listing.files)} files cached",
        bytes=cached.listing.total_bytes,
    )
    user.evidence.fact("worker's tier folder", f"{len(cached.blocks)} whole blocks", bytes=cached.block_bytes)
    user.evidence.fact(
        "Dataset status",
        f"cachedPercentage {cached.status.cache.raw.get('cachedPercentage', 'not reported yet')}",
        cached=cached.status.cache.cached,
    )
