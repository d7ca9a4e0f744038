"""Which series a profile has, what is compared in them, and how long they are thought to take."""

from __future__ import annotations

import pytest

from clusters.errors import RefusalError
from suites.benchmark import arms
from suites.benchmark.profile import AROUND, Settings
from suites.benchmark.results import Purpose
from workloads import fio


@pytest.mark.parametrize("profile", ["quick", "default", "full"])
def test_every_profile_fits_its_time(profile: str) -> None:
    """The shares of all series and what lies around them are the minutes that were asked for."""
    settings = Settings.of(profile)
    budget = sum(one.series.budget for one in settings.wanted())
    assert budget + AROUND == pytest.approx(60 * settings.minutes)


def test_default_profile_ends_within_25_minutes_with_its_rounds() -> None:
    """Eight rounds of all arms, shaped and not, are thought to take less than 25 minutes."""
    wanted = Settings.of("default").wanted()
    assert sum(8 * one.series.round_seconds for one in wanted) + AROUND <= 25 * 60
    assert {one.held_to is None for one in wanted} == {True, False}
    kinds = {arms.ARMS[arm].kind for one in wanted for arm in one.series.arms}
    assert len(kinds) == 6
    both = [one for one in wanted if one.job == "sequential-1m"]
    assert {one.held_to is None for one in both} == {True, False}
    assert {frozenset(one.series.arms) for one in both} == {frozenset(arms.ARMS)}


def test_every_series_checks_the_measurement_itself() -> None:
    """Each series has an A/A, most an arm that is slowed down; quick and full tell the harness's cost."""
    for profile in ("quick", "default", "full"):
        wanted = Settings.of(profile).wanted()
        purposes = [{each.purpose for each in arms.comparisons(one.series.arms)} for one in wanted]
        assert all({Purpose.EQUAL, Purpose.COMPARISON} <= one for one in purposes)
        if profile != "quick":
            assert sum(Purpose.CONTROL in one for one in purposes) > len(wanted) / 2
        assert any(Purpose.COST in one for one in purposes)


def test_full_profile_has_all_jobs_and_numbers_of_readers() -> None:
    """The full matrix is every job with 1, 4 and 16 readers, beside both kinds of NFS; names differ."""
    wanted = Settings.of("full").wanted()
    assert {one.job for one in wanted} == set(fio.names())
    assert {one.numjobs for one in wanted} == {1, 4, 16}
    assert len({one.name for one in wanted}) == len(wanted) == 2 * 3 * len(fio.names())


def test_fewer_readers_can_be_asked_for() -> None:
    """No series has more readers than are let through."""
    assert {one.numjobs for one in Settings.of("full", most_jobs=4).wanted()} == {1, 4}


@pytest.mark.parametrize(
    "given",
    [
        {"profile": "huge"},
        {"profile": "default", "rounds": 0},
        {"profile": "default", "bandwidth": 0.0},
        {"profile": "default", "minutes": -1.0},
        {"profile": "default", "most_jobs": 0},
        {"profile": "default", "pods": 0},
        {"profile": "scale", "pods": 1},
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object]) -> None:
    """An unknown profile, and numbers that mean nothing, are refused."""
    with pytest.raises(RefusalError):
        Settings.of(**given)  # type: ignore[arg-type]


def test_time_for_not_even_one_round_is_refused() -> None:
    """Two minutes are not enough, and that is said before anything is made."""
    with pytest.raises(RefusalError, match="not enough"):
        Settings.of("default", minutes=2.0).wanted()


def test_arms_that_make_each_others_state_stay_together() -> None:
    """Fluid's cold read comes right before its warm ones, and the page cache last."""
    fluid = next(group for group in arms.GROUPS if arms.FLUID_COLD in group)
    assert fluid == (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH, arms.FLUID_CACHED)
    assert {name for group in arms.GROUPS for name in group} | {arms.RAW_BY_HAND} == set(arms.ARMS)


def test_only_arms_that_are_there_are_compared() -> None:
    """A series without an arm has no comparison with it."""
    assert arms.comparisons((arms.RAW_COLD,)) == ()
    found = arms.comparisons((arms.RAW_COLD, arms.RAW_AGAIN))
    assert [one.purpose for one in found] == [Purpose.EQUAL]
