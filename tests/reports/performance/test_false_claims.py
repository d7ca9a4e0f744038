"""How often comparisons of recorded runs of one system claim a difference, and how often they find one."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from clusters.errors import RefusalError
from reports.__main__ import main
from reports.performance.false_claims import WITHIN, Rates, false_claims, render, slowed_down
from suites.benchmark.model import results
from suites.benchmark.model.judgement import Comparison, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Unit
from tests.reports.measurements import (
    ARMS,
    ENVIRONMENT,
    FLUID_COLD,
    FLUID_FRESH,
    FREE,
    RAW,
    RAW_AGAIN,
    benchmark,
    series,
)

ARMS_HERE = tuple(arm for arm in ARMS if arm.name in {RAW, RAW_AGAIN, FLUID_COLD, FLUID_FRESH})
PAIRS = (
    Comparison(baseline=RAW, candidate=FLUID_FRESH),
    Comparison(baseline=FLUID_COLD, candidate=FLUID_FRESH),
    Comparison(baseline=RAW, candidate=RAW_AGAIN, purpose=Purpose.EQUAL),
)


@cache
def template() -> Benchmark:
    """Creating one is slow."""
    return benchmark(series(arms=ARMS_HERE, comparisons=PAIRS))


def recorded(
    count: int = 8,
    *,
    between: float = 0.01,
    within: float = 0.02,
    unit: Unit = Unit.BYTES_PER_SECOND,
    tails: bool = False,
) -> list[Benchmark]:
    """Runs of one system.

    Args:
        count: how many.
        between: standard deviation of the speed of Fluid from run to run.
        within: of each arm from round to round.
        unit: of the values.
        tails: with the latencies of their reads.
    """
    generator = np.random.default_rng(7)
    found = []
    for number in range(count):
        factor = math.exp(between * generator.standard_normal())
        speeds = {
            name: (middle * (factor if name.startswith("Fluid") else 1.0), within)
            for name, (middle, _) in FREE.items()
        }
        one = series(speeds=speeds, arms=ARMS_HERE, comparisons=PAIRS, seed=number, rounds=12, unit=unit)
        if not tails:
            rounds = tuple(kept.model_copy(update={"latency": None}) for kept in one.rounds)
            one = one.model_copy(update={"rounds": rounds})
        found.append(template().model_copy(update={"series": (one,), "id": f"run-{number}"}))
    return found


def by_kind(rates: tuple[Rates, ...]) -> dict[str, Rates]:
    """The rates by a short name of their kind."""
    return dict(zip(("rounds", "runs", "within"), rates, strict=True))


@pytest.mark.parametrize("unit", list(Unit))
def test_quiet_runs_claim_nothing_and_find_the_slowdown(unit: Unit) -> None:
    """Each kind of comparison, for speeds and for durations."""
    rates = false_claims(recorded(unit=unit), comparisons=20)
    assert [(one.comparisons, one.refused) for one in rates] == [(20, ())] * 3
    assert all(one.false <= 1 for one in rates)
    assert all(one.found >= 19 for one in rates)
    text = render(rates, 8, 0.15)
    assert "RELIABLE: at most 5% false claims and at least 90% found" in text
    assert "20 of 20 (100%)" in text


def test_runs_that_differ_by_themselves_are_told_from_rounds_that_do_not() -> None:
    """By its rounds one run a side claims what differs by the run; several runs a side do not."""
    found = by_kind(false_claims(recorded(between=0.2), comparisons=50))
    assert found["rounds"].false > 25
    assert found["rounds"].holds  # it is only shown
    assert found["runs"].false <= 5
    assert found["runs"].found < 45
    assert not found["runs"].holds
    assert "NOT RELIABLE" in render(tuple(found.values()), 8, 0.15)


def test_noise_of_rounds_hides_the_slowdown() -> None:
    """The share that is found is that of these values, not an assumption."""
    found = by_kind(false_claims(recorded(within=0.4), comparisons=30))
    assert found["within"].false <= 3
    assert found["within"].found < 15
    assert found["rounds"].found < 15


def test_only_figures_that_became_slower_are_listed() -> None:
    """Of two arms through Fluid both became slower."""
    for one in false_claims(recorded(tails=True), comparisons=5)[:2]:
        names = [name for name, _ in one.by_metric]
        assert names
        assert all(f"against {RAW}" in name for name in names)


def test_slowdown_changes_reads_through_fluid_alone() -> None:
    """Value and latencies; the proofs and the other arms stay."""
    run = recorded(1, tails=True)[0]
    slow = slowed_down(run, 0.15)
    for before, after in zip(run.series[0].rounds, slow.series[0].rounds, strict=True):
        times = 0.85 if before.arm.startswith("Fluid") else 1.0
        assert before.value is not None
        assert after.value == pytest.approx(times * before.value)
        assert before.latency is not None
        assert after.latency is not None
        tails = [one.at(99.0) for one in (before.latency, after.latency)]
        assert tails[1] == pytest.approx((tails[0] or 0) / times, rel=1e-6)
        assert after.proof == before.proof


def test_run_without_equal_arms_says_so() -> None:
    """The other kinds are compared all the same."""
    arms = tuple(arm for arm in ARMS_HERE if arm.name != RAW_AGAIN)
    runs = [
        template().model_copy(
            update={
                "id": f"run-{number}",
                "series": (series(arms=arms, comparisons=PAIRS[:2], seed=number),),
            }
        )
        for number in range(8)
    ]
    found = by_kind(false_claims(runs, comparisons=3))
    assert found["within"].comparisons == 0
    assert not found["within"].holds
    assert "measured twice" in render(tuple(found.values()), 8, 0.15)
    assert found["runs"].comparisons == 3


def test_what_cannot_be_drawn_from_is_refused() -> None:
    """Each with a sentence of its own."""
    runs = recorded()
    with pytest.raises(RefusalError, match="7 runs are named, and 8 are needed"):
        false_claims(runs[:7])
    with pytest.raises(RefusalError, match="a side has 3 to 4, not 5"):
        false_claims(runs, side=5)
    with pytest.raises(RefusalError, match="0 comparisons"):
        false_claims(runs, comparisons=0)
    with pytest.raises(RefusalError, match="not 100 %"):
        false_claims(runs, slowdown=1.0)
    with pytest.raises(RefusalError, match="named more than once: run-0"):
        false_claims([*runs[:7], runs[0]])
    other = ENVIRONMENT.model_copy(update={"versions": {**ENVIRONMENT.versions, "fluid": "v0.9.3"}})
    with pytest.raises(RefusalError, match=r"not of one system: fluid: v1\.0\.8 in run run-0, v0\.9\.3"):
        false_claims([*runs[:7], runs[7].model_copy(update={"environment": other})])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the folders of the runs; the exit code is that of the rates."""
    places = []
    for run in recorded():
        place = tmp_path / run.id
        place.mkdir()
        results.save(place, run)
        places.append(str(place))
    assert main(["claims", *places, "--comparisons", "10"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("8 recorded runs of one system")
    assert WITHIN in said
    assert main(["claims", *places, "--comparisons", "10", "--slowdown", "0.1"]) == 1
    assert main(["claims", *places[:3]]) == 2
    assert "8 are needed" in capsys.readouterr().err
