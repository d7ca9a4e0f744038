"""What is measured: which workloads, with how many readers, beside which NFS, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from clusters.errors import RefusalError
from suites.benchmark import arms
from suites.benchmark.schedule import ROUNDS, Block, Series
from workloads import fio

MIB: Final = 1024 * 1024

ProfileName = Literal["quick", "default", "full"]

#: Seconds for making the data and the Dataset, and for removing them.
AROUND: Final = 180.0

#: Small enough that Fluid's first read of it (15 MiB/s seen) leaves time for ten rounds.
AMOUNTS: Final = fio.Amounts(
    large_bytes=128 * MIB, random_4k_bytes=16 * MIB, small_files=1024, samples=128, sample_bytes=1 * MIB
)

#: Copies of the data: each round reads another one, because a first read happens once. The cache is
#: emptied before each series, and a copy that comes up again is freed.
COPIES: Final = 10

DEFAULT_BANDWIDTH: Final = 100.0
MINUTES: Final[dict[str, float]] = {"quick": 10.0, "default": 25.0, "full": 600.0}

_RAW: Final = (arms.RAW_COLD, arms.RAW_CACHED)
_FLUID: Final = (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH, arms.FLUID_CACHED)
_ALL: Final = (_RAW, _FLUID, (arms.RAW_AGAIN,), (arms.RAW_SLOWED,))
_FEW: Final = ((arms.RAW_COLD,), (arms.FLUID_COLD, arms.FLUID_FRESH), (arms.RAW_AGAIN,))
_WITH_COST: Final = (*_ALL, (arms.RAW_BY_HAND,))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A series to be measured.

    Attributes:
        job: name of the fio job.
        numjobs: processes that read at once.
        held_to: bytes/s of NFS; None leaves it free.
        groups: the arms, those of one preparation together.
        series: its plan.
    """

    job: str
    numjobs: int
    held_to: float | None
    groups: tuple[tuple[str, ...], ...]
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
    """

    profile: ProfileName = "default"
    rounds: int = ROUNDS
    bandwidth: float = DEFAULT_BANDWIDTH
    minutes: float = MINUTES["default"]
    most_jobs: int = fio.MOST_JOBS

    @classmethod
    def of(
        cls,
        profile: str,
        rounds: int | None = None,
        bandwidth: float | None = None,
        minutes: float | None = None,
        most_jobs: int | None = None,
    ) -> Settings:
        """Settings from options; what is None is the profile's own.

        Raises:
            RefusalError: one of them cannot be.
        """
        known = get_args(ProfileName)
        if profile not in known:
            raise RefusalError(f"no benchmark profile {profile!r}", advice=f"there are {', '.join(known)}")
        made = cls(
            profile=profile,  # type: ignore[arg-type] # it was just looked up
            rounds=rounds if rounds is not None else (6 if profile == "quick" else ROUNDS),
            bandwidth=bandwidth if bandwidth is not None else DEFAULT_BANDWIDTH,
            minutes=minutes if minutes is not None else MINUTES[profile],
            most_jobs=most_jobs if most_jobs is not None else fio.MOST_JOBS,
        )
        if made.rounds < 1 or made.most_jobs < 1 or not (made.bandwidth > 0 and made.minutes > 0):
            raise RefusalError("rounds, jobs, bandwidth and minutes of a benchmark must be above 0")
        return made

    def wanted(self) -> tuple[Wanted, ...]:
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

    def _chosen(self) -> tuple[tuple[str, int, float | None, tuple[tuple[str, ...], ...]], ...]:
        narrow = self.bandwidth * MIB
        if self.profile == "quick":
            return (("sequential-1m", 1, None, (*_FEW, (arms.RAW_BY_HAND,))),)
        if self.profile == "default":
            return (
                ("sequential-1m", 1, None, _ALL),
                ("sequential-1m", 1, narrow, _ALL),
                ("random-128k", 4, None, _FEW),
            )
        return tuple(
            (job, numjobs, held_to, _WITH_COST if (job, numjobs) == ("sequential-1m", 1) else _ALL)
            for held_to in (None, narrow)
            for job in fio.names()
            for numjobs in (1, 4, 16)
            if numjobs <= self.most_jobs
        )

    def _series(
        self, one: tuple[str, int, float | None, tuple[tuple[str, ...], ...]], budget: float
    ) -> Wanted:
        job, numjobs, held_to, groups = one
        beside = "NFS free" if held_to is None else f"NFS at {held_to / MIB:g} MiB/s"
        series = Series(
            name=f"{job} x{numjobs}, {beside}",
            blocks=_blocks(*one),
            rounds=self.rounds,
            most_rounds=2 * self.rounds,
            budget=budget,
        )
        return Wanted(job, numjobs, held_to, groups, series)


def _blocks(
    job: str, numjobs: int, held_to: float | None, groups: tuple[tuple[str, ...], ...]
) -> tuple[Block, ...]:
    total = fio.load(job).plan(AMOUNTS, directory="/data", numjobs=numjobs).total_bytes
    return arms.blocks(groups, total, held_to)
