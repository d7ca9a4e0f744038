"""Intervals of a ratio, and what successive rounds that depend on each other do to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95

#: Fewest rounds of which a correlation is computed, and the largest that is assumed.
FEWEST_FOR_CORRELATION: Final = 8
MOST_CORRELATED: Final = 0.9


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
        """Whether both ends are on the same side of 1."""
        return self.low > 1 or self.high < 1

    @property
    def half_width(self) -> float:
        """Its reach to either side as a factor: 0.05 means from ratio / 1.05 to ratio * 1.05."""
        return half_width(self.low, self.high)

    def within(self, effect: float) -> bool:
        """Whether it rules out a difference of ``effect`` or more."""
        return self.low > 1 / (1 + effect) and self.high < 1 + effect


def inflation(values: Floats, *, of_mean: bool = False) -> float:
    """How many times as far an estimate may be from the true one because successive rounds are correlated.

    Args:
        values: in the order of the rounds.
        of_mean: the estimate varies like a mean. It suffers more than a median, which depends on the signs
            of the noise alone, so the correlation is corrected for all of its bias.
    """
    count = len(values)
    if count < FEWEST_FOR_CORRELATION:
        return 1.0
    ranks = np.argsort(np.argsort(values)) - (count - 1) / 2
    found = float(np.dot(ranks[:-1], ranks[1:]) / np.dot(ranks, ranks))
    if found <= 1 / math.sqrt(count):
        return 1.0
    # What is found is (1 + 4 r) / count too small on average (Marriott and Pope, 1954).
    corrected = min((count * found + 1) / (count - 4) if of_mean else found + 2 / count, MOST_CORRELATED)
    return math.sqrt((1 + corrected) / (1 - corrected))


def half_width(low: float, high: float) -> float:
    """How far an interval reaches to either side, as a factor."""
    return math.sqrt(high / low) - 1
