"""Plots as inline SVG: no script, no network, sharp at any size, readable on a phone and in the dark.

A plot has no view box: horizontal positions are percentages of the width, heights and letters are pixels.
So a narrow screen compresses the plot and leaves its text as large as all other text.
Everything in a plot is also in a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from reports import pages
from reports.axes import Axis, Tick, axis

#: Heights in pixels: of a strip, of its margin above and below the dots, of a panel and of a history.
STRIP: Final = 46.0
MARGIN: Final = 9.0
PANEL: Final = 90.0
HISTORY: Final = 200.0

_HEIGHTS: Final = {"STRIP": STRIP, "PANEL": PANEL, "HISTORY": HISTORY}

#: Largest number of points of a line; more cannot be distinguished.
POINTS: Final = 400


@dataclass(frozen=True, slots=True)
class Dot:
    """One measured value: its place, its kind of mark, and its text when pointed at."""

    at: float
    kind: str
    says: str
    y: float = STRIP / 2


@dataclass(frozen=True, slots=True)
class Badge:
    """A word next to a number: its tone (good, bad, warn, idle, odd), and its meaning here."""

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
        figure: its number, next to it.
        badges: how reliable the number is.
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

    A counter that falls was restarted; the line has a gap there.
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


def _render(name: str, chart: object) -> Markup:
    template = pages.environment().get_template("plots.html.j2", globals=_HEIGHTS)
    return Markup(getattr(template.module, name)(chart))  # noqa: S704 - Jinja escapes the values


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
