"""What a DataLoad must have done when it is Complete, and what it must not have touched."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import ProductFailureError
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product.alluxio.output import BlockFile, Entry, Listing
from clusters.waiting import WaitTimeoutError
from suites.record.evidence import Evidence
from suites.steps.load_results import check_has_loaded, check_only_folder_cached
from suites.steps.user import User
from workloads.data import DataFile, Files

FILES = Files((DataFile("labels/00.txt", 10, "a"), DataFile("train/part-0.bin", 100, "b")))
COMPLETE = {"type": "Complete", "status": "True"}


def entry(path: str, size: int, cached: int) -> Entry:
    """A file in Alluxio's list, with the per cent of it that is cached."""
    return Entry(path, size, cached)


def user(cached: Mapping[str, int], blocks: int, *, job_complete: bool = True) -> User:
    """A user who sees these files cached, these bytes in blocks, and one Job of the DataLoad."""
    status = {"conditions": [COMPLETE]} if job_complete else {"active": 1}
    job = JobSnapshot.of({"metadata": {"name": "load-loader-job"}, "status": status})
    listing = Listing(
        tuple(entry(f"/{file.path}", file.size, cached.get(file.path, 0)) for file in FILES.files)
    )
    observer = SimpleNamespace(
        objects=SimpleNamespace(list=lambda *_, **__: (job,)),
        listing=lambda *_: listing,
        blocks=lambda *_: (BlockFile("/dev/shm/1", blocks),) if blocks else (),
    )
    made = SimpleNamespace(
        observer=observer, namespace="ns", files=FILES, evidence=Evidence(silent=True), timeout_factor=0.0
    )
    return cast("User", made)


def test_complete_load_has_a_complete_job_and_cached_files() -> None:
    """Both hold at the moment when the DataLoad is Complete."""
    check_has_loaded(user({"labels/00.txt": 100}, 10), "load")


def test_load_that_is_complete_before_its_job_is_a_failure() -> None:
    """The Job still runs."""
    with pytest.raises(ProductFailureError, match="load"):
        check_has_loaded(user({"labels/00.txt": 100}, 10, job_complete=False), "load")


def test_load_that_is_complete_with_nothing_cached_is_a_failure() -> None:
    """The Job has completed without loading anything."""
    with pytest.raises(ProductFailureError, match="nothing is cached"):
        check_has_loaded(user({}, 0), "load")


def test_only_the_target_is_cached() -> None:
    """Completely, and in blocks of its size."""
    check_only_folder_cached(user({"labels/00.txt": 100}, 10), "labels")


@pytest.mark.parametrize(
    ("cached", "blocks", "message"),
    [
        ({"labels/00.txt": 100, "train/part-0.bin": 100}, 110, "outside its target"),
        ({"labels/00.txt": 100, "train/part-0.bin": 1}, 11, "outside its target"),
        ({"labels/00.txt": 50}, 5, "100 % of every file of /labels"),
        ({}, 0, "100 % of every file of /labels"),
        ({"labels/00.txt": 100}, 110, "and that alone"),
        ({"labels/00.txt": 100}, 0, "and that alone"),
    ],
)
def test_more_or_less_than_the_target_is_a_failure(
    cached: Mapping[str, int], blocks: int, message: str
) -> None:
    """Alluxio's list and the blocks on disk both count."""
    with pytest.raises((ProductFailureError, WaitTimeoutError), match=message):
        check_only_folder_cached(user(cached, blocks), "labels")
