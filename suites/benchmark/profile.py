"""What is measured: which workloads, with how many readers, beside which NFS, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from clusters.errors import RefusalError
from suites.benchmark import arms
from suites.benchmark.schedule import ROUNDS, Block, Series
from workloads import fio

MIB: Final = 1024 * 1024

ProfileName = Literal["quick", "default", "full", "scale"]
Means = Literal["auto", "tbf", "proxy"]

#: Seconds for making the data and the Dataset, and for removing them; the plan reckons with them, and
#: what they really took is known when the series are measured.
AROUND: Final = 180.0

#: Seconds for removing what was made, which must be left when the last series ends.
LEAVING: Final = 100.0

#: What an Indexed Job at its largest can be here: each Pod reads a copy of its own.
MOST_PODS: Final = 32

#: Small enough that Fluid's first read of it (15 MiB/s seen) leaves time for ten rounds.
AMOUNTS: Final = fio.Amounts(
    large_bytes=128 * MIB, random_4k_bytes=16 * MIB, small_files=1024, samples=128, sample_bytes=1 * MIB
)

#: Copies of the data: each round reads another one, because a first read happens once. The cache is
#: emptied before each series, and a copy that comes up again is freed.
COPIES: Final = 10

DEFAULT_BANDWIDTH: Final = 100.0
MINUTES: Final[dict[str, float]] = {"quick": 10.0, "default": 25.0, "full": 600.0, "scale": 15.0}

_RAW: Final = (arms.RAW_COLD, arms.RAW_CACHED)
_FLUID: Final = (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH, arms.FLUID_CACHED)
_ALL: Final = (_RAW, _FLUID, (arms.RAW_AGAIN,), (arms.RAW_SLOWED,))
_FEW: Final = ((arms.RAW_COLD,), (arms.FLUID_COLD, arms.FLUID_FRESH), (arms.RAW_AGAIN,))
_WITH_COST: Final = (*_ALL, (arms.RAW_BY_HAND,))
_AT_ONCE: Final = ((arms.RAW_COLD,), (arms.FLUID_FRESH,), (arms.RAW_AGAIN,))

#: Job, readers in a Pod, bytes/s of NFS, arms, Pods.
_Choice: TypeAlias = tuple[str, int, float | None, tuple[tuple[str, ...], ...], int]


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """A series to be measured.

    Attributes:
        job: name of the fio job.
        numjobs: processes that read at once.
        held_to: bytes/s of NFS; None leaves it free.
        groups: the arms, those of one preparation together.
        pods: that read at once.
        series: its plan.
    """

    job: str
    numjobs: int
    held_to: float | None
    groups: tuple[tuple[str, ...], ...]
    pods: int
    series: Series

    @property
    def name(self) -> str:
        """Of the series, unique in a run."""
        return self.series.name

    def plan(self, directory: str, most: int) -> fio.Plan:
        """The fio job, filled in for the files in ``directory``."""
        return fio.load(self.job).plan(AMOUNTS, directory=directory, numjobs=self.numjobs, most=most)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for.

    Attributes:
        profile: which set of series.
        rounds: of each series at least.
        bandwidth: MiB/s to which NFS is held where it is held back.
        minutes: in which all must end, preparation included.
        most_jobs: the highest number of parallel readers.
        pods: that read at once in a series of its own; 1 for no such series.
        shaping: what holds NFS back: the kernel, a proxy, or the kernel where it can.
    """

    profile: ProfileName = "default"
    rounds: int = ROUNDS
    bandwidth: float = DEFAULT_BANDWIDTH
    minutes: float = MINUTES["default"]
    most_jobs: int = fio.MOST_JOBS
    pods: int = 1
    shaping: Means = "auto"

    @classmethod
    def of(
        cls,
        profile: str,
        *,
        rounds: int | None = None,
        bandwidth: float | None = None,
        minutes: float | None = None,
        most_jobs: int | None = None,
        pods: int | None = None,
        shaping: str = "auto",
    ) -> Settings:
        """Settings from options; what is None is the profile's own.

        Raises:
            RefusalError: one of them cannot be.
        """
        if shaping not in get_args(Means):
            raise RefusalError(f"nothing holds NFS back by {shaping!r}", advice=", ".join(get_args(Means)))
        known = get_args(ProfileName)
        if profile not in known:
            raise RefusalError(f"no benchmark profile {profile!r}", advice=f"there are {', '.join(known)}")
        made = cls(
            profile=profile,  # type: ignore[arg-type] # it was just looked up
            rounds=rounds if rounds is not None else (6 if profile == "quick" else ROUNDS),
            bandwidth=bandwidth if bandwidth is not None else DEFAULT_BANDWIDTH,
            minutes=minutes if minutes is not None else MINUTES[profile],
            most_jobs=most_jobs if most_jobs is not None else fio.MOST_JOBS,
            shaping=shaping,  # type: ignore[arg-type] # it was just looked up
            pods=pods if pods is not None else (2 if profile == "scale" else 1),
        )
        if not 1 <= made.pods <= MOST_PODS or (profile == "scale" and made.pods == 1):
            raise RefusalError(f"{made.pods} Pods cannot read at once here: 2 to {MOST_PODS} can")
        if made.rounds < 1 or made.most_jobs < 1 or not (made.bandwidth > 0 and made.minutes > 0):
            raise RefusalError("rounds, jobs, bandwidth and minutes of a benchmark must be above 0")
        return made

    def wanted(self) -> tuple[SeriesSpec, ...]:
        """The series, in the order in which they are measured, with their shares of the time."""
        several = self._chosen()
        # The time is shared out by how long a round takes, so that all get as many rounds.
        weights = [sum(block.seconds for block in _blocks(*one)) for one in several]
        left = 60 * self.minutes - AROUND
        if left < min(weights):
            raise RefusalError(
                f"{self.minutes:g} minutes are not enough for one round",
                advice="give more with --benchmark-minutes",
            )
        return tuple(
            self._series(one, left * weight / sum(weights))
            for one, weight in zip(several, weights, strict=True)
        )

    def _chosen(self) -> tuple[_Choice, ...]:
        narrow = self.bandwidth * MIB
        at_once: tuple[_Choice, ...] = (
            (("sequential-1m", 1, None, _AT_ONCE, self.pods),) if self.pods > 1 else ()
        )
        if self.profile == "scale":
            return (*at_once, ("sequential-1m", 1, narrow, _AT_ONCE, self.pods))
        if self.profile == "quick":
            return (("sequential-1m", 1, None, (*_FEW, (arms.RAW_BY_HAND,)), 1), *at_once)
        if self.profile == "default":
            return (
                ("sequential-1m", 1, None, _WITH_COST, 1),
                ("sequential-1m", 1, narrow, _WITH_COST, 1),
                *at_once,
                ("random-128k", 4, None, _FEW, 1),
            )
        matrix: tuple[_Choice, ...] = tuple(
            (job, numjobs, held_to, _WITH_COST if (job, numjobs) == ("sequential-1m", 1) else _ALL, 1)
            for held_to in (None, narrow)
            for job in fio.names()
            for numjobs in (1, 4, 16)
            if numjobs <= self.most_jobs
        )
        return (*matrix, *at_once)

    def _series(self, one: _Choice, budget: float) -> SeriesSpec:
        job, numjobs, held_to, groups, pods = one
        beside = "NFS free" if held_to is None else f"NFS at {held_to / MIB:g} MiB/s"
        at_once = f"{pods} Pods at once, " if pods > 1 else ""
        series = Series(
            name=f"{job} x{numjobs}, {at_once}{beside}",
            blocks=_blocks(*one),
            rounds=self.rounds,
            most_rounds=2 * self.rounds,
            budget=budget,
        )
        return SeriesSpec(job, numjobs, held_to, groups, pods, series)


def _blocks(
    job: str, numjobs: int, held_to: float | None, groups: tuple[tuple[str, ...], ...], pods: int
) -> tuple[Block, ...]:
    total = fio.load(job).plan(AMOUNTS, directory="/data", numjobs=numjobs).total_bytes
    return arms.blocks(groups, pods * total, held_to, pods)
