"""Scenarios that disturb others: left out on a cluster that the harness did not create, and watched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.disruption import ALL
from suites.catalogue.discovery import declared
from suites.run import plugin

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[3]

ROWS = """
import pytest

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from suites.catalogue.scenario import Level, scenario
from suites.record.evidence import Evidence
from suites.run.options import GUARD


@pytest.fixture
def nodes(pytestconfig):
    return pytestconfig.stash[GUARD]


@scenario("A1", Level.SMOKE)
def test_a1(nodes, evidence):
    \"\"\"It holds.\"\"\"
    nodes.check_node_command("n1", ["cat", "/proc/mounts"], None)


@scenario("A2", Level.SMOKE, disturbs={Disruption.NODE: "mounts a folder"})
def test_a2(nodes, evidence):
    \"\"\"It holds.\"\"\"
    nodes.check_node_command("n1", ["mount", "x"], Disruption.NODE)


@scenario("A3", Level.SMOKE)
def test_a3(nodes, evidence):
    \"\"\"It holds.\"\"\"
    try:
        nodes.check_node_command("n1", ["mount", "x"], Disruption.NODE)
    except Exception:
        pass


@scenario("A4", Level.SMOKE, writes=(kinds.CLUSTER_ROLE,))
def test_a4(evidence):
    \"\"\"It holds.\"\"\"


@scenario("C5", Level.CONFORMANCE, nfs_server="stops the NFS server")
def test_c5(evidence):
    \"\"\"It holds.\"\"\"
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs the rows above, and returns the verdict."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(test_rows=ROWS)
    return Runner(pytester)


class Runner:
    """Runs rows in a process of their own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        (pytester.path / "config").write_text("{}")

    def __call__(self, *words: str) -> dict[str, dict[str, object]]:
        """The results by id, after a run with these options."""
        plugins = ("-p", plugin.__name__, "-p", "reports.recorder.plugin", "-p", "no:cacheprovider")
        self.done = self.pytester.runpytest_subprocess(*plugins, "--out", "out", *words)
        self.verdict = json.loads((self.pytester.path / "out" / "latest" / "verdict.json").read_text())
        return {row["id"]: row for row in self.verdict["scenarios"]}


def test_a_write_that_is_not_declared_fails_its_scenario_as_the_harness_fault(run: Runner) -> None:
    """Also where the scenario hides the error; a declared write is permitted."""
    rows = run()
    assert (rows["A1"]["outcome"], rows["A2"]["outcome"]) == ("pass", "pass")
    assert (rows["A3"]["outcome"], rows["A3"]["class"]) == ("fail", "harness")
    assert "`mount x` on node n1" in str(rows["A3"]["reason"])


def test_on_a_foreign_cluster_disruptive_rows_do_not_run(run: Runner) -> None:
    """They are listed with what they would do and how to permit it, and are no pass."""
    rows = run("--kubeconfig", "config", "--scenario", "A1,A2")
    assert rows["A1"]["outcome"] == "pass"
    assert rows["A2"]["outcome"] == "skipped"
    assert rows["A2"]["reason"] == (
        "not run, disruptive: it mounts a folder; --allow-disruptive node permits it"
    )
    assert rows["A2"]["disturbs"] == ["node: mounts a folder"]
    assert run.verdict["verdict"] == "pass"
    assert run.verdict["reasons"][-1] == "A2 would disturb others on this cluster, and did not run."
    assert "mounts a folder" in (run.pytester.path / "out" / "latest" / "junit.xml").read_text()
    assert "mounts a folder" in (run.pytester.path / "out" / "latest" / "report.html").read_text()


def test_with_few_rights_rows_that_create_roles_do_not_run(run: Runner) -> None:
    """Only an administrator may create a role with rights that they do not have."""
    rows = run("--kubeconfig", "config", "--bind-role", "own", "--scenario", "A1,A4")
    assert rows["A1"]["outcome"] == "pass"
    assert rows["A4"]["outcome"] == "skipped"
    assert str(rows["A4"]["reason"]).startswith("cannot run here: it creates roles")
    assert run("--kubeconfig", "config", "--scenario", "A4")["A4"]["outcome"] == "pass"


def test_with_an_existing_source_rows_that_need_the_nfs_server_do_not_run(run: Runner) -> None:
    """They are listed with what they would do, and are no pass."""
    words = ("--kubeconfig", "config", "--scenario", "A1,C5")
    rows = run(*words, "--source-claim", "team/photos")
    assert rows["A1"]["outcome"] == "pass"
    assert rows["C5"]["outcome"] == "skipped"
    assert rows["C5"]["reason"] == (
        "cannot run here: it stops the NFS server, and the source of this run is not the harness's"
    )
    assert run.verdict["run"]["options"]["source"] == "existing claim"
    assert "photos" not in str(run.verdict["run"]["options"])
    assert run(*words)["C5"]["outcome"] == "pass"


def test_rows_that_use_the_nfs_server_of_the_harness_declare_it() -> None:
    """Their modules ask for it, and no module without such a row does."""
    rows = declared()
    asking = {row.file for row in rows if _uses_server((ROOT / row.file).read_text())}
    assert asking == {row.file for row in rows if row.nfs_server}
    assert {row.id for row in rows if row.nfs_server} == {"B28", "C5", "D12", "D18", "D19", "D20", "D24"}
    for row in rows:
        assert not row.nfs_server.endswith(".")
        assert row.nfs_server[:1].islower() or not row.nfs_server


def _uses_server(source: str) -> bool:
    return "system.nfs_server" in source or "nfs_server." in source or "observer.served" in source


def test_what_is_permitted_runs(run: Runner) -> None:
    """The option names kinds."""
    rows = run("--kubeconfig", "config", "--allow-disruptive", "node", "--scenario", "A2")
    assert rows["A2"]["outcome"] == "pass"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--allow-disruptive", "all"), "all: not a kind of disruption"),
        (("--level", "sabotage"), "level sabotage breaks the product on purpose"),
        (
            (
                "--level",
                "sabotage",
                "--source-server",
                "nas:/data",
                "--allow-disruptive",
                ",".join(kind.option for kind in ALL),
            ),
            "NFS server nas:/data cannot be the source of this",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(run: Runner, words: tuple[str, ...], says: str) -> None:
    """Unknown kinds, and levels that disturb everything."""
    plugins = ("-p", plugin.__name__, "-p", "no:cacheprovider")
    done = run.pytester.runpytest_subprocess(*plugins, "--kubeconfig", "config", *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert says in "\n".join([*done.outlines, *done.errlines])


def test_declarations_are_sentences_about_something_that_others_use() -> None:
    """Each continues "it …", and smoke runs on any cluster."""
    for scenario in declared():
        for one in scenario.disturbs:
            assert one.kind in ALL
            assert one.does[0].islower()
            assert not one.does.endswith(".")
        if str(scenario.level) == "smoke":
            assert scenario.disturbs == (), f"{scenario.id} disturbs others"
