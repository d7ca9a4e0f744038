"""The plugin, on sessions of pytest's own: outcomes, files, and runs that end badly."""

from __future__ import annotations

import json
import re
import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import reports.recorder.plugin  # noqa: F401 - otherwise each inner session imports it again
from reports.__main__ import main
from suites.benchmark.model import results
from tests.reports.measurements import benchmark

pytest_plugins = ["pytester"]

# Created before any inner session: pytester unloads the modules that a test loads, and numpy loads once only.
MEASURED = benchmark()

OPTIONS = ("-p", "no:cacheprovider", "-p", "allure_pytest.plugin")

CONFTEST = """
import pytest
from clusters.errors import HarnessError, InfrastructureError, ProductFailureError
from clusters.progress import Stage
from suites.record.evidence import EVIDENCE, Evidence
from clusters.facts import SystemFacts
from suites.record.run import BundleCollector, run_of

pytest_plugins = ["reports.recorder.plugin"]

def pytest_addoption(parser):
    parser.addoption("--out", default="out")

def pytest_configure(config):
    config.addinivalue_line("markers", "scenario(declared): a scenario")
    config.addinivalue_line("markers", "benchmark: a measurement")
    run = run_of(config)
    events = BundleCollector("events", lambda context: {"events.txt": f"{context.scenario} FailedMount"})
    run.bundle_collectors.append(events)

@pytest.fixture(scope="session")
def system(pytestconfig):
    run = run_of(pytestconfig)
    run.stages.append(Stage("cluster up", 41.5))
    run.system = SystemFacts(
        kubernetes="v1.34.2",
        fluid="v1.0.8",
        alluxio="2.9.0",
        cluster="kind",
        nodes=2,
        nfs_client="kernel",
        nfs_versions=("4.2",),
    )

@pytest.fixture
def evidence(request, system):
    evidence = request.node.stash[EVIDENCE] = Evidence()
    return evidence
"""

HEAD = """
import os, signal
import pytest
from clusters.errors import HarnessError, InfrastructureError, ProductFailureError
from clusters.facts import SystemFacts
from suites.record.run import cannot_run_here
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
"""

PASSES = '''
@scenario("A1", Level.SMOKE, issues=(4382,))
def test_a1(evidence):
    """A Dataset becomes Bound.

    The user makes
    a Dataset.
    """
    with evidence.phase("waiting", "wait until Bound"):
        evidence.fact("Dataset", "phase Bound", phase="Bound")
    evidence.attach("sent/dataset", "kind: Dataset", "yaml")
'''

FAILS = '''
@scenario("B1", Level.SMOKE)
def test_b1(evidence):
    """Nothing is accelerated."""
    evidence.namespaces.append("b1")
    evidence.attach("sent", "kind: Pod", "yaml")
    print("reading")
    raise ProductFailureError("the Pod reads through Fluid", subject="Pod b1/app")
'''


@pytest.fixture(autouse=True)
def own_plugins_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sessions within load what they name, not all that happens to be installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def run(pytester: pytest.Pytester, *tests: str, args: tuple[str, ...] = ()) -> pytest.RunResult:
    """Run these tests in a session of their own."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HEAD + "".join(tests))
    return pytester.runpytest_inprocess(*OPTIONS, *args)


def latest(pytester: pytest.Pytester) -> Path:
    """The folder of the last run."""
    return pytester.path / "out" / "latest"


def verdict(pytester: pytest.Pytester) -> dict[str, Any]:
    """What its `verdict.json` holds."""
    data: dict[str, Any] = json.loads((latest(pytester) / "verdict.json").read_text())
    return data


def rows(pytester: pytest.Pytester) -> dict[str, dict[str, Any]]:
    """Its scenarios by id."""
    return {row["id"]: row for row in verdict(pytester)["scenarios"]}


def junit(out: Path) -> dict[str | None, ET.Element]:
    """The cases of its JUnit file by name."""
    root = ET.parse(out / "junit.xml")  # noqa: S314 - the test itself let it be written
    return {case.get("name"): case for case in root.iter("testcase")}


def test_pass(pytester: pytest.Pytester) -> None:
    """A passed scenario is reported with its evidence, phases and texts, and the run exits with 0."""
    result = run(pytester, PASSES)
    assert result.ret == 0
    whole = verdict(pytester)
    assert whole["verdict"] == "pass"
    assert whole["run"]["finished"]
    assert whole["run"]["host"]["cpus"] >= 1
    assert re.fullmatch("[0-9a-f]{12}", whole["run"]["harness"])
    assert (whole["system"]["nfs_client"], whole["system"]["nfs_versions"]) == ("kernel", ["4.2"])
    assert whole["stages"] == [{"name": "cluster up", "seconds": 41.5, "cached": False}]
    row = rows(pytester)["A1"]
    assert (row["outcome"], row["class"], row["does"]) == ("pass", None, "The user makes a Dataset.")
    assert row["evidence"][0]["data"] == {"phase": "Bound"}
    assert row["phases"][0]["kind"] == "waiting"
    (kept,) = row["attachments"]
    assert (latest(pytester) / kept["path"]).read_text() == "kind: Dataset"
    result.stdout.fnmatch_lines(
        [
            "A1  pass * s  A Dataset becomes Bound.",
            "PASS: Fluid passed the only scenario (1 passed)*",
            "report: *report.html",
        ]
    )


def test_shared_set_up_is_not_the_scenarios(pytester: pytest.Pytester) -> None:
    """The time of creating the system is under stages, not with the first scenario."""
    run(pytester, PASSES)
    assert rows(pytester)["A1"]["seconds"] < 5


def test_all_files(pytester: pytest.Pytester) -> None:
    """A run leaves verdict, JUnit, Allure's results, page and summary in its folder."""
    run(pytester, PASSES, FAILS)
    out = latest(pytester)
    assert {"verdict.json", "junit.xml", "allure-results", "report.html", "summary.md"} <= {
        p.name for p in out.iterdir()
    }
    cases = junit(out)
    properties = {p.get("name"): p.get("value") for p in cases["test_b1"].iter("property")}
    assert properties == {"scenario": "B1", "level": "smoke", "outcome": "fail"}
    allure = {
        a["name"]: a
        for a in map(json.loads, (p.read_text() for p in out.glob("allure-results/*-result.json")))
    }
    assert allure["A1: A Dataset becomes Bound."]["links"][0]["url"].endswith("/4382")
    steps = [step["name"] for step in allure["A1: A Dataset becomes Bound."]["steps"]]
    assert steps == ["wait until Bound"]
    names = [attached["name"] for attached in allure["B1: Nothing is accelerated."]["attachments"]]
    assert "collected material" in names


def test_user_sends_reports_elsewhere(pytester: pytest.Pytester) -> None:
    """``--junitxml``, ``--alluredir`` and ``--out`` of the user are kept."""
    run(pytester, PASSES, args=("--junitxml=mine.xml", "--alluredir=mine", "--out=there"))
    assert (pytester.path / "mine.xml").exists()
    assert list((pytester.path / "mine").glob("*-result.json"))
    assert {p.name for p in (pytester.path / "there/latest").iterdir()} == {
        "verdict.json", "report.html", "summary.md", "attachments"
    }  # fmt: skip


def test_product_failure(pytester: pytest.Pytester) -> None:
    """A finding makes the run a fail, with reason, bundle and exit code 1."""
    result = run(pytester, PASSES, FAILS)
    assert result.ret == 1
    assert verdict(pytester)["verdict"] == "fail"
    row = rows(pytester)["B1"]
    assert (row["outcome"], row["class"], row["reason"]) == ("fail", "product", "the Pod reads through Fluid")
    (bundle,) = row["bundles"]
    index = latest(pytester) / bundle["path"]
    assert "Namespaces: b1" in index.read_text()
    assert (index.parent / "events/events.txt").read_text() == "B1 FailedMount"
    assert "the Pod reads through Fluid" in (index.parent / "error.txt").read_text()
    assert (index.parent / "test/01-sent.yaml").read_text() == "kind: Pod"
    assert "reading" in (index.parent / "test/captured-stdout-call.txt").read_text()
    result.stdout.fnmatch_lines(
        ["    Fluid's fault: the Pod reads through Fluid", "    collected in the body: bundles/B1/*"]
    )


def test_set_up_failure(pytester: pytest.Pytester) -> None:
    """A shared fixture that fails makes the run invalid; its files are collected once."""
    result = run(
        pytester,
        '''
@pytest.fixture(scope="module")
def broken(system):
    raise InfrastructureError("the API server does not answer")

@scenario("A1", Level.SMOKE)
def test_a1(broken):
    """One."""

@scenario("A2", Level.SMOKE)
def test_a2(broken):
    """Two."""
''',
    )
    assert result.ret == 3
    whole = verdict(pytester)
    assert whole["verdict"] == "invalid"
    assert whole["reasons"] == ["A1, A2 (infrastructure): in set-up: the API server does not answer"]
    one, two = rows(pytester)["A1"], rows(pytester)["A2"]
    assert one["attempts"][0]["failures"][0]["phase"] == "setup"
    assert (
        one["bundles"]
        == two["bundles"]
        == [{"name": "collected in set-up", "path": "bundles/A1/setup/index.md"}]
    )


def test_teardown_failure(pytester: pytest.Pytester) -> None:
    """A leak found in teardown fails a scenario that had passed, and has its bundle."""
    result = run(
        pytester,
        '''
@pytest.fixture
def clean():
    yield
    raise ProductFailureError("node label fluid.io/f-a1-data is still there")

@scenario("E1", Level.SMOKE)
def test_e1(clean, evidence):
    """Nothing is left."""
''',
    )
    assert result.ret == 1
    row = rows(pytester)["E1"]
    assert (row["outcome"], row["class"]) == ("fail", "product")
    assert row["reason"] == "in teardown: node label fluid.io/f-a1-data is still there"
    assert row["bundles"][0]["path"] == "bundles/E1/teardown/index.md"


def test_teardown_failure_hides_nothing(pytester: pytest.Pytester) -> None:
    """When body and teardown fail, both are reported, the body first."""
    run(
        pytester,
        '''
@pytest.fixture
def clean():
    yield
    raise InfrastructureError("the cluster is gone")

@scenario("B1", Level.SMOKE)
def test_b1(clean):
    """Nothing is accelerated."""
    raise ProductFailureError("it is accelerated")
''',
    )
    row = rows(pytester)["B1"]
    assert (row["class"], row["reason"]) == ("product", "it is accelerated (and 1 more)")
    found = [(f["phase"], f["class"]) for f in row["attempts"][0]["failures"]]
    assert found == [("call", "product"), ("teardown", "infrastructure")]
    assert len(row["bundles"]) == 2
    assert verdict(pytester)["verdict"] == "fail"


DOCTOR_FAILS = '''
@scenario("DOC1", Level.FULL)
def test_doc1(evidence):
    """The doctor is right."""
    raise HarnessError("the doctor is wrong for 1 of 12 Pods")
'''

SPED_UP = '''
@scenario("A22", Level.SMOKE)
def test_a22(evidence):
    """A DataLoad fills the cache."""
    evidence.reconcile_requests += 3
    evidence.wrong_diagnoses.append("the diagnosis does not say what is wrong")
'''


def test_doctor_decides_neither_verdict_nor_exit_code(pytester: pytest.Pytester) -> None:
    """Its row and its wrong diagnosis are named, and Fluid passed; another failed test counts."""
    assert run(pytester, PASSES, SPED_UP, DOCTOR_FAILS).ret == 0
    assert verdict(pytester)["verdict"] == "pass"
    assert rows(pytester)["A22"]["wrong_diagnoses"] == ["the diagnosis does not say what is wrong"]
    assert [row["reconcile_requests"] for row in rows(pytester).values()] == [0, 3, 0]
    reasons = verdict(pytester)["reasons"]
    assert any(reason.startswith("DOC1, no part of this verdict") for reason in reasons)
    assert any("wrong in A22" in reason for reason in reasons)
    ordinary = "def test_ordinary():\n    raise ValueError\n"
    assert run(pytester, PASSES, DOCTOR_FAILS, ordinary).ret == 1


def test_known_defect(pytester: pytest.Pytester) -> None:
    """A known defect that shows is reported with its text, and changes the verdict in neither direction."""
    result = run(
        pytester,
        PASSES,
        '''
@scenario("B2", Level.SMOKE, defects=(Defect("accepted", "a foreign claim is accepted", "create.go:194"),))
def test_b2(evidence):
    """A foreign claim is refused."""
    evidence.defect("accepted", seen=True, says="Dataset is Bound")

@scenario("B8", Level.SMOKE, defects=(Defect("pending", "a new claim stays Pending"),))
def test_b8(evidence):
    """A deleted claim comes back."""
    evidence.defect("pending", seen=False, says="claim is Bound")
''',
    )
    assert result.ret == 0
    row = rows(pytester)["B2"]
    assert (row["outcome"], row["class"], row["reason"]) == (
        "known-defect",
        None,
        "a foreign claim is accepted",
    )
    assert row["defects"][0]["source"] == "create.go:194"
    assert rows(pytester)["B8"]["outcome"] == "pass"
    result.stdout.fnmatch_lines(["*known defect pending is gone"])


def test_skips(pytester: pytest.Pytester) -> None:
    """A skip is reported with its reason; one that is not a limit of the host changes the verdict."""
    allowed = '''
@scenario("A4", Level.SMOKE)
def test_a4():
    """Several nodes."""
    cannot_run_here("one node only")
'''
    assert run(pytester, PASSES, allowed).ret == 0
    assert rows(pytester)["A4"]["reason"] == "cannot run here: one node only"
    other = (
        allowed.replace("A4", "A5")
        .replace("a4", "a5")
        .replace('    cannot_run_here("one', '    pytest.skip("one')
    )
    result = run(pytester, PASSES, other)
    assert result.ret == 5
    whole = verdict(pytester)
    assert (whole["verdict"], whole["reasons"]) == ("inconclusive", ["A5 was skipped: one node only"])


def test_cases(pytester: pytest.Pytester) -> None:
    """Each case of a parametrized scenario is a row of its own."""
    run(
        pytester,
        '''
@pytest.mark.parametrize("version", ["v3", "v4.1/x"])
@scenario("C1", Level.SMOKE)
def test_c1(version, evidence):
    """Any version."""
    evidence.attach("sent", version)
''',
    )
    found = verdict(pytester)["scenarios"]
    assert [row["case"] for row in found] == ["v3", "v4.1/x"]
    assert found[1]["attachments"][0]["path"] == "attachments/C1-v4.1-x/01-sent.txt"


def test_broken_file(pytester: pytest.Pytester) -> None:
    """A file that cannot be loaded makes the run invalid: its scenarios are unknown."""
    pytester.makepyfile(test_other="import nothing_of_this_name")
    result = run(pytester, PASSES)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    whole = verdict(pytester)
    assert whole["verdict"] == "invalid"
    assert "test_other.py cannot be loaded" in whole["problems"][0]["reason"]
    assert "nothing_of_this_name" in whole["problems"][0]["detail"]


def test_ordinary_test_in_the_same_run(pytester: pytest.Pytester) -> None:
    """A test that is no scenario is not listed, but its failure still shows in the exit code."""
    result = run(pytester, PASSES, "def test_plain():\n    assert False\n")
    assert list(rows(pytester)) == ["A1"]
    assert verdict(pytester)["verdict"] == "pass"
    assert result.ret == 1


def test_no_scenario(pytester: pytest.Pytester) -> None:
    """A run without scenarios has no verdict, and pytest's own exit code."""
    result = run(pytester, "def test_plain():\n    pass\n")
    assert result.ret == 0
    assert not latest(pytester).exists()
    result.stdout.no_fnmatch_line("*verdict*")


@pytest.mark.parametrize("option", ["--collect-only", "--help", "--setup-plan", "--setup-only"])
def test_options_that_run_no_test_leave_nothing(pytester: pytest.Pytester, option: str) -> None:
    """Without the body of a test there is no folder, and above all no verdict."""
    run(pytester, PASSES, args=(option,))
    assert not (pytester.path / "out").exists()


def test_step_summary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """On GitHub the summary is appended once to the job's page."""
    page = pytester.path / "step.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    run(pytester, PASSES, FAILS)
    text = page.read_text()
    assert text.startswith("before\n## Fluid failed 1 of 2 scenarios")
    assert text.count("## ") == 1


def test_unwritable(pytester: pytest.Pytester) -> None:
    """A report that cannot be written is said, and the run is not green."""
    spoils = '''
@scenario("A2", Level.SMOKE)
def test_a2(evidence):
    """Something puts a file in the place of the folder."""
    import pathlib, shutil
    shutil.rmtree("out")
    pathlib.Path("out").write_text("in the way")
'''
    result = run(pytester, spoils, args=("--junitxml=mine.xml", "--alluredir=mine"))
    assert result.ret == 3
    result.stdout.fnmatch_lines(["the report could not be written: *"])


def test_a_folder_that_nothing_can_be_written_to_is_refused(pytester: pytest.Pytester) -> None:
    """One sentence before anything is run, and nothing is created."""
    (pytester.path / "file").write_text("")
    result = run(pytester, PASSES, args=("--out", "file/out"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the reports cannot be written: */file is not a folder*--out"])
    assert "Traceback" not in result.stderr.str()
    assert not (pytester.path / "out").exists()


def test_stop_at_first_failure(pytester: pytest.Pytester) -> None:
    """With ``-x`` the scenarios that were not started are reported as not run."""
    run(pytester, FAILS, PASSES, args=("-x",))
    assert rows(pytester)["A1"]["reason"] == "not run"
    assert verdict(pytester)["verdict"] == "fail"


STOPPED = '''
@pytest.fixture
def torn_down(evidence):
    yield
    raise InfrastructureError("could not delete the namespace")

@scenario("A2", Level.SMOKE)
def test_a2(torn_down, evidence):
    """Two."""
    evidence.fact("Dataset", "phase NotBound")
    os.kill(os.getpid(), signal.{signal})

@scenario("A3", Level.SMOKE)
def test_a3():
    """Three."""
'''


def stopped(pytester: pytest.Pytester, number: str, monkeypatch: pytest.MonkeyPatch) -> pytest.RunResult:
    """Run in a process of its own, whose second scenario is hit by a signal."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HEAD + PASSES + STOPPED.format(signal=number))
    return pytester.runpytest_subprocess(*OPTIONS)


def test_ctrl_c(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C keeps what is known, also of the running scenario, and reports errors of the teardown."""
    result = stopped(pytester, "SIGINT", monkeypatch)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    whole = verdict(pytester)
    assert whole["run"]["finished"]
    found = rows(pytester)
    assert [found[id]["outcome"] for id in ("A1", "A2", "A3")] == ["pass", "skipped", "skipped"]  # noqa: A001 - its own word
    assert found["A2"]["reason"].startswith("stopped by Ctrl-C after")
    assert found["A2"]["evidence"][0]["says"] == "phase NotBound"
    assert found["A3"]["reason"] == "not run"
    assert whole["problems"][0]["reason"] == "could not delete the namespace"
    assert whole["verdict"] == "invalid"


def test_ctrl_c_whose_clean_up_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that the scenario raises while it cleans up does not take the place of Ctrl-C."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        HEAD
        + PASSES
        + '''
@scenario("A2", Level.SMOKE)
def test_a2():
    """Two."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        raise ValueError("it was not deleted")

@scenario("A3", Level.SMOKE)
def test_a3():
    """Three."""
'''
    )
    result = pytester.runpytest_subprocess(*OPTIONS)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    found = rows(pytester)
    assert found["A2"]["reason"].startswith("stopped by Ctrl-C after")
    assert found["A3"]["reason"] == "not run"
    assert verdict(pytester)["problems"][0]["reason"] == "it was not deleted"


def test_kill(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run leaves what it had: the scenarios that ended, and no claim of being finished."""
    result = stopped(pytester, "SIGKILL", monkeypatch)
    assert result.ret == -signal.SIGKILL
    whole = verdict(pytester)
    assert (whole["verdict"], whole["run"]["finished"]) == ("inconclusive", False)
    found = rows(pytester)
    assert [found[id]["outcome"] for id in ("A1", "A2", "A3")] == ["pass", "skipped", "skipped"]  # noqa: A001 - its own word
    assert "not finished, or it was killed" in (latest(pytester) / "report.html").read_text()
    assert list(junit(latest(pytester))) == ["test_a1"]


def test_failure_found_after_a_scenario_is_reported_with_it_and_no_other(pytester: pytest.Pytester) -> None:
    """What is found after a scenario fails that one, though pytest reports it with the last test."""
    result = run(
        pytester,
        '''
@pytest.fixture(scope="session")
def pool(system):
    errors = []
    yield errors
    raise ExceptionGroup("found when scenarios had ended", errors)

@scenario("B8", Level.SMOKE)
def test_b8(evidence, pool):
    """It leaks."""
    error = ProductFailureError("what the scenario made was deleted and left behind ConfigMap demo-config")
    evidence.fail_late(error)
    evidence.fact("leak check", "found it")
    pool.append(error)

@scenario("B10", Level.SMOKE)
def test_b10(evidence, pool):
    """It is clean."""
''',
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    leaky, clean = rows(pytester)["B8"], rows(pytester)["B10"]
    assert (leaky["outcome"], leaky["class"]) == ("fail", "product")
    assert leaky["reason"].startswith("in teardown: what the scenario made was deleted and left behind")
    assert (clean["outcome"], clean["bundles"]) == ("pass", [])
    assert verdict(pytester)["verdict"] == "fail"
    result.assert_outcomes(passed=2, errors=1)


MEASURES = """
@pytest.mark.benchmark
def test_throughput(request):
    from suites.benchmark.model import results
    from suites.benchmark.run.plugin import MEASURED
    request.config.stash[MEASURED] = results.load(request.config.rootpath / results.FILE)
"""


def test_run_of_scenarios_and_measurements_has_both_in_its_report(pytester: pytest.Pytester) -> None:
    """The verdict has the measurements, the page has both parts, and so has the output."""
    results.save(pytester.path, MEASURED)
    result = run(pytester, PASSES, MEASURES)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*read performance*", "*PASS: Fluid passed the only scenario*"])
    assert verdict(pytester)["verdict"] == "pass"
    assert verdict(pytester)["benchmark"]["series"][0]["name"] == "sequential-1m x1"
    page = (latest(pytester) / "report.html").read_text()
    for section in ("scenarios", "performance", "system"):
        assert page.count(f'id="{section}"') == 1
    assert {"verdict.json", "benchmark.csv", "benchmark.md"} <= {
        path.name for path in latest(pytester).iterdir()
    }
    first = page
    assert main(["show", str(latest(pytester))]) == 0
    assert (latest(pytester) / "report.html").read_text() == first


def test_measurements_alone_have_no_verdict(pytester: pytest.Pytester) -> None:
    """Without a scenario there is a page of the measurements, and no verdict."""
    results.save(pytester.path, MEASURED)
    result = run(pytester, MEASURES)
    assert result.ret == pytest.ExitCode.OK
    assert not (latest(pytester) / "verdict.json").exists()
    assert "Read performance" in (latest(pytester) / "report.html").read_text()
