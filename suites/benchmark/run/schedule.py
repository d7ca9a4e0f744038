"""The order in which the arms are measured, the number of rounds, and the time that they take.

The arms of a round run one after another and take turns in being first, so that a machine that becomes
slower or faster during a run affects all arms equally.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import RefusalError
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import Ending

#: Default number of rounds of a series.
ROUNDS: Final = 10


@dataclass(frozen=True, slots=True)
class Block:
    """Arms that are measured directly after one another, always in this order.

    Mostly one arm. Several if one creates the state that the next one needs, such as Fluid cold and then
    Fluid warm in the same client.

    Attributes:
        arms: their names.
        seconds: expected time, including preparation and validation.
    """

    arms: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Series:
    """The plan of a series: arms that are compared with each other.

    Attributes:
        name: such as ``random-4k x4, NFS at 100 MiB/s``.
        blocks: each arm is in one of them.
        rounds: least number of rounds, if there is time.
        most_rounds: largest number of rounds.
        budget: seconds; no round starts that is expected to end later.
        fewest: number of rounds without which the series is useless; until then it may take up to ``limit``.
        limit: seconds, not below the budget.
    """

    name: str
    blocks: tuple[Block, ...]
    rounds: int = ROUNDS
    most_rounds: int = 2 * ROUNDS
    budget: float = math.inf
    fewest: int = 0
    limit: float = math.inf

    def __post_init__(self) -> None:
        arms = self.arms
        if not arms or len(set(arms)) != len(arms) or not all(block.arms for block in self.blocks):
            raise RefusalError(f"{self.name}: a series needs arms, each in exactly one block")
        if not 1 <= self.rounds <= self.most_rounds:
            raise RefusalError(f"{self.name}: {self.rounds} to {self.most_rounds} rounds is no valid range")

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, in the order of the blocks."""
        return tuple(arm for block in self.blocks for arm in block.arms)

    @property
    def round_seconds(self) -> float:
        """Expected time of one round."""
        return sum(block.seconds for block in self.blocks)

    @property
    def least_seconds(self) -> float:
        """Expected time with the least number of rounds."""
        return min(self.rounds * self.round_seconds, self.budget)

    @property
    def most_seconds(self) -> float:
        """Expected time with the largest number of rounds."""
        return min(self.most_rounds * self.round_seconds, self.budget)


def order(blocks: Sequence[Block], number: int) -> tuple[Block, ...]:
    """The blocks in the order in which round ``number`` (from 0) measures them.

    Two blocks: A B, B A, A B, … With more, each second round runs backwards, and after two rounds the
    next block is first, so that each block is at each place equally often.
    """
    lead = number // 2 % len(blocks)
    turned = (*blocks[lead:], *blocks[:lead])
    return turned[::-1] if number % 2 else turned


def planned(several: Sequence[Series]) -> str:
    """The planned series with their expected times, as text."""
    lines = [
        f"{one.name}: {len(one.arms)} arms, {one.rounds} to {one.most_rounds} rounds, "
        f"{_minutes(one.least_seconds)} to {_minutes(one.most_seconds)}"
        for one in several
    ]
    least, most = sum(one.least_seconds for one in several), sum(one.most_seconds for one in several)
    return "\n".join([*lines, f"together {_minutes(least)} to {_minutes(most)}"])


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"  # noqa: PLR2004 - a minute


@dataclass(frozen=True, slots=True)
class SeriesRun:
    """A series that has ended.

    Attributes:
        series: its plan.
        rounds: of all arms, without those of an incomplete round, in the order of measurement.
        complete: number of complete rounds.
        ending: why it ended.
        seconds: its time.
    """

    series: Series
    rounds: tuple[Round, ...]
    complete: int
    ending: Ending
    seconds: float

    def __str__(self) -> str:
        short = "" if self.complete >= self.series.rounds else f" of {self.series.rounds}"
        kept = ", complete rounds are kept" if self.ending is Ending.INTERRUPTED else ""
        return (
            f"{self.series.name}: {self.complete}{short} rounds in {self.seconds:.0f} s, {self.ending}{kept}"
        )


def run(
    series: Series,
    measure: Callable[[str, int], Round],
    *,
    enough: Callable[[Sequence[Round]], bool] = lambda _rounds: True,
    on_round: Callable[[Sequence[Round], float], None] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> SeriesRun:
    """Measure the arms of a series round by round.

    A round counts only if all its arms were measured. Ctrl-C ends the series and keeps the complete
    rounds; any other exception of ``measure`` is raised.

    Args:
        series: the plan.
        measure: measures an arm once, in a round; it cleans up when it is interrupted.
        enough: called after the planned rounds and after each further one; True ends the series. It must
            depend on the spread of the values, not on which arm is ahead
            (see `suites.benchmark.analysis.judge.narrow_enough`).
        on_round: called with the complete rounds and the seconds so far.
        clock: replaced by tests.
    """
    started = clock.now()
    kept: list[Round] = []
    complete = 0

    def ended(ending: Ending) -> SeriesRun:
        return SeriesRun(series, tuple(kept), complete, ending, clock.now() - started)

    try:
        while True:
            if complete >= series.rounds and enough(tuple(kept)):
                return ended(Ending.ENOUGH)
            if complete >= series.most_rounds:
                return ended(Ending.MOST_ROUNDS)
            spent = clock.now() - started
            # The expected time is the mean of the rounds so far; before the first one, that of the plan.
            expected = spent / complete if complete else series.round_seconds
            if spent + expected > (series.budget if complete >= series.fewest else series.limit):
                return ended(Ending.TIME_UP)
            kept += [measure(arm, complete) for block in order(series.blocks, complete) for arm in block.arms]
            complete += 1
            if on_round is not None:
                on_round(tuple(kept), clock.now() - started)
    except KeyboardInterrupt:
        return ended(Ending.INTERRUPTED)
