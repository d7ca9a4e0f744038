"""Finds all scenarios that the test files below ``suites/scenarios`` declare."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache

from suites.catalogue.scenario import MARKER, Scenario
from suites.catalogue.unwritten import rows

#: The package that is searched. It is named, not imported: its files import the catalogue.
PACKAGE = "suites.scenarios"


@cache
def declared_tests() -> dict[str, tuple[Scenario, Callable[..., None]]]:
    """Each scenario with its test function, by id, in the catalogue's order.

    Raises:
        ValueError: two scenarios have one id, or one has an id that the catalogue does not list.
    """
    found: dict[str, tuple[Scenario, Callable[..., None]]] = {}
    for scenario, function in _marked_functions():
        if found.setdefault(scenario.id, (scenario, function))[0] is not scenario:
            raise ValueError(f"two scenarios have the id {scenario.id}")
    order = {row: number for number, row in enumerate(rows())}
    if unknown := sorted(found.keys() - order.keys()):
        raise ValueError(f"the catalogue does not list {', '.join(unknown)}")
    return {row: found[row] for row in sorted(found, key=order.__getitem__)}


def declared() -> tuple[Scenario, ...]:
    """All scenarios, in the catalogue's order."""
    return tuple(scenario for scenario, _ in declared_tests().values())


def _marked_functions() -> Iterator[tuple[Scenario, Callable[..., None]]]:
    package = importlib.import_module(PACKAGE)
    for info in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if not info.name.rpartition(".")[2].startswith("test_"):
            continue
        module = importlib.import_module(info.name)
        for _, function in inspect.getmembers(module, inspect.isfunction):
            for mark in getattr(function, "pytestmark", ()):
                if mark.name == MARKER:
                    yield mark.args[0], function
