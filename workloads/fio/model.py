"""What fio reported, in fio's own names, values and units.

The names are those of fio's JSON output (fio 3.33, HOWTO "JSON output"); nothing is converted.
``bw`` fields are in KiB/s (1024 bytes), ``bw_bytes`` in bytes/s, ``runtime`` in milliseconds,
``*_ns`` in nanoseconds, percentages from 0 to 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workloads.fio.percentiles import Bins

Kind = Literal["read", "write", "trim"]


@dataclass(frozen=True, slots=True)
class Latency:
    """One latency of fio, in nanoseconds.

    Attributes:
        min: shortest.
        max: longest.
        mean: arithmetic mean.
        stddev: standard deviation.
        N: how many I/Os were measured; 0 when this latency was not measured.
        percentile: fio's own list: (percent, nanoseconds); empty where fio gave none.
        bins: the bins of json+, or None where fio gave none.
    """

    min: int
    max: int
    mean: float
    stddev: float
    N: int
    percentile: tuple[tuple[float, int], ...] = ()
    bins: Bins | None = None


@dataclass(frozen=True, slots=True)
class Direction:
    """The reads, writes or trims of one job.

    Attributes:
        io_bytes: bytes moved.
        io_kbytes: the same in KiB, rounded down by fio.
        bw_bytes: bytes/s, rounded down by fio.
        bw: KiB/s, rounded down by fio.
        iops: I/Os a second.
        runtime: milliseconds; with group reporting that of the slowest member.
        total_ios: I/Os done.
        short_ios: I/Os that moved fewer bytes than asked for.
        drop_ios: I/Os that were dropped.
        slat_ns: from the call to its submission (asynchronous engines only).
        clat_ns: from submission to completion.
        lat_ns: from the call to completion. None of the three includes open() or close().
        bw_min: lowest of fio's samples (each 500 ms by default), KiB/s.
        bw_max: highest, KiB/s.
        bw_agg: share of this job in its group, per cent.
        bw_mean: KiB/s.
        bw_dev: standard deviation, KiB/s.
        bw_samples: how many samples; 0 in a short run, and then the five before are 0 too.
        iops_min: lowest sample, I/Os a second.
        iops_max: highest sample.
        iops_mean: mean of the samples.
        iops_stddev: their standard deviation.
        iops_samples: how many samples.
    """

    io_bytes: int
    io_kbytes: int
    bw_bytes: int
    bw: int
    iops: float
    runtime: int
    total_ios: int
    short_ios: int
    drop_ios: int
    slat_ns: Latency
    clat_ns: Latency
    lat_ns: Latency
    bw_min: int
    bw_max: int
    bw_agg: float
    bw_mean: float
    bw_dev: float
    bw_samples: int
    iops_min: int
    iops_max: int
    iops_mean: float
    iops_stddev: float
    iops_samples: int


@dataclass(frozen=True, slots=True)
class JobReport:
    """One job of fio, or one group of clones with group reporting.

    Attributes:
        jobname: its section's name.
        groupid: its reporting group, from 0.
        error: errno of what ended it, 0 when nothing did.
        total_err: errors that it went on after, where ``continue_on_error`` was set.
        first_error: errno of the first of those.
        elapsed: whole seconds since fio started.
        job_runtime: milliseconds of all its members added up.
        options: its own options as fio understood them; a repeated one has its last value.
        read: what it read.
        write: what it wrote.
        trim: what it trimmed.
        usr_cpu: per cent of its runtime on the CPU in user mode.
        sys_cpu: the same in the kernel.
        ctx: context switches.
        majf: major page faults.
        minf: minor page faults.
    """

    jobname: str
    groupid: int
    error: int
    total_err: int
    first_error: int
    elapsed: int
    job_runtime: int
    options: tuple[tuple[str, str], ...]
    read: Direction
    write: Direction
    trim: Direction
    usr_cpu: float
    sys_cpu: float
    ctx: int
    majf: int
    minf: int

    @property
    def failed(self) -> bool:
        """Whether the job met an error, so that its numbers describe something else."""
        return self.error != 0 or self.total_err != 0


@dataclass(frozen=True, slots=True)
class GroupReport:
    """The jobs of one group taken together, computed as fio's "Run status group" line is.

    Attributes:
        groupid: from 0.
        kind: read, write or trim.
        jobs: names of the jobs that did such I/O.
        io_bytes: bytes moved by all of them.
        runtime: milliseconds of the slowest.
        bw_bytes: bytes/s of all: ``io_bytes`` over ``runtime``, rounded down.
        min_bw_bytes: bytes/s of the slowest job.
        max_bw_bytes: bytes/s of the fastest job.
        total_ios: I/Os of all.
        clat_bins: completion latencies of all, or None where a job has no bins.
    """

    groupid: int
    kind: Kind
    jobs: tuple[str, ...]
    io_bytes: int
    runtime: int
    bw_bytes: int
    min_bw_bytes: int
    max_bw_bytes: int
    total_ios: int
    clat_bins: Bins | None


@dataclass(frozen=True, slots=True)
class FioReport:
    """One run of fio.

    Attributes:
        version: such as ``fio-3.33``.
        timestamp_ms: when it ended, milliseconds since 1970.
        options: the options of its [global] section.
        jobs: in fio's order.
        messages: non-blank lines before and after the JSON, such as fio's warnings.
    """

    version: str
    timestamp_ms: int
    options: tuple[tuple[str, str], ...]
    jobs: tuple[JobReport, ...]
    messages: tuple[str, ...]

    @property
    def failed(self) -> tuple[JobReport, ...]:
        """The jobs that met an error."""
        return tuple(job for job in self.jobs if job.failed)

    def groups(self, kind: Kind = "read") -> tuple[GroupReport, ...]:
        """Each group's jobs taken together; groups without such I/O are left out."""
        numbers = sorted({job.groupid for job in self.jobs})
        return tuple(group for number in numbers if (group := self._group(number, kind)) is not None)

    def _group(self, number: int, kind: Kind) -> GroupReport | None:
        members = [(job.jobname, getattr(job, kind)) for job in self.jobs if job.groupid == number]
        busy: list[tuple[str, Direction]] = [(name, io) for name, io in members if io.runtime]
        if not busy:
            return None
        ios = [io for _, io in busy]
        moved, slowest = sum(io.io_bytes for io in ios), max(io.runtime for io in ios)
        bins = [io.clat_ns.bins for io in ios]
        known = [one for one in bins if one is not None]
        return GroupReport(
            groupid=number,
            kind=kind,
            jobs=tuple(name for name, _ in busy),
            io_bytes=moved,
            runtime=slowest,
            bw_bytes=moved * 1000 // slowest,
            min_bw_bytes=min(io.bw_bytes for io in ios),
            max_bw_bytes=max(io.bw_bytes for io in ios),
            total_ios=sum(io.total_ios for io in ios),
            clat_bins=Bins.merged(known) if len(known) == len(bins) else None,
        )
