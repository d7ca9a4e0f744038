"""fio's JSON and json+ output as typed values, each checked for its kind."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from workloads.fio.document import FioOutputError, find
from workloads.fio.model import Direction, FioReport, JobReport, Latency
from workloads.fio.percentiles import Bins, is_midpoint

PERCENT: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,12}")
NANOSECONDS: Final = re.compile(r"[0-9]{1,11}")


def parse(output: str | bytes) -> FioReport:
    """Read what ``fio --output-format=json`` or ``json+`` printed, warnings around it included.

    Raises:
        FioOutputError: with the place and the reason, when the text is not the whole and sound
            output of one run.
    """
    document = find(output)
    root = _Object("$", document.root)
    jobs = root.items("jobs")
    if not jobs:
        raise FioOutputError("$.jobs", "there is no job in it")
    return FioReport(
        version=root.text("fio version"),
        timestamp_ms=root.count("timestamp_ms", missing=root.count("timestamp", missing=0) * 1000),
        options=root.options("global options"),
        jobs=tuple(_job(job) for job in jobs),
        messages=document.messages,
    )


class _Object:
    """A JSON object with its path, which hands out its fields by kind."""

    def __init__(self, path: str, fields: dict[str, Any]) -> None:
        self.path = path
        self.fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def refuse(self, name: str, reason: str) -> FioOutputError:
        return FioOutputError(f"{self.path}.{name[:80]}", reason)

    def _get(self, name: str) -> Any:
        if name not in self.fields:
            raise self.refuse(name, "it is missing")
        return self.fields[name]

    def text(self, name: str) -> str:
        value = self._get(name)
        if not isinstance(value, str):
            raise self.refuse(name, f"a text is wanted, not {_shown(value)}")
        return value

    def count(self, name: str, *, missing: int | None = None) -> int:
        if missing is not None and name not in self.fields:
            return missing
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.refuse(name, f"a whole number from 0 is wanted, not {_shown(value)}")
        return value

    def real(self, name: str) -> float:
        value = self._get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.refuse(name, f"a number is wanted, not {_shown(value)}")
        if value < 0 or not math.isfinite(value):
            raise self.refuse(name, f"a number from 0 is wanted, not {_shown(value)}")
        return float(value)

    def inner(self, name: str) -> _Object:
        value = self._get(name)
        if not isinstance(value, dict):
            raise self.refuse(name, f"an object is wanted, not {_shown(value)}")
        return _Object(f"{self.path}.{name}", value)

    def items(self, name: str) -> list[_Object]:
        value = self._get(name)
        if not isinstance(value, list):
            raise self.refuse(name, f"a list is wanted, not {_shown(value)}")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.refuse(f"{name}[{index}]", f"an object is wanted, not {_shown(item)}")
        return [_Object(f"{self.path}.{name}[{index}]", item) for index, item in enumerate(value)]

    def options(self, name: str) -> tuple[tuple[str, str], ...]:
        if name not in self.fields:
            return ()
        inner = self.inner(name)
        return tuple((option, inner.text(option)) for option in inner.fields)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 - what fits in a sentence


def _job(job: _Object) -> JobReport:
    return JobReport(
        jobname=job.text("jobname"),
        groupid=job.count("groupid"),
        error=job.count("error"),
        total_err=job.count("total_err", missing=0),
        first_error=job.count("first_error", missing=0),
        elapsed=job.count("elapsed"),
        job_runtime=job.count("job_runtime"),
        options=job.options("job options"),
        read=_direction(job.inner("read")),
        write=_direction(job.inner("write")),
        trim=_direction(job.inner("trim")),
        usr_cpu=job.real("usr_cpu"),
        sys_cpu=job.real("sys_cpu"),
        ctx=job.count("ctx"),
        majf=job.count("majf"),
        minf=job.count("minf"),
    )


def _direction(io: _Object) -> Direction:
    return Direction(
        io_bytes=io.count("io_bytes"),
        io_kbytes=io.count("io_kbytes"),
        bw_bytes=io.count("bw_bytes"),
        bw=io.count("bw"),
        iops=io.real("iops"),
        runtime=io.count("runtime"),
        total_ios=io.count("total_ios"),
        short_ios=io.count("short_ios"),
        drop_ios=io.count("drop_ios"),
        slat_ns=_latency(io.inner("slat_ns")),
        clat_ns=_latency(io.inner("clat_ns")),
        lat_ns=_latency(io.inner("lat_ns")),
        bw_min=io.count("bw_min"),
        bw_max=io.count("bw_max"),
        bw_agg=io.real("bw_agg"),
        bw_mean=io.real("bw_mean"),
        bw_dev=io.real("bw_dev"),
        bw_samples=io.count("bw_samples"),
        iops_min=io.count("iops_min"),
        iops_max=io.count("iops_max"),
        iops_mean=io.real("iops_mean"),
        iops_stddev=io.real("iops_stddev"),
        iops_samples=io.count("iops_samples"),
    )


def _latency(latency: _Object) -> Latency:
    samples = latency.count("N")
    return Latency(
        min=latency.count("min"),
        max=latency.count("max"),
        mean=latency.real("mean"),
        stddev=latency.real("stddev"),
        N=samples,
        percentile=_percentile(latency.inner("percentile")) if "percentile" in latency else (),
        bins=_bins(latency.inner("bins"), samples) if "bins" in latency else None,
    )


def _percentile(listed: _Object) -> tuple[tuple[float, int], ...]:
    for percent in listed.fields:
        if not PERCENT.fullmatch(percent) or not 0 < float(percent) <= 100:  # noqa: PLR2004 - per cent
            raise listed.refuse(percent, "a percentage above 0 and at most 100 is wanted as its name")
    return tuple((float(percent), listed.count(percent)) for percent in listed.fields)


def _bins(listed: _Object, samples: int) -> Bins:
    counts: dict[int, int] = {}
    for name in listed.fields:
        if not NANOSECONDS.fullmatch(name) or not is_midpoint(int(name)) or str(int(name)) != name:
            raise listed.refuse(name, "fio has no latency bucket with this midpoint")
        counts[int(name)] = listed.count(name)
    bins = Bins.of(counts)
    if bins.total != samples:
        raise FioOutputError(listed.path, f"the bins count {bins.total} I/Os, N says {samples}")
    return bins
