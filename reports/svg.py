"""Plots as inline SVG: no script, no network, sharp at any size, readable on a phone and in the dark.

A plot has no view box: places across are percentages of whatever width there is, heights and letters are
pixels. So a narrow screen squeezes the plot and leaves its text as large as all other text.
Everything that a plot shows stands in a table beside it, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import units
from reports.verdict import phrases
from reports.verdict.page import TEMPLATES

#: From this quotient of the largest and smallest value on, an axis is logarithmic.
WIDE: Final = 15.0

#: A ratio beyond this, or below its inverse, lies far from 1.
FAR: Final = 1.6

#: A scale of ratios spans at least this.
CLOSEST: Final = 1.5

#: Ticks of an axis at most; more run into each other on a phone.
TICKS: Final = 6

#: Width of a label on a phone, in per cent of the axis.
LABEL: Final = 11.0

#: Heights in pixels: of a strip, of its margin above and below the dots, of a panel and of a history.
STRIP: Final = 46.0
MARGIN: Final = 9.0
PANEL: Final = 90.0
HISTORY: Final = 200.0

#: Steps of a scale of time, in seconds.
TIME_STEPS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)

#: Points of a line at most; more cannot be told apart.
POINTS: Final = 400


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
        """Where a value lies, in per cent; what lies outside is put to the nearer end."""
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


@dataclass(frozen=True, slots=True)
class Dot:
    """One measured value: its place, what kind of mark it gets, and what it says when pointed at."""

    at: float
    kind: str
    says: str
    y: float = STRIP / 2


@dataclass(frozen=True, slots=True)
class Badge:
    """A word beside a number: its tone (good, bad, warn, idle, odd), and what it means here."""

    word: str
    tone: str
    says: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an axis, in per cent."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """How long it is."""
        return round(self.high - self.low, 2)


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of a strip chart.

    Attributes:
        label: its name.
        note: smaller, below the name.
        tone: class that colours its marks.
        figure: its number in words, beside it.
        badges: what is to be known of the number.
        dots: the values.
        middle: place of the median.
        interval: of it.
        band: in which nothing is claimed.
        line: the dots are joined.
    """

    label: str
    tone: str
    figure: str
    note: str = ""
    badges: tuple[Badge, ...] = ()
    dots: tuple[Dot, ...] = ()
    middle: float | None = None
    interval: Span | None = None
    band: Span | None = None
    line: bool = False


@dataclass(frozen=True, slots=True)
class StripChart:
    """Rows over one common scale.

    Attributes:
        title: its heading.
        says: how to read it.
        scale: what the axis shows, with its unit.
        axis: the scale.
        strips: the rows.
        reference: place of a line that all rows share, such as the ratio 1.
        legend: what the marks mean, as (kind, words).
    """

    title: str
    says: str
    scale: str
    axis: Axis
    strips: tuple[Strip, ...]
    reference: float | None = None
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One line over time.

    Attributes:
        title: what it shows.
        tone: class that colours it.
        paths: SVG paths in a box of 1000 by 100; several where something was not known in between.
        ticks: of the upright scale, from the bottom.
    """

    title: str
    tone: str
    paths: tuple[str, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was going on for a while."""

    span: Span
    tone: str
    says: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lines over a common time, and what was going on meanwhile."""

    title: str
    says: str
    axis: Axis
    stretches: tuple[Stretch, ...]
    legend: tuple[tuple[str, str], ...]
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One run in a history: places in per cent from the left and from the bottom."""

    at: float
    y: float
    low: float
    high: float
    tone: str
    claimed: bool
    says: str

    def up(self, value: float) -> float:
        """A place from the bottom, in pixels from the top."""
        return round(HISTORY * (1 - value / 100), 1)


@dataclass(frozen=True, slots=True)
class History:
    """One figure over many runs."""

    title: str
    says: str
    axis: Axis
    points: tuple[Point, ...]
    names: tuple[Tick, ...]
    reference: float | None = None

    @property
    def path(self) -> str:
        """The line that joins the points, in a box of 1000 by 100."""
        return _path([(point.at * 10, point.y) for point in self.points])


def dots_in_order(
    values: Sequence[tuple[float | None, str, str]], scale: Axis, height: float = STRIP
) -> tuple[Dot, ...]:
    """One dot a value, the first at the top of its strip and the last at its bottom.

    Args:
        values: value, kind of mark, words; a value that is None has no dot.
        scale: of the values.
        height: of the strip, in pixels.
    """
    room = height - 2 * MARGIN
    last = max(len(values) - 1, 1)
    return tuple(
        Dot(scale.at(value), kind, says, round(MARGIN + room * place / last, 1))
        for place, (value, kind, says) in enumerate(values)
        if value is not None
    )


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


def level_panel(
    title: str,
    tone: str,
    samples: Sequence[tuple[float, float | None]],
    end: float,
    *,
    label: Callable[[float], str],
    per: float = 1.0,
) -> Panel:
    """A quantity that is there, such as cached bytes: (seconds, value), None where it was not known."""
    return _panel(title, tone, _thinned(samples), end, label=label, per=per)


def rate_panel(
    title: str,
    tone: str,
    samples: Sequence[tuple[float, float | None]],
    end: float,
    *,
    label: Callable[[float], str],
    per: float = 1.0,
) -> Panel:
    """By how much a counter rose in each second: (seconds, counter), None where it was not known.

    A counter that falls was started anew; the stretch in which it fell is left open.
    """
    rates: list[tuple[float, float | None]] = []
    kept = _thinned(samples)
    for (earlier, before), (later, after) in pairwise(kept):
        known = before is not None and after is not None and after >= before and later > earlier
        rise = (
            (after - before) / (later - earlier)
            if known and after is not None and before is not None
            else None
        )
        # A step: the same rate from the one sample to the other.
        rates += [(earlier, rise), (later, rise)]
    return _panel(title, tone, rates, end, label=label, per=per)


def strip_chart(chart: StripChart) -> Markup:
    """The chart as HTML."""
    return _render("strip_chart", chart)


def timeline(chart: Timeline) -> Markup:
    """The timeline as HTML."""
    return _render("timeline", chart)


def history(chart: History) -> Markup:
    """The history as HTML."""
    return _render("history", chart)


@cache
def environment() -> Environment:
    """Jinja's environment of the pages with plots, with the filters that they use."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "duration": phrases.seconds,
        "rate": units.rate,
        "size": units.size,
        "ns": units.nanoseconds,
        "times": units.times,
        "percent": units.percent,
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    made.globals |= {"STRIP": STRIP, "PANEL": PANEL, "HISTORY": HISTORY}
    return made


def _render(name: str, chart: object) -> Markup:
    macro = getattr(environment().get_template("plots.html.j2").module, name)
    return Markup(macro(chart))  # noqa: S704 - Jinja has escaped what is in it


def _panel(
    title: str,
    tone: str,
    samples: Sequence[tuple[float, float | None]],
    end: float,
    *,
    label: Callable[[float], str],
    per: float = 1.0,
) -> Panel:
    known = [value for _, value in samples if value is not None]
    upright = axis(known, label, log=False, per=per)
    paths: list[str] = []
    piece: list[tuple[float, float]] = []
    for t, value in [*samples, (end, None)]:
        if value is not None:
            piece.append((1000 * t / max(end, 1.0), upright.at(value)))
        elif piece:
            paths.append(_path(piece))
            piece = []
    # Two labels are enough for so low a plot: the bottom, and the highest tick.
    ticks = (upright.ticks[0], upright.ticks[-1]) if len(upright.ticks) > 1 else upright.ticks
    return Panel(title, tone, tuple(paths), ticks)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.1f} {100 - y:.2f}" for x, y in points) if points else ""


def _thinned(samples: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Every n-th sample and the last; rates of counters stay exact averages."""
    step = max(math.ceil(len(samples) / POINTS), 1)
    kept = list(samples[::step])
    if samples and kept[-1] != samples[-1]:
        kept.append(samples[-1])
    return kept


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
