"""``python -m reports history DIR``: what many runs measured, as plots on one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from clusters.errors import HarnessError, RefusalError
from reports import axes, pages, svg, units
from reports.axes import Tick
from reports.performance.comparability import obstacles
from reports.performance.compare import RunComparison, compare
from reports.performance.report import load_results
from reports.performance.text import measured_on, pair_text, ratio_text, value_text
from reports.svg import History, Point
from suites.benchmark.model import results
from suites.benchmark.model.judgement import Comparison, Conclusion, Figures, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Unit
from suites.benchmark.model.series import SeriesResult

#: The file that the command writes.
FILE: Final = "history.html"

#: Names of runs below a plot at most; more run into each other on a phone.
NAMES: Final = 5

#: Shape and meaning of a point, by what is claimed against the run before.
CHANGES: Final = {"good": "faster than in the run before", "bad": "slower than in the run before"}


@dataclass(frozen=True, slots=True)
class Step:
    """A run with what is claimed against the one before it, and against the first of its group."""

    run: Benchmark
    since_last: RunComparison | None
    since_first: RunComparison | None

    @property
    def anchor(self) -> str:
        """A name for links."""
        return f"run-{self.run.id}"


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that may be compared with each other, the oldest first."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs in a folder.

    Attributes:
        groups: the runs; those of another machine or another NFS client are in another group.
        unread: folders that hold measurements which cannot be read, and why.
    """

    groups: tuple[Group, ...]
    unread: tuple[str, ...] = ()


def read(folder: Path) -> Runs:
    """All runs in a folder, such as `out`; links to runs, such as `latest`, are not counted twice.

    Raises:
        RefusalError: there is no run in it that measured something.
    """
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError as error:
        raise RefusalError(
            f"cannot read {folder}: {error.strerror}", advice="name a folder of runs"
        ) from error
    found: list[Benchmark] = []
    unread: list[str] = []
    for path in [folder, *inside]:
        if not _measured(path):
            continue
        try:
            found.append(load_results(path))
        except HarnessError as error:
            unread.append(error.message)
    if not found:
        why = f" ({'; '.join(unread)})" if unread else ""
        raise RefusalError(
            f"no run in {folder} holds measurements{why}", advice="measure with: pytest suites -m benchmark"
        )
    return Runs(group(found), tuple(unread))


def group(found: Sequence[Benchmark]) -> tuple[Group, ...]:
    """The runs by what may be compared, each group in the order of time."""
    several: list[list[Benchmark]] = []
    for run in sorted(found, key=lambda run: (run.started, run.id)):
        fitting = next((g for g in several if not any(obstacles(g[-1].environment, run.environment))), None)
        if fitting is None:
            several.append([run])
        else:
            fitting.append(run)
    return tuple(Group(tuple(_steps(runs))) for runs in several)


def render_history(runs: Runs, where: str) -> str:
    """The page.

    Args:
        runs: what is shown.
        where: the folder in which they lie.
    """
    count = sum(len(one.steps) for one in runs.groups)
    body = pages.render("history.html.j2", groups=[_view(one) for one in runs.groups], unread=runs.unread)
    return str(
        pages.render(
            "plain_page.html.j2",
            title=f"Read performance over {count} runs",
            overline=f"Fluid performance history · {where}",
            heading=f"Read performance over {count} run{'' if count == 1 else 's'}",
            body=body,
            foot="The page needs neither a network nor any other file.",
        )
    )


@dataclass(frozen=True, slots=True)
class SeriesPlots:
    """The plots of one series."""

    name: str
    ratios: tuple[Markup, ...]
    speeds: tuple[Markup, ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as the page shows it."""

    steps: tuple[Step, ...]
    measured_on: str
    series: tuple[SeriesPlots, ...]


def _measured(path: Path) -> bool:
    if (path / results.FILE).exists():
        return True
    verdict = path / "verdict.json"
    if not verdict.exists():
        return False
    try:
        # A verdict without measurements is a run of the scenarios alone, not one that cannot be read.
        return json.loads(verdict.read_bytes()).get("benchmark") is not None
    except (ValueError, AttributeError):
        return True


def _steps(runs: Sequence[Benchmark]) -> list[Step]:
    steps = [Step(runs[0], None, None)]
    for number, run in enumerate(runs[1:], 1):
        last = compare(runs[number - 1], run, bare_speeds=False)
        first = last if number == 1 else compare(runs[0], run, bare_speeds=False)
        steps.append(Step(run, last, first))
    return steps


def _view(one: Group) -> GroupView:
    names = dict.fromkeys(series.name for step in one.steps for series in step.run.series)
    return GroupView(
        one.steps,
        measured_on(one.steps[-1].run.environment),
        tuple(_plots(one.steps, name) for name in names),
    )


def _plots(steps: Sequence[Step], name: str) -> SeriesPlots:
    had = [(step, series) for step in steps for series in step.run.series if series.name == name]
    pairs = dict.fromkeys(
        Comparison(baseline=j.baseline, candidate=j.candidate)
        for _, series in had
        for j in series.judged
        if j.purpose is Purpose.COMPARISON
    )
    arms = dict.fromkeys((arm.name, series.unit) for _, series in had for arm in series.arms)
    return SeriesPlots(
        name,
        tuple(svg.history(chart) for pair in pairs if (chart := _ratio_history(had, pair)) is not None),
        tuple(
            svg.history(chart) for arm, unit in arms if (chart := _speed_history(had, arm, unit)) is not None
        ),
    )


def _ratio_history(had: Sequence[tuple[Step, SeriesResult]], pair: Comparison) -> History | None:
    found = [
        (step, one)
        for step, series in had
        for one in series.judged
        if (one.baseline, one.candidate, one.purpose) == (pair.baseline, pair.candidate, Purpose.COMPARISON)
        and one.ratio is not None
    ]
    if not found:
        return None
    values = (v for _, one in found for v in (one.ratio, one.low, one.high) if v is not None)
    scale = axes.ratio_axis(values, close=True)
    series = had[0][1].name
    with_one = scale.low < 1 < scale.high
    points = []
    for place, (step, one) in enumerate(found):
        tone = _change(step.since_last, series, pair)
        change = f", {CHANGES[tone]}" if tone in CHANGES else ""
        worth = ", unstable" if one.unstable else ""
        points.append(
            Point(
                at=_place(place, len(found)),
                y=scale.at(one.ratio or 1.0),
                low=scale.at(one.low or 1.0),
                high=scale.at(one.high or 1.0),
                tone=tone,
                claimed=tone in CHANGES,
                says=f"{step.run.id}: {ratio_text(one)} ({one.verdict}){worth}{change}",
            )
        )
    return History(
        title=f"{pair.candidate} against {pair.baseline}",
        says="times as fast, with its 95 % interval"
        + ("" if with_one else "; equally fast (1) is outside of this plot"),
        axis=scale,
        points=tuple(points),
        names=_names([step for step, _ in found]),
        reference=scale.at(1.0) if with_one else None,
    )


def _speed_history(had: Sequence[tuple[Step, SeriesResult]], arm: str, unit: Unit) -> History | None:
    found: list[tuple[Step, Figures]] = [
        (step, one)
        for step, series in had
        for one in series.figures
        if one.arm == arm and series.unit is unit and one.median is not None
    ]
    if not found:
        return None
    speed = unit is Unit.BYTES_PER_SECOND
    scale = axes.axis(
        (v for _, one in found for v in (one.median, one.low, one.high) if v is not None),
        lambda v: units.tick(value_text(v, unit)),
        log=False,
        per=units.MIB if speed else 1.0,
    )
    return History(
        title=arm,
        says="bare speed: it also shows what else the machine did" if speed else "bare time for one round",
        axis=scale,
        points=tuple(
            Point(
                at=_place(place, len(found)),
                y=scale.at(one.median or 0.0),
                low=scale.at(one.low if one.low is not None else one.median or 0.0),
                high=scale.at(one.high if one.high is not None else one.median or 0.0),
                tone="idle",
                claimed=False,
                says=f"{step.run.id}: {value_text(one.median, unit)}{', unstable' if one.unstable else ''}",
            )
            for place, (step, one) in enumerate(found)
        ),
        names=_names([step for step, _ in found]),
    )


def _change(outcome: RunComparison | None, series: str, pair: Comparison) -> str:
    """Whether the figure is claimed to have changed since the run before."""
    name = pair_text(pair)
    for metric in outcome.metrics if outcome is not None and not outcome.refused else ():
        if metric.claimed and (metric.series, metric.name, metric.what) == (series, name, "speed"):
            return "bad" if metric.judgement.verdict is Conclusion.SLOWER else "good"
    return "idle"


def _place(place: int, count: int) -> float:
    return round(100 * (place + 0.5) / count, 2)


def _names(steps: Sequence[Step]) -> tuple[Tick, ...]:
    """When some of the runs began, spread evenly: the day, or the time where all are of one day."""
    every = -(-len(steps) // NAMES)
    days = {step.run.started.date() for step in steps}
    form = "%H:%M" if len(days) == 1 and len(steps) > 1 else "%-d %b"
    return tuple(
        Tick(_place(place, len(steps)), step.run.started.strftime(form))
        for place, step in enumerate(steps)
        if place % every == 0
    )
