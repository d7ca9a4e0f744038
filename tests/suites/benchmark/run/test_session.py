"""A whole benchmark on a model of the system: what is kept, when, and what Ctrl-C leaves."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.images.tools import Tools
from clusters.progress import Progress
from reports import run_files
from reports.performance.lines import lines
from suites.benchmark.model import results
from suites.benchmark.model.judgement import Conclusion
from suites.benchmark.model.results import Benchmark
from suites.benchmark.run import arms, base_session, session
from suites.benchmark.run import measure as measuring_one
from suites.benchmark.run.profile import TEARDOWN_SECONDS, Settings
from suites.benchmark.run.session import BenchmarkSession
from suites.benchmark.testbed import nfs_proxy, testbed
from suites.benchmark.testbed.shaping import ShapingError
from tests.clusters.conftest import FakeClock
from tests.reports.measurements import ENVIRONMENT
from tests.suites.benchmark.run.test_measure import MIB, Model, standalone_job

#: Commands that run fio in a round of that series: one for each arm, but one for each of the three reads of
#: the standalone Job.
ROUND = 8 + 3
#: Those that measure the bandwidth before the rounds.
BANDWIDTH = 1
NAME = "sequential-1m x1, NFS at 100 MiB/s"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of the system in place of the bench."""
    made = Model(128 * MIB)
    monkeypatch.setattr(testbed.Testbed, "create", lambda *_: made)
    monkeypatch.setattr(session, "probe_environment", lambda *_: ENVIRONMENT)
    monkeypatch.setattr(session, "mounts_of", lambda _: dict.fromkeys((True, False), ("fuse.nfs", "rw")))
    monkeypatch.setattr(base_session, "CALIBRATION_SERIES", 5)
    monkeypatch.setattr(measuring_one, "read_in_standalone_job", standalone_job)
    return made


@pytest.fixture
def seen() -> list[Benchmark]:
    """Each state of the results that was written."""
    return []


@pytest.fixture
def benchmark_session(model: Model, seen: list[Benchmark], tmp_path: Path) -> BenchmarkSession:
    """Who measures, five rounds of each series."""
    made = BenchmarkSession(
        system=cast("Any", model.system),
        progress=Progress(stream=io.StringIO()),
        settings=Settings.of("default", rounds=5),
        out=tmp_path / "run",
        run_id="run",
        command="pytest",
        started=datetime.now(UTC),
        on_write=seen.append,
    )
    made.prepare()
    return made


def test_plan_is_reported_before_anything_is_created(
    model: Model, benchmark_session: BenchmarkSession
) -> None:
    """Names, rounds and minutes are first on the terminal."""
    output = cast("io.StringIO", benchmark_session.progress.stream).getvalue()
    assert NAME in output
    assert "together" in output
    assert "min" in output


def test_series_is_measured_once_and_written_after_each_round(
    model: Model, benchmark_session: BenchmarkSession, seen: list[Benchmark]
) -> None:
    """The file on disk always has the complete rounds so far."""
    result = benchmark_session.series(NAME)
    assert benchmark_session.series(NAME) is result
    assert {len(one.series[0].of_arm(arms.RAW_COLD)) for one in seen} >= {1, 2, 3, 4, 5}
    assert results.load(benchmark_session.out / results.FILE).series == (result,)
    assert all(one.valid for one in result.rounds)
    assert result.shaping.asked == 100 * MIB
    assert result.shaping.reached == pytest.approx(128 * MIB / 0.3995)
    assert result.workload.parameters["bs"] == "1m"


def test_nfs_is_free_again_after_a_series(model: Model, benchmark_session: BenchmarkSession) -> None:
    """The limit of a series ends with it, and Alluxio was emptied before it."""
    benchmark_session.series(NAME)
    assert model.limits[-1] == ""
    assert model.did[0] == "freed all"


def test_judge_is_judged_at_the_end(
    model: Model, benchmark_session: BenchmarkSession, seen: list[Benchmark]
) -> None:
    """The finished results have the judge's own figures, and what was created is removed."""
    benchmark_session.series(NAME)
    benchmark_session.close(clean=True)
    assert seen[-1].finished
    assert [proof.series for proof in seen[-1].judge] == [5, 5]
    assert model.did[-1] == "removed"


def test_a_cluster_that_is_deleted_anyway_needs_no_removal(
    model: Model, benchmark_session: BenchmarkSession
) -> None:
    """Without cleaning nothing is waited for."""
    benchmark_session.close(clean=False)
    assert "removed" not in model.did


def test_ctrl_c_keeps_complete_rounds(
    model: Model, benchmark_session: BenchmarkSession, seen: list[Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds that were complete are kept and judged for what they are; the results say who ended it."""
    whole, calls = model.exec, 0

    def third_time_lucky(*given: Any, **more: Any) -> Completed:
        nonlocal calls
        calls += 1
        # In the third round.
        if calls > BANDWIDTH + 2 * ROUND + 5:
            raise KeyboardInterrupt
        return whole(*given, **more)

    monkeypatch.setattr(model, "exec", third_time_lucky)
    result = benchmark_session.series(NAME)
    assert {one.number for one in result.rounds} == {0, 1}
    assert result.ending == "interrupted"
    assert benchmark_session.stopped.startswith("Ctrl-C")
    assert all(one.verdict is Conclusion.INVALID for one in result.judged)
    assert model.limits[-1] == ""
    benchmark_session.close(clean=True)
    assert not seen[-1].finished
    assert "Ctrl-C" in seen[-1].stopped


def test_ctrl_c_in_the_first_round_leaves_results_that_can_be_shown(
    model: Model,
    benchmark_session: BenchmarkSession,
    seen: list[Benchmark],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """No complete round is still a result: nothing was compared, and every report says so."""
    whole, calls = model.exec, 0

    def fifth(*given: Any, **more: Any) -> Completed:
        nonlocal calls
        calls += 1
        if calls > BANDWIDTH + 2:
            raise KeyboardInterrupt
        return whole(*given, **more)

    monkeypatch.setattr(model, "exec", fifth)
    assert benchmark_session.series(NAME).rounds == ()
    benchmark_session.close(clean=True)
    run_files.write(tmp_path, None, seen[-1])
    assert "Ctrl-C" in (tmp_path / "report.html").read_text()
    assert any("Ctrl-C" in line for line in lines(seen[-1]))


def test_series_that_fails_is_reported_and_tried_once(
    model: Model, benchmark_session: BenchmarkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be calibrated fails with its reason, each time it is requested, and is not tried again."""
    calls = 0

    def broken(*_: Any, **__: Any) -> Completed:
        nonlocal calls
        calls += 1
        raise InfrastructureError("the connection broke")

    monkeypatch.setattr(model, "exec", broken)
    for _ in range(2):
        with pytest.raises(HarnessError, match="the connection broke"):
            benchmark_session.series(NAME)
    assert calls == 1
    assert model.limits[-1] == ""


def test_series_share_the_time_that_is_really_left(benchmark_session: BenchmarkSession) -> None:
    """The difference to the planned time of creating the data is shared by all series."""
    first, second, third = benchmark_session.settings.series_specs()
    benchmark_session.clock = FakeClock(time=0.0)
    benchmark_session._ends = 60 * benchmark_session.settings.minutes - TEARDOWN_SECONDS
    benchmark_session.clock.sleep(60 * 5)
    left = 60 * benchmark_session.settings.minutes - 60 * 5 - TEARDOWN_SECONDS
    budgets = [benchmark_session._timed(one).series.budget for one in (first, second, third)]
    assert sum(budgets) == pytest.approx(left)
    benchmark_session._done[first.name] = cast("Any", "measured")
    assert benchmark_session._timed(second).series.budget > budgets[1]


def test_kernel_that_cannot_shape_leaves_it_to_a_proxy(
    model: Model, benchmark_session: BenchmarkSession, monkeypatch: pytest.MonkeyPatch, seen: list[Benchmark]
) -> None:
    """Without tbf a second testbed behind a proxy is created, measured and removed, the proxy last."""
    behind = Model(128 * MIB)
    means: list[float | None] = []

    class Proxy:
        means = "a proxy"

        def __call__(self, mean: float | None) -> None:
            means.append(mean)

        def remove(self) -> None:
            behind.did.append("proxy removed")

    def refuses(*_: object) -> None:
        raise ShapingError("the bandwidth of the NFS server could not be limited")

    made = Proxy()
    monkeypatch.setattr(Model, "limiter", property(lambda self: made if self is behind else refuses))
    monkeypatch.setattr(nfs_proxy, "install", lambda *_: made)
    monkeypatch.setattr(Tools, "obtain", lambda *_: Path())
    monkeypatch.setattr(testbed.Testbed, "create", lambda *_: behind)
    monkeypatch.setattr(
        benchmark_session,
        "system",
        SimpleNamespace(options=None, host=None, kube=behind.system.kube, nfs_server=None, toolbox=""),
    )
    result = benchmark_session.series(NAME)
    assert result.shaping.means == "a proxy"
    assert means[0] == 100 * MIB
    assert means[-1] is None
    assert all(one.valid for one in result.rounds)
    monkeypatch.setattr(Model, "limiter", property(lambda self: made))
    benchmark_session.close(clean=True)
    assert behind.did[-2:] == ["removed", "proxy removed"]
    assert "so a proxy in front of it is used" in seen[-1].findings[0]
