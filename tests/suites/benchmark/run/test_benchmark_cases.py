"""Which cases can be chosen, what is compared in them, and how long they are thought to take."""

from __future__ import annotations

import pytest

from clusters.errors import RefusalError
from suites.benchmark.model.judgement import Purpose
from suites.benchmark.model.rounds import Unit
from suites.benchmark.run import arms, cases
from suites.benchmark.run.cases import Case, TooFewNodesError, cases_of, require_nodes
from suites.benchmark.run.profile import Settings


def test_cases_are_chosen_by_name_in_the_order_of_measurement() -> None:
    """In whatever order they are named; all stands for each of them."""
    assert cases_of("open, list") == (Case.LIST, Case.OPEN)
    assert cases_of("all") == cases_of("write,all") == tuple(Case)


@pytest.mark.parametrize("text", ["lists", "", "list,,stat"])
def test_case_that_does_not_exist_is_refused(text: str) -> None:
    """With the names of those that do."""
    with pytest.raises(RefusalError, match="there is no benchmark case") as raised:
        Settings.of("default", cases=text)
    assert "list, stat, open, remote, write" in str(raised.value)


@pytest.mark.parametrize("profile", ["quick", "default", "full"])
def test_profiles_stay_as_they_are(profile: str) -> None:
    """No case is in a profile."""
    settings = Settings.of(profile)
    assert settings.cases == ()
    assert settings.plans() == tuple(one.series for one in settings.series_specs())
    assert not {plan.name for plan in settings.plans()} & set(cases.TITLES.values())


def test_cases_take_the_place_of_the_profile() -> None:
    """Their time is that of their rounds and of the preparation."""
    settings = Settings.of("full", cases="all")
    plans = settings.plans()
    assert [plan.name for plan in plans] == [cases.TITLES[case] for case in Case]
    assert {plan.rounds for plan in plans} == {cases.ROUNDS}
    budget = sum(plan.budget for plan in plans)
    assert budget + cases.setup_seconds(settings.cases) == pytest.approx(60 * settings.minutes)
    assert all(plan.rounds * plan.round_seconds <= plan.budget for plan in plans)
    assert settings.minutes < 60
    assert Settings.of("default", cases="list").minutes < 15
    assert Settings.of("default", cases="remote").minutes < 10
    assert Settings.of("default", cases="list", minutes=7, rounds=3).plans()[0].rounds == 3


def test_time_for_not_even_one_round_is_refused() -> None:
    """Five minutes are those of the preparation."""
    assert cases.setup_seconds((Case.STAT,)) == 300
    with pytest.raises(RefusalError, match=r"5\.1 minutes are not enough for one round"):
        Settings.of("default", cases="stat", minutes=5.1).plans()


@pytest.mark.parametrize("case", list(Case))
def test_every_case_compares_fluid_with_nfs_and_nfs_with_itself(case: Case) -> None:
    """Each has arms of both, an A/A, and no arm of another case."""
    plan = Settings.of("default", cases=case.value).plans()[0]
    compared = cases.comparisons(plan.arms)
    assert {one.purpose for one in compared} == {Purpose.EQUAL, Purpose.COMPARISON}
    assert {name for one in compared for name in (one.baseline, one.candidate)} == set(plan.arms)
    kinds = {cases.ARMS[name].kind.through_fluid for name in plan.arms}
    assert kinds == {True, False}
    assert case.unit is (Unit.SECONDS if case in {Case.LIST, Case.STAT, Case.OPEN} else Unit.BYTES_PER_SECOND)


def test_local_and_remote_reads_are_compared_with_each_other() -> None:
    """And each with raw NFS."""
    plan = Settings.of("default", cases="remote").plans()[0]
    pairs = {
        (one.baseline, one.candidate)
        for one in cases.comparisons(plan.arms)
        if one.purpose is Purpose.COMPARISON
    }
    assert pairs == {
        (arms.RAW_COLD, cases.FLUID_LOCAL),
        (arms.RAW_COLD, cases.FLUID_REMOTE),
        (cases.FLUID_LOCAL, cases.FLUID_REMOTE),
    }


def test_remote_reads_need_two_nodes() -> None:
    """In one sentence; no other case does."""
    with pytest.raises(TooFewNodesError, match="a worker on each of two nodes, and this cluster has 1"):
        require_nodes(Case.REMOTE, 1)
    require_nodes(Case.REMOTE, 2)
    for case in set(Case) - {Case.REMOTE}:
        require_nodes(case, 1)
