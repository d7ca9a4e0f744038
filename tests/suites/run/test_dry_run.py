"""A dry run says what a run would do, and does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.host_check import CheckedRequirement
from clusters.options import Options
from suites.run import dry_run, plugin

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[3]

ROWS = """
import pytest

from clusters.disruption import Disruption
from clusters.host_check import CheckedRequirement
from suites.catalogue.scenario import Level, scenario
from suites.run import dry_run

dry_run.checked = lambda options, disturbs: [
    CheckedRequirement("memory", "8 GiB"),
    CheckedRequirement("rights", "all", "PROBLEM", "grant them"),
]


@scenario("A1", Level.SMOKE)
def test_a1(dataset_owner):
    \"\"\"It holds.\"\"\"
    open("ran", "w").close()


@scenario("A3", Level.CONFORMANCE, nfs_server="stops the NFS server")
def test_a3(user):
    \"\"\"It holds.\"\"\"
    open("ran", "w").close()


@scenario("A2", Level.SMOKE, disturbs={Disruption.NODE: "mounts a folder"})
def test_a2(user):
    \"\"\"It holds.\"\"\"
    open("ran", "w").close()
"""


@pytest.mark.parametrize(
    ("problem", "words", "code", "says"),
    [
        ("", (), 0, ["2 scenarios would run: A2, A1", "  kind cluster*", "  A2: node: mounts a folder"]),
        (
            "",
            ("--kubeconfig", "config"),
            0,
            ["1 scenarios would run: A1", "  nothing", "not run, disruptive*", "  A2: mounts a folder"],
        ),
        (
            "",
            ("--kubeconfig", "config", "--scenario", "A1,A3", "--source-claim", "team/photos"),
            0,
            [
                "1 scenarios would run: A1",
                "  namespace fluid-conformance with a Pod that mounts the source, *",
                "  one folder fluid-conformance-… on claim team/photos; nothing else there *",
                "not run:",
                "  A3: it stops the NFS server, and the source of this run is not the harness's",
            ],
        ),
        ("may not create namespaces", (), 4, ["*may not create namespaces: grant them"]),
    ],
)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    *,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    problem: str,
    words: tuple[str, ...],
    code: int,
    says: list[str],
) -> None:
    """No test runs, no report is written; the exit code says whether a run would be refused."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(test_rows=ROWS.replace("PROBLEM", problem))
    (pytester.path / "config").write_text("{}")
    plugins = ("-p", plugin.__name__, "-p", "reports.recorder.plugin", "-p", "no:cacheprovider")
    done = pytester.runpytest_subprocess(*plugins, "--dry-run", "--out", "out", *words)
    done.stdout.fnmatch_lines([*says, "nothing was created or changed"])
    assert done.ret == code
    assert not (pytester.path / "ran").exists()
    assert not (pytester.path / "out").exists()


def test_what_a_run_on_this_host_needs_is_that_of_the_host_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a cluster it is that of the cluster check."""
    memory = CheckedRequirement("memory", "8 GiB")
    monkeypatch.setattr(dry_run, "check_host", lambda options, commands, progress: (memory,))
    assert list(dry_run.checked(Options(), frozenset())) == [memory]
