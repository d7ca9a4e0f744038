"""Performance of Fluid compared with raw NFS. These are not scenarios: they do not affect the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from suites.benchmark.model.rounds import Round
from suites.benchmark.run.cases import TooFewNodesError
from suites.benchmark.run.plugin import settings_of
from suites.benchmark.run.replay import Replay
from suites.benchmark.testbed.shaping import ShapingError

if TYPE_CHECKING:
    from suites.benchmark.run.base_session import Session  # numpy loads only for a benchmark

REPLAYS: Final = pytest.StashKey[dict[tuple[str, str], Replay]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each arm of each series of the profile.

    Only the parameters have the mark: one on the function would hide theirs, with the timer.
    """
    if not metafunc.config.getoption("markexpr"):
        nothing = pytest.param("", "", id="not-selected", marks=pytest.mark.benchmark)
        metafunc.parametrize(("series", "arm"), [nothing])
        return
    replays = metafunc.config.stash.setdefault(REPLAYS, {})
    metafunc.parametrize(
        ("series", "arm"),
        [
            pytest.param(
                plan.name,
                arm,
                id=f"{plan.name}: {arm}",
                marks=pytest.mark.benchmark(
                    group=plan.name, timer=replays.setdefault((plan.name, arm), Replay())
                ),
            )
            for plan in settings_of(metafunc.config).plans()
            for arm in plan.arms
        ],
    )


def test_throughput(
    request: pytest.FixtureRequest, benchmark: Any, benchmark_session: Session[Any], series: str, arm: str
) -> None:
    """The valid rounds of an arm, in the run times that were measured."""
    if benchmark_session.stopped and not benchmark_session.has(series):
        pytest.skip(f"not measured: {benchmark_session.stopped}")
    try:
        result = benchmark_session.series(series)
    except ShapingError as error:
        pytest.skip(f"cannot be measured on this host: {error.message}")
    except TooFewNodesError as error:
        pytest.skip(f"not measured: {error.message}; {error.advice}")
    rounds = result.of_arm(arm)
    valid = [one for one in rounds if one.valid]
    benchmark.extra_info.update(extra_info(rounds))
    if not valid:
        reasons = sorted({one.reason for one in rounds})
        pytest.fail(f"no round of {arm} is valid: {'; '.join(reasons) or 'none was complete'}", pytrace=False)
    replay = request.config.stash[REPLAYS][series, arm]
    # A value may consist of several reads; reported is the time of one, the same amount in all arms.
    amount = result.workload.pods * result.workload.total_bytes
    replay.load([one.seconds * amount / (one.read_bytes or amount) for one in valid])
    benchmark.pedantic(replay.one_round, rounds=len(valid))


def extra_info(rounds: tuple[Round, ...]) -> dict[str, Any]:
    """Additional information for pytest-benchmark: each round with its figures and its evidence."""
    return {"rounds": [one.model_dump(mode="json") for one in rounds]}
