"""The status of a Dataset compared with the data at the source."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import wait
from suites.steps.predicates import overfull_reason
from suites.steps.user import DATASET, User

#: Seconds until the status has caught up (Fluid 1.0.8 refreshes it every 90 s, and counts in the background).
STATUS_SECONDS: Final = 300.0
_SIZE: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGTPE]i)?B")
_UNITS: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


@dataclass(frozen=True, slots=True)
class ShownSize:
    """A size as a status shows it, rounded to two decimals of its unit (pkg/utils/units of Fluid 1.0.8).

    Attributes:
        number: in units.
        unit: bytes of one unit.
    """

    number: float
    unit: int

    @classmethod
    def parse(cls, text: str) -> ShownSize | None:
        """Parse a text such as ``19.37MiB`` or ``0.00B``; None if it is no size."""
        match = _SIZE.fullmatch(text)
        if match is None:
            return None
        unit = match["unit"]
        return cls(float(match["number"]), 1024 ** (_UNITS.index(unit) + 1) if unit else 1)

    def shows(self, size: int) -> bool:
        """Whether this is how a number of bytes is shown."""
        return abs(self.number * self.unit - size) <= 0.0051 * self.unit


def why_not_counted(dataset: DatasetSnapshot, files: int, size: int) -> str:
    """What in ``fileNum`` and ``ufsTotal`` differs from the source, or an empty text."""
    wrong = []
    if dataset.file_num != str(files):
        wrong.append(f"fileNum is {dataset.file_num or 'empty'}, and the source has {files} files")
    shown = ShownSize.parse(dataset.ufs_total)
    if shown is None or not shown.shows(size):
        wrong.append(f"ufsTotal is {dataset.ufs_total or 'empty'}, and the files have {size} bytes")
    return "; ".join(wrong)


def why_not_all_cached(dataset: DatasetSnapshot, size: int) -> str:
    """What in ``cacheStates`` differs from a cache that holds everything once, or an empty text.

    A percentage above 100 is as wrong as one below: then the status has another size than the source.
    """
    wrong = []
    if dataset.cache.cached_percentage != 100.0:  # noqa: PLR2004 - per cent, rounded to one decimal by Fluid
        wrong.append(f"cachedPercentage is {dataset.cache.cached_percentage}, not 100.0")
    cached = ShownSize.parse(dataset.cache.cached)
    if cached is None or not cached.shows(size):
        wrong.append(f"cached is {dataset.cache.cached or 'empty'}, and the files have {size} bytes")
    return "; ".join(wrong)


def check_counts(user: User) -> DatasetSnapshot:
    """Wait until the status has the right size and number of files."""
    files, size = len(user.files.files), user.files.total_bytes

    def wrong(dataset: DatasetSnapshot) -> str:
        return why_not_counted(dataset, files, size)

    return _wait(user, "fileNum and ufsTotal as at the source", wrong)


def check_all_cached(user: User) -> DatasetSnapshot:
    """Wait until the status has the right size and number of files, all of them cached once."""
    files, size = len(user.files.files), user.files.total_bytes

    def wrong(dataset: DatasetSnapshot) -> str:
        reasons = (why_not_counted(dataset, files, size), why_not_all_cached(dataset, size))
        return "; ".join(reason for reason in reasons if reason)

    def overfull(dataset: DatasetSnapshot) -> str | None:
        return overfull_reason(dataset.cache)

    return _wait(user, "fileNum and ufsTotal as at the source, cachedPercentage 100.0", wrong, overfull)


def _wait(
    user: User,
    condition: str,
    wrong: Callable[[DatasetSnapshot], str],
    failed: Callable[[DatasetSnapshot], str | None] | None = None,
) -> DatasetSnapshot:
    def right(dataset: DatasetSnapshot) -> bool:
        return not wrong(dataset)

    with user.evidence.phase("waiting", "the Dataset's status catches up"):
        dataset = wait(
            user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET)),
            right,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=condition,
            timeout=STATUS_SECONDS * user.timeout_factor,
            failed=failed,
            delay=1.0,
            describe=lambda seen: wrong(seen) or "as it must be",
            advice="compare `alluxio fs count /` with the Dataset's status",
        )
    user.evidence.fact(
        "Dataset status",
        f"{dataset.file_num} files, {dataset.ufs_total}, "
        f"cachedPercentage {dataset.cache.raw.get('cachedPercentage', 'not set yet')}",
        files=dataset.file_num,
    )
    return dataset
