"""``python -m reports compare A B``: the figures of two runs, or of several a side, and whether B is slower.

The MB/s of two runs also depend on what else the machine did, so the deciding figures are relative: how many
times as fast a way of reading is as its baseline *in the same round*, in A and in B. The judge
(`suites.benchmark.analysis.judge`) compares them like any other two arms. Bare speeds are also judged and
shown, and decide nothing.

With many metrics, false alarms are likely. So a difference is claimed only if the judge claims it and its
test also passes the correction of Benjamini and Hochberg over all deciding metrics.

With one run on each side the rounds are compared. They are repetitions within a run, and do not show how two
runs of the same system differ: in where the Pods are, in a client that was started again. So a difference of
two runs is one of these two runs, and need not be one of the systems. With several runs on each side
(``compare A1 A2 A3 --to B1 B2 B3``) the run is the unit, see `suites.benchmark.analysis.run_judge`. Then at
most 5 % of comparisons of equal systems raise any alarm, and at most 5 % of the alarms are false.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from reports import units
from reports.performance.comparability import (
    EARLIER,
    LATER,
    changes,
    differences,
    obstacles,
    series_obstacles,
    unshared_series,
)
from reports.performance.text import CLAIMS, pair_text
from suites.benchmark.analysis.judge import ArmValues, judge
from suites.benchmark.analysis.run_judge import FEWEST_RUNS, judge_runs
from suites.benchmark.model.judgement import FEWEST_ROUNDS, Conclusion, Judgement, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import SeriesResult

#: Rate of false alarms of all metrics together.
FAMILY: Final = 0.05

#: The latency that is compared in addition to the speed, in per cent of the reads.
TAIL: Final = 99.0

#: Further runs of side A, and of side B.
Repeats: TypeAlias = tuple[tuple[Benchmark, ...], tuple[Benchmark, ...]]


class What(StrEnum):
    """What is compared."""

    SPEED = "speed"
    TAIL_LATENCY = "slowest reads (99 %)"
    BARE_SPEED = "bare speed"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of both runs, judged.

    Attributes:
        series: name of the series.
        name: of the figure, such as ``Fluid, cold against raw NFS, cold``.
        what: kind of the figure.
        earlier: values in A.
        later: values in B.
        judgement: of B against A; a ratio below 1 means that B is slower.
        unit: of a bare speed; None for a relative figure.
        claimed: the verdict also holds among all other metrics; always False for a bare speed.
        run_p: result of Welch's test where each value is a run; None where each is a round.
    """

    series: str
    name: str
    what: What
    earlier: ArmValues
    later: ArmValues
    judgement: Judgement
    unit: Unit | None = None
    claimed: bool = False
    run_p: float | None = None

    @property
    def p(self) -> float | None:
        """Result of the test of the difference; None without one."""
        return self.judgement.mann_whitney_p if self.run_p is None else self.run_p

    @property
    def gated(self) -> bool:
        """Whether it decides on a regression."""
        return self.unit is None

    def shown(self, value: float) -> str:
        """A median as text."""
        if self.unit is not None:
            return units.measured(value, self.unit)
        return units.times(value)


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The comparison of two runs, or of several runs on each side.

    Attributes:
        earlier: run A, or the first one of side A.
        later: run B, or the first one of side B.
        refused: why they cannot be compared, one sentence each.
        changed: differences that may explain different figures, such as the version of Fluid.
        only: series that only one run has.
        metrics: in the order of A.
        repeats: the further runs of side A, and of side B.
    """

    earlier: Benchmark
    later: Benchmark
    refused: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    repeats: Repeats = ((), ())

    @property
    def sides(self) -> tuple[tuple[Benchmark, ...], tuple[Benchmark, ...]]:
        """All runs of side A, and of side B."""
        return (self.earlier, *self.repeats[0]), (self.later, *self.repeats[1])

    @property
    def by_run(self) -> bool:
        """Whether each value is a run, not a round."""
        return any(self.repeats)

    @property
    def gated(self) -> tuple[Metric, ...]:
        """The deciding metrics that could be judged."""
        return tuple(m for m in self.metrics if m.gated and m.judgement.verdict is not Conclusion.INVALID)

    @property
    def regressions(self) -> tuple[Metric, ...]:
        """The deciding metrics that are claimed to be slower."""
        return tuple(m for m in self.gated if m.claimed and m.judgement.verdict is Conclusion.SLOWER)

    @property
    def status(self) -> Literal[0, 1, 2]:
        """The exit code: 1 for a claimed regression, 2 when they cannot be compared, else 0."""
        return 2 if self.refused else 1 if self.regressions else 0


def compare(
    earlier: Benchmark,
    later: Benchmark,
    *,
    repeats: Repeats = ((), ()),
    bare_speeds: bool = True,
    seed: int = 0,
) -> RunComparison:
    """Compare two runs of the same machine, or several on each side.

    Args:
        earlier: run A, what is compared against.
        later: run B.
        repeats: further runs of the system of A, and of that of B.
        bare_speeds: also judge the bare speeds, which decide nothing.
        seed: of the judge's bootstrap.
    """
    theirs = {one.name: one for one in later.series}
    pairs = [(one, theirs[one.name]) for one in earlier.series if one.name in theirs]
    refused = [
        *obstacles(earlier.environment, later.environment),
        *(reason for a, b in pairs for reason in series_obstacles(a, b)),
    ]
    refused += _unlike(EARLIER, earlier, repeats[0]) + _unlike(LATER, later, repeats[1])
    bare = RunComparison(
        earlier,
        later,
        repeats=repeats,
        changed=tuple(changes(earlier.environment, later.environment)),
        only=tuple(unshared_series(earlier, later)),
    )
    if refused:
        return replace(bare, refused=tuple(refused))
    metrics = tuple(
        metric
        for a, b in pairs
        for metric in _metrics([_like(a, side) for side in bare.sides], seed)
        if bare_speeds or metric.gated
    )
    done = replace(bare, metrics=_claim(metrics))
    reason = _too_little(done)
    return replace(done, refused=(reason,)) if reason else done


def _unlike(side: str, first: Benchmark, others: Sequence[Benchmark]) -> list[str]:
    """Why runs are not repetitions of the first one of their side."""
    found = []
    ids = [one.id for one in (first, *others)]
    if len(set(ids)) < len(ids):
        found.append(f"a run of {side} is named more than once: {', '.join(ids)}")
    for other in others:
        reasons = differences(first, other, (f"run {first.id}", f"run {other.id}"))
        found += [f"the runs of {side} are not of one system: {reason}" for reason in reasons]
    return found


def _like(series: SeriesResult, side: Sequence[Benchmark]) -> list[SeriesResult]:
    """The series of that name in each run of a side that has it."""
    return [one for run in side for one in run.series if one.name == series.name]


def _metrics(sides: Sequence[Sequence[SeriesResult]], seed: int) -> Iterator[Metric]:
    """The metrics of a series that both sides have; each side has the series of one or more runs."""
    a, b = sides[0][0], sides[1][0]
    shared = {(one.baseline, one.candidate) for one in b.judged if one.purpose is Purpose.COMPARISON}
    for one in a.judged:
        if one.purpose is not Purpose.COMPARISON or (one.baseline, one.candidate) not in shared:
            continue
        for what in (What.SPEED, What.TAIL_LATENCY):
            values = [[_relative(run, one.baseline, one.candidate, what) for run in side] for side in sides]
            if what is What.TAIL_LATENCY and not all(any(map(any, side)) for side in values):
                continue  # a run without latencies is not slower
            yield _metric(a.name, pair_text(one), what, values, Unit.BYTES_PER_SECOND, seed)
    names = {arm.name for arm in b.arms}
    for arm in a.arms:
        if arm.name in names:
            values = [
                [[one.value if one.valid else None for one in run.of_arm(arm.name)] for run in side]
                for side in sides
            ]
            metric = _metric(a.name, arm.name, What.BARE_SPEED, values, a.unit, seed)
            yield replace(metric, unit=a.unit)


def _relative(run: SeriesResult, baseline: str, candidate: str, what: What) -> list[float | None]:
    """How many times as fast the candidate was as the baseline, in each round with both."""
    base = {one.number: one for one in run.of_arm(baseline)}
    found: list[float | None] = []
    for one in run.of_arm(candidate):
        other = base.get(one.number)
        mine, theirs = (_speed(r, run.unit, what) if r is not None else None for r in (one, other))
        found.append(mine / theirs if mine is not None and theirs is not None else None)
    return found


def _speed(one: Round, unit: Unit, what: What) -> float | None:
    """A figure of a valid round that is higher if the round is faster."""
    if not one.valid or not one.value:
        return None
    if what is What.TAIL_LATENCY:
        tail = one.latency.at(TAIL) if one.latency else None
        return 1 / tail if tail else None
    return one.value if unit.more_is_faster else 1 / one.value


def _metric(  # noqa: PLR0917 - the parts of one metric, each used once
    series: str,
    name: str,
    what: What,
    sides: Sequence[Sequence[Sequence[float | None]]],
    unit: Unit,
    seed: int,
) -> Metric:
    """Judge one metric.

    Args:
        series: name of the series.
        name: of the metric.
        what: its kind.
        sides: values of each round of each run of both sides; with several runs, each run counts once.
        unit: of the values.
        seed: of the judge's bootstrap.
    """
    by_run = any(len(side) > 1 for side in sides)
    lists = [[_median(run) for run in side] if by_run else side[0] for side in sides]
    earlier, later = (
        ArmValues(
            side,
            tuple(value for value in values if value),
            tuple("not valid in both arms" for value in values if not value),
        )
        for side, values in zip((EARLIER, LATER), lists, strict=True)
    )
    if by_run:
        found = judge_runs(earlier, later, unit)
        return Metric(series, name, what, earlier, later, found.judgement, run_p=found.p)
    return Metric(series, name, what, earlier, later, judge(earlier, later, unit, seed=seed))


def _median(values: Sequence[float | None]) -> float | None:
    """The median of the valid rounds of a run; None if there are too few of them."""
    valid = [value for value in values if value]
    return statistics.median(valid) if len(valid) >= FEWEST_ROUNDS else None


def _claim(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Mark the deciding metrics whose difference also passes the correction of Benjamini and Hochberg."""
    judged = [m for m in metrics if m.gated and m.p is not None]
    by_p = sorted(judged, key=_p)
    under = [place for place, m in enumerate(by_p, 1) if _p(m) <= FAMILY * place / len(by_p)]
    limit = _p(by_p[under[-1] - 1]) if under else -1.0
    return tuple(
        replace(m, claimed=m.gated and _p(m) <= limit and m.judgement.verdict in CLAIMS) for m in metrics
    )


def _p(metric: Metric) -> float:
    return 1.0 if metric.p is None else metric.p


def _too_little(found: RunComparison) -> str:
    """Why no regression could be claimed with any values; empty if one could."""
    gated = found.gated
    if not gated:
        if found.by_run:
            return (
                f"no way of reading was measured next to the same baseline in {FEWEST_RUNS} runs of each side"
            )
        return "no way of reading has valid rounds next to the same baseline in both runs"
    if not found.by_run and all(_smallest_p(m) > FAMILY / len(gated) for m in gated):
        most = max(min(_counts(m)) for m in gated)
        return f"{most} rounds are too few to claim anything among {len(gated)} metrics; measure more rounds"
    return ""


def _smallest_p(metric: Metric) -> float:
    """The result of the Mann-Whitney test if all values of one run are above all of the other."""
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - its import needs half a second

    few, many = _counts(metric)
    return float(mannwhitneyu(range(few), range(few, few + many), alternative="two-sided").pvalue)


def _counts(metric: Metric) -> tuple[int, int]:
    return len(metric.earlier.values), len(metric.later.values)
