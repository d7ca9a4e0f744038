"""In which order the arms are measured, how often, and how long that takes.

The arms of a round run next to each other and take turns in who comes first, so that a
machine that gets slower or faster in the course of a run touches all arms alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import RefusalError
from suites.benchmark.rounds import Round

#: Rounds that a series has when nothing else is said.
ROUNDS: Final = 10


@dataclass(frozen=True, slots=True)
class Block:
    """Arms that are measured directly after one another, always in this order.

    Mostly one arm; several where one makes the state that the next one needs, such as Fluid
    cold and then Fluid warm in the same client.

    Attributes:
        arms: their names.
        seconds: how long the block is thought to take, preparation and proof included.
    """

    arms: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Series:
    """Arms that are compared with each other, with what is run on them.

    Attributes:
        name: such as ``random-4k x4, NFS at 100 MiB/s``.
        blocks: no arm in two of them.
        rounds: how many rounds it has at least, time permitting.
        most_rounds: how many at most.
        budget: seconds; no round is begun that is expected to end after them. Infinite by default.
        fewest: rounds without which it would be worth nothing; until it has them it may take up to ``limit``.
        limit: seconds, at least the budget.
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
            raise RefusalError(f"{self.name}: each arm must come in one block, and there must be one")
        if not 1 <= self.rounds <= self.most_rounds:
            raise RefusalError(f"{self.name}: {self.rounds} to {self.most_rounds} rounds cannot be")

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, in the order of the blocks."""
        return tuple(arm for block in self.blocks for arm in block.arms)

    @property
    def round_seconds(self) -> float:
        """How long a round is thought to take."""
        return sum(block.seconds for block in self.blocks)

    @property
    def least_seconds(self) -> float:
        """How long the series is thought to take when no further rounds are needed."""
        return min(self.rounds * self.round_seconds, self.budget)

    @property
    def most_seconds(self) -> float:
        """How long it is thought to take with all the rounds that it may have."""
        return min(self.most_rounds * self.round_seconds, self.budget)


def order(blocks: Sequence[Block], number: int) -> tuple[Block, ...]:
    """The blocks in the order in which round ``number`` (from 0) measures them.

    Two blocks: A B, B A, A B, … More: each second round goes backwards, and after each two the
    next block leads, so that in a full turn each block comes at each place equally often.
    """
    lead = number // 2 % len(blocks)
    turned = (*blocks[lead:], *blocks[:lead])
    return turned[::-1] if number % 2 else turned


def planned(several: Sequence[Series]) -> str:
    """What will be run and how long it is thought to take, for printing before it starts."""
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
class Measured:
    """What measuring one arm once gave.

    Attributes:
        value: in the unit of the series.
        invalid: why the arm was not what its name says; empty when it was proved.
    """

    value: float
    invalid: str = ""


class Ending(StrEnum):
    """Why a series ended."""

    ENOUGH = "enough"
    MOST_ROUNDS = "as many rounds as there may be"
    TIME_UP = "the time is up"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A series that was run.

    Attributes:
        series: what was planned.
        rounds: the values of all complete rounds, in the order in which they were measured.
        complete: how many rounds that is.
        ending: why it ended.
        seconds: how long it took.
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
    measure: Callable[[str, int], Measured],
    *,
    enough: Callable[[Sequence[Round]], bool] = lambda _rounds: True,
    on_round: Callable[[int, float], None] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Outcome:
    """Measure the arms of a series round by round.

    A round counts only when all of it was measured. Ctrl-C ends the series and keeps the
    complete rounds; any other exception of ``measure`` passes through.

    Args:
        series: what to measure.
        measure: measures an arm once, in round number …; it cleans up after itself when interrupted.
        enough: asked after the planned rounds, and after each further one, whether more would not
            help. It must look at the spread of the values, not at who is ahead (see
            `suites.benchmark.judge.narrow_enough`).
        on_round: told how many rounds are complete and how many seconds have passed.
        clock: replaced by tests.
    """
    started = clock.now()
    kept: list[Round] = []
    complete = 0

    def outcome(ending: Ending) -> Outcome:
        return Outcome(series, tuple(kept), complete, ending, clock.now() - started)

    try:
        while True:
            if complete >= series.rounds and enough(tuple(kept)):
                return outcome(Ending.ENOUGH)
            if complete >= series.most_rounds:
                return outcome(Ending.MOST_ROUNDS)
            spent = clock.now() - started
            # A round takes as long as those before it did; before the first there is only the plan.
            expected = spent / complete if complete else series.round_seconds
            if spent + expected > (series.budget if complete >= series.fewest else series.limit):
                return outcome(Ending.TIME_UP)
            kept += _round(series, measure, complete)
            complete += 1
            if on_round is not None:
                on_round(complete, clock.now() - started)
    except KeyboardInterrupt:
        return outcome(Ending.INTERRUPTED)


def _round(series: Series, measure: Callable[[str, int], Measured], number: int) -> list[Round]:
    measured = [(arm, measure(arm, number)) for block in order(series.blocks, number) for arm in block.arms]
    return [Round(arm, number, one.value, not one.invalid, one.invalid) for arm, one in measured]
