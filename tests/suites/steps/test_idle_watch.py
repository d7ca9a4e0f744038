"""A window of absence that passes while other scenarios run."""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.clock import SystemClock
from clusters.errors import HarnessError
from clusters.product.fuse import FuseSnapshot
from clusters.waiting import WaitFailedError
from suites.record.evidence import Evidence
from suites.sabotage.breaks.cached_data import loaded_in_the_window
from suites.steps import checks
from suites.steps.idle_watch import NOT_WATCHED, IdleResult, IdleWatch

QUIET = "quiet"
SUBJECT = "Dataset team/demo"


class Ticks(SystemClock):
    """Time that passes only by waiting; after some waits the event that ends the watch is set."""

    def __init__(self, waits: int = 1_000_000) -> None:
        self.time = 0.0
        self.left = waits

    def now(self) -> float:
        """The time."""
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let time pass at once."""
        self.time += seconds
        self.left -= 1
        if self.left == 0:
            event.set()
        return event.is_set()


def a_watch(*seen: object, clock: Ticks) -> IdleWatch:
    """A watch that sees these, one after the other, the last again and again; errors are raised."""
    left = list(seen)

    def observe() -> FuseSnapshot:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return cast("FuseSnapshot", found)

    return IdleWatch(SUBJECT, observe, lambda fuse: None if str(fuse) == QUIET else "a Fuse came", clock)


def runs(watch: IdleWatch) -> IdleResult:
    """What it has seen when its own clock ended it."""
    watch.start()
    assert watch._thread is not None
    watch._thread.join(10.0)
    assert not watch._thread.is_alive()
    return watch.stop()


def test_window_is_as_long_as_nobody_used_the_dataset() -> None:
    """It observes from the start, each two seconds, and once more at the very end."""
    assert runs(a_watch(QUIET, clock=Ticks(waits=30))) == IdleResult(observations=31, seconds=60.0)


def test_fuse_that_came_unasked_is_kept_for_the_scenario() -> None:
    """The first observation that contradicts ends it, with its time."""
    wrong = runs(a_watch(QUIET, QUIET, "a Fuse", QUIET, clock=Ticks())).error
    assert wrong is not None
    assert str(wrong).startswith(
        f"absence of a Fuse Pod of {SUBJECT} did not last: a Fuse came after 4.0 s of an open window"
    )


def test_watch_with_a_gap_counts_for_nothing() -> None:
    """Where the cluster did not answer for a moment, the whole window is watched again."""
    assert runs(a_watch(QUIET, HarnessError("no answer"), QUIET, clock=Ticks())) == NOT_WATCHED


def test_dataset_that_never_got_bound_was_not_watched() -> None:
    """The end of a watch that never began is no error."""
    assert a_watch(QUIET, clock=Ticks()).stop() == NOT_WATCHED


class TestTheCheck:
    """What is left of the window is held by the scenario itself."""

    @pytest.fixture
    def held(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The windows that were held."""
        windows: list[float] = []

        def hold(*_: object, window: float, **__: object) -> list[FuseSnapshot]:
            windows.append(window)
            return [cast("FuseSnapshot", QUIET)] * 2

        monkeypatch.setattr("suites.steps.checks.fuse.hold", hold)
        return windows

    def a_user(self) -> Any:
        """A user without a cluster."""
        return SimpleNamespace(observer=None, namespace="team", evidence=Evidence(silent=True))

    @pytest.mark.parametrize(
        ("before", "left"), [(0.0, 60.0), (45.0, 15.0), (60.0, 0.0), (200.0, 0.0)], ids=str
    )
    def test_rest_of_the_window_is_held(self, held: list[float], before: float, left: float) -> None:
        """The time before counts; there is a last observation in any case, and the facts have all."""
        user = self.a_user()
        checks.no_fuse_over_window(
            user, 60.0, lambda: None, before=IdleResult(observations=9, seconds=before)
        )
        assert held == [left]
        (fact,) = user.evidence.facts
        assert fact.data == {"observations": 11, "window": before + left}

    def test_sabotage_within_the_window_waits_for_its_fact(self, held: list[float]) -> None:
        """The pattern of the sabotage that loads data after the window matches the fact of the window."""
        user = self.a_user()
        checks.no_fuse_over_window(user, 60.0, lambda: None)
        (fact,) = user.evidence.facts
        with loaded_in_the_window(cast("Any", None), cast("Any", None)) as tampering:
            assert re.search(tampering.when, f"{fact.source}: {fact.says}")
        assert held == [60.0]

    def test_fuse_before_the_scenario_is_its_failure(self, held: list[float]) -> None:
        """A Fuse Pod that came before the scenario began contradicts it as one within it would."""
        wrong = runs(a_watch("a Fuse", clock=Ticks())).error
        with pytest.raises(WaitFailedError, match="a Fuse came"):
            checks.no_fuse_over_window(self.a_user(), 60.0, lambda: None, before=IdleResult(error=wrong))
        assert held == []
