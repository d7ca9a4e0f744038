"""Axes of plots: their range, and where their labelled ticks are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reports import units

#: From this quotient of the largest and smallest value on, an axis is logarithmic.
WIDE: Final = 15.0

#: A ratio above this, or below its inverse, is far from 1.
FAR: Final = 1.6

#: A scale of ratios spans at least this.
CLOSEST: Final = 1.5

#: Ticks of an axis at most; more run into each other on a phone.
TICKS: Final = 6

#: Width of a label on a phone, in per cent of the axis.
LABEL: Final = 11.0

#: Steps of a scale of time, in seconds.
TIME_STEPS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in per cent of its length."""

    at: float
    label: str

    @property
    def anchor(self) -> str:
        """How the label is laid, so that it stays within the plot."""
        if self.at < 4:  # noqa: PLR2004 - half a label on a phone
            return "start"
        return "end" if self.at > 96 else "middle"  # noqa: PLR2004 - the same


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale.

    Attributes:
        low: value at its beginning.
        high: value at its end.
        log: equal steps multiply, they do not add.
        ticks: its labelled places.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[Tick, ...] = ()

    def at(self, value: float) -> float:
        """The position of a value in per cent; a value outside is at the nearer end."""
        low, high, value = (
            (math.log(v) for v in (self.low, self.high, max(value, self.low)))
            if self.log
            else (self.low, self.high, value)
        )
        return round(min(max(100 * (value - low) / (high - low), 0.0), 100.0), 2)


def axis(
    values: Iterable[float], label: Callable[[float], str], *, log: bool | None = None, per: float = 1.0
) -> Axis:
    """A scale on which all values have their place.

    Args:
        values: at or above 0; those not above 0 have no place on a logarithmic one.
        label: writes a tick.
        log: whether it is logarithmic; by default where the values are far apart. Others begin at 0.
        per: the unit in which ticks are round numbers, such as 1024² for MiB.
    """
    given = [value / per for value in values if value >= 0 and math.isfinite(value)]
    above = [value for value in given if value > 0] or [1.0]
    least, most = min(above), max(above)
    if log or (log is None and most / least > WIDE):
        low, high = least / 1.12, most * 1.12
        marks = _log_marks(low, high)
    else:
        low, high = 0.0, most * 1.04
        step = _step(high)
        marks = [step * n for n in range(math.floor(high / step) + 1)]
    bare = Axis(low * per, high * per, log=low > 0)
    ticks = tuple(Tick(bare.at(mark * per), label(mark * per)) for mark in marks)
    return Axis(bare.low, bare.high, bare.log, ticks)


def ratio_axis(values: Iterable[float], *, close: bool = False) -> Axis:
    """A scale for ratios: logarithmic, so that twice and half as fast lie equally far from 1.

    Args:
        values: above 0.
        close: leave 1 out where all values lie far from it, so that small changes can be seen.
    """
    given = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    low, high = min(given), max(given)
    if not close or (low < FAR and high > 1 / FAR):
        low, high = min(low, 0.8), max(high, 1.25)
    low, high = low / 1.06, high * 1.06
    if high / low < CLOSEST:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(CLOSEST), middle * math.sqrt(CLOSEST)
    bare = Axis(low, high, log=True)
    kept = _spread(_log_marks(low, high), bare)
    return Axis(low, high, log=True, ticks=tuple(Tick(bare.at(m), f"{m:.4g}{units.TIMES}") for m in kept))


def time_axis(seconds: float) -> Axis:
    """A scale of time from 0 to ``seconds``."""
    end = max(seconds, 1.0)
    unit = next((u for u in TIME_STEPS if end / u <= TICKS - 1), TIME_STEPS[-1])
    while end / unit > TICKS - 1:
        unit *= 2
    bare = Axis(0.0, end, log=False)
    marks = [unit * n for n in range(math.floor(end / unit) + 1)]
    kept = [m for m in marks if m == 0 or bare.at(m) < 97]  # noqa: PLR2004 - room for its label
    return Axis(0.0, end, log=False, ticks=tuple(Tick(bare.at(m), _clock(m)) for m in kept))


def _step(most: float) -> float:
    rough = most / (TICKS - 1)
    power: float = 10.0 ** math.floor(math.log10(rough))
    return power * next(step for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)


def _log_marks(low: float, high: float) -> list[float]:
    """Round numbers between two values, not too many of them; 1 is among them where it fits."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = tuple(1 + n / 10 for n in range(90))
    for steps in (
        fine,
        fine[::2],
        (1, 1.2, 1.4, 1.6, 2, 2.5, 3, 4, 5, 6, 8),
        (1, 1.5, 2, 3, 5, 7),
        (1, 2, 5),
        (1, 3),
        (1,),
    ):
        marks = [round(step * 10.0**power, 9 - power) for power in powers for step in steps]
        marks = [mark for mark in marks if low <= mark <= high]
        if len(marks) <= TICKS:
            return marks or [low, high]
    every = math.ceil(len(marks) / TICKS)
    first = marks.index(1.0) % every if 1.0 in marks else 0
    return marks[first::every]


def _spread(marks: Sequence[float], scale: Axis) -> list[float]:
    """The marks without those whose labels would run into each other; 1 stays."""
    kept: list[float] = []
    for mark in sorted(marks, key=lambda m: (m != 1, m)):
        if all(abs(scale.at(mark) - scale.at(other)) > LABEL for other in kept):
            kept.append(mark)
    return sorted(kept)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
