"""From measured rounds to the result of a series: figures of each arm, and judgements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from suites.benchmark.analysis.interval import CONFIDENCE
from suites.benchmark.analysis.judge import RESAMPLES, ArmValues, judge
from suites.benchmark.model.judgement import FEWEST_ROUNDS, Comparison, Figures, Purpose
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import Arm, Sample, SeriesResult, Shaping, Workload

GIB: Final = 1024**3


def figures_of(rounds: Sequence[Round], arm: str) -> Figures:
    """Summary of the rounds of an arm."""
    found = ArmValues.of(rounds, arm)
    valid = [one for one in rounds if one.arm == arm and one.valid]
    low, high = median_interval(found.values) if len(found.values) >= FEWEST_ROUNDS else (None, None)
    cpu = [
        one.cpu_seconds / one.read_bytes for one in valid if one.cpu_seconds is not None and one.read_bytes
    ]
    return Figures(
        arm=arm,
        rounds=len(valid),
        invalid=len(found.invalid),
        saturated=sum(bool(one.saturated) for one in valid),
        polluted=sum(bool(one.polluted) for one in valid),
        median=found.median,
        low=low,
        high=high,
        variation=found.variation,
        cpu_per_gib=GIB * float(np.median(cpu)) if cpu else None,
    )


def summarize_series(
    *,
    name: str,
    unit: Unit,
    workload: Workload,
    shaping: Shaping,
    arms: Sequence[Arm],
    rounds: Sequence[Round],
    comparisons: Iterable[Comparison],
    started: datetime,
    seconds: float,
    planned: int,
    ending: str,
    timeline: Sequence[Sample] = (),
    seed: int = 0,
) -> SeriesResult:
    """A series with the figures of its arms and the judgement of each comparison.

    If one comparison is an A/A of a baseline, its second arm shows the noise for all other comparisons
    of that baseline. The A/A itself is judged by the noise within the arms, because the difference
    between the two cannot be its own measure.

    Raises:
        ValueError: an arm, round or comparison does not fit the others.
    """
    several = tuple(comparisons)
    repeated = {one.baseline: one.candidate for one in several if one.purpose is Purpose.EQUAL}
    values = {arm: ArmValues.of(rounds, arm) for one in several for arm in (one.baseline, one.candidate)}
    return SeriesResult(
        name=name,
        unit=unit,
        workload=workload,
        shaping=shaping,
        arms=tuple(arms),
        rounds=tuple(rounds),
        figures=tuple(figures_of(rounds, arm.name) for arm in arms),
        judged=tuple(
            judge(
                values[one.baseline],
                values[one.candidate],
                unit,
                purpose=one.purpose,
                repeated=values[repeated[one.baseline]]
                if one.purpose is not Purpose.EQUAL and one.baseline in repeated
                else None,
                same_rounds=True,
                seed=seed,
            )
            for one in several
        ),
        started=started,
        seconds=seconds,
        planned=planned,
        ending=ending,
        timeline=tuple(timeline),
    )


def median_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a median.

    Args:
        values: at least one.
        seed: the same values and seed give the same interval.
    """
    generator = np.random.default_rng([seed, len(values)])
    drawn = generator.choice(np.asarray(values, dtype=np.float64), (RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
