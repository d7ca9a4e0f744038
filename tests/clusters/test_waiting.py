"""`wait` and `hold`, with a clock that does not really wait."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from clusters.errors import FailureClass
from clusters.waiting import (
    WaitFailedError,
    WaitTimeoutError,
    exists,
    hold,
    is_empty,
    is_gone,
    objection,
    opposite,
    reason_if_any,
    wait,
)

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeClock


@dataclass
class FakeChanges:
    """Changes that the test reports."""

    event: threading.Event = field(default_factory=threading.Event)


def observations(*states: str) -> Callable[[], str]:
    """Observations of these states one after another, then always the last one."""
    rest: Iterator[str] = iter(states)
    last = [states[-1]]

    def observe() -> str:
        last[0] = next(rest, last[0])
        return last[0]

    return observe


def test_wait_returns_the_snapshot_that_was_ready(clock: FakeClock) -> None:
    """The observation for which the condition was true is returned."""
    found = wait(
        observations("", "NotBound", "Bound"),
        lambda state: state == "Bound",
        subject="Dataset a",
        condition="phase Bound",
        timeout=10,
        delay=1,
        clock=clock,
    )
    assert found == "Bound"
    assert clock.slept == [1, 1]


def test_wait_times_out_with_what_it_saw(clock: FakeClock) -> None:
    """A timeout has subject, condition, elapsed time, each different state once, and the advice."""
    with pytest.raises(WaitTimeoutError) as caught:
        wait(
            observations("", "NotBound", "NotBound"),
            lambda state: state == "Bound",
            subject="Dataset a",
            condition="phase Bound",
            timeout=3,
            delay=1,
            advice="observe at its events",
            clock=clock,
        )
    error = caught.value
    assert error.message == "timed out after 3 s waiting for phase Bound of Dataset a; last seen: NotBound"
    assert error.elapsed == 3
    assert error.last_seen == "[0.0 s]  → [1.0 s] NotBound"
    assert error.advice == "observe at its events"
    assert error.failure_class is FailureClass.PRODUCT


def test_a_long_state_is_cut_in_the_first_line(clock: FakeClock) -> None:
    """The first line stays one line of readable length; the history has the whole state."""
    state = "x\n" * 200
    with pytest.raises(WaitTimeoutError) as caught:
        wait(lambda: state, lambda _: False, subject="s", condition="c", timeout=0, clock=clock)
    assert len(caught.value.message) < 220
    assert "\n" not in caught.value.message
    assert state in caught.value.last_seen


def test_wait_never_sleeps_past_its_deadline(clock: FakeClock) -> None:
    """The last pause ends at the deadline, with a last observation."""
    with pytest.raises(WaitTimeoutError):
        wait(lambda: "x", lambda _: False, subject="s", condition="c", timeout=2.5, delay=1, clock=clock)
    assert clock.slept == [1, 1, 0.5]


def test_wait_observes_once_even_without_time(clock: FakeClock) -> None:
    """With a timeout of 0, a condition that is true already is found."""
    assert wait(lambda: 7, lambda n: n == 7, subject="s", condition="c", timeout=0, clock=clock) == 7
    assert clock.slept == []


def test_wait_fails_at_once_when_waiting_is_useless(clock: FakeClock) -> None:
    """The failure predicate ends the wait early, with its reason and the given failure class."""
    with pytest.raises(
        WaitFailedError, match="stopped waiting for phase Running of Pod p: it was evicted"
    ) as caught:
        wait(
            observations("Pending", "Failed"),
            lambda state: state == "Running",
            failed=lambda state: "it was evicted" if state == "Failed" else None,
            subject="Pod p",
            condition="phase Running",
            timeout=60,
            delay=1,
            failure_class=FailureClass.INFRASTRUCTURE,
            clock=clock,
        )
    assert caught.value.elapsed == 1
    assert caught.value.failure_class is FailureClass.INFRASTRUCTURE


def test_wait_needs_consecutive_successes(clock: FakeClock) -> None:
    """A flickering condition is not enough."""
    wait(
        observations("up", "down", "up", "up", "up"),
        lambda state: state == "up",
        subject="s",
        condition="c",
        timeout=60,
        successes=3,
        delay=1,
        clock=clock,
    )
    assert len(clock.slept) == 4


def test_a_change_ends_the_pause(clock: FakeClock) -> None:
    """A wait with changes does not wait for its next poll."""
    changes = FakeChanges()
    clock.on_wait = threading.Event.set
    wait(
        observations("a", "b"),
        lambda s: s == "b",
        subject="s",
        condition="c",
        timeout=60,
        changes=changes,
        clock=clock,
    )
    assert clock.slept == []


def test_wait_misses_no_change_during_an_observation(clock: FakeClock) -> None:
    """The event is cleared before the observation, so a change during it leads to another one at once."""
    changes = FakeChanges()
    states = observations("a", "b")

    def observe() -> str:
        changes.event.set()
        return states()

    wait(observe, lambda s: s == "b", subject="s", condition="c", timeout=60, changes=changes, clock=clock)
    assert clock.slept == []


def test_wait_reports_each_change_once(clock: FakeClock) -> None:
    """The caller receives a state when it differs from the one before."""
    reported: list[tuple[str, float]] = []
    wait(
        observations("a", "a", "b", "c"),
        lambda s: s == "c",
        subject="s",
        condition="x",
        timeout=60,
        delay=1,
        on_change=lambda text, at: reported.append((text, at)),
        clock=clock,
    )
    assert reported == [("a", 0), ("b", 2), ("c", 3)]


def test_wait_reports_a_state_that_ends_like_the_one_before(clock: FakeClock) -> None:
    """A state whose text is the end of the previous text is a change."""
    reported: list[str] = []
    wait(
        observations("NotBound", "Bound"),
        lambda s: s == "Bound",
        subject="s",
        condition="x",
        timeout=60,
        delay=1,
        on_change=lambda text, at: reported.append(text),
        clock=clock,
    )
    assert reported == ["NotBound", "Bound"]


def test_an_exception_of_an_observation_is_not_caught(clock: FakeClock) -> None:
    """It ends the wait unchanged."""

    def observe() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wait(observe, lambda _: True, subject="s", condition="c", timeout=1, clock=clock)


def test_hold_observes_at_both_ends_of_its_window(clock: FakeClock) -> None:
    """The first observation is at the start of the window, the last one at its end."""
    seen = hold(
        lambda: clock.now() - 100, lambda _: None, subject="s", condition="c", window=2.5, clock=clock
    )
    assert seen == [0, 1, 2, 2.5]


def test_an_open_hold_observes_once_more_at_its_end(clock: FakeClock) -> None:
    """A window that an event ends has a last observation."""
    over = threading.Event()
    clock.on_wait = lambda event: event.set() if clock.now() >= 101 else None
    seen = hold(
        lambda: clock.now() - 100,
        lambda _: None,
        subject="s",
        condition="c",
        window=math.inf,
        over=over,
        clock=clock,
    )
    assert over.is_set()
    assert seen == [0, 1, 1]


def test_hold_fails_when_it_no_longer_holds(clock: FakeClock) -> None:
    """The first objection ends it, with its time."""
    with pytest.raises(
        WaitFailedError,
        match=r"absence of Pods of Fuse a did not last: a Pod came after 2\.0 s of a 60 s window",
    ) as caught:
        hold(
            observations("none", "none", "one"),
            lambda state: "a Pod came" if state == "one" else None,
            subject="Fuse a",
            condition="absence of Pods",
            window=60,
            clock=clock,
        )
    assert caught.value.last_seen == "one"
    assert caught.value.elapsed == 2


def test_conditions_over_any_observation() -> None:
    """None is a missing object; an empty list has no objects."""
    assert [exists(seen) for seen in (None, "")] == [False, True]
    assert [is_gone(seen) for seen in (None, "")] == [True, False]
    assert [is_empty(seen) for seen in (None, [], ["x"])] == [True, True, False]
    assert opposite(is_gone)("x")
    assert [reason_if_any(text) for text in ("", "it is gone")] == [None, "it is gone"]


def test_a_predicate_becomes_an_objection(clock: FakeClock) -> None:
    """The reason is the observation itself."""
    still = objection(lambda seen: seen == "Bound")
    assert still("Bound") is None
    assert still("NotBound") == "NotBound"
    assert objection(exists)(None) == "it does not exist"
    with pytest.raises(WaitFailedError, match="phase Bound of s did not last: NotBound after 0"):
        hold(lambda: "NotBound", still, subject="s", condition="phase Bound", window=1, clock=clock)
