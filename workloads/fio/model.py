"""Output of fio, in the names, values and units of its JSON (fio 3.33, HOWTO "JSON output").

Only the fields that the harness uses are here. ``runtime`` is in milliseconds, ``*_ns`` in nanoseconds.
Output of fio 3.14 has neither ``N`` nor ``bins`` for latencies unless they were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workloads.fio.percentiles import Bins, is_midpoint

#: fio counts in unsigned 64-bit numbers.
Count = Annotated[int, Field(ge=0, lt=2**64)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _bins(value: object) -> object:
    """The ``bins`` object of json+, which has the midpoint of each bucket as the name of its count."""
    if not isinstance(value, dict):
        return value
    counts: dict[int, int] = {}
    for name, count in value.items():
        digits = name.isascii() and name.isdecimal() and str(int(name[:12])) == name
        if not (digits and is_midpoint(int(name))):
            raise ValueError(f"fio has no latency bucket with the midpoint {name[:40]!r}")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"the count of bucket {name} is not a number from 0")
        counts[int(name)] = count
    return Bins.of(counts)


class Output(BaseModel):
    """A frozen part of the output; types are not converted, and other fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", validate_by_name=True)


class Latency(Output):
    """Latencies of a job, in nanoseconds.

    Attributes:
        max: the longest.
        mean: arithmetic mean.
        N: number of measured I/Os; 0 if unknown.
        bins: histogram of json+; None without one.
    """

    max: Count
    mean: Number
    N: Count = 0
    bins: Annotated[Bins | None, BeforeValidator(_bins)] = None

    @model_validator(mode="after")
    def _same_count(self) -> Self:
        if self.bins is not None and "N" in self.model_fields_set and self.bins.total != self.N:
            raise ValueError(f"the bins count {self.bins.total} I/Os, N says {self.N}")
        return self


class ReadReport(Output):
    """The reads of a job.

    Attributes:
        io_bytes: bytes read.
        runtime: milliseconds; with group reporting that of the slowest member.
        clat_ns: latency from submission to completion; without open() and close().
    """

    io_bytes: Count
    runtime: Count
    clat_ns: Latency


class JobReport(Output):
    """One job of fio, or one group of clones with group reporting.

    Attributes:
        jobname: name of its section.
        groupid: its reporting group, from 0.
        error: errno of the error that ended it, 0 without one.
        total_err: errors after which it continued (``continue_on_error``).
        read: its reads.
    """

    jobname: str
    groupid: Count
    error: Count
    total_err: Count = 0
    read: ReadReport

    @property
    def failed(self) -> bool:
        """Whether the job had an error, so that its numbers mean something else."""
        return self.error != 0 or self.total_err != 0


@dataclass(frozen=True, slots=True)
class GroupReport:
    """The reads of all jobs of a group, computed as in fio's "Run status group" line.

    Attributes:
        groupid: from 0.
        io_bytes: bytes read by all jobs.
        runtime: milliseconds of the slowest job.
        bw_bytes: bytes/s of all: ``io_bytes`` over ``runtime``, rounded down.
        clat_bins: completion latencies of all; None if a job has no histogram.
        at_least: milliseconds that the slowest job needed at least, by the latencies of its reads; 0 unless
            they are known to have been one after another.
    """

    groupid: int
    io_bytes: int
    runtime: int
    bw_bytes: int
    clat_bins: Bins | None
    at_least: float = 0.0

    @property
    def seconds(self) -> float:
        """Run time, as well as it is known.

        fio rounds it up to whole milliseconds (update_runtime in backend.c of fio 3.33), which is 5 % of a
        read of 21 ms. The true one is at most a millisecond shorter, and is not shorter than the latencies of
        reads that were one after another; this is the middle of what is possible, so that it is wrong by
        half a millisecond at most, to either side.
        """
        return (max(self.at_least, self.runtime - 1) + self.runtime) / 2 / 1000


class FioReport(Output):
    """One run of fio.

    Attributes:
        version: such as ``fio-3.33``.
        jobs: in the order of fio.
        messages: lines before and after the JSON that are not blank, such as warnings of fio.
    """

    version: str = Field(alias="fio version")
    jobs: Annotated[tuple[JobReport, ...], Field(min_length=1)]
    messages: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[JobReport, ...]:
        """The jobs that had an error."""
        return tuple(job for job in self.jobs if job.failed)

    def groups(self) -> tuple[GroupReport, ...]:
        """The reads of each group; groups without reads are left out."""
        numbers = sorted({job.groupid for job in self.jobs})
        return tuple(group for number in numbers if (group := self._group(number)) is not None)

    def _group(self, number: int) -> GroupReport | None:
        reads = [job.read for job in self.jobs if job.groupid == number and job.read.runtime]
        if not reads:
            return None
        total, slowest = sum(read.io_bytes for read in reads), max(read.runtime for read in reads)
        bins = [read.clat_ns.bins for read in reads]
        known = [one for one in bins if one is not None]
        return GroupReport(
            groupid=number,
            io_bytes=total,
            runtime=slowest,
            bw_bytes=total * 1000 // slowest,
            clat_bins=Bins.merged(known) if len(known) == len(bins) else None,
            at_least=_sequential(reads, slowest),
        )


def _sequential(reads: Sequence[ReadReport], slowest: int) -> float:
    """Sum of the latencies of the slowest job in milliseconds; 0 if it is longer than the job, or unknown.

    It is longer where the job is a group of several, or had several reads in flight.
    """
    sums = [read.clat_ns.mean * read.clat_ns.N / 1e6 for read in reads if read.runtime == slowest]
    return max((one for one in sums if one <= slowest), default=0.0)
