"""The page cache of a machine, and dropping it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workloads.faults.base import COMMAND_SECONDS, Fault, FaultError, Run

#: Pages that may be left after dropping, beyond those that programs have mapped: files that are being
#: written, and what was read since. A share of what there was, but at least so many bytes.
LEFT_SHARE: Final = 0.10
LEFT_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PageCache:
    """Pages of files in memory, from ``/proc/meminfo``, in bytes.

    Attributes:
        file: pages of files, without tmpfs and shared memory.
        mapped: pages that running programs have mapped; they are not dropped.
    """

    file: int
    mapped: int

    @property
    def droppable(self) -> int:
        """Bytes that can be dropped, including pages that are being written."""
        return max(0, self.file - self.mapped)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The page cache was dropped: the fault, and the state before and after."""

    fault: Fault
    before: PageCache
    after: PageCache


def page_cache(meminfo: str) -> PageCache:
    """Parse ``/proc/meminfo``.

    Raises:
        FaultError: a line is missing.
    """
    kib: Mapping[str, int] = {
        match[1]: int(match[2]) for match in re.finditer(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)
    }
    try:
        file = kib["Cached"] + kib["Buffers"] - kib["Shmem"]
        return PageCache(1024 * max(0, file), 1024 * kib["Mapped"])
    except KeyError as error:
        raise FaultError(f"/proc/meminfo has no line {error.args[0]}", last_seen=meminfo[:500]) from error


def drop_page_cache(run: Run) -> Dropped:
    """Write back and drop all clean pages of files of the machine; it affects every node and the host.

    It need not be undone: files are read again when they are needed. A FUSE or NFS server on another
    machine keeps its pages.

    Args:
        run: runs commands as root on a node, where ``/proc/sys`` is writable.

    Raises:
        FaultError: it was refused, or the pages are still in memory.
    """
    # One command, so that nothing is read in between; sync first, because only clean pages are dropped.
    script = "cat /proc/meminfo; sync; echo 3 > /proc/sys/vm/drop_caches; echo; cat /proc/meminfo"
    done = run(("sh", "-ec", script), timeout=4 * COMMAND_SECONDS)
    before, blank, after = done.stdout.partition("\n\n")
    if done.exit_code != 0 or not blank:
        raise FaultError(
            "the page cache could not be dropped",
            last_seen=done.stderr.strip(),
            advice="run it as root on a node; a Pod must be privileged",
        )
    dropped = Dropped(Fault("the page cache was dropped"), page_cache(before), page_cache(after))
    allowed = max(LEFT_BYTES, int(LEFT_SHARE * dropped.before.droppable))
    if dropped.after.droppable > allowed:
        raise FaultError(
            "the page cache was not dropped",
            condition=f"at most {allowed} bytes of files in memory that no program has mapped",
            last_seen=f"before {dropped.before}, after {dropped.after}",
            advice="look for programs that constantly read or write files",
        )
    return dropped
