"""Passes measured rounds to pytest-benchmark.

The fixture of pytest-benchmark measures one test after another and cannot alternate between arms. So the
schedule measures, and the test of each arm replays its rounds: the timer in its marker (``timer``, a public
option) advances by the run time of fio with each call of the "benchmarked" function. pytest-benchmark can
then save and compare the rounds in its own format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Replay:
    """A timer that replays the durations of measured rounds."""

    def __init__(self) -> None:
        self._now = 0.0
        self._left: Iterator[float] = iter(())

    def __call__(self) -> float:
        """The current time in seconds."""
        return self._now

    def load(self, seconds: Sequence[float]) -> None:
        """Set the durations of the next rounds, in seconds."""
        self._left = iter(seconds)

    def one_round(self) -> None:
        """The "benchmarked" function: advance the time by the duration of the next round."""
        self._now += next(self._left)
