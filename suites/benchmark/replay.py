"""Handing measured rounds to pytest-benchmark.

Its own fixture measures one test after another and cannot take turns between arms. So the schedule
measures, and each arm's test then replays its rounds: the timer that pytest-benchmark is given
(its marker's ``timer``, a public option) goes on by fio's own run time each time the "benchmarked"
function is called. What it saves, compares and keeps is then its own format, with its own tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Replay:
    """A timer that shows the durations of rounds that were measured before."""

    def __init__(self) -> None:
        self._now = 0.0
        self._left: Iterator[float] = iter(())

    def __call__(self) -> float:
        """The time now, in seconds, as a timer tells it."""
        return self._now

    def load(self, seconds: Sequence[float]) -> None:
        """Take the durations, in seconds, that the next rounds will have."""
        self._left = iter(seconds)

    def one_round(self) -> None:
        """What is "benchmarked": lets the time pass that the next round took."""
        self._now += next(self._left)
