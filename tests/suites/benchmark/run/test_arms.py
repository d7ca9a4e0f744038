"""Which series a profile has, what is compared in them, and how long they are thought to take."""

from __future__ import annotations

import pytest

from clusters.errors import RefusalError
from suites.benchmark.model.judgement import Purpose
from suites.benchmark.run import arms
from suites.benchmark.run.profile import SETUP_SECONDS, Settings
from workloads import fio


@pytest.mark.parametrize("profile", ["quick", "default", "full"])
def test_every_profile_fits_its_time(profile: str) -> None:
    """The shares of all series and the time around them add up to the requested minutes."""
    settings = Settings.of(profile)
    budget = sum(one.series.budget for one in settings.series_specs())
    assert budget + SETUP_SECONDS == pytest.approx(60 * settings.minutes)


def test_default_profile_ends_within_25_minutes_with_its_rounds() -> None:
    """Eight rounds of all arms, shaped and not, are thought to take less than 25 minutes."""
    specs = Settings.of("default").series_specs()
    assert sum(8 * one.series.round_seconds for one in specs) + SETUP_SECONDS <= 25 * 60
    assert {one.bandwidth is None for one in specs} == {True, False}
    kinds = {arms.ARMS[arm].kind for one in specs for arm in one.series.arms}
    assert len(kinds) == 6
    both = [one for one in specs if one.job == "sequential-1m"]
    assert {one.bandwidth is None for one in both} == {True, False}
    assert {frozenset(one.series.arms) for one in both} == {frozenset(arms.ARMS)}


def test_every_series_checks_the_measurement_itself() -> None:
    """Each series has an A/A, most an arm that is slowed down; quick and full measure the harness's cost."""
    for profile in ("quick", "default", "full"):
        specs = Settings.of(profile).series_specs()
        purposes = [{each.purpose for each in arms.comparisons(one.series.arms)} for one in specs]
        assert all({Purpose.EQUAL, Purpose.COMPARISON} <= one for one in purposes)
        if profile != "quick":
            assert sum(Purpose.CONTROL in one for one in purposes) > len(specs) / 2
        assert any(Purpose.COST in one for one in purposes)


def test_full_profile_has_all_jobs_and_numbers_of_readers() -> None:
    """The full matrix is every job with 1, 4 and 16 readers and both kinds of NFS; names differ."""
    specs = Settings.of("full").series_specs()
    assert {one.job for one in specs} == set(fio.names())
    assert {one.numjobs for one in specs} == {1, 4, 16}
    assert len({one.name for one in specs}) == len(specs) == 2 * 3 * len(fio.names())


def test_fewer_readers_can_be_asked_for() -> None:
    """No series has more readers than are let through."""
    assert {one.numjobs for one in Settings.of("full", most_jobs=4).series_specs()} == {1, 4}


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
    """Two minutes are not enough, which is reported before anything is created."""
    with pytest.raises(RefusalError, match="not enough"):
        Settings.of("default", minutes=2.0).series_specs()


def test_arms_that_make_each_others_state_stay_together() -> None:
    """Fluid's cold read is right before its warm ones, and the page cache is last."""
    blocks = Settings.of("default").series_specs()[0].series.blocks
    fluid = next(block.arms for block in blocks if arms.FLUID_COLD in block.arms)
    assert fluid == (arms.FLUID_COLD, arms.FLUID_SAME, arms.FLUID_FRESH, arms.FLUID_CACHED)


def test_only_arms_that_are_there_are_compared() -> None:
    """A series without an arm has no comparison with it."""
    assert arms.comparisons((arms.RAW_COLD,)) == ()
    found = arms.comparisons((arms.RAW_COLD, arms.RAW_REPEATED))
    assert [one.purpose for one in found] == [Purpose.EQUAL]
