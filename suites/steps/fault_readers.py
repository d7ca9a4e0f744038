"""Who reads while a fault lasts: an application through Fluid, and controls on raw NFS."""

from __future__ import annotations

from typing import Any, Final

from suites.steps import checks, recorded_reads
from suites.steps.recorded_reads import Effect, RecordedReader
from suites.steps.user import DATASET, SOURCE, User
from workloads.data import Files

#: The largest file that readers read again and again, next to all small ones: a pass takes a few seconds.
PART: Final = "train/part-0.bin"
#: A large file that they do not read.
UNREAD_PART: Final = "train/part-3.bin"
#: Files below this number of bytes are small.
SMALL: Final = 64 * 1024


def read_files(files: Files) -> Files:
    """What readers read again and again: one large file, and all small ones."""
    return Files(tuple(file for file in files.files if file.path == PART or file.size < SMALL))


def only(files: Files, path: str) -> Files:
    """One of the files."""
    return Files(tuple(file for file in files.files if file.path == path))


def application(
    user: User, name: str, effect: Effect, *, files: Files | None = None, **more: Any
) -> RecordedReader:
    """Start an application that reads through Fluid, and check that it does.

    Args:
        user: whose it is.
        name: of its Pod.
        effect: what the fault may do to its reads.
        files: that it reads; without them, `read_files`.
        more: fields of `workloads.application.Application`, such as ``node``.
    """
    planned = user.application(name, DATASET, **more)
    reader = recorded_reads.start(user, planned, effect, who=name, files=files or read_files(user.files))
    checks.served_by_fluid(user, reader.pod)
    return reader


def control(user: User, name: str, effect: Effect, node: str, **more: Any) -> RecordedReader:
    """Start an application on a node that reads raw NFS.

    Args:
        user: whose it is.
        name: of its Pod.
        effect: what the fault has to do to its reads, or must not do.
        node: where it runs.
        more: fields of `workloads.application.Application`.
    """
    planned = user.application(name, SOURCE, node=node, **more)
    files = read_files(user.files)
    reader = recorded_reads.start(user, planned, effect, who=name, files=files, control=True)
    checks.reads_raw_nfs(user, reader.pod, name)
    return reader
