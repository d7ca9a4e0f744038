"""Benchmarks run only if requested, and pytest-benchmark receives fio's own run times."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from suites.benchmark.run.plugin import settings_of
from suites.benchmark.run.replay import Replay
from suites.benchmark.testbed.environment_probe import heap_bytes, mount_record, properties

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[4]
REPLAYED = """
import pytest
from suites.benchmark.run.replay import Replay

replay = Replay()

@pytest.mark.benchmark(group="g", timer=replay)
def test_arm(benchmark):
    benchmark.extra_info["arm"] = "replayed"
    replay.load([0.5, 0.25, 1.0])
    benchmark.pedantic(replay.one_round, rounds=3)

def test_other():
    pass
"""

CANNED = """
import pytest
from suites.benchmark.run.plugin import MEASURED
from tests.reports.measurements import benchmark as made, series

class Canned:
    stopped = ""
    def series(self, name):
        return series(name)

@pytest.fixture(scope="session")
def benchmark_session(request):
    request.config.stash[MEASURED] = made()
    return Canned()
"""


ONE_NODE = """
import pytest
from suites.benchmark.run.cases import Case, require_nodes

class OneNode:
    stopped = ""
    def series(self, name):
        require_nodes(Case.REMOTE, 1)

@pytest.fixture(scope="session")
def benchmark_session():
    return OneNode()
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a benchmark and a test, and the plugins of the suites."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # pytest-benchmark measures nothing in a worker of pytest-xdist, and the sub-run is none.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile(test_it=REPLAYED)
    return pytester


def run(folder: pytest.Pytester, *words: str) -> pytest.RunResult:
    """Run pytest there in a process of its own."""
    plugins = ("-p", "no:kmock", "-p", "suites.run.plugin", "-p", "suites.benchmark.run.plugin")
    return folder.runpytest_subprocess(*plugins, *words)


def test_benchmarks_are_left_out_unless_asked_for(folder: pytest.Pytester) -> None:
    """Without -m a benchmark is deselected, in whatever file it is."""
    run(
        folder, "test_it.py", str(ROOT / "suites" / "benchmark" / "run" / "test_throughput.py")
    ).assert_outcomes(passed=1, deselected=2)


def test_every_arm_is_handed_over_with_its_proof(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -m each arm is one benchmark with its valid rounds, figures and proofs, and the system."""
    folder.makepyfile(canned=CANNED)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder.path / "summary.md"))
    words = (
        "-p",
        "reports.recorder.plugin",
        "-p",
        "canned",
        "-m",
        "benchmark",
        "-k",
        "test_arm or at and 100",
    )
    files = ("test_it.py", str(ROOT / "suites" / "benchmark" / "run" / "test_throughput.py"))
    result = run(folder, *words, "--benchmark-json=kept.json", *files)
    assert result.parseoutcomes()["passed"] == 9
    whole = json.loads((folder.path / "kept.json").read_text())
    assert whole["system"]["versions"]["fluid"] == "v1.0.8"
    assert whole["machine_info"]["nfs_client"] == "user-space"
    kept = {one["extra_info"].get("arm") or one["params"]["arm"]: one for one in whole["benchmarks"]}
    assert len(kept) == 9
    replayed = kept["replayed"]
    assert (replayed["stats"]["data"], replayed["group"]) == ([0.5, 0.25, 1.0], "g")
    raw = kept["raw NFS, cold"]
    rounds = raw["extra_info"]["rounds"]
    assert raw["stats"]["data"] == pytest.approx([one["seconds"] for one in rounds if one["valid"]])
    assert rounds[0]["proof"]["before"]["nfs_read_bytes"] is not None
    assert rounds[0]["latency"]["percentiles"]
    assert "Fluid, warm, fresh client against raw NFS, cold" in result.stdout.str()
    assert "## Read performance" in (folder.path / "summary.md").read_text()
    left = next((folder.path / "out").glob("2*"))
    assert {"benchmark.csv", "benchmark.md", "report.html"} <= {path.name for path in left.iterdir()}


def test_case_that_this_cluster_is_too_small_for_is_skipped(folder: pytest.Pytester) -> None:
    """In one sentence, with what helps; each arm of the chosen case is one benchmark."""
    folder.makepyfile(canned=ONE_NODE)
    file = str(ROOT / "suites" / "benchmark" / "run" / "test_throughput.py")
    result = run(folder, "-p", "canned", "-m", "benchmark", "--benchmark-case", "remote", "-rs", file)
    assert result.parseoutcomes() == {"skipped": 4}
    said = result.stdout.str().replace("\n", " ")
    assert "local and remote reads need a worker on each of two nodes, and this cluster has 1" in said


def test_profile_that_is_not_there_is_refused() -> None:
    """An option that cannot be is refused while tests are collected."""
    options = {"benchmark_profile": "huge"}
    config = cast("pytest.Config", SimpleNamespace(getoption=options.get))
    with pytest.raises(pytest.UsageError, match="no benchmark profile 'huge'"):
        settings_of(config)


def test_replay_shows_the_durations_one_after_another() -> None:
    """The timer runs only during the rounds."""
    replay = Replay()
    replay.load([2.0, 3.0])
    before = replay()
    replay.one_round()
    assert replay() - before == 2.0
    replay.one_round()
    assert replay() - before == 5.0
    with pytest.raises(StopIteration):
        replay.one_round()


def test_heap_is_the_last_one_in_the_options() -> None:
    """Java uses the last -Xmx; none is not zero."""
    assert heap_bytes("-Xmx16G -Dx=1 -Xmx512m ") == 512 * 1024**2
    assert heap_bytes("-Xms1g") is None


def test_properties_leave_out_what_says_nothing() -> None:
    """Ports and host names differ from run to run."""
    found = properties(["-Dalluxio.master.web.port=25752 -Dalluxio.fuse.jnifuse.enabled=true -Xmx1g"])
    assert found == {"alluxio.fuse.jnifuse.enabled": "true"}


def test_record_is_found_by_its_device() -> None:
    """Of several records the one of the reader's mount counts; one that is cut off counts for nothing."""
    one = '{\n "device": "0:368", "rsize": 1048576\n}\n'
    other = '{\n "device": "0:1", "rsize": 4096\n}\n'
    assert mount_record(other + one, "0:368")["rsize"] == 1048576
    assert mount_record(other + one[:20], "0:368") == {}
    assert mount_record("", "0:368") == {}
