"""The order of the arms, the number of rounds, and the time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from clusters.errors import RefusalError
from suites.benchmark.analysis.judge import ArmValues
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import Ending
from suites.benchmark.run.schedule import Block, Series, order, planned, run
from tests.suites.benchmark.round_factory import make_round


@dataclass
class HandClock:
    """A clock that advances only on request."""

    time: float = 1000.0

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.time += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Go on."""
        self.time += seconds
        return event.is_set()


A, B, C = Block(("A",), 10), Block(("B",), 20), Block(("C cold", "C warm"), 30)


def led(blocks: Sequence[Block], rounds: int) -> list[str]:
    """Each round's order, as first letters."""
    return ["".join(block.arms[0][0] for block in order(blocks, number)) for number in range(rounds)]


def test_two_arms_take_turns() -> None:
    """Two arms run A B, B A, each of them first in half of the rounds."""
    assert led([A, B], 4) == ["AB", "BA", "BA", "AB"]


def test_three_arms_are_at_each_place_equally_often() -> None:
    """In a full turn each block has been at each place twice."""
    turns = led([A, B, C], 6)
    for place in range(3):
        assert Counter(turn[place] for turn in turns) == {"A": 2, "B": 2, "C": 2}


def test_arms_of_a_block_stay_together() -> None:
    """The arm that prepares a state runs directly before the arm that needs it, in each round."""
    ran: list[str] = []

    def measure(arm: str, number: int) -> Round:
        ran.append(arm)
        return make_round(arm, number)

    run(Series("s", (A, C), rounds=4), measure, clock=HandClock())
    for place, arm in enumerate(ran):
        if arm == "C warm":
            assert ran[place - 1] == "C cold"
    assert len(ran) == 12


def test_ten_rounds_by_default() -> None:
    """A series has ten rounds, and each value says which round it is of."""
    outcome = run(
        Series("s", (A, B)), lambda arm, number: make_round(arm, number, number + 1.0), clock=HandClock()
    )
    assert outcome.complete == 10
    assert outcome.ending is Ending.ENOUGH
    assert ArmValues.of(outcome.rounds, "B").values == tuple(float(value) for value in range(1, 11))


def test_more_rounds_until_it_is_enough() -> None:
    """Rounds are added while they help, and not one more."""

    def enough(rounds: Sequence[Round]) -> bool:
        return len(rounds) >= 26

    outcome = run(Series("s", (A, B)), make_round, enough=enough, clock=HandClock())
    assert (outcome.complete, outcome.ending) == (13, Ending.ENOUGH)


def test_never_more_than_the_most() -> None:
    """Rounds that never suffice end at the most that there may be."""
    outcome = run(
        Series("s", (A,), rounds=3, most_rounds=5),
        make_round,
        enough=lambda rounds: False,
        clock=HandClock(),
    )
    assert (outcome.complete, outcome.ending) == (5, Ending.MOST_ROUNDS)


def test_no_round_is_begun_that_the_time_cannot_hold() -> None:
    """A round that is expected to end after the budget is not begun, by what rounds really took."""
    clock = HandClock()

    def measure(arm: str, number: int) -> Round:
        clock.sleep(40)
        return make_round(arm, number)

    outcome = run(Series("s", (A,), budget=100), measure, clock=clock)
    assert (outcome.complete, outcome.ending, outcome.seconds) == (2, Ending.TIME_UP, 80)
    assert str(outcome) == "s: 2 of 10 rounds in 80 s, the time is up"


def test_too_few_rounds_to_be_judged_may_take_more_time() -> None:
    """A series continues up to a limit until it has the fewest rounds that can be judged."""
    clock = HandClock()

    def measure(arm: str, number: int) -> Round:
        clock.sleep(40)
        return make_round(arm, number)

    for limit, rounds in ((1000.0, 6), (170.0, 4)):
        outcome = run(Series("s", (A,), budget=100, fewest=6, limit=limit), measure, clock=clock)
        assert (outcome.complete, outcome.ending) == (rounds, Ending.TIME_UP)


def test_a_budget_below_one_round_measures_nothing() -> None:
    """If not even one round fits, none is started and the ending says so."""
    outcome = run(Series("s", (B,), budget=19), make_round, clock=HandClock())
    assert (outcome.rounds, outcome.ending) == ((), Ending.TIME_UP)


def test_ctrl_c_keeps_complete_rounds() -> None:
    """Ctrl-C drops the round that it hits and keeps those before it."""

    def measure(arm: str, number: int) -> Round:
        if number == 3 and arm == "A":  # in round 3 A is second
            raise KeyboardInterrupt
        return make_round(arm, number)

    outcome = run(Series("s", (B, A)), measure, clock=HandClock())
    assert (outcome.complete, outcome.ending) == (3, Ending.INTERRUPTED)
    assert {one.number for one in outcome.rounds} == {0, 1, 2}
    assert len(outcome.rounds) == 6
    assert str(outcome).endswith("interrupted, complete rounds are kept")


def test_other_errors_pass_through() -> None:
    """A failure while measuring is not a short run."""

    def measure(arm: str, number: int) -> Round:
        raise RefusalError("no data")

    with pytest.raises(RefusalError, match="no data"):
        run(Series("s", (A,)), measure, clock=HandClock())


def test_an_unproved_arm_is_kept_with_its_reason() -> None:
    """A value whose arm was not proved stays in the outcome, marked, and out of the valid values."""
    outcome = run(
        Series("s", (A,), rounds=1),
        lambda arm, number: make_round(arm, number, 5.0, "37 % cached"),
        clock=HandClock(),
    )
    assert outcome.rounds == (make_round("A", 0, 5.0, "37 % cached"),)
    assert ArmValues.of(outcome.rounds, "A").values == ()


def test_progress_is_reported_after_each_round() -> None:
    """After each round the number and the time so far are reported."""
    clock, progress = HandClock(), list[tuple[int, float]]()

    def measure(arm: str, number: int) -> Round:
        clock.sleep(7)
        return make_round(arm, number)

    run(
        Series("s", (A, B), rounds=2),
        measure,
        on_round=lambda rounds, seconds: progress.append((len(rounds), seconds)),
        clock=clock,
    )
    assert progress == [(2, 14.0), (4, 28.0)]


def test_the_planned_time_is_reported_beforehand() -> None:
    """The plan says for each series, and for all, how long it will take at least and at most."""
    text = planned([Series("random-4k x4", (A, B)), Series("small-files x1", (C,), budget=400)])
    assert text.splitlines() == [
        "random-4k x4: 2 arms, 10 to 20 rounds, 5 min to 10 min",
        "small-files x1: 2 arms, 10 to 20 rounds, 5 min to 7 min",
        "together 10 min to 17 min",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": ()},
        {"blocks": (A, A)},
        {"blocks": (Block((), 1),)},
        {"blocks": (A,), "rounds": 0},
        {"blocks": (A,), "rounds": 30},
    ],
)
def test_a_series_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Duplicate arms, no arms, and impossible numbers of rounds are refused."""
    with pytest.raises(RefusalError):
        Series("s", **wrong)  # type: ignore[arg-type]
