"""What a scenario needs of the cluster and of Fluid, told before anything is made."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.system import System
from suites.catalogue.scenario import Level, Scenario
from suites.record.versions import Since
from suites.run import plugin


def a_system(*nodes: str, fluid: str = "v1.0.8-6533239") -> System:
    """A cluster with these nodes."""
    return cast("System", SimpleNamespace(nodes=nodes, fluid=SimpleNamespace(version=fluid)))


def a_scenario(**more: Any) -> Scenario:
    """A scenario with these needs."""
    return Scenario("A4", Level.CONFORMANCE, "It holds.", **more)


def test_too_few_nodes_are_told_with_the_option_that_helps() -> None:
    """One node is too few for a scenario of two, and the sentence says what to run."""
    lacks = plugin._lacks(a_system("n1"), a_scenario(nodes=2))
    assert "needs 2 nodes" in lacks
    assert "--nodes 3" in lacks


def test_enough_nodes_lack_nothing() -> None:
    """Two nodes are enough for two."""
    assert not plugin._lacks(a_system("n1", "n2"), a_scenario(nodes=2))


def test_scenario_of_another_version_is_told() -> None:
    """What came with a version is not looked for in an older one, and the sentence says what that lacks."""
    since = Since("1.0", "0.9 has no DataProcess")
    lacks = plugin._lacks(a_system("n1", fluid="v0.9.3-5f7d24e"), a_scenario(since=since))
    assert "1.0 and later, and this is 0.9.3: 0.9 has no DataProcess" in lacks
    assert not plugin._lacks(a_system("n1"), a_scenario(since=since))


@pytest.mark.parametrize("text", ["-1", "0", "inf", "nan", "soon"])
def test_a_window_is_a_positive_number_of_seconds(text: str) -> None:
    """Anything else is refused in a sentence."""
    assert plugin._seconds("1.5") == 1.5
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no positive number of seconds"):
        plugin._seconds(text)


class Ordinary:
    """A test that declares nothing."""

    def get_closest_marker(self, name: str) -> None:
        """None."""


@pytest.mark.parametrize(("level", "option"), [("full", "scenario"), ("sabotage", "sabotage")])
def test_a_scenario_that_is_not_there_is_refused(level: str, option: str) -> None:
    """Nothing is left to be run, so that no report tells of scenarios that nobody asked for."""
    options = {"level": level, option: "Z9"}
    items = [cast("pytest.Item", Ordinary())]
    config = cast("pytest.Config", SimpleNamespace(getoption=options.get))
    with pytest.raises(pytest.UsageError, match=f"no {option} Z9"):
        plugin.pytest_collection_modifyitems(config, items)
    assert items == []


def test_ordinary_test_lacks_nothing() -> None:
    """A test that declares no scenario needs nothing."""
    assert not plugin._lacks(a_system("n1"), None)
