"""From a series of measurements to its plots: which marks, scales and words they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Final

from reports import axes, svg, units
from reports.axes import Axis
from reports.performance.text import arm_badges, judged_badges, mark_of, ratio_text, says_round, value_text
from reports.svg import Dot, Panel, Span, Stretch, Strip, StripChart, Timeline
from suites.benchmark.model.judgement import Judgement, Purpose
from suites.benchmark.model.rounds import Unit
from suites.benchmark.model.series import Arm, SeriesResult

#: Latency percentiles that are shown, where a run kept them.
SHOWN_PERCENTILES: Final = (50.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """An arm's latencies: the median over its valid rounds of each round's own percentile, in ns."""

    arm: str
    percentiles: tuple[tuple[float, float], ...]


def latency_rows(series: SeriesResult) -> tuple[LatencyRow, ...]:
    """The latencies of the arms that have any, over their valid rounds."""
    rows: list[LatencyRow] = []
    for arm in series.arms:
        kept = [one.latency for one in series.of_arm(arm.name) if one.valid and one.latency is not None]
        found = [
            (percent, median(values))
            for percent in SHOWN_PERCENTILES
            if (values := [ns for latency in kept if (ns := latency.at(percent)) is not None])
        ]
        if found:
            rows.append(LatencyRow(arm.name, tuple(found)))
    return tuple(rows)


def throughput_chart(series: SeriesResult) -> StripChart:
    """Every round of every arm as a point, with the median and its interval."""
    seen = [one.value for one in series.rounds if one.value is not None]
    speed = series.unit is Unit.BYTES_PER_SECOND
    scale = axes.axis(seen, lambda v: _tick(v, series.unit), per=units.MIB if speed else 1.0)
    return StripChart(
        title="Throughput" if speed else "Time for one round",
        says="Each mark is one round, the first at the top. "
        + ("More to the right is faster." if speed else "More to the left is faster."),
        scale="MiB/s" if speed else "seconds",
        axis=scale,
        strips=tuple(_throughput_strip(series, arm, scale) for arm in series.arms),
        legend=tuple(
            (kind, text)
            for kind, text in (
                ("median", "median"),
                ("interval", "95 % interval of the median"),
                ("valid", "a round"),
                ("saturated", "saturated"),
                ("polluted", "polluted"),
                ("invalid", "invalid, not compared"),
            )
            if kind not in {"saturated", "polluted", "invalid"}
            or any(mark_of(one) == kind for one in series.rounds)
        ),
    )


def _throughput_strip(series: SeriesResult, arm: Arm, scale: Axis) -> Strip:
    figures = next(one for one in series.figures if one.arm == arm.name)
    rounds = series.of_arm(arm.name)
    known = figures.low is not None and figures.high is not None
    return Strip(
        label=arm.name,
        note=arm.note,
        tone=f"a-{arm.kind}",
        figure=value_text(figures.median, series.unit),
        badges=arm_badges(figures),
        dots=svg.dots_in_order(
            [(one.value, mark_of(one), says_round(one, series.unit)) for one in rounds], scale
        ),
        middle=scale.at(figures.median) if figures.median is not None else None,
        interval=Span(scale.at(figures.low), scale.at(figures.high))
        if known and figures.low is not None and figures.high is not None
        else None,
    )


def ratio_chart(series: SeriesResult) -> StripChart | None:
    """Each comparison's ratio with its interval, and the band in which nothing is claimed."""
    compared = [one for one in series.judged if one.ratio is not None]
    if not compared:
        return None
    scale = axes.ratio_axis(
        value
        for one in compared
        for value in (one.ratio, one.low, one.high, *_threshold(one))
        if value is not None
    )
    return StripChart(
        title="How many times as fast",
        says="The bar is the 95 % interval. A difference is claimed only where the bar does not touch 1 "
        "and the median is outside of the grey band.",
        scale="times as fast; 1 means equally fast",
        axis=scale,
        strips=tuple(
            Strip(
                label=one.candidate,
                note=f"against {one.baseline}"
                + ("" if one.purpose is Purpose.COMPARISON else f" ({one.purpose})"),
                tone=f"a-{series.arm(one.candidate).kind}",
                figure=ratio_text(one),
                badges=judged_badges(one),
                middle=scale.at(one.ratio) if one.ratio is not None else None,
                interval=_on(scale, one.low, one.high),
                band=_on(scale, *_threshold(one)),
            )
            for one in compared
        ),
        reference=scale.at(1.0),
        legend=(
            ("median", "ratio"),
            ("interval", "its 95 % interval"),
            ("band", "threshold: nothing is claimed within"),
        ),
    )


def latency_chart(series: SeriesResult, rows: Sequence[LatencyRow]) -> StripChart:
    """How long single reads took: percentiles of each arm on one scale."""
    scale = axes.axis(
        (ns for row in rows for _, ns in row.percentiles),
        lambda ns: units.tick(units.nanoseconds(ns)),
        log=True,
    )
    shown = [
        percent for percent in SHOWN_PERCENTILES if any(percent in dict(row.percentiles) for row in rows)
    ]
    by_name = {figures.arm: figures for figures in series.figures}
    return StripChart(
        title="How long single reads took",
        says="From left to right: as long as half of the reads, 95, 99 and 99.9 of 100 took at most. "
        "Each is the median over the rounds of fio's own percentile. More to the left is faster.",
        scale="time for one read",
        axis=scale,
        strips=tuple(
            Strip(
                label=row.arm,
                note=series.arm(row.arm).note,
                tone=f"a-{series.arm(row.arm).kind}",
                figure=f"half ≤ {units.nanoseconds(row.percentiles[0][1])}"
                if row.percentiles[0][0] == SHOWN_PERCENTILES[0]
                else "",
                badges=arm_badges(by_name[row.arm]),
                dots=tuple(
                    Dot(
                        scale.at(ns),
                        f"p{SHOWN_PERCENTILES.index(percent)}",
                        f"{percent:g} % of the reads took {units.nanoseconds(ns)} at most",
                    )
                    for percent, ns in row.percentiles
                ),
                line=True,
            )
            for row in rows
        ),
        legend=tuple((f"p{SHOWN_PERCENTILES.index(percent)}", f"{percent:g} %") for percent in shown),
    )


def time_chart(series: SeriesResult) -> Timeline | None:
    """Cached bytes and what NFS sent, across the series, with what was measured when."""
    if len(series.timeline) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    last = max(
        [series.seconds, series.timeline[-1].t]
        + [(one.started - series.started).total_seconds() + one.seconds for one in series.rounds]
    )
    scale = axes.time_axis(last)
    stretches: list[Stretch] = []
    for one in series.rounds:
        begun = (one.started - series.started) / timedelta(seconds=1)
        ended = begun + one.seconds
        says = f"{one.arm}, round {one.number + 1}, from {units.duration(max(begun, 0.0))} on"
        stretches.append(
            Stretch(Span(scale.at(begun), scale.at(ended)), f"a-{series.arm(one.arm).kind}", says)
        )
    # Arms of one kind share a colour, so they share a line of the legend.
    names: dict[str, list[str]] = {}
    for arm in series.arms:
        names.setdefault(f"a-{arm.kind}", []).append(arm.name)
    cached = [(s.t, s.cached_bytes) for s in series.timeline]
    sent = [(s.t, s.nfs_read_bytes) for s in series.timeline]
    panels: list[Panel] = []
    if any(value is not None for _, value in cached):
        panels.append(
            svg.level_panel(
                "cached in Alluxio", "a-fluid-warm-same-client", cached, last, label=units.size, per=units.MIB
            )
        )
    if sum(value is not None for _, value in sent) > 1:
        panels.append(
            svg.rate_panel(
                "sent by the NFS server",
                "a-raw-cold",
                sent,
                last,
                label=lambda v: units.tick(units.rate(v)),
                per=units.MIB,
            )
        )
    if not panels:
        return None
    return Timeline(
        title="What was cached and what NFS sent, over time",
        says="The coloured stretches show what was being measured; between them caches were prepared.",
        axis=scale,
        stretches=tuple(stretches),
        legend=tuple((tone, " / ".join(several)) for tone, several in names.items()),
        panels=tuple(panels),
    )


def _on(scale: Axis, low: float | None, high: float | None) -> Span | None:
    return None if low is None or high is None else Span(scale.at(low), scale.at(high))


def _threshold(one: Judgement) -> tuple[float, float] | tuple[None, None]:
    return (None, None) if one.threshold is None else (1 / (1 + one.threshold), 1 + one.threshold)


def _tick(value: float, unit: Unit) -> str:
    shown = value / units.MIB if unit is Unit.BYTES_PER_SECOND else value
    return f"{shown:,.0f}" if shown >= units.SMALL or shown == round(shown) else f"{shown:.2g}"
