"""``python -m reports claims RUN RUN …``: how often comparisons of equal systems claim a difference.

The runs are repetitions of one system. Sides are drawn from them at random, and compared as
`reports.performance.compare` compares any other: nothing differs, so each claim is a false one. Then all
speeds through Fluid of the later side are made slower, and compared again: what is not claimed was missed.
The values and their noise are measured; only the slowdown is made.

Within a side no run is drawn twice. As in a bootstrap the draws share runs, but a run that was drawn twice
would make its side look steadier than runs are, and a run on both sides would make them look alike.

Within a run the baseline is judged against its second arm (A/A). In each round a coin decides which of the
two is the candidate, because equal arms can be exchanged; so one run gives many comparisons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from clusters.errors import RefusalError
from reports.performance.comparability import differences
from reports.performance.compare import Metric, RunComparison, compare
from suites.benchmark.analysis.judge import ArmValues, judge
from suites.benchmark.analysis.run_judge import FEWEST_RUNS
from suites.benchmark.model.judgement import Conclusion, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import SeriesResult

#: Fewest recorded runs: of three a side, fewer give hardly more than one comparison.
FEWEST_RECORDED: Final = 8
COMPARISONS: Final = 50
#: How much slower reads are made: 0.15 means that 15 % of the speed is missing.
SLOWDOWN: Final = 0.15
#: Name of the comparison of equal arms of one run.
WITHIN: Final = "within one run, by its rounds (A/A)"
#: What each kind of comparison must reach.
MOST_FALSE: Final = 0.05
LEAST_FOUND: Final = 0.90


@dataclass(frozen=True, slots=True)
class Rates:
    """What comparisons of one kind claimed.

    Attributes:
        name: of the kind.
        comparisons: of equal systems, and as many with the slowdown.
        false: comparisons of equal systems that claimed any difference.
        found: comparisons with the slowdown that claimed a slower read.
        refused: comparisons that could not be made, by their reason.
        by_metric: comparisons that claimed the slowdown, by the deciding metric.
        decides: the rates must be reached. A difference of two runs by their rounds is one of these runs
            and need not be one of the systems (`reports.performance.compare`), so that it is only shown.
    """

    name: str
    comparisons: int
    false: int
    found: int
    refused: tuple[str, ...] = ()
    by_metric: tuple[tuple[str, int], ...] = ()
    decides: bool = True

    @property
    def holds(self) -> bool:
        """Whether both rates are as they must be."""
        return not self.decides or (
            self.comparisons > 0
            and self.false <= MOST_FALSE * self.comparisons
            and self.found >= LEAST_FOUND * self.comparisons
        )


@dataclass
class _Count:
    """Counts comparisons."""

    comparisons: int = 0
    false: int = 0
    found: int = 0
    refused: set[str] = field(default_factory=set)
    by_metric: Counter[str] = field(default_factory=Counter)

    def add(self, equal: RunComparison, slowed: RunComparison) -> None:
        """Count a comparison of equal systems, and the same with the slowdown."""
        self.refused |= {*equal.refused, *slowed.refused}
        if equal.refused or slowed.refused:
            return
        self.comparisons += 1
        self.false += any(one.claimed for one in equal.gated)
        self.found += bool(slowed.regressions)
        before = {_key(one): one.judgement.ratio for one in equal.gated}
        for one in slowed.gated:
            first, second = before.get(_key(one)), one.judgement.ratio
            # Between two reads through Fluid there is no difference to find: both became slower.
            if first is None or second is None or not math.isclose(first, second, rel_tol=1e-6):
                self.by_metric[_key(one)] += one in slowed.regressions

    def rates(self, name: str) -> Rates:
        """The result."""
        return Rates(
            name,
            self.comparisons,
            self.false,
            self.found,
            tuple(sorted(self.refused)),
            tuple(self.by_metric.items()),
        )


def false_claims(
    runs: Sequence[Benchmark],
    *,
    side: int = FEWEST_RUNS,
    comparisons: int = COMPARISONS,
    slowdown: float = SLOWDOWN,
    seed: int = 0,
) -> tuple[Rates, ...]:
    """The rates of each kind of comparison: rounds of two runs, several runs a side, within a run.

    Args:
        runs: repetitions of one system.
        side: runs on each side where the run is the unit.
        comparisons: of each kind.
        slowdown: above 0, below 1.
        seed: of what is drawn.

    Raises:
        RefusalError: the runs are too few or not of one system, or a number is out of its range.
    """
    _require(runs, side, comparisons, slowdown)
    generator = np.random.default_rng([seed, len(runs), side])
    slow = [slowed_down(run, slowdown) for run in runs]
    found = []
    for size, name in (
        (1, "one run a side, by its rounds (compare A B; only shown)"),
        (side, f"{side} runs a side (compare A {'…'} --to B {'…'})"),
    ):
        count = _Count()
        for _ in range(comparisons):
            drawn = [int(number) for number in generator.permutation(len(runs))[: 2 * size]]
            first, second = drawn[:size], drawn[size:]
            earlier = [runs[number] for number in first]
            count.add(
                _compared(earlier, [runs[number] for number in second], seed),
                _compared(earlier, [slow[number] for number in second], seed),
            )
        found.append(replace(count.rates(name), decides=size > 1))
    return (*found, _within(runs, comparisons, slowdown, generator))


def slowed_down(run: Benchmark, slowdown: float) -> Benchmark:
    """The run as if all reads through Fluid had been slower: 0.15 leaves 85 % of each speed."""
    return run.model_copy(update={"series": tuple(_slow_series(one, slowdown) for one in run.series)})


def render(rates: Sequence[Rates], runs: int, slowdown: float) -> str:
    """The rates as text for a terminal."""
    width = max(len(one.name) for one in rates)
    lines = [
        f"{runs} recorded runs of one system; into the later side a slowdown of {slowdown:.0%} was put.",
        "",
        f"{'':<{width}}  {'false claims':>16}  {'slowdown found':>16}",
    ]
    for one in rates:
        shares = [_share(count, one.comparisons) for count in (one.false, one.found)]
        lines.append(f"{one.name:<{width}}  {shares[0]:>16}  {shares[1]:>16}")
        lines += [f"  not compared: {reason}" for reason in one.refused]
    lines += ["", "Slowdown found, by figure:"]
    for one in rates:
        lines.append(f"  {one.name}")
        lines += [f"    {_share(count, one.comparisons):>16}  {metric}" for metric, count in one.by_metric]
    lines += ["", _conclusion(rates)]
    return "\n".join(lines) + "\n"


def _conclusion(rates: Sequence[Rates]) -> str:
    asked = f"at most {MOST_FALSE:.0%} false claims and at least {LEAST_FOUND:.0%} found"
    missed = [one.name for one in rates if not one.holds]
    if not missed:
        return f"RELIABLE: {asked}"
    return f"NOT RELIABLE ({asked}): {'; '.join(missed)}"


def _key(metric: Metric) -> str:
    return f"{metric.series}: {metric.name}: {metric.what.value}"


def _share(count: int, of: int) -> str:
    return f"{count} of {of} ({count / of:.0%})" if of else "none"


def _require(runs: Sequence[Benchmark], side: int, comparisons: int, slowdown: float) -> None:
    if len(runs) < FEWEST_RECORDED:
        raise RefusalError(
            f"{len(runs)} runs are named, and {FEWEST_RECORDED} are needed",
            advice="measure the same system again: fluid-conformance benchmark",
        )
    if not FEWEST_RUNS <= side <= len(runs) // 2:
        raise RefusalError(f"with {len(runs)} runs a side has {FEWEST_RUNS} to {len(runs) // 2}, not {side}")
    if comparisons < 1:
        raise RefusalError(f"{comparisons} comparisons show nothing")
    if not 0 < slowdown < 1:
        raise RefusalError(f"a slowdown is above 0 % and below 100 %, not {100 * slowdown:g} %")
    ids = [one.id for one in runs]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise RefusalError(f"named more than once: {', '.join(twice)}")
    for other in runs[1:]:
        for reason in differences(runs[0], other, (f"run {runs[0].id}", f"run {other.id}")):
            raise RefusalError(f"the runs are not of one system: {reason}")


def _compared(earlier: Sequence[Benchmark], later: Sequence[Benchmark], seed: int) -> RunComparison:
    repeats = tuple(earlier[1:]), tuple(later[1:])
    return compare(earlier[0], later[0], repeats=repeats, bare_speeds=False, seed=seed)


def _slow_series(series: SeriesResult, slowdown: float) -> SeriesResult:
    through_fluid = {arm.name for arm in series.arms if arm.kind.through_fluid}
    rounds = tuple(
        _slow_round(one, series.unit, slowdown) if one.arm in through_fluid else one for one in series.rounds
    )
    return series.model_copy(update={"rounds": rounds})


def _slow_round(one: Round, unit: Unit, slowdown: float) -> Round:
    times = 1 / (1 - slowdown)
    changed: dict[str, object] = {}
    if one.value is not None:
        changed["value"] = one.value / times if unit.more_is_faster else one.value * times
    if one.latency is not None:
        points = tuple(
            point.model_copy(update={"ns": round(point.ns * times)}) for point in one.latency.percentiles
        )
        changed["latency"] = one.latency.model_copy(update={"percentiles": points})
    return one.model_copy(update=changed)


def _within(
    runs: Sequence[Benchmark], comparisons: int, slowdown: float, generator: np.random.Generator
) -> Rates:
    """The A/A arms of each run; each comparison draws one of them."""
    count = _Count()
    pairs = [pair for run in runs for pair in _equal_arms(run)]
    if not pairs:
        count.refused.add("no run has a baseline that was measured twice in enough rounds (A/A)")
        return count.rates(WITHIN)
    for _ in range(comparisons):
        name, unit, baseline, candidate = pairs[int(generator.integers(len(pairs)))]
        flips = generator.random(len(baseline.values)) < 0.5  # noqa: PLR2004 - a coin
        first, second = (
            replace(
                one,
                values=tuple(
                    theirs if flip else mine
                    for mine, theirs, flip in zip(one.values, other.values, flips, strict=True)
                ),
            )
            for one, other in ((baseline, candidate), (candidate, baseline))
        )
        times = 1 - slowdown if unit.more_is_faster else 1 / (1 - slowdown)
        slow = replace(second, values=tuple(value * times for value in second.values))
        equal, slowed = (judge(first, one, unit, same_rounds=True) for one in (second, slow))
        hit = slowed.verdict is Conclusion.SLOWER
        count.comparisons += 1
        count.false += equal.verdict in {Conclusion.FASTER, Conclusion.SLOWER}
        count.found += hit
        count.by_metric[name] += hit
    return count.rates(WITHIN)


def _equal_arms(run: Benchmark) -> Iterator[tuple[str, Unit, ArmValues, ArmValues]]:
    """The values of equal arms in the rounds in which both are valid, by series."""
    for series in run.series:
        for one in series.judged:
            if one.purpose is not Purpose.EQUAL or one.verdict is Conclusion.INVALID:
                continue
            arms = [ArmValues.of(series.rounds, name) for name in (one.baseline, one.candidate)]
            common = sorted(set(arms[0].numbers) & set(arms[1].numbers))
            baseline, candidate = (
                ArmValues(arm.arm, arm.in_rounds(common), numbers=tuple(common)) for arm in arms
            )
            yield f"{series.name}: {one.candidate} against {one.baseline}", series.unit, baseline, candidate
