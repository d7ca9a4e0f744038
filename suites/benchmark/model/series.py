"""A measured series: arms that were measured in turns with the same workload."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from suites.benchmark.model.base import Amount, Count, Model
from suites.benchmark.model.judgement import Figures, Judgement
from suites.benchmark.model.rounds import Round, Unit


class Workload(Model):
    """What was read, and how; the same for all arms of a series."""

    name: str = Field(description="file name of the fio job without suffix")
    says: str = Field(description="what it does, in plain words")
    jobs: int = Field(ge=1, description="parallel processes in each Pod")
    pods: int = Field(1, ge=1, description="parallel Pods")
    files: int = Field(ge=1)
    total_bytes: int = Field(
        ge=1,
        description="read or written in one round by one Pod; of list, stat and open the size of the files",
    )
    parameters: dict[str, str] = Field(description="fio options as given to fio, or those of another program")
    operation: Literal["read", "write", "list", "stat", "open"] = Field(
        "read", description="what was done with the files"
    )


class Shaping(Model):
    """Bandwidth limit of NFS."""

    asked: Amount | None = Field(description="bytes/s; null: not limited")
    reached: Amount | None = Field(None, description="measured bytes/s")
    means: str = Field("", description="what limits it, such as tbf or a TCP proxy; empty: nothing")


class ArmKind(StrEnum):
    """In which state data is read, and through what."""

    RAW_COLD = "raw-cold"
    RAW_CACHED = "raw-cached"
    FLUID_COLD = "fluid-cold"
    FLUID_WARM_SAME_CLIENT = "fluid-warm-same-client"
    FLUID_WARM_FRESH_CLIENT = "fluid-warm-fresh-client"
    FLUID_WARM_CACHED = "fluid-warm-cached"
    RAW_NEW_MOUNT = "raw-new-mount"
    RAW_SAME_MOUNT = "raw-same-mount"
    FLUID_NEW_CLIENT = "fluid-new-client"
    FLUID_SAME_CLIENT = "fluid-same-client"
    RAW_WRITE = "raw-write"
    FLUID_WRITE = "fluid-write"
    FLUID_LOCAL = "fluid-local"
    FLUID_REMOTE = "fluid-remote"

    @property
    def through_fluid(self) -> bool:
        """Whether the application uses the claim of Fluid."""
        return self.value.startswith("fluid")


#: What each kind means, for readers of the results.
MEANING: Final[dict[ArmKind, str]] = {
    ArmKind.RAW_COLD: "the application reads the NFS claim itself; nothing is cached on the node",
    ArmKind.RAW_CACHED: "the same NFS claim read once more: the node's memory (page cache) holds the data",
    ArmKind.FLUID_COLD: "first read through Fluid's claim; Alluxio holds nothing yet and fetches it from NFS",
    ArmKind.FLUID_WARM_SAME_CLIENT: "read through Fluid with all data in Alluxio, by the FUSE client that "
    "was running when it was cached; the page cache is empty",
    ArmKind.FLUID_WARM_FRESH_CLIENT: "read through Fluid with all data in Alluxio, by a FUSE client that "
    "started after it was cached; the page cache is empty",
    ArmKind.FLUID_WARM_CACHED: "read once more through Fluid: the node's memory (page cache) holds the data",
    ArmKind.RAW_NEW_MOUNT: "the application uses the NFS claim itself, in a Pod that has just started, so "
    "that nothing about the files is known on its mount",
    ArmKind.RAW_SAME_MOUNT: "the same once more in the same Pod",
    ArmKind.FLUID_NEW_CLIENT: "the application uses Fluid's claim through a FUSE client that has just "
    "started; Alluxio's master knows the files",
    ArmKind.FLUID_SAME_CLIENT: "the same once more through the same FUSE client",
    ArmKind.RAW_WRITE: "the application writes to the NFS claim itself",
    ArmKind.FLUID_WRITE: "the application writes to Fluid's claim; Alluxio writes to its cache and to NFS at "
    "once (CACHE_THROUGH)",
    ArmKind.FLUID_LOCAL: "read through Fluid from the worker on the application's own node, which holds all "
    "of the data; the page cache is empty",
    ArmKind.FLUID_REMOTE: "read through Fluid from a worker on another node, which holds all of the data; "
    "the worker on the application's own node holds none of it; the page cache is empty",
}


class Arm(Model):
    """One of the ways of reading that are measured and compared."""

    name: str
    kind: ArmKind
    note: str = Field("", description="difference from other arms of the same kind, such as a limit")
    mount: tuple[str, ...] = Field((), description="type and options of the mount that the application reads")


class Sample(Model):
    """Amount of cached data, and of data read from NFS, at one moment of a series."""

    t: Amount = Field(description="seconds since the series began")
    cached_bytes: Count | None = Field(description="in Alluxio")
    nfs_read_bytes: Count | None = Field(description="sent by the NFS server since it started")


class Ending(StrEnum):
    """Why a series ended."""

    ENOUGH = "enough"
    MOST_ROUNDS = "as many rounds as there may be"
    TIME_UP = "the time is up"
    INTERRUPTED = "interrupted"


class SeriesResult(Model):
    """A measured series with the figures of its arms and the judgements of its comparisons."""

    name: str
    unit: Unit
    workload: Workload
    shaping: Shaping
    arms: tuple[Arm, ...] = Field(min_length=1)
    rounds: tuple[Round, ...]
    figures: tuple[Figures, ...]
    judged: tuple[Judgement, ...]
    started: datetime
    seconds: Amount
    planned: Count = Field(description="rounds that were planned at least")
    ending: str = Field(description="why it ended, such as enough, or interrupted")
    timeline: tuple[Sample, ...] = ()

    @property
    def question(self) -> Literal["overhead", "acceleration"]:
        """What it answers: the overhead of Fluid (NFS unlimited), or its gain (NFS limited)."""
        return "overhead" if self.shaping.asked is None else "acceleration"

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(one for one in self.arms if one.name == name)

    def of_arm(self, name: str) -> tuple[Round, ...]:
        """All rounds of an arm in order, including those that are not valid."""
        return tuple(sorted((one for one in self.rounds if one.arm == name), key=lambda one: one.number))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [one.name for one in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two arms have the same name")
        used = {one.arm for one in self.rounds}
        used |= {name for one in self.judged for name in (one.baseline, one.candidate)}
        if not used <= set(names):
            raise ValueError(f"{self.name}: {', '.join(sorted(used - set(names)))} is no arm of it")
        places = [(one.arm, one.number) for one in self.rounds]
        if len(set(places)) != len(places):
            raise ValueError(f"{self.name}: an arm was measured twice in one round")
        if [one.arm for one in self.figures] != names:
            raise ValueError(f"{self.name}: each arm has its figures, in the order of the arms")
        return self
