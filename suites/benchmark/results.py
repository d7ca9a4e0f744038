"""What a benchmark run hands over: every number with what it was measured on, and what proves it.

The same model goes to `benchmark.json` and, as `benchmark`, to `verdict.json`. Units stand in the
fields' descriptions; ``null`` always means *not known*, never zero.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from clusters.errors import RefusalError
from suites.benchmark.judge import (
    CONFIDENCE,
    FEWEST_ROUNDS,
    RESAMPLES,
    UNSTABLE,
    Judgement,
    Verdict,
    arm_figures,
    judge,
)
from suites.benchmark.judge_calibration import JudgeFigures
from suites.benchmark.rounds import Round, Unit
from suites.record.run import NfsClient, Origin

#: The file's name in the folder of a run.
FILE: Final = "benchmark.json"

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]


class Model(BaseModel):
    """A frozen part of the results; a field that is not known, and a number that is none, is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        from_attributes=True,
        allow_inf_nan=False,
        validate_by_name=True,
        serialize_by_alias=True,
    )


# What it was measured on


class Machine(Model):
    """The host that all nodes share, or the nodes' common kind on an existing cluster."""

    cpu_model: str
    cpus: int = Field(ge=1, description="processors that the cluster may use, all nodes together")
    architecture: str
    memory_bytes: Count | None = None
    kernel: str = Field(description="the kernel's release, as uname -r tells it")


class Nfs(Model):
    """The NFS server and how it is mounted."""

    client: NfsClient = Field(description="who mounts NFS in the nodes; never mixed in one comparison")
    version: str = Field(description="of the protocol, such as 3 or 4.1")
    server: str = Field(description="which server, with its version")
    storage: str = Field(description="what the exported files lie on, such as RAM or SSD")
    rsize: Count | None = Field(description="largest read that the client asks the server for, in bytes")
    nconnect: Count | None = Field(description="TCP connections of one mount")
    read_ahead_kb: Count | None = Field(description="read-ahead of the mount, in KiB")
    options: tuple[str, ...] = Field((), description="all options of the mount")


class Fuse(Model):
    """How Fluid mounts Alluxio on a node."""

    options: tuple[str, ...]
    read_ahead_kb: Count | None = Field(None, description="read-ahead of the mount, in KiB")
    kind: str = Field("", description="which FUSE client, such as jnifuse")


class Tier(Model):
    """Where Alluxio's workers keep cached data."""

    medium: Literal["MEM", "SSD", "HDD"]
    path: str
    quota_bytes: Count = Field(description="of all workers together")


class Image(Model):
    """An image that took part."""

    name: str
    digest: str = Field(description="sha256:…, or empty where none is known")
    origin: Origin


class Environment(Model):
    """All that is recorded with every number of the run."""

    machine: Machine
    nodes: int = Field(ge=1)
    cluster: Literal["kind", "existing"]
    nfs: Nfs
    fuse: Fuse
    tier: Tier
    heap_bytes: dict[str, Count] = Field(description="Java heap by component: master, worker, fuse, …")
    versions: dict[str, str] = Field(description="by name: fluid, alluxio, kubernetes, fio, harness, …")
    images: tuple[Image, ...] = ()
    properties: dict[str, str] = Field(default_factory=dict, description="Alluxio's properties that were set")
    host_limits: tuple[str, ...] = Field((), description="what this host cannot do, and how it was met")


# What was measured


class Workload(Model):
    """What was read, and how; the same for all arms of a series."""

    name: str = Field(description="the fio job's file name without suffix")
    says: str = Field(description="what it does, in a user's words")
    jobs: int = Field(ge=1, description="processes that read at once, in each Pod")
    pods: int = Field(1, ge=1, description="Pods that read at once")
    files: int = Field(ge=1)
    total_bytes: int = Field(ge=1, description="read in one round by one Pod")
    parameters: dict[str, str] = Field(description="the fio options, as fio was given them")


class Shaping(Model):
    """How fast NFS was allowed to be."""

    asked: Amount | None = Field(description="bytes/s; null: not limited")
    reached: Amount | None = Field(None, description="bytes/s that really came through, measured")
    means: str = Field("", description="what limits it, such as tbf or a TCP proxy; empty: nothing does")


class ArmKind(StrEnum):
    """In which state data is read, and through what."""

    RAW_COLD = "raw-cold"
    RAW_CACHED = "raw-cached"
    FLUID_COLD = "fluid-cold"
    FLUID_WARM_SAME_CLIENT = "fluid-warm-same-client"
    FLUID_WARM_FRESH_CLIENT = "fluid-warm-fresh-client"
    FLUID_WARM_CACHED = "fluid-warm-cached"


#: What each kind means, for people who read the results.
MEANING: Final[dict[ArmKind, str]] = {
    ArmKind.RAW_COLD: "the application reads the NFS claim itself; nothing is cached on the node",
    ArmKind.RAW_CACHED: "the same NFS claim read once more: the node's memory (page cache) holds the data",
    ArmKind.FLUID_COLD: "first read through Fluid's claim; Alluxio holds nothing yet and fetches it from NFS",
    ArmKind.FLUID_WARM_SAME_CLIENT: "read through Fluid with all data in Alluxio, by the FUSE client that "
    "was there when it was cached; the page cache is empty",
    ArmKind.FLUID_WARM_FRESH_CLIENT: "read through Fluid with all data in Alluxio, by a FUSE client that "
    "started after it was cached; the page cache is empty",
    ArmKind.FLUID_WARM_CACHED: "read once more through Fluid: the node's memory (page cache) holds the data",
}


class Arm(Model):
    """One of the things that are measured side by side."""

    name: str
    kind: ArmKind
    note: str = Field("", description="what sets it apart from others of its kind, such as being throttled")
    mount: tuple[str, ...] = Field((), description="type and options of the mount that the application read")


class Percentile(Model):
    """A latency that ``percent`` per cent of the reads did not exceed."""

    percent: float = Field(ge=0, le=100)
    ns: Count


class Latency(Model):
    """How long single reads took, from fio's own bins; nanoseconds."""

    reads: Count
    mean_ns: Amount
    max_ns: Count
    percentiles: tuple[Percentile, ...]

    def at(self, percent: float) -> int | None:
        """The given percentile in nanoseconds, or None where it was not kept."""
        return next((one.ns for one in self.percentiles if one.percent == percent), None)


class State(Model):
    """What the caches and their counters said at one moment; the counters only ever rise."""

    at: datetime
    cached_percent: float | None = Field(
        None, ge=0, le=100, description="of the data in Alluxio, by Alluxio's own listing"
    )
    alluxio: dict[str, Amount] = Field(
        default_factory=dict, description="Alluxio's own counters in bytes, by their names"
    )
    nfs_reads: Count | None = Field(None, description="READ calls that the NFS server has answered")
    nfs_read_bytes: Count | None = Field(None, description="bytes that the NFS server has sent for them")
    page_cache_bytes: Count | None = Field(None, description="of the data in the node's page cache")
    fuse_pod: str = Field(
        "",
        description="uid of the FUSE Pod that serves the application, several joined by +; empty: none",
    )


class Proof(Model):
    """The evidence that an arm was what it is called."""

    before: State
    after: State

    @property
    def nfs_read_bytes(self) -> int | None:
        """What the NFS server sent during the round."""
        return _grown(self.before.nfs_read_bytes, self.after.nfs_read_bytes)

    @property
    def nfs_reads(self) -> int | None:
        """READ calls during the round."""
        return _grown(self.before.nfs_reads, self.after.nfs_reads)

    def alluxio(self, counter: str) -> float | None:
        """By how much one of Alluxio's counters rose during the round."""
        if counter not in self.before.alluxio or counter not in self.after.alluxio:
            return None
        return self.after.alluxio[counter] - self.before.alluxio[counter]


class Part(Model):
    """A part of a round: one of several Pods, of several reads, or of fio's groups such as an epoch."""

    kind: Literal["pod", "group", "read"]
    name: str
    node: str = ""
    read_bytes: Count
    seconds: Amount
    bytes_per_second: Amount


class RoundResult(Model):
    """One measurement of one arm."""

    arm: str
    number: Count = Field(description="which round, from 0; the arms of a round ran next to each other")
    value: Amount | None = Field(description="in the unit of the series; null: it did not end")
    seconds: Amount = Field(
        description="fio's own run time, of several reads together, of several Pods from the first one's "
        "start to the last one's end; or how long it was waited for"
    )
    read_bytes: Count = Field(description="all reads and Pods together")
    started: datetime
    load_before: Amount = Field(
        description="processes that wanted to run just before (1-minute load average)"
    )
    valid: bool = Field(description="the arm was proved to be what it is called")
    reason: str = Field("", description="why it is not valid")
    saturated: str = Field(
        "", description="which limit other than the one under test was reached; empty: none"
    )
    polluted: str = Field("", description="what else went on or took part in it; empty: nothing was seen")
    latency: Latency | None = None
    proof: Proof | None = Field(None, description="null: it could not be taken, and the round is not valid")
    parts: tuple[Part, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.valid and (not self.value or self.proof is None):
            raise ValueError("a valid round has a value above 0 and its proof")
        if self.valid == bool(self.reason):
            raise ValueError("a round that is not valid has a reason, and only such a one has")
        return self

    def plain(self) -> Round:
        """The round as the judge takes it."""
        value = math.nan if self.value is None else self.value
        return Round(self.arm, self.number, value, self.valid, self.reason)


class Sample(Model):
    """What was cached, and what had been read from NFS, at one moment of a series."""

    t: Amount = Field(description="seconds since the series began")
    cached_bytes: Count | None = Field(description="in Alluxio")
    nfs_read_bytes: Count | None = Field(description="sent by the NFS server since it started")


# What is said of it


class Figures(Model):
    """One arm's valid rounds in short."""

    arm: str
    rounds: Count = Field(description="valid ones, which alone count")
    invalid: Count
    saturated: Count = Field(description="of the valid ones")
    polluted: Count = Field(description="of the valid ones")
    median: Amount | None = None
    low: Amount | None = Field(
        None, description="lower end of the median's 95 % interval; null: too few rounds"
    )
    high: Amount | None = None
    variation: Amount | None = Field(None, description="standard deviation over mean, 0.02 means 2 %")

    @property
    def unstable(self) -> bool:
        """Whether the arm varied by more than 10 %."""
        return self.variation is not None and self.variation > UNSTABLE

    @classmethod
    def of(cls, rounds: Sequence[RoundResult], arm: str) -> Figures:
        """The figures of an arm.

        Raises:
            ValueError: a valid round's value is no measurement.
        """
        found = arm_figures([one.plain() for one in rounds], arm)
        valid = [one for one in rounds if one.arm == arm and one.valid]
        low, high = median_interval(found.values) if len(found.values) >= FEWEST_ROUNDS else (None, None)
        return cls(
            arm=arm,
            rounds=len(valid),
            invalid=found.invalid,
            saturated=sum(bool(one.saturated) for one in valid),
            polluted=sum(bool(one.polluted) for one in valid),
            median=_number(found.median),
            low=low,
            high=high,
            variation=_number(found.variation),
        )


class Purpose(StrEnum):
    """Why two arms are compared."""

    COMPARISON = "comparison"
    EQUAL = "A/A"
    CONTROL = "control"
    COST = "cost of the harness"


#: What a comparison that checks the measurement itself must come to.
EXPECTED: Final[dict[Purpose, Verdict]] = {
    Purpose.EQUAL: Verdict.NO_DIFFERENCE,
    Purpose.CONTROL: Verdict.SLOWER,
    Purpose.COST: Verdict.NO_DIFFERENCE,
}


class Comparison(Model):
    """Two arms to be compared."""

    baseline: str
    candidate: str
    purpose: Purpose = Purpose.COMPARISON


class Judged(Comparison):
    """Two arms that were compared; the numbers are those of `suites.benchmark.judge`."""

    verdict: Verdict
    reason: str
    unstable: bool = Field(description="one of the two varied by more than 10 %")
    ratio: Amount | None = Field(description="how many times as fast the candidate is; null when invalid")
    low: Amount | None = Field(description="lower end of the ratio's 95 % interval")
    high: Amount | None
    mann_whitney_p: Amount | None
    noise: Amount | None = Field(description="what equal arms of this run differ by, 0.02 means 2 %")
    threshold: Amount | None = Field(description="effect above which a difference may be claimed")
    could_find: Amount | None = Field(description="smallest effect that nine of ten such runs would claim")

    @property
    def as_it_must(self) -> bool | None:
        """Whether a check of the measurement itself came out right; None for what is no such check."""
        return self.verdict is EXPECTED[self.purpose] if self.purpose in EXPECTED else None

    @classmethod
    def of(cls, judgement: Judgement, purpose: Purpose = Purpose.COMPARISON) -> Judged:
        """A judgement as a part of the results."""
        interval = judgement.interval
        return cls(
            baseline=judgement.baseline.arm,
            candidate=judgement.candidate.arm,
            purpose=purpose,
            verdict=judgement.verdict,
            reason=judgement.reason,
            unstable=judgement.unstable,
            ratio=judgement.ratio,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            mann_whitney_p=judgement.mann_whitney_p,
            noise=judgement.noise,
            threshold=judgement.threshold,
            could_find=judgement.could_find,
        )


class SeriesResult(Model):
    """Arms that were measured in turns with the same workload, and what may be said of them."""

    name: str
    unit: Unit
    workload: Workload
    shaping: Shaping
    arms: tuple[Arm, ...] = Field(min_length=1)
    rounds: tuple[RoundResult, ...]
    figures: tuple[Figures, ...]
    judged: tuple[Judged, ...]
    started: datetime
    seconds: Amount
    planned: Count = Field(description="rounds that were planned at least")
    ending: str = Field(description="why it ended, such as enough, or interrupted")
    timeline: tuple[Sample, ...] = ()

    @property
    def question(self) -> Literal["overhead", "acceleration"]:
        """What it answers: what Fluid costs beside a free NFS, or what it gains beside a narrow one."""
        return "overhead" if self.shaping.asked is None else "acceleration"

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(one for one in self.arms if one.name == name)

    def of_arm(self, name: str) -> tuple[RoundResult, ...]:
        """An arm's rounds in their order, those that are not valid with them."""
        return tuple(sorted((one for one in self.rounds if one.arm == name), key=lambda one: one.number))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [one.name for one in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two arms have the same name")
        told = {one.arm for one in self.rounds}
        told |= {name for one in self.judged for name in (one.baseline, one.candidate)}
        if not told <= set(names):
            raise ValueError(f"{self.name}: {', '.join(sorted(told - set(names)))} is no arm of it")
        places = [(one.arm, one.number) for one in self.rounds]
        if len(set(places)) != len(places):
            raise ValueError(f"{self.name}: an arm was measured twice in one round")
        if [one.arm for one in self.figures] != names:
            raise ValueError(f"{self.name}: each arm has its figures, in the order of the arms")
        return self


def judged_series(
    *,
    name: str,
    unit: Unit,
    workload: Workload,
    shaping: Shaping,
    arms: Sequence[Arm],
    rounds: Sequence[RoundResult],
    comparisons: Iterable[Comparison],
    started: datetime,
    seconds: float,
    planned: int,
    ending: str,
    timeline: Sequence[Sample] = (),
    seed: int = 0,
) -> SeriesResult:
    """A series with its arms' figures and the judge's word on each comparison.

    Where one comparison is an A/A of a baseline, its second arm shows the noise for all others of
    that baseline; the A/A itself is judged by the noise within the arms, since a difference
    between the two cannot be its own measure.

    Raises:
        ValueError: an arm, round or comparison does not fit the others.
    """
    plain = [one.plain() for one in rounds]
    wanted = tuple(comparisons)
    again = {one.baseline: one.candidate for one in wanted if one.purpose is Purpose.EQUAL}
    return SeriesResult(
        name=name,
        unit=unit,
        workload=workload,
        shaping=shaping,
        arms=tuple(arms),
        rounds=tuple(rounds),
        figures=tuple(Figures.of(rounds, arm.name) for arm in arms),
        judged=tuple(
            Judged.of(
                judge(
                    plain,
                    baseline=one.baseline,
                    candidate=one.candidate,
                    unit=unit,
                    again=None if one.purpose is Purpose.EQUAL else again.get(one.baseline),
                    seed=seed,
                ),
                one.purpose,
            )
            for one in wanted
        ),
        started=started,
        seconds=seconds,
        planned=planned,
        ending=ending,
        timeline=tuple(timeline),
    )


class JudgeProof(Model):
    """How the judge did on made-up series whose truth is known; see `suites.benchmark.judge_calibration`."""

    noise: str = Field(description="which noise the series had, such as: like the measured rounds")
    series: int = Field(ge=1)
    rounds: int = Field(ge=1)
    effect: Amount
    false_alarms: Amount
    said_no_difference: Amount
    covered: Amount
    found: Amount
    could_find: Amount

    @classmethod
    def of(cls, figures: JudgeFigures, noise: str) -> JudgeProof:
        """The judge's figures as a part of the results."""
        return cls.model_validate(
            {name: getattr(figures, name) for name in cls.model_fields if name != "noise"} | {"noise": noise}
        )


class Benchmark(Model):
    """The whole of `benchmark.json`, schema 1."""

    schema_version: Literal[1] = Field(1, alias="schema")
    id: str = Field(description="of the run, and of its folder")
    started: datetime
    seconds: Amount
    finished: bool = Field(description="false: it is going on, or it was killed")
    stopped: str = Field("", description="why it ended before its plan was done, such as Ctrl-C")
    command: str = ""
    environment: Environment
    series: tuple[SeriesResult, ...]
    judge: tuple[JudgeProof, ...] = ()
    findings: tuple[str, ...] = Field((), description="what was noticed besides, one sentence each")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.series]
        if len(set(names)) != len(names):
            raise ValueError("two series have the same name")
        return self

    def to_json(self) -> str:
        """The text of `benchmark.json`."""
        return self.model_dump_json(indent=2) + "\n"

    def as_part(self) -> dict[str, JsonValue]:
        """The same for `benchmark` in `verdict.json`."""
        part: dict[str, JsonValue] = self.model_dump(mode="json")
        return part


def median_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval of the median, in the manner of the judge's of a ratio.

    Args:
        values: at least one.
        seed: the same values and seed give the same interval.
    """
    generator = np.random.default_rng([seed, len(values)])
    drawn = generator.choice(np.asarray(values, dtype=np.float64), (RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def parse(data: bytes | str | dict[str, JsonValue], where: str) -> Benchmark:
    """Results from their JSON.

    Args:
        data: the text of `benchmark.json`, or `benchmark` of a `verdict.json`.
        where: where it came from, for the error.

    Raises:
        RefusalError: it is not a benchmark of schema 1.
    """
    try:
        if isinstance(data, dict):
            return Benchmark.model_validate_json(json.dumps(data))
        return Benchmark.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its beginning"
        raise RefusalError(
            f"{where} is not a benchmark of schema 1: {first['msg']} (at {place})",
            advice="read it with the version of the harness that wrote it",
        ) from error


def load(path: Path) -> Benchmark:
    """Read a `benchmark.json`.

    Raises:
        RefusalError: it cannot be read, or is not a benchmark of schema 1.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RefusalError(
            f"cannot read {path}: {error.strerror}",
            advice="name the folder of a run that measured something, such as out/latest",
        ) from error
    return parse(data, str(path))


def schema_text() -> str:
    """The JSON schema of `benchmark.json`."""
    schema: dict[str, Any] = Benchmark.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
