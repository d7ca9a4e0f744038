"""The judge, on rounds written by hand and on series whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from suites.benchmark.analysis.calibration import (
    Noise,
    calibrate,
    dependent,
    heavy_tailed,
    like,
    lognormal,
)
from suites.benchmark.analysis.interval import Interval
from suites.benchmark.analysis.judge import ArmValues, judge, narrow_enough
from suites.benchmark.model.judgement import FEWEST_ROUNDS, Conclusion, Judgement
from suites.benchmark.model.rounds import Round, Unit
from tests.suites.benchmark.round_factory import make_round

STEADY = (100.0, 101, 99, 102, 98, 100, 101, 99, 100.5, 99.5)


def rounds_of(**arms: tuple[float, ...] | list[float]) -> list[Round]:
    """Valid rounds of the given arms."""
    return [
        make_round(arm, number, value) for arm, values in arms.items() for number, value in enumerate(values)
    ]


def judged(
    baseline: tuple[float, ...] | list[float],
    candidate: tuple[float, ...] | list[float],
    unit: Unit = Unit.BYTES_PER_SECOND,
    *,
    repeated: list[float] | None = None,
) -> Judgement:
    """What the judge says of two arms' values."""
    return judge(
        ArmValues("raw", tuple(baseline)),
        ArmValues("fluid", tuple(candidate)),
        unit,
        repeated=ArmValues("raw again", tuple(repeated)) if repeated else None,
    )


def scaled(values: tuple[float, ...], factor: float) -> list[float]:
    """Each value times ``factor``."""
    return [value * factor for value in values]


def test_twice_the_throughput_is_faster() -> None:
    """Twice the bytes a second is called faster, with a ratio of two and a tight interval round it."""
    result = judged(STEADY, scaled(STEADY, 2))
    assert result.verdict is Conclusion.FASTER
    assert result.ratio == pytest.approx(2)
    assert result.low is not None
    assert result.high is not None
    assert 1.95 < result.low < 2 < result.high < 2.05
    assert result.mann_whitney_p is not None
    assert result.mann_whitney_p < 0.001


def test_twice_the_seconds_is_slower() -> None:
    """Twice the seconds is called slower, with a ratio of a half."""
    result = judged(STEADY, scaled(STEADY, 2), Unit.SECONDS)
    assert result.verdict is Conclusion.SLOWER
    assert result.ratio == pytest.approx(0.5, rel=1e-3)


def test_the_same_values_show_no_difference() -> None:
    """Equal arms of little noise show no difference, and say what they could have found."""
    result = judged(STEADY, STEADY[::-1])
    assert result.verdict is Conclusion.NO_DIFFERENCE
    assert result.could_find is not None
    assert 0.05 < result.could_find < 0.10
    assert "rules out a difference of 10% or more" in result.reason


def test_a_small_difference_is_not_claimed() -> None:
    """Four per cent beyond any doubt is still below what is ever claimed."""
    result = judged(STEADY, scaled(STEADY, 0.96))
    assert result.high is not None
    assert result.high < 1
    assert result.verdict is Conclusion.NO_DIFFERENCE


def test_a_difference_within_the_noise_is_inconclusive() -> None:
    """An interval that excludes 1 is not enough where equal arms of the run differ by half as much."""
    again = scaled(STEADY, 1.06)
    result = judge(
        ArmValues("raw", STEADY),
        ArmValues("fluid", tuple(scaled(STEADY, 0.93))),
        Unit.BYTES_PER_SECOND,
        repeated=ArmValues("again", tuple(again)),
    )
    assert result.noise == pytest.approx(0.06)
    assert result.threshold == pytest.approx(0.12)
    assert result.verdict is Conclusion.INCONCLUSIVE
    assert "does not exceed the threshold" in result.reason


def test_wild_arms_are_inconclusive_and_unstable() -> None:
    """Arms that vary by tens of per cent allow no word about a small difference."""
    wild = (40.0, 160, 75, 130, 55, 100, 145, 60, 120, 85)
    result = judged(wild, wild[::-1])
    assert result.verdict is Conclusion.INCONCLUSIVE
    assert result.unstable
    assert (ArmValues("raw", wild).variation or 0) > 0.3
    assert not judged(STEADY, STEADY).unstable


def test_an_unproved_round_is_never_compared() -> None:
    """Rounds that are not valid are counted and otherwise left out."""
    rounds = [
        *rounds_of(raw=STEADY, fluid=STEADY),
        make_round("fluid", 10, 4000.0, "page cache"),
    ]
    fluid = ArmValues.of(rounds, "fluid")
    result = judge(ArmValues.of(rounds, "raw"), fluid, Unit.BYTES_PER_SECOND)
    assert result.verdict is Conclusion.NO_DIFFERENCE
    assert fluid.invalid == ("page cache",)
    assert 4000.0 not in fluid.values


def test_too_few_valid_rounds_are_invalid_with_the_reason() -> None:
    """An arm with fewer than five valid rounds makes the comparison invalid, and says why."""
    unproved = [make_round("fluid", number, 100.0, "42 % cached") for number in range(8)]
    few = FEWEST_ROUNDS - 1
    rounds = [*rounds_of(raw=STEADY, fluid=STEADY[:few]), *unproved]
    result = judge(ArmValues.of(rounds, "raw"), ArmValues.of(rounds, "fluid"), Unit.BYTES_PER_SECOND)
    assert result.verdict is Conclusion.INVALID
    assert result.ratio is None
    assert result.reason == "fluid has 4 valid rounds, 5 are needed (42 % cached)"


def test_an_arm_that_was_never_measured_is_invalid() -> None:
    """An arm without rounds makes the comparison invalid."""
    missing = ArmValues.of(rounds_of(raw=STEADY), "missing")
    assert judge(ArmValues("raw", STEADY), missing, Unit.SECONDS).verdict is Conclusion.INVALID
    assert missing.median is None


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_valid_round_without_a_measurement_is_refused(value: float) -> None:
    """A value that cannot have been measured is a mistake of the caller."""
    with pytest.raises(ValueError, match="no measurement"):
        ArmValues("raw", (value,))


values = st.lists(st.floats(1e-3, 1e12), min_size=5, max_size=12)


@settings(max_examples=60)
@given(values, values)
def test_swapping_arms_swaps_the_verdict(first: list[float], second: list[float]) -> None:
    """The choice of the baseline decides only between faster and slower."""
    one, other = judged(first, second), judged(second, first)
    assert one.ratio is not None
    assert other.ratio is not None
    assert one.ratio == pytest.approx(1 / other.ratio)
    for both in (one, other):
        assert both.low is not None
        assert both.high is not None
        assert both.ratio is not None
        assert both.low <= both.ratio * 1.000001
        assert both.high >= both.ratio * 0.999999
    # Each arm has its own draws, so that an interval which just holds 1 may not hold it the other way.
    assert {one.verdict, other.verdict} != {Conclusion.FASTER}
    assert {one.verdict, other.verdict} != {Conclusion.SLOWER}


def test_the_judgement_is_deterministic() -> None:
    """The same rounds in another order give the same judgement, number for number."""
    rounds = rounds_of(raw=STEADY, fluid=scaled(STEADY, 1.2))
    one, other = (
        judge(ArmValues.of(several, "raw"), ArmValues.of(several, "fluid"), Unit.BYTES_PER_SECOND)
        for several in (rounds, rounds[::-1])
    )
    assert one == other


def test_the_interval_agrees_with_scipys_bootstrap() -> None:
    """The percentile bootstrap of scipy gives the same interval for the same statistic."""
    generator = np.random.default_rng(7)
    first, second = generator.lognormal(0, 0.1, 12), generator.lognormal(0.1, 0.1, 15)
    result = judged(list(first), list(second))
    theirs = bootstrap(
        (second, first),
        lambda candidate, baseline, axis: np.median(candidate, axis=axis) / np.median(baseline, axis=axis),
        method="percentile",
        vectorized=True,
        n_resamples=9999,
        rng=np.random.default_rng(8),
    ).confidence_interval
    assert result.low == pytest.approx(theirs.low, rel=0.01)
    assert result.high == pytest.approx(theirs.high, rel=0.01)


def test_an_interval_has_a_width_to_either_side() -> None:
    """The half-width is a factor: an interval from 1/1.1 to 1.1 reaches 10 % to either side."""
    assert Interval(1 / 1.1, 1.1, 0.05).half_width == pytest.approx(0.1)
    assert not Interval(1 / 1.1, 1.1, 0.05).excludes_one
    assert Interval(1 / 1.04, 1.09, 0.02).within(0.1)
    assert not Interval(1 / 1.11, 1.0, 0.02).within(0.1)


NOISES = {
    "log-normal 3 %": lognormal(0.03),
    "log-normal 10 %": lognormal(0.10),
    "heavy tails 3 %": heavy_tailed(0.03),
    "heavy tails 10 %": heavy_tailed(0.10),
    "heavy tails 30 %": heavy_tailed(0.30),
    "like two measured arms": like((75, 80, 71, 83, 77, 69, 79, 92, 76, 78), STEADY),
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
@pytest.mark.parametrize("second_baseline", [False, True], ids=["halves", "second baseline"])
def test_equal_arms_rarely_raise_a_false_alarm(noise: Noise, second_baseline: bool) -> None:
    """Of 200 series of equal arms at most 5 % are called different, whatever the noise."""
    figures = calibrate(noise, series=200, seed=1, second_baseline=second_baseline)
    assert figures.false_alarms <= 0.05
    assert figures.covered >= 0.93


@pytest.mark.parametrize("rounds", [5, 7, 20])
def test_few_and_many_rounds_raise_no_more_false_alarms(rounds: int) -> None:
    """The rate of false alarms holds for the fewest rounds that are compared, and for many."""
    assert calibrate(lognormal(0.10), series=200, seed=2, rounds=rounds).false_alarms <= 0.05


@pytest.mark.parametrize("second_baseline", [False, True], ids=["halves", "second baseline"])
def test_a_tenth_slower_is_found_at_three_per_cent(second_baseline: bool) -> None:
    """At 3 % variation a slowdown by 10 % is called slower in at least 90 % of the series."""
    figures = calibrate(lognormal(0.03), series=200, seed=3, second_baseline=second_baseline)
    assert figures.found >= 0.90
    assert figures.said_no_difference >= 0.95


@pytest.mark.parametrize("variation", [0.02, 0.05, 0.10])
def test_what_could_have_been_found_is_found(variation: float) -> None:
    """A slowdown of the size that runs say they could have found is found in about nine of ten."""
    said = calibrate(lognormal(variation), series=200, seed=4).could_find
    found = calibrate(lognormal(variation), series=200, seed=5, effect=1 - 1 / (1 + said)).found
    assert 0.84 <= found <= 0.995


@pytest.mark.parametrize(("correlation", "rounds"), [(0.5, 20), (0.5, 40), (0.8, 20), (0.8, 40)])
def test_rounds_that_depend_on_each_other_raise_few_false_alarms(correlation: float, rounds: int) -> None:
    """Dependent rounds are less evidence than as many independent ones."""
    figures = calibrate(dependent(0.10, correlation), series=200, seed=7, rounds=rounds)
    assert figures.false_alarms <= 0.05
    assert figures.covered >= 0.88


def test_drift_of_the_candidate_counts_as_noise() -> None:
    """A steady second baseline does not make a candidate credible that became slower during the run."""
    steady = [100.0, 101.0, 99.0, 100.5, 99.5] * 4
    drifting = [value * factor for value, factor in zip(steady, np.linspace(1.0, 0.8, 20), strict=True)]
    result = judged(steady, drifting, repeated=steady)
    assert result.noise is not None
    assert result.noise > 0.05
    assert result.verdict is Conclusion.INCONCLUSIVE
    flat = judged(steady, [0.9 * value for value in steady], repeated=steady)
    assert flat.verdict is Conclusion.SLOWER


def test_going_on_until_the_interval_is_narrow_adds_no_false_alarms() -> None:
    """Equal arms that get rounds until the interval is narrow are still rarely called different."""
    generator = np.random.default_rng(6)
    noise = lognormal(0.06)
    alarms, lengths = 0, set()
    for _ in range(100):
        first, second = noise.draw(generator, 20), noise.draw(generator, 20)
        for count in range(10, 21):
            result = judged(list(first[:count]), list(second[:count]))
            if narrow_enough(result):
                break
        lengths.add(count)
        alarms += result.verdict in {Conclusion.FASTER, Conclusion.SLOWER}
    assert alarms <= 5
    assert len(lengths) > 3


def test_noise_like_measured_has_their_spread() -> None:
    """Synthetic noise keeps the spread of the arms that it is computed from."""
    measured = lognormal(0.07).draw(np.random.default_rng(9), 12) * 4e8
    drawn = like(list(measured)).draw(np.random.default_rng(10), 4000)
    expected = np.std(np.log(measured), ddof=1)
    assert np.std(np.log(drawn)) == pytest.approx(expected, rel=0.1)


def test_noise_needs_something_measured() -> None:
    """Without an arm of two values there is nothing to be like."""
    with pytest.raises(ValueError, match="two values"):
        like([], [3.0])
