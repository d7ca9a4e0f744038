"""Whether two arms differ: medians, an interval of their ratio, a verdict, and what it is worth.

The method, all of it:

- The *ratio* is how many times as fast the candidate is as the baseline, by their medians; above 1
  the candidate is faster, whether values are throughputs or durations.
- The *interval* is a 95 % percentile bootstrap of that ratio: each arm's valid rounds are drawn anew,
  with replacement, independently. For medians of few values it needs no widening: over 2,000 pairs
  of equal arms it held 1 in 95.5 to 97.5 % (5, 7, 10, 15, 20 and 40 rounds; log-normal noise of 3 and
  10 %, Student's t with 2.5 degrees of freedom, one-sided exponential tails, two modes). The usual
  small-sample widening (t in place of z) made it 98.5 to 99.7 %, too wide to find anything.
- The *noise* is what two equal arms of this very run differ by (A/A): the larger of their medians'
  departure from each other and the bootstrap's standard error of their ratio. The equal arms are
  a second arm of the same kind where the run has one, else the odd and even rounds of each arm.
- A difference is *claimed* only where the interval excludes 1 and the effect exceeds the
  *threshold*: the larger of 5 % and twice the noise.
- *No difference shown* where nothing is claimed, and the interval rules a difference of 10 % or more
  out. Everything else is *inconclusive*: the rounds cannot tell.
- *Invalid* where an arm has fewer than five valid rounds.

Effects are counted from the slower arm, so that swapping the arms swaps the verdict and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from suites.benchmark.rounds import Round, Unit, valid_values

Floats: TypeAlias = npt.NDArray[np.float64]

#: Below this many valid rounds of an arm nothing is compared.
FEWEST_ROUNDS: Final = 5
CONFIDENCE: Final = 0.95
RESAMPLES: Final = 4999

#: Smallest effect that is ever claimed.
SMALLEST_CLAIM: Final = 0.05

#: Effect that must be ruled out before "no difference shown" is said.
RULED_OUT: Final = 0.10

#: Variation within an arm above which it is called unstable.
UNSTABLE: Final = 0.10

#: Standard errors by which a difference must lie beyond interval and threshold to be claimed in nine
#: of ten runs: 1.28, times 1.56 because the threshold itself varies by 1.2 of them from run to run.
BEYOND: Final = 2.0


class Verdict(StrEnum):
    """What may be said about the candidate against the baseline."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference shown"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm's valid rounds.

    Attributes:
        arm: its name.
        values: in the order of the rounds.
        invalid: how many rounds were not valid, and so not looked at.
        median: of the values; NaN without any.
        variation: standard deviation over mean; NaN with fewer than two values.
    """

    arm: str
    values: tuple[float, ...]
    invalid: int
    median: float
    variation: float

    @property
    def unstable(self) -> bool:
        """Whether the arm varied by more than 10 %."""
        return self.variation > UNSTABLE


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval of a ratio.

    Attributes:
        low: lower end.
        high: upper end.
        standard_error: of the ratio's logarithm.
    """

    low: float
    high: float
    standard_error: float

    @property
    def excludes_one(self) -> bool:
        """Whether both ends lie on the same side of 1."""
        return self.low > 1 or self.high < 1

    @property
    def half_width(self) -> float:
        """How far it reaches to either side, as a part of the ratio: 0.05 means times or over 1.05."""
        return math.sqrt(self.high / self.low) - 1

    def within(self, effect: float) -> bool:
        """Whether it rules out a difference of ``effect`` or more."""
        return self.low > 1 / (1 + effect) and self.high < 1 + effect


@dataclass(frozen=True, slots=True)
class Judgement:
    """The comparison of two arms.

    Attributes:
        verdict: what may be said.
        reason: why, in a user's words.
        unit: of the values.
        baseline: what is compared against.
        candidate: what is compared.
        ratio: how many times as fast the candidate is; None when invalid.
        interval: of the ratio; None when invalid.
        mann_whitney_p: two-sided, shown beside the verdict, not part of it; None when invalid.
        noise: what equal arms of this run differ by, 0.02 means 2 %; None when invalid.
        threshold: the effect above which a difference may be claimed; None when invalid.
        could_find: the smallest effect that nine of ten such runs would claim; None when invalid.
    """

    verdict: Verdict
    reason: str
    unit: Unit
    baseline: ArmFigures
    candidate: ArmFigures
    ratio: float | None = None
    interval: Interval | None = None
    mann_whitney_p: float | None = None
    noise: float | None = None
    threshold: float | None = None
    could_find: float | None = None

    @property
    def unstable(self) -> bool:
        """Whether one of the two arms varied by more than 10 %."""
        return self.baseline.unstable or self.candidate.unstable


def judge(
    rounds: Sequence[Round],
    *,
    baseline: str,
    candidate: str,
    unit: Unit,
    again: str | None = None,
    seed: int = 0,
) -> Judgement:
    """Compare two arms of one run.

    Args:
        rounds: all rounds of the run; those that are not valid are counted and not compared.
        baseline: arm to compare against.
        candidate: arm to compare.
        unit: what the values are.
        again: an arm equal to the baseline, which shows the noise; without one the odd and even
            rounds of each arm do.
        seed: of the bootstrap; the same rounds and seed give the same judgement.

    Raises:
        ValueError: a valid round's value is not a finite number above 0.
    """
    figures = [arm_figures(rounds, arm) for arm in (baseline, candidate)]
    few = [one for one in figures if len(one.values) < FEWEST_ROUNDS]
    if few:
        reason = "; ".join(_too_few(one, rounds) for one in few)
        return Judgement(Verdict.INVALID, reason, unit, figures[0], figures[1])
    equal = valid_values(rounds, again) if again is not None else []
    decision = decide(
        _speeds(figures[0].values, unit),
        _speeds(figures[1].values, unit),
        _speeds(equal, unit) if len(equal) >= FEWEST_ROUNDS else None,
        seed,
    )
    return Judgement(
        verdict=decision.verdict,
        reason=_says(decision),
        unit=unit,
        baseline=figures[0],
        candidate=figures[1],
        ratio=decision.ratio,
        interval=decision.interval,
        mann_whitney_p=_mann_whitney(figures[0].values, figures[1].values),
        noise=decision.noise,
        threshold=decision.threshold,
        could_find=decision.could_find,
    )


def arm_figures(rounds: Sequence[Round], arm: str) -> ArmFigures:
    """Median and variation of one arm.

    Raises:
        ValueError: a valid round's value is not a finite number above 0.
    """
    values = valid_values(rounds, arm)
    for value in values:
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"a valid round of {arm} has the value {value}, which is no measurement")
    invalid = sum(one.arm == arm and not one.valid for one in rounds)
    median = float(np.median(values)) if values else math.nan
    variation = float(np.std(values, ddof=1) / np.mean(values)) if len(values) > 1 else math.nan
    return ArmFigures(arm, tuple(values), invalid, median, variation)


def narrow_enough(judgement: Judgement) -> bool:
    """Whether more rounds would not be worth their time.

    It looks at the width of the interval and never at where it lies: a run that stops as soon
    as it likes the answer would find differences where there are none.
    """
    return judgement.interval is None or judgement.interval.half_width <= SMALLEST_CLAIM


@dataclass(frozen=True, slots=True)
class Decision:
    """What two arms' values say, before it is put into words; see `Judgement` for the fields."""

    verdict: Verdict
    ratio: float
    interval: Interval
    noise: float
    threshold: float

    @property
    def effect(self) -> float:
        """How much faster the faster arm is."""
        return _effect(self.ratio)

    @property
    def could_find(self) -> float:
        """The smallest effect that nine of ten such runs would claim."""
        reach = max(math.log1p(self.interval.half_width), math.log1p(self.threshold))
        return math.expm1(reach + BEYOND * self.interval.standard_error)


def decide(baseline: Floats, candidate: Floats, again: Floats | None, seed: int) -> Decision:
    """The verdict over speeds (more is faster) of two arms, each in the order of its rounds."""
    ratio, interval = _compare(baseline, candidate, seed)
    noise = _noise(baseline, candidate, again, seed)
    threshold = max(SMALLEST_CLAIM, 2 * noise)
    effect = _effect(ratio)
    if interval.excludes_one and effect > threshold:
        verdict = Verdict.FASTER if ratio > 1 else Verdict.SLOWER
    elif interval.within(RULED_OUT) and not (interval.excludes_one and effect > SMALLEST_CLAIM):
        verdict = Verdict.NO_DIFFERENCE
    else:
        verdict = Verdict.INCONCLUSIVE
    return Decision(verdict, ratio, interval, noise, threshold)


def _compare(baseline: Floats, candidate: Floats, seed: int) -> tuple[float, Interval]:
    logs = np.log(_medians(candidate, seed, 1)) - np.log(_medians(baseline, seed, 0))
    low, high = np.exp(np.quantile(logs, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    ratio = float(np.median(candidate) / np.median(baseline))
    return ratio, Interval(float(low), float(high), float(np.std(logs)))


def _noise(baseline: Floats, candidate: Floats, again: Floats | None, seed: int) -> float:
    if again is not None:
        ratio, interval = _compare(baseline, again, seed)
        return max(_effect(ratio), math.expm1(interval.standard_error))
    found = []
    for arm in (baseline, candidate):
        ratio, interval = _compare(arm[::2], arm[1::2], seed)
        # Halves of an arm differ by more than whole arms do, by the root of two.
        found += [_effect(ratio) / math.sqrt(2), math.expm1(interval.standard_error / math.sqrt(2))]
    return max(found)


def _medians(values: Floats, seed: int, stream: int) -> Floats:
    """Medians of values drawn anew from ``values``."""
    ordered = np.sort(values)
    low, high = _middles(len(values), seed, stream)
    medians: Floats = (ordered[low] + ordered[high]) / 2
    return medians


@lru_cache(maxsize=256)
def _middles(count: int, seed: int, stream: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Ranks of the two middle values of each resample.

    A resample's median depends on the ranks that were drawn alone, so they are drawn once for a size.
    """
    generator = np.random.default_rng([seed, stream, count])
    drawn = np.sort(generator.integers(0, count, (RESAMPLES, count)), axis=1)
    return drawn[:, (count - 1) // 2].copy(), drawn[:, count // 2].copy()


def _speeds(values: Sequence[float], unit: Unit) -> Floats:
    given = np.asarray(values, dtype=np.float64)
    return given if unit.more_is_faster else 1 / given


def _effect(ratio: float) -> float:
    """How much faster the faster one is: 0.1 for ratios of 1.1 and of 1/1.1."""
    return max(ratio, 1 / ratio) - 1


def _mann_whitney(baseline: Sequence[float], candidate: Sequence[float]) -> float:
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - half a second that only a comparison should pay

    return float(mannwhitneyu(baseline, candidate, alternative="two-sided").pvalue)


def _too_few(figures: ArmFigures, rounds: Sequence[Round]) -> str:
    reasons = sorted(
        {one.reason for one in rounds if one.arm == figures.arm and not one.valid and one.reason}
    )
    because = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{figures.arm} has {len(figures.values)} valid rounds, {FEWEST_ROUNDS} are needed{because}"


def _says(decision: Decision) -> str:
    low, high = decision.interval.low, decision.interval.high
    seen = f"ratio {decision.ratio:.3f} (95 % interval {low:.3f} to {high:.3f})"
    match decision.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            return f"{seen}: excludes 1, and is beyond the threshold of {decision.threshold:.1%}"
        case Verdict.NO_DIFFERENCE:
            return f"{seen}: rules out a difference of {RULED_OUT:.0%} or more"
        case _ if decision.interval.excludes_one:
            return f"{seen}: excludes 1, but is not beyond the threshold of {decision.threshold:.1%}"
        case _:
            return f"{seen}: too wide to rule out a difference of {RULED_OUT:.0%}"
