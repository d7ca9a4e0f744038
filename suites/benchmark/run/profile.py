"""The profiles: which workloads are measured, with how many readers, at which NFS bandwidth, for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from clusters.errors import RefusalError
from suites.benchmark.run import arms
from suites.benchmark.run import cases as case_choice
from suites.benchmark.run.cases import Case, CaseSpec, cases_of
from suites.benchmark.run.schedule import ROUNDS, Block, Series
from workloads import fio

MIB: Final = 1024 * 1024

ProfileName = Literal["quick", "default", "full", "scale"]
Means = Literal["auto", "tbf", "proxy"]

#: Expected seconds for creating and removing the data and the Dataset; used by the plan only.
SETUP_SECONDS: Final = 180.0

#: Seconds for the removal of all objects after the last series.
TEARDOWN_SECONDS: Final = 100.0

#: Largest number of parallel Pods; each Pod reads its own copy of the data.
MOST_PODS: Final = 500

#: Small enough that the cold read through Fluid (15 MiB/s seen) leaves time for ten rounds.
AMOUNTS: Final = fio.Amounts(
    large_bytes=128 * MIB, random_4k_bytes=16 * MIB, small_files=1024, samples=128, sample_bytes=1 * MIB
)

#: Copies of the data: each round reads another one, because a cold read cannot be repeated. The cache is
#: freed before each series, and so is a copy before its second use.
COPIES: Final = 10

DEFAULT_BANDWIDTH: Final = 100.0
MINUTES: Final[dict[str, float]] = {"quick": 10.0, "default": 25.0, "full": 600.0, "scale": 15.0}

_RAW: Final = (arms.RAW_COLD, arms.RAW_CACHED)
_FLUID: Final = (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH, arms.FLUID_CACHED)
_ALL: Final = (_RAW, _FLUID, (arms.RAW_REPEATED,), (arms.RAW_SLOWED,))
_FEW: Final = ((arms.RAW_COLD,), (arms.FLUID_COLD, arms.FLUID_FRESH), (arms.RAW_REPEATED,))
_WITH_COST: Final = (*_ALL, (arms.RAW_STANDALONE,))
_PARALLEL: Final = ((arms.RAW_COLD,), (arms.FLUID_FRESH,), (arms.RAW_REPEATED,))

#: fio job, processes in a Pod, bytes/s of NFS, groups of arms, Pods.
_Choice: TypeAlias = tuple[str, int, float | None, tuple[tuple[str, ...], ...], int]


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """A series to be measured.

    Attributes:
        job: name of the fio job.
        numjobs: parallel processes in each Pod.
        bandwidth: limit of NFS in bytes/s; None is no limit.
        pods: parallel Pods.
        series: its plan.
    """

    job: str
    numjobs: int
    bandwidth: float | None
    pods: int
    series: Series

    @property
    def name(self) -> str:
        """Name of the series, unique in a run."""
        return self.series.name

    def timed(self, series: Series) -> SeriesSpec:
        """The same with another plan."""
        return replace(self, series=series)

    def plan(self, directory: str, most: int) -> fio.Plan:
        """The fio job for the files in ``directory``."""
        return fio.load(self.job).plan(AMOUNTS, directory=directory, numjobs=self.numjobs, most=most)


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a benchmark run.

    Attributes:
        profile: the set of series.
        rounds: least number of rounds of each series.
        bandwidth: MiB/s of NFS in the series with limited NFS.
        minutes: for all, including preparation.
        most_jobs: largest number of parallel processes.
        pods: parallel Pods in an additional series; 1 for no such series.
        shaping: what limits NFS: the kernel, a proxy, or the kernel if it can.
        cases: what is measured in place of the profile.
    """

    profile: ProfileName = "default"
    rounds: int = ROUNDS
    bandwidth: float = DEFAULT_BANDWIDTH
    minutes: float = MINUTES["default"]
    most_jobs: int = fio.MOST_JOBS
    pods: int = 1
    shaping: Means = "auto"
    cases: tuple[Case, ...] = ()

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
        cases: str | None = None,
    ) -> Settings:
        """Settings from options; None means the default of the profile.

        Raises:
            RefusalError: one of them has no valid value.
        """
        if shaping not in get_args(Means):
            raise RefusalError(
                f"{shaping!r} cannot limit NFS", advice=f"use one of {', '.join(get_args(Means))}"
            )
        known = get_args(ProfileName)
        if profile not in known:
            raise RefusalError(
                f"there is no benchmark profile {profile!r}", advice=f"use one of {', '.join(known)}"
            )
        chosen = cases_of(cases) if cases is not None else ()
        if rounds is None:
            rounds = case_choice.ROUNDS if chosen else 6 if profile == "quick" else ROUNDS
        if minutes is None:
            minutes = case_choice.needed_minutes(chosen, rounds) if chosen else MINUTES[profile]
        settings = cls(
            profile=profile,  # type: ignore[arg-type] # the lookup was just done
            rounds=rounds,
            bandwidth=bandwidth if bandwidth is not None else DEFAULT_BANDWIDTH,
            minutes=minutes,
            cases=chosen,
            most_jobs=most_jobs if most_jobs is not None else fio.MOST_JOBS,
            shaping=shaping,  # type: ignore[arg-type] # the lookup was just done
            pods=pods if pods is not None else (2 if profile == "scale" else 1),
        )
        if not 1 <= settings.pods <= MOST_PODS or (profile == "scale" and settings.pods == 1):
            raise RefusalError(f"{settings.pods} parallel Pods are not possible; use 2 to {MOST_PODS}")
        if (
            settings.rounds < 1
            or settings.most_jobs < 1
            or not (settings.bandwidth > 0 and settings.minutes > 0)
        ):
            raise RefusalError("rounds, jobs, bandwidth and minutes of a benchmark must be above 0")
        return settings

    def case_specs(self) -> tuple[CaseSpec, ...]:
        """The cases in the order of measurement, with their shares of the time."""
        return case_choice.specs(self.cases, self.rounds, self.minutes)

    def plans(self) -> tuple[Series, ...]:
        """The plans of all that is measured: of the cases, or else of the profile."""
        return tuple(one.series for one in (self.case_specs() if self.cases else self.series_specs()))

    def series_specs(self) -> tuple[SeriesSpec, ...]:
        """The series in the order of measurement, with their shares of the time."""
        several = self._chosen()
        # The time is shared by the length of a round, so that all series have equally many rounds.
        weights = [sum(block.seconds for block in _blocks(*one)) for one in several]
        left = 60 * self.minutes - SETUP_SECONDS
        if left < min(weights):
            raise RefusalError(
                f"{self.minutes:g} minutes are not enough for one round",
                advice="use a larger --benchmark-minutes",
            )
        return tuple(
            self._series(one, left * weight / sum(weights))
            for one, weight in zip(several, weights, strict=True)
        )

    def _chosen(self) -> tuple[_Choice, ...]:
        narrow = self.bandwidth * MIB
        parallel: tuple[_Choice, ...] = (
            (("sequential-1m", 1, None, _PARALLEL, self.pods),) if self.pods > 1 else ()
        )
        if self.profile == "scale":
            return (*parallel, ("sequential-1m", 1, narrow, _PARALLEL, self.pods))
        if self.profile == "quick":
            return (("sequential-1m", 1, None, (*_FEW, (arms.RAW_STANDALONE,)), 1), *parallel)
        if self.profile == "default":
            return (
                ("sequential-1m", 1, None, _WITH_COST, 1),
                ("sequential-1m", 1, narrow, _WITH_COST, 1),
                *parallel,
                ("random-128k", 4, None, _FEW, 1),
            )
        matrix: tuple[_Choice, ...] = tuple(
            (job, numjobs, bandwidth, _WITH_COST if (job, numjobs) == ("sequential-1m", 1) else _ALL, 1)
            for bandwidth in (None, narrow)
            for job in fio.names()
            for numjobs in (1, 4, 16)
            if numjobs <= self.most_jobs
        )
        return (*matrix, *parallel)

    def _series(self, one: _Choice, budget: float) -> SeriesSpec:
        job, numjobs, bandwidth, _, pods = one
        nfs = "NFS free" if bandwidth is None else f"NFS at {bandwidth / MIB:g} MiB/s"
        parallel = f"{pods} Pods at once, " if pods > 1 else ""
        series = Series(
            name=f"{job} x{numjobs}, {parallel}{nfs}",
            blocks=_blocks(*one),
            rounds=self.rounds,
            most_rounds=2 * self.rounds,
            budget=budget,
        )
        return SeriesSpec(job, numjobs, bandwidth, pods, series)


def _blocks(
    job: str, numjobs: int, bandwidth: float | None, groups: tuple[tuple[str, ...], ...], pods: int
) -> tuple[Block, ...]:
    total = fio.load(job).plan(AMOUNTS, directory="/data", numjobs=numjobs).total_bytes
    return arms.blocks(groups, pods * total, bandwidth, pods)
