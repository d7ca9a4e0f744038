"""Results of a DataLoad: its Job, and the files that are cached when it is Complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clusters.product.alluxio.output import Entry, Listing
from clusters.waiting import wait
from suites.steps import checks, data_operations
from suites.steps.user import DATASET, User

#: Per cent of a file that is cached completely.
FULL: Final = 100
#: Seconds until Alluxio lists all files of a target after its DataLoad is Complete.
TARGET_SECONDS: Final = 60.0


def check_has_loaded(user: User, name: str) -> None:
    """When a DataLoad is Complete, its one Job has completed and some of the data are cached.

    It is called as soon as the DataLoad is Complete: a status that is set before the work is done cannot be
    distinguished from a correct one later, when the Job has caught up.
    """
    data_operations.job_of_load(user, name)
    listing = user.observer.listing(user.namespace, DATASET)
    if listing.none_cached:
        checks.fail(
            f"DataLoad {name} is Complete, and nothing is cached",
            subject=f"DataLoad {user.namespace}/{name}",
            expected="cached files as soon as the DataLoad is Complete",
            seen=str(listing),
        )
    user.evidence.fact("Alluxio listing", f"{listing.percentage:.1f} % cached when {name} was Complete")


def check_only_folder_cached(user: User, folder: str) -> None:
    """The files of a folder are cached completely, and nothing of any other file is."""
    observer, expected_bytes = user.observer, user.files.below(folder).total_bytes
    inside = f"/{folder}/"

    def has_target(listing: Listing) -> bool:
        target = [file for file in listing.files if file.path.startswith(inside) and file.bytes]
        complete = all(file.in_alluxio == FULL for file in target)
        return complete and sum(file.bytes for file in target) == expected_bytes

    with user.evidence.phase("waiting", f"all files of /{folder} are cached"):
        listing = wait(
            lambda: observer.listing(user.namespace, DATASET),
            has_target,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"100 % of every file of /{folder} in the cache",
            timeout=TARGET_SECONDS * user.timeout_factor,
            delay=2.0,
            describe=lambda seen: _listed(seen.cached_files),
        )
    outside = [file for file in listing.cached_files if not file.path.startswith(inside)]
    if outside:
        checks.fail(
            "a DataLoad cached files outside its target",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"nothing of any file outside /{folder}",
            seen=_listed(outside),
        )
    size = sum(block.bytes for block in observer.blocks(user.namespace, DATASET))
    if size != expected_bytes:
        checks.fail(
            "the workers do not hold the target of the DataLoad, and that alone",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{expected_bytes} bytes in blocks",
            seen=f"{size} bytes",
        )
    user.evidence.fact("Alluxio listing", f"only the files of /{folder} are cached", bytes=size)


def _listed(files: Sequence[Entry]) -> str:
    return ", ".join(f"{file.path} {file.in_alluxio} %" for file in files[:8]) or "nothing cached"
