"""A measured round: one value of one arm, with the evidence that it is valid."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from suites.benchmark.model.base import Amount, Count, Model


class Unit(StrEnum):
    """The unit of a value, which also decides whether more or less is better."""

    BYTES_PER_SECOND = "bytes/s"
    SECONDS = "seconds"

    @property
    def more_is_faster(self) -> bool:
        """Whether the higher value is the better one."""
        return self is Unit.BYTES_PER_SECOND


class Percentile(Model):
    """The latency that ``percent`` per cent of the reads did not exceed."""

    percent: float = Field(ge=0, le=100)
    ns: Count


class Latency(Model):
    """Latency of single reads, from the histogram that fio reports; nanoseconds."""

    reads: Count
    mean_ns: Amount
    max_ns: Count
    percentiles: tuple[Percentile, ...]

    def at(self, percent: float) -> int | None:
        """A percentile in nanoseconds, or None if it was not recorded."""
        return next((one.ns for one in self.percentiles if one.percent == percent), None)


class State(Model):
    """State of the caches at one moment; the counters never fall."""

    at: datetime
    cached_percent: float | None = Field(
        None, ge=0, le=100, description="of the data in Alluxio, from Alluxio's own listing"
    )
    alluxio: dict[str, Amount] = Field(
        default_factory=dict, description="Alluxio's own counters in bytes, by name"
    )
    nfs_reads: Count | None = Field(None, description="READ calls that the NFS server has answered")
    nfs_read_bytes: Count | None = Field(None, description="bytes that the NFS server has sent for them")
    page_cache_bytes: Count | None = Field(None, description="of the data in the page cache of the node")
    fuse_pod: str = Field(
        "",
        description="uid of the Fuse Pod that serves the application, several joined by +; empty: none",
    )
    reader: str = Field("", description="uid of the application's Pod, where a new one matters")
    server_bytes: Count | None = Field(
        None, description="of the file that is written, on the disk of the NFS server with a right checksum"
    )
    block_bytes: dict[str, Count] = Field(
        default_factory=dict, description="bytes of whole block files in the tier folders of workers, by node"
    )


class Proof(Model):
    """The evidence that a round measured what the name of its arm says."""

    before: State
    after: State

    @property
    def nfs_read_bytes(self) -> int | None:
        """Bytes that the NFS server sent during the round."""
        return _growth(self.before.nfs_read_bytes, self.after.nfs_read_bytes)

    @property
    def nfs_reads(self) -> int | None:
        """READ calls during the round."""
        return _growth(self.before.nfs_reads, self.after.nfs_reads)

    def alluxio(self, counter: str) -> float | None:
        """Growth of one of Alluxio's counters during the round, or None if it is unknown."""
        if counter not in self.before.alluxio or counter not in self.after.alluxio:
            return None
        return self.after.alluxio[counter] - self.before.alluxio[counter]


class Part(Model):
    """A part of a round: one of several Pods, of several reads, or of fio's groups such as an epoch."""

    kind: Literal["pod", "group", "read"]
    name: str
    node: str = ""
    zone: str = Field("", description="of the node of a Pod; empty if it has none")
    started: Amount | None = Field(None, description="of a Pod: seconds after the first one")
    read_bytes: Count
    seconds: Amount
    bytes_per_second: Amount


class Round(Model):
    """One measurement of one arm."""

    arm: str
    number: Count = Field(description="of the round, from 0; the arms of one round ran one after another")
    value: Amount | None = Field(description="in the unit of the series; null: fio did not end")
    seconds: Amount = Field(
        description="run time reported by fio: the sum of several reads; for several Pods, from the start "
        "of the first to the end of the last; for a failed round, how long the harness waited"
    )
    read_bytes: Count = Field(
        description="read or written, all reads and Pods together; 0: only metadata was read"
    )
    started: datetime
    load_before: Amount = Field(description="1-minute load average just before")
    cpu_seconds: Amount | None = Field(
        None,
        description="processor seconds of all programs of the machine while fio ran; null: not known, as for "
        "several Pods at once, or where the start of fio took longer than its reads",
    )
    valid: bool = Field(description="the evidence shows that the round measured what its arm is called")
    reason: str = Field("", description="why the round is not valid")
    saturated: str = Field(
        "", description="a limit other than the one under test that was reached; empty: none"
    )
    polluted: str = Field("", description="other activity during the round; empty: none was seen")
    latency: Latency | None = None
    proof: Proof | None = Field(None, description="null: there is no evidence, and the round is not valid")
    parts: tuple[Part, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.valid and (not self.value or self.proof is None):
            raise ValueError("a valid round has a value above 0 and its proof")
        if self.valid == bool(self.reason):
            raise ValueError("a round has a reason if and only if it is not valid")
        return self


def _growth(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
