"""Two arms of one run, compared round by round.

All arms of a round run within a minute, so what slows down the machine for longer slows down all of them. The
ratio within a round is free of it. Where two arms are equal, each is as often the faster one, whatever the
noise is like: the ratios are symmetric around 1. So Wilcoxon's signed-rank test is exact for them, also for
few rounds and heavy tails.

- The ratio of two arms is the Hodges-Lehmann estimate of the ratios within the rounds: the median of the
  means of all pairs of their logarithms. Of normal noise it needs a third fewer rounds than a median does.
- Its 95 % interval is that of the signed-rank test: all ratios that the test does not reject.
- Successive ratios that depend on each other spread the interval, as in `suites.benchmark.analysis.judge`.

Of 400 pairs of equal arms with normal noise of 10 % in each, 1 % raise a false alarm if the run has a second
baseline, and 3 % if it has none; 27 % is the smallest slowdown that is found by 10 rounds, and 18 % by 20.
Noise of single arms that outlasts a round is worse: with a correlation of 0.5 (0.8) from round to round, 4 %
(6 %) with a second baseline and 10 rounds, 2 % (3 %) with 20 rounds, and 11 % (20 %) and 8 % (12 %) without a
second baseline, as in the A/A comparison itself.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np

from suites.benchmark.analysis.interval import CONFIDENCE, Floats, Interval, inflation

#: With fewer pairs no interval of the signed-rank test has 95 %.
FEWEST_PAIRS: Final = 6

#: Standard errors from the middle of a 95 % interval to its end.
_REACH: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def estimate(differences: Floats) -> tuple[float, Interval]:
    """The typical ratio, and its interval, from the logarithms of the ratios within the rounds.

    Raises:
        ValueError: there are too few.
    """
    count = len(differences)
    if count < FEWEST_PAIRS:
        raise ValueError(f"{count} rounds have no 95 % interval, {FEWEST_PAIRS} are needed")
    means = walsh(differences)
    middle = float(np.median(means))
    outside = outer_means(count)
    spread = inflation(differences, of_mean=True)
    low = middle + spread * (float(means[outside]) - middle)
    high = middle + spread * (float(means[-1 - outside]) - middle)
    return math.exp(middle), Interval(math.exp(low), math.exp(high), (high - low) / (2 * _REACH))


def noise(differences: Floats) -> float:
    """How far the ratio of two arms is known, from its rounds alone: 0.02 means 2 %.

    The larger of its standard error and of what it differs by between the odd and the even rounds, and
    between the earlier and the later ones, which shows a drift of one arm alone.

    Args:
        differences: logarithms of the ratios within the rounds, in their order.
    """
    middle = len(differences) // 2
    halves = (
        (differences[::2], differences[1::2]),
        (differences[:middle], differences[middle:]),
    )
    # Halves differ by twice the standard error of the whole.
    found = [abs(float(np.median(walsh(one)) - np.median(walsh(other)))) / 2 for one, other in halves]
    return math.expm1(max(estimate(differences)[1].standard_error, *found))


def signed_rank_p(differences: Floats) -> float:
    """The two-sided result of the signed-rank test; 1 if all ratios are 1."""
    from scipy.stats import wilcoxon  # noqa: PLC0415 - its import needs half a second

    return float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def walsh(differences: Floats) -> Floats:
    """The means of all pairs of values, each value with itself too, in ascending order."""
    first, second = np.triu_indices(len(differences))
    means: Floats = np.sort((differences[first] + differences[second]) / 2)
    return means


@lru_cache(maxsize=64)
def outer_means(count: int) -> int:
    """How many of the means on each side are outside of the 95 % interval.

    Args:
        count: of the pairs.
    """
    # The number of subsets of the ranks 1 to count with each sum: the distribution of the test's statistic.
    subsets = [1]
    for rank in range(1, count + 1):
        larger = subsets + [0] * rank
        for total, number in enumerate(subsets):
            larger[total + rank] += number
        subsets = larger
    allowed, seen = (1 - CONFIDENCE) / 2 * 2**count, 0
    for total, number in enumerate(subsets):
        seen += number
        if seen > allowed:
            return total - 1
    raise AssertionError("the subsets are fewer than they are")
