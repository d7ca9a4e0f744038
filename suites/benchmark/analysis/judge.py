"""The judge: whether two arms differ, by how much, and which difference the rounds could have shown.

The method:

- The *ratio* says how many times as fast the candidate is. Above 1 the candidate is faster, for
  throughputs and for durations.
- Arms of one run are compared round by round: `suites.benchmark.analysis.paired` has their ratio, its
  interval and its noise. Otherwise, and with fewer than six rounds in common, it is the ratio of the medians.
- The *interval* is then the 95 % percentile bootstrap of that ratio: the valid rounds of each arm are
  resampled independently, with replacement. For medians of few values it needs no correction: over 2,000
  pairs of equal arms it contained 1 in 95.5 to 97.5 % (5, 7, 10, 15, 20 and 40 rounds; log-normal noise of
  3 and 10 %, Student's t with 2.5 degrees of freedom, one-sided exponential tails, two modes). The usual
  small-sample correction (t instead of z) made it 98.5 to 99.7 %, too wide to find anything.
- Rounds that depend on each other make a median less certain than their number suggests. So its resamples
  are spread by the factor sqrt((1 + r) / (1 - r)), where r is the correlation of the ranks of successive
  rounds, corrected for its bias; it is 0 unless it exceeds its own standard error. Equal arms of
  20 rounds with r = 0.5 then raise 2 % false alarms and with r = 0.8 4 %, where they raised 13 and 35 %. Ten
  rounds show r less well (6 and 16 %, where they raised 10 and 34 %), and fewer than eight not at all.
- The *noise* of arms that are not paired is the largest difference between equal arms of the same run
  (A/A), each the larger of the difference of their medians and the standard error of their ratio. Equal
  arms are a second arm of the same kind as the baseline if the run has one, the odd and the even rounds of an
  arm, and its earlier and its later rounds, which show its drift. The candidate's own drift counts as well as
  the baseline's.
- A difference is *claimed* only if the interval excludes 1 and the effect exceeds the *threshold*:
  the larger of 5 % and twice the noise.
- *No difference shown*: nothing is claimed, and the interval rules out a difference of 10 % or more.
  Everything else is *inconclusive*.
- *Invalid*: an arm has fewer than five valid rounds.

Effects are relative to the slower arm, so that swapping the arms swaps the verdict and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from suites.benchmark.analysis import paired
from suites.benchmark.analysis.interval import CONFIDENCE, Floats, Interval, half_width, inflation
from suites.benchmark.model.judgement import (
    FEWEST_ROUNDS,
    RULED_OUT,
    SMALLEST_CLAIM,
    UNSTABLE,
    Conclusion,
    Judgement,
    Purpose,
)
from suites.benchmark.model.rounds import Round, Unit

RESAMPLES: Final = 4999

#: Standard errors by which a difference must exceed interval and threshold to be claimed in nine of ten
#: runs: 1.28, times 1.56 because the threshold itself varies by 1.2 standard errors from run to run.
BEYOND: Final = 2.0


@dataclass(frozen=True, slots=True)
class ArmValues:
    """The values of one arm that are compared.

    Attributes:
        arm: its name.
        values: of the valid rounds, in the order of the rounds; finite and above 0.
        invalid: reasons of the rounds that are not valid.
        numbers: of the rounds of ``values``; empty if they are not known.

    Raises:
        ValueError: a value is not finite or not above 0.
    """

    arm: str
    values: tuple[float, ...]
    invalid: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for value in self.values:
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"a valid round of {self.arm} has the value {value}, which is no measurement"
                )

    @classmethod
    def of(cls, rounds: Iterable[Round], arm: str) -> ArmValues:
        """The values of an arm in the rounds of a series."""
        mine = sorted((one for one in rounds if one.arm == arm), key=lambda one: one.number)
        valid = {one.number: one.value for one in mine if one.valid and one.value is not None}
        reasons = tuple(one.reason for one in mine if not one.valid)
        return cls(arm, tuple(valid.values()), reasons, tuple(valid))

    def in_rounds(self, numbers: Iterable[int]) -> tuple[float, ...]:
        """The values of these rounds, in their order."""
        found = dict(zip(self.numbers, self.values, strict=True))
        return tuple(found[number] for number in numbers)

    @property
    def median(self) -> float | None:
        """The median; None without values."""
        return float(np.median(self.values)) if self.values else None

    @property
    def variation(self) -> float | None:
        """Standard deviation over mean; None with fewer than two values."""
        return float(np.std(self.values, ddof=1) / np.mean(self.values)) if len(self.values) > 1 else None

    @property
    def unstable(self) -> bool:
        """Whether the arm varied by more than 10 %."""
        return self.variation is not None and self.variation > UNSTABLE


def judge(
    baseline: ArmValues,
    candidate: ArmValues,
    unit: Unit,
    *,
    purpose: Purpose = Purpose.COMPARISON,
    repeated: ArmValues | None = None,
    same_rounds: bool = False,
    seed: int = 0,
) -> Judgement:
    """Compare two arms.

    Args:
        baseline: arm to compare against.
        candidate: arm to compare.
        unit: of the values.
        purpose: why they are compared; it does not change the verdict.
        repeated: an arm equal to the baseline, which shows its noise; without it the halves of the
            baseline do.
        same_rounds: the arms are of one run, so that their rounds of one number were measured together.
        seed: of the bootstrap; the same values and seed give the same judgement.
    """
    few = [one for one in (baseline, candidate) if len(one.values) < FEWEST_ROUNDS]
    unstable = baseline.unstable or candidate.unstable
    if few:
        return Judgement(
            baseline=baseline.arm,
            candidate=candidate.arm,
            purpose=purpose,
            verdict=Conclusion.INVALID,
            reason="; ".join(_too_few(one) for one in few),
            unstable=unstable,
        )
    common = _common(baseline, candidate)
    signed_rank, mann_whitney = None, None
    if same_rounds and len(common) >= paired.FEWEST_PAIRS:
        found = _differences(baseline, candidate, common, unit)
        decision = decide_paired(found, _between_equals(baseline, repeated, unit))
        signed_rank = paired.signed_rank_p(found)
    else:
        mann_whitney = _mann_whitney(baseline.values, candidate.values)
        equal = repeated.values if repeated is not None else ()
        decision = decide(
            _speeds(baseline.values, unit),
            _speeds(candidate.values, unit),
            _speeds(equal, unit) if len(equal) >= FEWEST_ROUNDS else None,
            seed,
        )
    return Judgement(
        baseline=baseline.arm,
        candidate=candidate.arm,
        purpose=purpose,
        verdict=decision.verdict,
        reason=_reason(decision),
        unstable=unstable,
        ratio=decision.ratio,
        low=decision.interval.low,
        high=decision.interval.high,
        mann_whitney_p=mann_whitney,
        signed_rank_p=signed_rank,
        noise=decision.noise,
        threshold=decision.threshold,
        could_find=decision.could_find,
    )


def narrow_enough(judgement: Judgement) -> bool:
    """Whether more rounds are not needed.

    It depends on the width of the interval and never on its position: a run that stops as soon as
    it has a difference would find differences where there are none.
    """
    if judgement.low is None or judgement.high is None:
        return True
    return half_width(judgement.low, judgement.high) <= SMALLEST_CLAIM


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict as numbers; see `Judgement` for the fields."""

    verdict: Conclusion
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


def decide(baseline: Floats, candidate: Floats, repeated: Floats | None, seed: int) -> Decision:
    """The verdict on speeds (more is faster) of two arms, each in the order of its rounds."""
    ratio, interval = _compare(baseline, candidate, seed)
    return _decision(ratio, interval, _noise(baseline, candidate, repeated, seed))


def decide_paired(differences: Floats, between_equals: Floats | None) -> Decision:
    """The verdict on two arms of the same rounds.

    Args:
        differences: logarithms of the candidate's speed over the baseline's, in the order of the rounds.
        between_equals: the same of an arm that equals the baseline; None without one.
    """
    ratio, interval = paired.estimate(differences)
    noise = paired.noise(differences)
    if between_equals is not None:
        off, known = paired.estimate(between_equals)
        noise = max(noise, _effect(off), math.expm1(known.standard_error))
    return _decision(ratio, interval, noise)


def _between_equals(baseline: ArmValues, repeated: ArmValues | None, unit: Unit) -> Floats | None:
    """The differences of an arm that equals the baseline; None without one, or with too few rounds of it."""
    if repeated is None or len(equal := _common(baseline, repeated)) < paired.FEWEST_PAIRS:
        return None
    return _differences(baseline, repeated, equal, unit)


def _differences(baseline: ArmValues, other: ArmValues, numbers: Sequence[int], unit: Unit) -> Floats:
    """Logarithms of the speed of an arm over that of the baseline in these rounds."""
    first, second = (np.log(_speeds(one.in_rounds(numbers), unit)) for one in (baseline, other))
    found: Floats = second - first
    return found


def _common(one: ArmValues, other: ArmValues) -> tuple[int, ...]:
    """The rounds in which both arms are valid."""
    return tuple(sorted(set(one.numbers) & set(other.numbers)))


def _decision(ratio: float, interval: Interval, noise: float) -> Decision:
    threshold = max(SMALLEST_CLAIM, 2 * noise)
    effect = _effect(ratio)
    if interval.excludes_one and effect > threshold:
        verdict = Conclusion.FASTER if ratio > 1 else Conclusion.SLOWER
    elif interval.within(RULED_OUT) and not (interval.excludes_one and effect > SMALLEST_CLAIM):
        verdict = Conclusion.NO_DIFFERENCE
    else:
        verdict = Conclusion.INCONCLUSIVE
    return Decision(verdict, ratio, interval, noise, threshold)


def _compare(baseline: Floats, candidate: Floats, seed: int) -> tuple[float, Interval]:
    logs = _log_medians(candidate, seed, 1) - _log_medians(baseline, seed, 0)
    low, high = np.exp(np.quantile(logs, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    ratio = float(np.median(candidate) / np.median(baseline))
    return ratio, Interval(float(low), float(high), float(np.std(logs)))


def _noise(baseline: Floats, candidate: Floats, repeated: Floats | None, seed: int) -> float:
    found = []
    if repeated is not None:
        ratio, interval = _compare(baseline, repeated, seed)
        found += [_effect(ratio), math.expm1(interval.standard_error)]
    for arm in (candidate,) if repeated is not None else (baseline, candidate):
        middle = len(arm) // 2
        for one, other in ((arm[::2], arm[1::2]), (arm[:middle], arm[middle:])):
            ratio, interval = _compare(one, other, seed)
            # Halves of an arm differ by the square root of two more than whole arms do.
            found += [_effect(ratio) / math.sqrt(2), math.expm1(interval.standard_error / math.sqrt(2))]
    return max(found)


def _log_medians(values: Floats, seed: int, stream: int) -> Floats:
    """Logarithms of the medians of resamples, spread as far as dependent rounds require."""
    logs = np.log(_medians(values, seed, stream))
    center = np.log(np.median(values))
    spread: Floats = center + inflation(values) * (logs - center)
    return spread


def _medians(values: Floats, seed: int, stream: int) -> Floats:
    """Medians of resamples of ``values``."""
    ordered = np.sort(values)
    low, high = _middles(len(values), seed, stream)
    medians: Floats = (ordered[low] + ordered[high]) / 2
    return medians


@lru_cache(maxsize=256)
def _middles(count: int, seed: int, stream: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Ranks of the two middle values of each resample.

    The median of a resample depends only on the drawn ranks, so they are drawn once for each size.
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
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - its import needs half a second

    return float(mannwhitneyu(baseline, candidate, alternative="two-sided").pvalue)


def _too_few(arm: ArmValues) -> str:
    reasons = sorted({reason for reason in arm.invalid if reason})
    because = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{arm.arm} has {len(arm.values)} valid rounds, {FEWEST_ROUNDS} are needed{because}"


def _reason(decision: Decision) -> str:
    low, high = decision.interval.low, decision.interval.high
    seen = f"ratio {decision.ratio:.3f} (95 % interval {low:.3f} to {high:.3f})"
    match decision.verdict:
        case Conclusion.FASTER | Conclusion.SLOWER:
            return f"{seen}: excludes 1, and exceeds the threshold of {decision.threshold:.1%}"
        case Conclusion.NO_DIFFERENCE:
            return f"{seen}: rules out a difference of {RULED_OUT:.0%} or more"
        case _ if decision.interval.excludes_one:
            return f"{seen}: excludes 1, but does not exceed the threshold of {decision.threshold:.1%}"
        case _:
            return f"{seen}: too wide to rule out a difference of {RULED_OUT:.0%}"
