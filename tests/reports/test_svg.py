"""Scales, lines and charts: everything has its place, and the place is right."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import axes, svg, units
from reports.axes import Axis
from reports.svg import Badge, Dot, Span, Strip, StripChart
from suites.benchmark.model.rounds import Unit

MIB = units.MIB

Positive = st.floats(1e-3, 1e12)


@given(st.lists(Positive, min_size=1, max_size=20), st.sampled_from([None, True, False]))
def test_axis_holds_all_values(values: list[float], log: bool | None) -> None:
    """Every value is on the axis, in order, and there are few ticks, all on it."""
    scale = axes.axis(values, str, log=log)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert 1 <= len(scale.ticks) <= axes.TICKS + 1
    assert all(0 <= tick.at <= 100 for tick in scale.ticks)


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=20), st.booleans())
def test_ratio_axis(values: list[float], close: bool) -> None:
    """A scale of ratios holds them all, has ticks, and contains 1 unless that is optional."""
    scale = axes.ratio_axis(values, close=close)
    assert scale.low <= min(values) <= max(values) <= scale.high
    assert scale.ticks
    if not close:
        assert scale.low < 1 < scale.high
        assert f"1{units.TIMES}" in [tick.label for tick in scale.ticks]
    places = [tick.at for tick in scale.ticks]
    assert all(later - earlier > 10 for earlier, later in pairwise(places))


def test_ratio_axis_is_fair() -> None:
    """Twice as fast and half as fast lie equally far from 1."""
    scale = axes.ratio_axis([0.5, 2.0])
    assert scale.at(2) - scale.at(1) == pytest.approx(scale.at(1) - scale.at(0.5), abs=0.02)


def test_linear_axis_begins_at_zero() -> None:
    """Values that lie near each other are drawn from 0, with round ticks in the unit that is shown."""
    scale = axes.axis([410 * MIB, 470 * MIB], units.rate, per=MIB)
    assert (scale.low, scale.log) == (0, False)
    assert [tick.label for tick in scale.ticks] == [units.rate(n * 100 * MIB) for n in range(5)]


def test_far_values_have_a_logarithmic_axis() -> None:
    """Values that lie far apart are all to be seen, and the axis says that it is logarithmic."""
    scale = axes.axis([96 * MIB, 3600 * MIB], units.rate, per=MIB)
    assert scale.log
    assert scale.at(96 * MIB) < 10
    assert scale.at(3600 * MIB) > 90


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0]])
def test_axis_of_nothing(values: list[float]) -> None:
    """Without values, or with zeros only, there is still an axis."""
    assert axes.axis(values, str).at(0.0) == 0


def test_dots_show_the_order() -> None:
    """The first round is at the top, the last at the bottom; a round without a value has no dot."""
    scale = axes.axis([1.0, 2.0], str)
    dots = svg.dots_in_order([(1.0, "valid", "a"), (None, "invalid", "b"), (2.0, "valid", "c")], scale)
    assert [dot.says for dot in dots] == ["a", "c"]
    assert dots[0].y < dots[1].y < svg.STRIP


@pytest.mark.parametrize("seconds", [0.0, 3, 59, 61, 600, 1500, 7200, 90000])
def test_time_axis(seconds: float) -> None:
    """Times begin at 0:00 and have a few ticks, however long a run is."""
    scale = axes.time_axis(seconds)
    assert scale.ticks[0].label == "0:00"
    assert len(scale.ticks) <= axes.TICKS
    assert scale.at(seconds) == (100 if seconds else 0)


def test_rate_of_a_counter() -> None:
    """A counter is drawn as what it rose by in each second."""
    panel = svg.rate_panel("x", "t", [(0, 0), (10, 1000), (20, 1000)], 20, label=str)
    (path,) = panel.paths
    heights = [float(y) for y in re.findall(r"[ML]?[\d.]+ ([\d.]+)", path)]
    assert heights[0] == heights[1] < 10  # near the top: 100 in each second
    assert heights[2] == heights[3] == 100  # nothing


def test_counter_that_began_again() -> None:
    """A counter that fell, and one that was not known, leave a gap and no wild rate."""
    panel = svg.rate_panel("x", "t", [(0, 0), (1, 100), (2, 50), (3, 150), (4, None), (5, 300)], 5, label=str)
    assert len(panel.paths) == 2


def test_many_samples_are_thinned() -> None:
    """The path of a long run is short, and has its last sample."""
    panel = svg.level_panel("x", "t", [(float(t), float(t)) for t in range(10_001)], 10_000, label=str)
    (path,) = panel.paths
    assert path.count("L") <= svg.POINTS + 1
    assert path.split("L")[-1].startswith("1000.0 ")


def test_charts_are_escaped() -> None:
    """A name with markup in it is shown as text."""
    evil = "<script>alert(1)</script>"
    strip = Strip(evil, "t", evil, evil, (Badge(evil, "good", evil),), (Dot(1, "valid", evil),), line=True)
    html = svg.strip_chart(
        StripChart(evil, evil, evil, Axis(0, 1, log=False), (strip,), legend=(("valid", evil),))
    )
    assert "<script" not in html


def test_all_of_a_strip_is_drawn() -> None:
    """A strip draws its band, its interval, its median, the common line and each kind of mark."""
    dots = tuple(Dot(10, kind, kind) for kind in ("valid", "invalid", "saturated", "polluted"))
    strip = Strip("a", "a-raw-cold", "1", dots=dots, middle=5, interval=Span(4, 6), band=Span(1, 2))
    html = svg.strip_chart(StripChart("t", "s", "x", Axis(0, 1, log=False), (strip,), reference=50))
    for part in (
        "band",
        "interval",
        "middle",
        "reference",
        "d-valid",
        "d-invalid",
        "d-saturated",
        "d-polluted",
    ):
        assert re.search(f'class="[^"]*{part}', html), part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.rate(0.0), "0 MiB/s"),
        (units.rate(4.124 * MIB), "4.12 MiB/s"),
        (units.rate(41.26 * MIB), "41.3 MiB/s"),
        (units.rate(9.999 * MIB), "10.0 MiB/s"),
        (units.rate(99.97 * MIB), "100 MiB/s"),
        (units.rate(4124.4 * MIB), "4,124 MiB/s"),
        (units.rate(0.0031 * MIB), "0.0031 MiB/s"),
        (units.size(0), "0 B"),
        (units.size(512 * MIB), "512 MiB"),
        (units.size(1.5 * 1024**3), "1.5 GiB"),
        (units.size(3 * 1024**4), "3 TiB"),
        (units.nanoseconds(812), "812 ns"),
        (units.nanoseconds(3.21e6), "3.21 ms"),
        (units.nanoseconds(2e10), "20.0 s"),
        (units.times(6.349), f"6.35{units.TIMES}"),
        (units.percent(0.042), "4.2 %"),
        (units.percent(0.163), "16 %"),
        (units.measured(2.0, Unit.SECONDS), "2.00 s"),
        (units.tick("30.0 µs"), "30 µs"),
        (units.tick("100 µs"), "100 µs"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    """A measured number has about three digits and a unit that people use."""
    assert text == expected


def test_places_are_finite() -> None:
    """No place is ever NaN, which a browser would drop without a word."""
    scale = axes.axis([math.inf, math.nan, 5.0], str)
    assert 0 < scale.at(5.0) <= 100
