"""The judge of repeated runs: whether two sides differ whose runs were each made several times.

The rounds of one run share what happened at its start: the placement of the Pods, a fresh client, the state
of the host. Between two runs all of that changes, so rounds say little about how two runs differ, and the run
is the unit. Each run counts as one value, the median of its rounds.

The values' logarithms are compared by Welch's t-test, which allows the sides to vary differently. Its 95 %
interval takes the place of the bootstrap, which needs more values. A difference is claimed if the interval
excludes 1 and the effect exceeds 5 %; the interval holds the noise between runs already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from suites.benchmark.analysis.interval import CONFIDENCE, Interval
from suites.benchmark.analysis.judge import ArmValues
from suites.benchmark.model.judgement import RULED_OUT, SMALLEST_CLAIM, Conclusion, Judgement
from suites.benchmark.model.rounds import Unit

#: Fewest runs of a side: of two, the spread is hardly known.
FEWEST_RUNS: Final = 3
#: Standard errors beyond the interval at which nine of ten comparisons claim a difference.
BEYOND: Final = 1.28


@dataclass(frozen=True, slots=True)
class RunJudgement:
    """A judgement, and the result of Welch's t-test.

    Attributes:
        judgement: without a Mann-Whitney test, which so few values cannot pass.
        p: two-sided; None where the judgement is invalid.
    """

    judgement: Judgement
    p: float | None


def judge_runs(earlier: ArmValues, later: ArmValues, unit: Unit) -> RunJudgement:
    """Compare two sides with one value for each run.

    Args:
        earlier: side A.
        later: side B; a ratio below 1 means that it is slower.
        unit: of the values.
    """
    unstable = earlier.unstable or later.unstable
    few = [f"{one.arm} has {len(one.values)}" for one in (earlier, later) if len(one.values) < FEWEST_RUNS]
    if few:
        reason = f"{' and '.join(few)} runs with this figure, {FEWEST_RUNS} of each are needed"
        return RunJudgement(
            Judgement(
                baseline=earlier.arm,
                candidate=later.arm,
                verdict=Conclusion.INVALID,
                reason=reason,
                unstable=unstable,
            ),
            None,
        )
    sign = 1 if unit.more_is_faster else -1
    a, b = (sign * np.log(np.asarray(one.values)) for one in (earlier, later))
    difference = float(np.mean(b) - np.mean(a))
    parts = [float(np.var(side, ddof=1)) / len(side) for side in (a, b)]
    error = math.sqrt(sum(parts))
    reach, p = _welch(difference, error, parts, (len(a), len(b)))
    interval = Interval(math.exp(difference - reach), math.exp(difference + reach), error)
    ratio = math.exp(difference)
    effect = max(ratio, 1 / ratio) - 1
    if interval.excludes_one and effect > SMALLEST_CLAIM:
        verdict = Conclusion.FASTER if ratio > 1 else Conclusion.SLOWER
    elif interval.within(RULED_OUT) and effect <= SMALLEST_CLAIM:
        verdict = Conclusion.NO_DIFFERENCE
    else:
        verdict = Conclusion.INCONCLUSIVE
    seen = f"ratio {ratio:.3f} (95 % interval {interval.low:.3f} to {interval.high:.3f})"
    return RunJudgement(
        Judgement(
            baseline=earlier.arm,
            candidate=later.arm,
            verdict=verdict,
            reason=f"{seen} of {len(a)} and {len(b)} runs",
            unstable=unstable,
            ratio=ratio,
            low=interval.low,
            high=interval.high,
            noise=math.expm1(error),
            threshold=SMALLEST_CLAIM,
            could_find=math.expm1(max(reach, math.log1p(SMALLEST_CLAIM)) + BEYOND * error),
        ),
        p,
    )


def _welch(
    difference: float, error: float, parts: list[float], counts: tuple[int, int]
) -> tuple[float, float]:
    """How far the 95 % interval reaches to either side, and the two-sided result of the test."""
    from scipy.stats import t  # noqa: PLC0415 - its import needs half a second

    if not error:
        return 0.0, 0.0 if difference else 1.0
    freedom = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return reach, float(2 * t.sf(abs(difference) / error, freedom))
