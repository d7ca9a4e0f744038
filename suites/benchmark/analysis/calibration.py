"""Calibration of the judge: how often it is wrong, on generated series with a given noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from suites.benchmark.analysis.interval import Floats
from suites.benchmark.analysis.judge import Decision, decide, decide_paired
from suites.benchmark.model.judgement import Conclusion, JudgeFigures

#: Degrees of freedom (Student's t) of the heavy-tailed noise.
HEAVY_TAIL: Final = 3.0


@dataclass(frozen=True, slots=True)
class Noise:
    """A generator for the values of an arm whose true speed is 1.

    Attributes:
        name: of the noise, for readers of the results.
        draw: returns so many values around 1, above 0.
    """

    name: str
    draw: Callable[[np.random.Generator, int], Floats]


def lognormal(variation: float) -> Noise:
    """Noise whose standard deviation is about ``variation`` (0.03 means 3 %)."""

    def draw(generator: np.random.Generator, rounds: int) -> Floats:
        values: Floats = np.exp(variation * generator.standard_normal(rounds))
        return values

    return Noise(f"log-normal, {100 * variation:g} %", draw)


def heavy_tailed(variation: float) -> Noise:
    """Noise with many outliers, whose standard deviation is about ``variation``."""
    scale = variation / np.sqrt(HEAVY_TAIL / (HEAVY_TAIL - 2))

    def draw(generator: np.random.Generator, rounds: int) -> Floats:
        values: Floats = np.exp(scale * generator.standard_t(HEAVY_TAIL, rounds))
        return values

    return Noise(f"heavy tails, {100 * variation:g} %", draw)


def dependent(variation: float, correlation: float) -> Noise:
    """Log-normal noise in which each round is correlated with the one before (an AR(1) process).

    Args:
        variation: standard deviation, about.
        correlation: of successive rounds, from 0 to below 1.
    """

    def draw(generator: np.random.Generator, rounds: int) -> Floats:
        steps = generator.standard_normal(rounds)
        for number in range(1, rounds):
            fresh = np.sqrt(1 - correlation**2) * steps[number]
            steps[number] = correlation * steps[number - 1] + fresh
        values: Floats = np.exp(variation * steps)
        return values

    return Noise(f"log-normal, {100 * variation:g} %, correlation {correlation:g}", draw)


def like_pairs(*pairs: Sequence[tuple[float, float]]) -> Noise:
    """Noise of one arm that makes two arms differ within a round as measured pairs of equal arms do.

    Args:
        pairs: the two values of each round, for each pair of equal arms.

    Raises:
        ValueError: no pair of arms has two rounds or more.
    """
    ratios = [[other / one for one, other in rounds] for rounds in pairs]
    noise = like(*ratios)

    def draw(generator: np.random.Generator, rounds: int) -> Floats:
        # Each of the two arms has half of the variance of their ratio.
        values: Floats = noise.draw(generator, rounds) ** (1 / np.sqrt(2))
        return values

    return Noise("like equal reads within the measured rounds", draw)


def like(*arms: Sequence[float]) -> Noise:
    """Noise like that of measured arms: their values over the median of their arm, resampled.

    Resampling few values would create ties that measurements never have. So each value is blurred
    (Silverman's bandwidth), and the spread of all stays as measured.

    Raises:
        ValueError: no arm has two values or more.
    """
    usable = [np.log(np.asarray(arm) / np.median(arm)) for arm in arms if len(arm) > 1]
    if not usable:
        raise ValueError("noise like that of measured arms needs an arm with two values or more")
    # The median of an arm is closer to its values than the true median is.
    residuals = np.concatenate([one * np.sqrt(len(one) / (len(one) - 1)) for one in usable])
    spread = float(np.std(residuals))
    width = 1.06 * spread * len(residuals) ** -0.2
    shrink = spread / np.hypot(spread, width) if spread else 1.0

    def draw(generator: np.random.Generator, rounds: int) -> Floats:
        drawn = generator.choice(residuals, rounds) + width * generator.standard_normal(rounds)
        values: Floats = np.exp(shrink * drawn)
        return values

    return Noise("like the measured rounds of raw NFS", draw)


def calibrate(
    noise: Noise,
    series: int = 200,
    seed: int = 0,
    *,
    rounds: int = 10,
    effect: float = 0.10,
    second_baseline: bool = False,
    same_rounds: bool = False,
    shared: Noise | None = None,
) -> JudgeFigures:
    """Judge ``series`` generated pairs of equal arms, and as many with one slowed arm.

    Args:
        noise: of the values.
        series: how many of each kind.
        seed: of the generator.
        rounds: of each arm.
        effect: the slowdown of the second kind.
        second_baseline: the run has a second baseline arm, which shows the noise.
        same_rounds: the arms are compared round by round.
        shared: noise that all arms of a round share; None without any.
    """

    def decided(baseline: Floats, candidate: Floats, repeated: Floats | None) -> Decision:
        if not same_rounds:
            return decide(baseline, candidate, repeated, seed)
        return decide_paired(
            np.log(candidate / baseline), np.log(repeated / baseline) if repeated is not None else None
        )

    generator = np.random.default_rng([seed, series, rounds])
    equal, slowed = [], []
    for _ in range(series):
        common = shared.draw(generator, rounds) if shared is not None else np.ones(rounds)
        baseline, candidate, slow = (common * noise.draw(generator, rounds) for _ in range(3))
        repeated = common * noise.draw(generator, rounds) if second_baseline else None
        equal.append(decided(baseline, candidate, repeated))
        slowed.append(decided(baseline, slow * (1 - effect), repeated))

    def share(several: list[bool]) -> float:
        return sum(several) / series

    return JudgeFigures(
        noise=noise.name,
        series=series,
        rounds=rounds,
        effect=effect,
        false_alarms=share([one.verdict in {Conclusion.FASTER, Conclusion.SLOWER} for one in equal]),
        said_no_difference=share([one.verdict is Conclusion.NO_DIFFERENCE for one in equal]),
        covered=share([not one.interval.excludes_one for one in equal]),
        found=share([one.verdict is Conclusion.SLOWER for one in slowed]),
        could_find=float(np.median([one.could_find for one in equal])),
    )
