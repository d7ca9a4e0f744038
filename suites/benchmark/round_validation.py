"""Whether a round was what its arm is called, judged from what was seen before and after it.

No rule trusts the harness's own preparation: that the page cache was dropped is seen in the
page cache (mincore, by fincore), that data was cached in Alluxio's listing, who read from NFS in the
server's own count, and which Fuse process served in its Pod's uid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from suites.benchmark.results import ArmKind, Proof

#: Part of the data that may be missing from a "whole", or be there in a "nothing": attributes,
#: directories, and what the kernel keeps of a file that is being looked at.
SLACK: Final = 0.01

#: Part of the data that may be missing from the page cache where all must come from there: what is
#: missing is read from a source that is many times slower.
ALMOST_ALL: Final = 0.0005

#: The same for small amounts, in bytes.
SLACK_BYTES: Final = 1024 * 1024

#: NFS sends more than this many times the data: somebody else reads as well.
TOO_MUCH: Final = 1.5

#: Part of all processors' time above which they were what limited the speed.
BUSY: Final = 0.95

_WHOLE: Final = 100.0

#: Kinds that nothing of the data in the page cache may help.
EMPTY_MEMORY: Final = frozenset(
    {
        ArmKind.RAW_COLD,
        ArmKind.FLUID_COLD,
        ArmKind.FLUID_WARM_SAME_CLIENT,
        ArmKind.FLUID_WARM_FRESH_CLIENT,
    }
)
_FROM_NFS: Final = frozenset({ArmKind.RAW_COLD, ArmKind.FLUID_COLD})
_WARM: Final = frozenset(
    {ArmKind.FLUID_WARM_SAME_CLIENT, ArmKind.FLUID_WARM_FRESH_CLIENT, ArmKind.FLUID_WARM_CACHED}
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a round must have done.

    Attributes:
        kind: what its arm is.
        read_bytes: what fio was told to read, once.
        data_bytes: of the files that it reads from; the same unless it reads a part of them.
        times: how often it read them, the page cache dropped in between where it has to be empty.
        cached_by: uid of the Fuse Pod that was there when the data was cached, several joined by +;
            empty for raw NFS.
        other_source: the server's counter is that of its network interface, which counts more than reads.
    """

    kind: ArmKind
    read_bytes: int
    data_bytes: int
    times: int = 1
    cached_by: str = ""
    other_source: bool = False


def unproved(expected: Expected, proof: Proof) -> str:
    """Why a round was not what its arm is called; empty when it was proved.

    Args:
        expected: what it must have done.
        proof: what was seen.
    """
    return "; ".join(_reasons(expected, proof))


def polluted(expected: Expected, proof: Proof) -> str:
    """What else took part in a round that counts; empty when nothing was seen."""
    sent, wanted = proof.nfs_read_bytes, expected.times * expected.data_bytes
    if expected.kind in _FROM_NFS and sent is not None and sent > TOO_MUCH * wanted:
        who = "Alluxio fetched more than was read, or " if expected.kind is ArmKind.FLUID_COLD else ""
        return f"the NFS server sent {sent} bytes for {wanted}: {who}somebody else read as well"
    return ""


def saturated(busy: float | None) -> str:
    """Whether the processors were the limit, by the part of their time in which they were busy."""
    if busy is None or busy < BUSY:
        return ""
    return f"the node's processors were busy to {100 * busy:.0f} %"


def _reasons(expected: Expected, proof: Proof) -> Iterable[str]:
    yield from _memory(expected, proof)
    yield from _nfs(expected, proof)
    if expected.kind.value.startswith("fluid"):
        yield from _alluxio(expected, proof)
        yield from _client(expected, proof)


def _memory(expected: Expected, proof: Proof) -> Iterable[str]:
    there = proof.before.page_cache_bytes
    if there is None:
        yield "nobody could tell what the page cache held"
    elif expected.kind in EMPTY_MEMORY:
        if there > _slack(expected.data_bytes):
            yield f"{there} bytes of the data were in the page cache, which had to be empty of it"
    elif there < expected.data_bytes * (1 - ALMOST_ALL):
        yield f"only {there} of {expected.data_bytes} bytes were in the page cache"


def _nfs(expected: Expected, proof: Proof) -> Iterable[str]:
    sent = proof.nfs_read_bytes
    if sent is None:
        yield "nobody could tell what the NFS server sent"
    elif expected.kind in _FROM_NFS:
        # What is read twice, as by a second epoch, comes from the page cache the second time.
        least = expected.times * min(expected.read_bytes, expected.data_bytes)
        if sent < least - _slack(least):
            yield f"the NFS server sent only {sent} of {least} bytes"
    elif sent > _slack(expected.data_bytes) * (2 if expected.other_source else 1):
        yield f"the NFS server sent {sent} bytes, which cached data does not need"


def _alluxio(expected: Expected, proof: Proof) -> Iterable[str]:
    percent = proof.before.cached_percent
    if percent is None:
        yield "Alluxio did not say what it holds"
    elif expected.kind is ArmKind.FLUID_COLD and percent > 0:
        yield f"Alluxio already held {percent:g} % of the data"
    elif expected.kind in _WARM and percent < _WHOLE:
        yield f"Alluxio held only {percent:g} % of the data"


def _client(expected: Expected, proof: Proof) -> Iterable[str]:
    before, after = proof.before.fuse_pod, proof.after.fuse_pod
    if not before:
        yield "there was no Fuse Pod"
    elif before != after:
        yield "the Fuse Pod was another one after the round than before it"
    elif expected.kind is ArmKind.FLUID_WARM_SAME_CLIENT and before != expected.cached_by:
        yield "the Fuse Pod was not the one that was there when the data was cached"
    elif expected.kind is ArmKind.FLUID_WARM_FRESH_CLIENT and _same(before, expected.cached_by):
        yield "the Fuse Pod was still the one that was there when the data was cached"


def _same(some: str, others: str) -> bool:
    """Whether a Pod is in both, uids joined by +."""
    return not {""}.issuperset(set(some.split("+")) & set(others.split("+")))


def _slack(total: int) -> float:
    return max(SLACK * total, min(SLACK_BYTES, 0.05 * total))
