"""Read throughput of Fluid beside raw NFS. Not scenarios: nothing here passes or fails Fluid."""

from __future__ import annotations

from typing import Any, Final

import pytest

from suites.benchmark.plugin import settings_of
from suites.benchmark.replay import Replay
from suites.benchmark.results import RoundResult
from suites.benchmark.session import BenchmarkSession
from suites.benchmark.shaping import ShapingError

REPLAYS: Final = pytest.StashKey[dict[tuple[str, str], Replay]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each arm of each series of the profile.

    The mark stands on the parameters alone: one on the function would hide theirs, timer and all.
    """
    if not metafunc.config.getoption("markexpr"):
        nothing = pytest.param("", "", id="not-asked-for", marks=pytest.mark.benchmark)
        metafunc.parametrize(("series", "arm"), [nothing])
        return
    replays = metafunc.config.stash.setdefault(REPLAYS, {})
    metafunc.parametrize(
        ("series", "arm"),
        [
            pytest.param(
                wanted.name,
                arm,
                id=f"{wanted.name}: {arm}",
                marks=pytest.mark.benchmark(
                    group=wanted.name, timer=replays.setdefault((wanted.name, arm), Replay())
                ),
            )
            for wanted in settings_of(metafunc.config).wanted()
            for arm in wanted.series.arms
        ],
    )


def test_throughput(
    request: pytest.FixtureRequest, benchmark: Any, measuring: BenchmarkSession, series: str, arm: str
) -> None:
    """An arm's valid rounds, as they were measured in turns with the others, in fio's own run times."""
    if measuring.stopped and not measuring.has(series):
        pytest.skip(f"not measured: {measuring.stopped}")
    try:
        result = measuring.series(series)
    except ShapingError as error:
        pytest.skip(f"cannot be measured here: {error.message}")
    rounds = result.of_arm(arm)
    valid = [one for one in rounds if one.valid]
    benchmark.extra_info.update(told(rounds))
    if not valid:
        reasons = sorted({one.reason for one in rounds})
        pytest.fail(
            f"no round of {arm} was proved: {'; '.join(reasons) or 'none was complete'}", pytrace=False
        )
    replay = request.config.stash[REPLAYS][series, arm]
    # A value may be made of several reads; what is told is what one takes, the same amount in all arms.
    amount = result.workload.pods * result.workload.total_bytes
    replay.load([one.seconds * amount / one.read_bytes for one in valid])
    benchmark.pedantic(replay.one_round, rounds=len(valid))


def told(rounds: tuple[RoundResult, ...]) -> dict[str, Any]:
    """What pytest-benchmark keeps beside the durations: each round with fio's numbers and its proof."""
    return {"rounds": [one.model_dump(mode="json") for one in rounds]}
