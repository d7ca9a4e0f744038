"""What the judge itself is worth: how often it is wrong, on made-up series with a given noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from suites.benchmark.judge import Floats, Verdict, decide
from suites.benchmark.schedule import ROUNDS

#: Degrees of freedom of the heavy-tailed noise: its outliers are many times its usual spread.
HEAVY_TAIL: Final = 3.0


class Noise(Protocol):
    """Makes the values of an arm whose true speed is 1."""

    def __call__(self, generator: np.random.Generator, rounds: int) -> Floats:
        """``rounds`` values around 1, above 0."""
        ...


def lognormal(variation: float) -> Noise:
    """Noise whose standard deviation is about ``variation`` (0.03 means 3 %)."""

    def noise(generator: np.random.Generator, rounds: int) -> Floats:
        values: Floats = np.exp(variation * generator.standard_normal(rounds))
        return values

    return noise


def heavy(variation: float) -> Noise:
    """Noise with many outliers, whose standard deviation is about ``variation``."""
    scale = variation / np.sqrt(HEAVY_TAIL / (HEAVY_TAIL - 2))

    def noise(generator: np.random.Generator, rounds: int) -> Floats:
        values: Floats = np.exp(scale * generator.standard_t(HEAVY_TAIL, rounds))
        return values

    return noise


def like(*arms: Sequence[float]) -> Noise:
    """Noise like that of measured arms: their values over their arm's median, drawn anew.

    Few values drawn again and again would make ties that measuring never makes, so that each
    is blurred a little (Silverman's width), and all together keep the spread that was measured.

    Raises:
        ValueError: no arm has two values or more.
    """
    usable = [np.log(np.asarray(arm) / np.median(arm)) for arm in arms if len(arm) > 1]
    if not usable:
        raise ValueError("noise like that of measured arms needs an arm with two values or more")
    # An arm's own median lies closer to its values than the true one does.
    residuals = np.concatenate([one * np.sqrt(len(one) / (len(one) - 1)) for one in usable])
    spread = float(np.std(residuals))
    width = 1.06 * spread * len(residuals) ** -0.2
    shrink = spread / np.hypot(spread, width) if spread else 1.0

    def noise(generator: np.random.Generator, rounds: int) -> Floats:
        drawn = generator.choice(residuals, rounds) + width * generator.standard_normal(rounds)
        values: Floats = np.exp(shrink * drawn)
        return values

    return noise


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """How the judge did on series whose truth is known.

    Attributes:
        series: how many were made of each kind.
        rounds: rounds of each arm.
        effect: the slowdown put into the second kind, 0.1 means a tenth of the speed gone.
        false_alarms: part of the series of equal arms with a claimed difference.
        said_no_difference: part of them with "no difference shown".
        covered: part of them whose interval held 1.
        found: part of the slowed series judged "slower".
        could_find: median of what the judge said that it could have found.
    """

    series: int
    rounds: int
    effect: float
    false_alarms: float
    said_no_difference: float
    covered: float
    found: float
    could_find: float


def prove(
    noise: Noise,
    series: int = 200,
    seed: int = 0,
    *,
    rounds: int = ROUNDS,
    effect: float = 0.10,
    second_baseline: bool = False,
) -> JudgeFigures:
    """Let the judge judge ``series`` made-up pairs of equal arms, and as many with one arm slowed.

    Args:
        noise: of the values.
        series: how many of each kind.
        seed: the same one gives the same figures.
        rounds: of each arm.
        effect: the slowdown of the second kind.
        second_baseline: whether a run has a second baseline arm to learn the noise from.
    """
    generator = np.random.default_rng([seed, series, rounds])
    equal, slowed = [], []
    for _ in range(series):
        baseline, candidate, slow = (noise(generator, rounds) for _ in range(3))
        again = noise(generator, rounds) if second_baseline else None
        equal.append(decide(baseline, candidate, again, seed))
        slowed.append(decide(baseline, slow * (1 - effect), again, seed))

    def part(several: list[bool]) -> float:
        return sum(several) / series

    return JudgeFigures(
        series=series,
        rounds=rounds,
        effect=effect,
        false_alarms=part([one.verdict in {Verdict.FASTER, Verdict.SLOWER} for one in equal]),
        said_no_difference=part([one.verdict is Verdict.NO_DIFFERENCE for one in equal]),
        covered=part([not one.interval.excludes_one for one in equal]),
        found=part([one.verdict is Verdict.SLOWER for one in slowed]),
        could_find=float(np.median([one.could_find for one in equal])),
    )
