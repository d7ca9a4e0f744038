"""Named conditions over Fluid's objects, for `clusters.waiting.wait` and `hold`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from clusters.product.fluid_snapshots import DataOperationSnapshot, DatasetSnapshot
from clusters.product.fuse import FuseSnapshot


class _Listing(Protocol):
    @property
    def all_cached(self) -> bool: ...


def is_fully_cached(listing: _Listing) -> bool:
    """Alluxio caches 100 % of every listed file."""
    return listing.all_cached


def is_bound(dataset: DatasetSnapshot | None) -> bool:
    """The Dataset's phase is Bound."""
    return dataset is not None and dataset.bound


def is_idle(dataset: DatasetSnapshot | None) -> bool:
    """The Dataset is Bound, and no data operation locks it."""
    return is_bound(dataset) and dataset is not None and not any(dataset.operations.values())


def is_counted(dataset: DatasetSnapshot | None) -> bool:
    """The status has the size and the number of the source's files, as numbers."""
    return dataset is not None and dataset.file_num.isdecimal() and dataset.ufs_total[:1].isdecimal()


def has_capacity(shown: str) -> Callable[[DatasetSnapshot | None], bool]:
    """The status has that cache capacity, as Fluid writes it, such as ``512.00MiB``."""
    return lambda dataset: dataset is not None and dataset.cache.capacity == shown


def is_complete(operation: DataOperationSnapshot | None) -> bool:
    """The data operation succeeded."""
    return operation is not None and operation.phase == "Complete"


def fuse_is_absent(fuse: FuseSnapshot) -> bool:
    """No Fuse Pod, none requested, no labelled node."""
    return fuse.absent


def fuse_has_no_pods(fuse: FuseSnapshot) -> bool:
    """No Fuse Pod and none requested; nodes may be labelled."""
    return not (fuse.desired or fuse.pods or fuse.unplaced)
