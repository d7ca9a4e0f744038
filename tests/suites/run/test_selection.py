"""Which scenarios run, in which form, and what they need of the cluster and of Fluid."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.system import System
from suites.catalogue.discovery import declared_tests
from suites.catalogue.scenario import Level, Scenario
from suites.record.versions import Since
from suites.run import fixtures, options, selection

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[3]


def a_system(*nodes: str, fluid: str = "v1.0.8-6533239") -> System:
    """A cluster with these nodes."""
    return cast("System", SimpleNamespace(nodes=nodes, fluid=SimpleNamespace(version=fluid)))


def a_scenario(**more: Any) -> Scenario:
    """A scenario with these needs."""
    return Scenario("A4", Level.CONFORMANCE, "It holds.", **more)


def test_too_few_nodes_are_reported_with_the_option_that_helps() -> None:
    """One node is too few for a scenario of two, and the sentence says what to run."""
    lacks = fixtures._lacks(a_system("n1"), a_scenario(nodes=2))
    assert "needs 2 nodes" in lacks
    assert "--nodes 3" in lacks


def test_enough_nodes_lack_nothing() -> None:
    """Two nodes are enough for two."""
    assert not fixtures._lacks(a_system("n1", "n2"), a_scenario(nodes=2))


def test_scenario_of_another_version_is_reported() -> None:
    """A feature of a version is not tested in an older one, and the sentence says what is missing there."""
    since = Since("1.0", "0.9 has no DataProcess")
    lacks = fixtures._lacks(a_system("n1", fluid="v0.9.3-5f7d24e"), a_scenario(since=since))
    assert "1.0 and later, and this is 0.9.3: 0.9 has no DataProcess" in lacks
    assert not fixtures._lacks(a_system("n1"), a_scenario(since=since))


@pytest.mark.parametrize("text", ["-1", "0", "inf", "nan", "soon"])
def test_a_window_is_a_positive_number_of_seconds(text: str) -> None:
    """Anything else is refused in a sentence."""
    assert options.positive_seconds("1.5") == 1.5
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no positive number of seconds"):
        options.positive_seconds(text)


class Ordinary:
    """A test that declares nothing."""

    def get_closest_marker(self, name: str) -> None:
        """None."""


@pytest.mark.parametrize(("level", "option"), [("full", "scenario"), ("sabotage", "sabotage")])
def test_a_scenario_that_is_not_there_is_refused(level: str, option: str) -> None:
    """Nothing is left to be run, so that no report lists scenarios that were not requested."""
    options = {"level": level, option: "Z9"}
    items = [cast("pytest.Item", Ordinary())]
    config = cast("pytest.Config", SimpleNamespace(getoption=options.get))
    with pytest.raises(pytest.UsageError, match=f"no {option} Z9"):
        selection.select(config, items)
    assert items == []


ROWS = """
from suites.catalogue.scenario import Level, scenario


@scenario("A1", Level.SMOKE, untouched=True)
def test_a1(untouched):
    \"\"\"It holds.\"\"\"


@scenario("A2", Level.SMOKE)
def test_a2():
    \"\"\"It holds.\"\"\"
"""


def test_rows_that_declare_it_run_a_second_time_untouched_at_level_full(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second form is at level full only; with --untouched every row is, and none runs twice."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(test_rows=ROWS)

    def collected(*words: str) -> list[str]:
        plugins = ("-p", "no:kmock", "-p", "suites.run.plugin")
        result = pytester.runpytest_subprocess(*plugins, "--collect-only", "-q", *words)
        return [line.partition("::")[2] for line in result.outlines if "::" in line]

    assert collected() == ["test_a1", "test_a2"]
    assert collected("--level", "full") == ["test_a1", "test_a1[untouched]", "test_a2"]
    assert collected("--level", "full", "--untouched") == ["test_a1", "test_a2"]


def test_ordinary_test_lacks_nothing() -> None:
    """A test that declares no scenario needs nothing."""
    assert not fixtures._lacks(a_system("n1"), None)


@pytest.mark.parametrize("row", ["A1", "A22", "A27", "A28", "B8", "C4", "E1"])
def test_rows_that_wait_for_a_controller_to_try_again_have_an_untouched_form(row: str) -> None:
    """Requests for a reconcile would hide a controller that does not try again by itself."""
    declared, _ = declared_tests()[row]
    assert declared.untouched
