"""Whether a round measured what the name of its arm says, from the evidence before and after it.

No rule trusts the preparation by the harness. The content of the page cache is read from the kernel
(mincore, by fincore), the cached data from Alluxio's listing, the reads of NFS from the counters of the
server, and the Fuse process from the uid of its Pod.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from suites.benchmark.model.rounds import Proof
from suites.benchmark.model.series import ArmKind

#: Share of the data that may be missing from "all", or present in "nothing": attributes, directories, and
#: pages that the kernel keeps of a file that is being inspected.
SLACK: Final = 0.01

#: Share of the data that may be missing from the page cache if all must be read from there: the rest is read
#: from a source that is many times slower.
ALMOST_ALL: Final = 0.0005

#: The same for small amounts, in bytes.
SLACK_BYTES: Final = 1024 * 1024

#: NFS sent more than this many times the data: another client reads as well.
TOO_MUCH: Final = 1.5

#: Share of processor time above which the processors were the limit.
BUSY: Final = 0.95

_WHOLE: Final = 100.0

#: Kinds for which the page cache must not hold the data.
EMPTY_MEMORY: Final = frozenset(
    {
        ArmKind.RAW_COLD,
        ArmKind.FLUID_COLD,
        ArmKind.FLUID_WARM_SAME_CLIENT,
        ArmKind.FLUID_WARM_FRESH_CLIENT,
        ArmKind.FLUID_LOCAL,
        ArmKind.FLUID_REMOTE,
    }
)
#: Kinds whose rounds read contents, and which these rules are for.
READS: Final = EMPTY_MEMORY | {ArmKind.RAW_CACHED, ArmKind.FLUID_WARM_CACHED}
_FROM_NFS: Final = frozenset({ArmKind.RAW_COLD, ArmKind.FLUID_COLD})
_WARM: Final = frozenset(
    {
        ArmKind.FLUID_WARM_SAME_CLIENT,
        ArmKind.FLUID_WARM_FRESH_CLIENT,
        ArmKind.FLUID_WARM_CACHED,
        ArmKind.FLUID_LOCAL,
        ArmKind.FLUID_REMOTE,
    }
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a valid round must have done.

    Attributes:
        kind: of its arm.
        read_bytes: bytes that fio reads, once.
        data_bytes: size of the files; the same unless fio reads a part of them.
        times: number of reads; the page cache is dropped in between if it must be empty.
        cached_by: uid of the Fuse Pod that was running when the data was cached, several joined by +;
            empty for raw NFS.
        network_counter: the counter of the server is that of its network interface, which counts more
            than reads.
    """

    kind: ArmKind
    read_bytes: int
    data_bytes: int
    times: int = 1
    cached_by: str = ""
    network_counter: bool = False


def invalid(expected: Expected, proof: Proof) -> str:
    """Why a round is not valid; empty if it is.

    Args:
        expected: what the round must have done.
        proof: the evidence.

    Raises:
        ValueError: a round of this kind reads no contents.
    """
    if expected.kind not in READS:
        raise ValueError(f"a round of kind {expected.kind} reads no contents")
    return "; ".join(_reasons(expected, proof))


def polluted(expected: Expected, proof: Proof) -> str:
    """Other activity during a valid round; empty if none was seen."""
    sent, needed = proof.nfs_read_bytes, expected.times * expected.data_bytes
    if expected.kind in _FROM_NFS and sent is not None and sent > TOO_MUCH * needed:
        who = "Alluxio fetched more than was read, or " if expected.kind is ArmKind.FLUID_COLD else ""
        return f"the NFS server sent {sent} bytes for {needed}: {who}another client read as well"
    return ""


def saturated(busy: float | None) -> str:
    """Whether the processors were the limit, from the share of time in which they were busy."""
    if busy is None or busy < BUSY:
        return ""
    return f"the processors of the node were {100 * busy:.0f} % busy"


def _reasons(expected: Expected, proof: Proof) -> Iterable[str]:
    yield from _memory(expected, proof)
    yield from _nfs(expected, proof)
    if expected.kind.through_fluid:
        yield from _alluxio(expected, proof)
        yield from _client(expected, proof)


def _memory(expected: Expected, proof: Proof) -> Iterable[str]:
    resident = proof.before.page_cache_bytes
    if resident is None:
        yield "the content of the page cache is unknown"
    elif expected.kind in EMPTY_MEMORY:
        if resident > _slack(expected.data_bytes):
            yield f"{resident} bytes of the data were in the page cache, which had to be empty"
    elif resident < expected.data_bytes * (1 - ALMOST_ALL):
        yield f"only {resident} of {expected.data_bytes} bytes were in the page cache"


def _nfs(expected: Expected, proof: Proof) -> Iterable[str]:
    sent = proof.nfs_read_bytes
    if sent is None:
        yield "the number of bytes that the NFS server sent is unknown"
    elif expected.kind in _FROM_NFS:
        # A second read of the same data, as in a second epoch, is served by the page cache.
        least = expected.times * min(expected.read_bytes, expected.data_bytes)
        if sent < least - _slack(least):
            yield f"the NFS server sent only {sent} of {least} bytes"
    elif sent > _slack(expected.data_bytes) * (2 if expected.network_counter else 1):
        yield f"the NFS server sent {sent} bytes, although all data was cached"


def _alluxio(expected: Expected, proof: Proof) -> Iterable[str]:
    percent = proof.before.cached_percent
    if percent is None:
        yield "the share of the data in Alluxio is unknown"
    elif expected.kind is ArmKind.FLUID_COLD and percent > 0:
        yield f"Alluxio already held {percent:g} % of the data"
    elif expected.kind in _WARM and percent < _WHOLE:
        yield f"Alluxio held only {percent:g} % of the data"


def _client(expected: Expected, proof: Proof) -> Iterable[str]:
    before, after = proof.before.fuse_pod, proof.after.fuse_pod
    if not before:
        yield "there was no Fuse Pod"
    elif before != after:
        yield "the Fuse Pod was replaced during the round"
    elif expected.kind is ArmKind.FLUID_WARM_SAME_CLIENT and before != expected.cached_by:
        yield "the Fuse Pod was not the one that was running when the data was cached"
    elif expected.kind is ArmKind.FLUID_WARM_FRESH_CLIENT and _same(before, expected.cached_by):
        yield "the Fuse Pod was still the one that was running when the data was cached"


def _same(some: str, others: str) -> bool:
    """Whether a Pod is in both, uids joined by +."""
    return not {""}.issuperset(set(some.split("+")) & set(others.split("+")))


def _slack(total: int) -> float:
    return max(SLACK * total, min(SLACK_BYTES, 0.05 * total))
