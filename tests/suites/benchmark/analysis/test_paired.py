"""Arms that are compared round by round: the estimate, its interval, and what shared noise does to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from suites.benchmark.analysis import paired
from suites.benchmark.analysis.calibration import (
    Noise,
    calibrate,
    dependent,
    heavy_tailed,
    like_pairs,
    lognormal,
)
from suites.benchmark.analysis.judge import ArmValues, judge
from suites.benchmark.model.judgement import Conclusion
from suites.benchmark.model.rounds import Unit
from tests.suites.benchmark.round_factory import make_round

#: How fast the machine was in each of ten rounds.
MACHINE = (1.0, 0.6, 1.1, 0.5, 0.9, 1.3, 0.4, 1.0, 0.7, 1.2)
#: What is left of the noise within a round.
WITHIN = (1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99, 1.005, 0.995)


def arm(name: str, *values: float, invalid: frozenset[int] = frozenset()) -> ArmValues:
    """An arm with a value for each round from 0."""
    return ArmValues.of(
        [
            make_round(name, number, value, "nothing was cached" if number in invalid else "")
            for number, value in enumerate(values)
        ],
        name,
    )


differences = st.lists(st.integers(-1000, 1000), min_size=6, max_size=14, unique=True)


@settings(max_examples=80)
@given(differences)
def test_interval_is_what_scipys_signed_rank_test_does_not_reject(numbers: list[int]) -> None:
    """Just inside of its ends the exact test does not reject at 5 %, and just outside it does."""
    # Irregular distances, so that no two means of pairs are equal.
    values = np.array([number + 0.001 * math.sqrt(abs(number) + 2) for number in numbers]) / 1000
    outside = paired.outer_means(len(values))
    means = paired.walsh(values)
    for end, step in ((means[outside], -1), (means[-1 - outside], 1)):
        gap = 1e-9
        inside = wilcoxon(values - (end - step * gap), mode="exact").pvalue
        beyond = wilcoxon(values - (end + step * gap), mode="exact").pvalue
        assert inside >= 0.05 > beyond - 1e-12


@pytest.mark.parametrize(("count", "outside"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25), (20, 52)])
def test_interval_leaves_out_as_many_means_as_the_tables_say(count: int, outside: int) -> None:
    """Critical values of the signed-rank test, two-sided at 5 %, as in printed tables."""
    assert paired.outer_means(count) == outside


def test_too_few_rounds_are_refused() -> None:
    """Five pairs have no interval of 95 %."""
    with pytest.raises(ValueError, match="6 are needed"):
        paired.estimate(np.zeros(5))


def test_noise_that_a_round_shares_does_not_hide_a_difference() -> None:
    """The machine is up to three times as fast in another round, and a twentieth more is still seen."""
    raw = arm("raw", *MACHINE)
    fluid = arm("fluid", *(1.08 * speed * within for speed, within in zip(MACHINE, WITHIN, strict=True)))
    together = judge(raw, fluid, Unit.BYTES_PER_SECOND, same_rounds=True)
    assert together.verdict is Conclusion.FASTER
    assert together.ratio == pytest.approx(1.08, rel=0.01)
    # The faster arm is the same one in each of ten rounds.
    assert together.signed_rank_p == pytest.approx(2 / 2**10)
    assert together.mann_whitney_p is None
    apart = judge(raw, fluid, Unit.BYTES_PER_SECOND)
    assert apart.verdict is Conclusion.INCONCLUSIVE
    assert together.could_find is not None
    assert apart.could_find is not None
    assert together.could_find < apart.could_find / 5


def test_unit_and_order_of_the_arms_turn_the_ratio_round() -> None:
    """Twice the seconds is half as fast, and swapped arms have the inverse ratio and interval."""
    one, other = arm("one", *WITHIN), arm("other", *(2 * value for value in reversed(WITHIN)))
    slower = judge(one, other, Unit.SECONDS, same_rounds=True)
    assert slower.verdict is Conclusion.SLOWER
    swapped = judge(other, one, Unit.SECONDS, same_rounds=True)
    assert swapped.ratio == pytest.approx(1 / (slower.ratio or 1))
    assert swapped.low == pytest.approx(1 / (slower.high or 1))
    assert swapped.noise == pytest.approx(slower.noise)


def test_only_rounds_in_which_both_are_valid_are_paired() -> None:
    """A round without one of the arms does not shift the others against each other."""
    fluid = [1.5 * value for value in MACHINE]
    result = judge(
        arm("raw", *MACHINE, invalid=frozenset({0, 4})),
        arm("fluid", *fluid, invalid=frozenset({7})),
        Unit.BYTES_PER_SECOND,
        same_rounds=True,
    )
    assert (result.low, result.ratio, result.high) == pytest.approx((1.5, 1.5, 1.5))
    same = judge(arm("raw", *MACHINE), arm("again", *MACHINE), Unit.BYTES_PER_SECOND, same_rounds=True)
    assert (same.ratio, same.signed_rank_p) == (1.0, 1.0)


def test_few_common_rounds_are_compared_by_their_medians() -> None:
    """Each arm has enough rounds, and too few of them in common."""
    result = judge(
        arm("raw", *MACHINE, invalid=frozenset({0, 1, 2})),
        arm("fluid", *MACHINE, invalid=frozenset({7, 8, 9})),
        Unit.BYTES_PER_SECOND,
        same_rounds=True,
    )
    assert result.verdict is not Conclusion.INVALID
    assert result.ratio == pytest.approx(np.median(MACHINE[:7]) / np.median(MACHINE[3:]))


def test_drift_of_one_arm_is_noise_and_that_of_both_is_not() -> None:
    """A candidate that becomes slower during the run is not credible; a machine that does is no matter."""
    fades = np.linspace(1.0, 0.6, 10)
    alone = judge(arm("raw", *WITHIN), arm("fluid", *fades), Unit.BYTES_PER_SECOND, same_rounds=True)
    assert alone.noise is not None
    assert alone.noise > 0.10
    assert alone.verdict is Conclusion.INCONCLUSIVE
    both = judge(
        arm("raw", *(fade * within for fade, within in zip(fades, WITHIN, strict=True))),
        arm("fluid", *(0.9 * fade for fade in fades)),
        Unit.BYTES_PER_SECOND,
        same_rounds=True,
    )
    assert both.noise is not None
    assert both.noise < 0.02
    assert both.verdict is Conclusion.SLOWER


NOISES = {
    "log-normal 3 %": lognormal(0.03),
    "log-normal 10 %": lognormal(0.10),
    "heavy tails 10 %": heavy_tailed(0.10),
    "heavy tails 30 %": heavy_tailed(0.30),
    "like measured pairs": like_pairs([(75, 80), (71, 83), (77, 69), (79, 92), (76, 78), (81, 75)]),
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
@pytest.mark.parametrize("rounds", [6, 10, 20])
@pytest.mark.parametrize("second_baseline", [False, True], ids=["alone", "second baseline"])
def test_equal_arms_rarely_raise_a_false_alarm(noise: Noise, rounds: int, second_baseline: bool) -> None:
    """Of 200 series of equal arms at most 5 % are called different, whatever the noise."""
    figures = calibrate(
        noise, series=200, seed=1, rounds=rounds, second_baseline=second_baseline, same_rounds=True
    )
    assert figures.false_alarms <= 0.05
    assert figures.covered >= 0.92


@pytest.mark.parametrize(("correlation", "rounds"), [(0.5, 10), (0.5, 20), (0.8, 20), (0.8, 40)])
def test_rounds_that_depend_on_each_other_raise_few_false_alarms(correlation: float, rounds: int) -> None:
    """Noise of one arm that outlasts a round shows in the second baseline, too, which each run has."""
    figures = calibrate(
        dependent(0.10, correlation),
        series=200,
        seed=7,
        rounds=rounds,
        second_baseline=True,
        same_rounds=True,
    )
    assert figures.false_alarms <= 0.05


@pytest.mark.parametrize("variation", [0.02, 0.05, 0.10])
def test_what_could_have_been_found_is_found(variation: float) -> None:
    """A slowdown of the size that runs say they could have found is found in about nine of ten."""
    noise = lognormal(variation)
    said = calibrate(noise, series=200, seed=4, second_baseline=True, same_rounds=True).could_find
    effect = 1 - 1 / (1 + said)
    found = calibrate(noise, series=200, seed=5, effect=effect, second_baseline=True, same_rounds=True).found
    assert 0.84 <= found <= 0.995


def test_pairs_find_smaller_slowdowns_than_medians_do() -> None:
    """With independent noise somewhat smaller ones, and far smaller ones with noise that arms share."""
    noise, shared = lognormal(0.05), dependent(0.30, 0.5)
    found = {
        (same_rounds, both): calibrate(
            noise, series=200, seed=8, same_rounds=same_rounds, shared=shared if both else None
        ).could_find
        for same_rounds in (False, True)
        for both in (False, True)
    }
    assert found[True, False] < 0.95 * found[False, False]
    assert found[True, True] == pytest.approx(found[True, False], rel=0.1)
    assert found[False, True] > 3 * found[True, True]


def test_noise_of_pairs_is_that_of_their_ratios() -> None:
    """Two arms drawn from it differ as much within a round as the measured ones did."""
    generator = np.random.default_rng(3)
    machine = np.exp(0.5 * generator.standard_normal(40))
    one, other = (machine * np.exp(0.04 * generator.standard_normal(40)) for _ in range(2))
    noise = like_pairs(list(zip(one, other, strict=True)))
    drawn = np.log(noise.draw(generator, 4000) / noise.draw(generator, 4000))
    assert np.std(drawn) == pytest.approx(np.std(np.log(other / one)), rel=0.1)
    assert math.exp(float(np.median(drawn))) == pytest.approx(1, abs=0.01)
