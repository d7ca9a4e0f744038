"""Which scenarios run, in which form, and in which order."""

from __future__ import annotations

import random

import pytest

from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Level
from suites.run.options import SPECIAL_LEVELS, special_level

#: The fixture, and parameter, that says whether a test leaves Fluid's controllers alone.
UNTOUCHED = "untouched"


def add_untouched_form(metafunc: pytest.Metafunc) -> None:
    """Let rows that declare it run a second time at level full, without any request for a reconcile."""
    config = metafunc.config
    declared = scenarios.of(metafunc.definition)
    if declared is None or not declared.untouched or special_level(config) is not None:
        return
    if config.getoption("untouched") or Level.of(config.getoption("level")) < Level.FULL:
        return
    if UNTOUCHED not in metafunc.fixturenames:
        metafunc.fixturenames.append(UNTOUCHED)
    metafunc.parametrize(UNTOUCHED, [False, True], ids=[pytest.HIDDEN_PARAM, UNTOUCHED], indirect=True)


def is_untouched(item: pytest.Item) -> bool:
    """Whether a test leaves Fluid's controllers alone."""
    callspec = getattr(item, "callspec", None)
    form = callspec.params.get(UNTOUCHED) if callspec is not None else None
    return bool(item.config.getoption("untouched") or form)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the scenarios of the level (or just those asked for), in an order that needs little waiting."""
    special = special_level(config)
    if special is not None:
        _keep_marked(config, items, special)
        return
    level = Level.of(config.getoption("level"))
    named: str | None = config.getoption("scenario")
    asked = {word.strip().upper() for word in named.split(",")} if named else None
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    known: set[str] = set()
    for item in items:
        declared = scenarios.of(item)
        if declared is not None:
            known.add(declared.id)
        if any(item.get_closest_marker(name) is not None for name in SPECIAL_LEVELS):
            left.append(item)
            continue
        selected = declared is None or (declared.id in asked if asked else declared.level <= level)
        (kept if selected else left).append(item)
    if asked and (unknown := sorted(asked - known)):
        items.clear()  # nothing is to be run, so there is nothing to give a verdict on
        raise pytest.UsageError(f"no scenario {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    seed = config.getoption("shuffle")
    if seed is not None:
        random.Random(seed).shuffle(kept)  # noqa: S311 - an order, not a secret
    elif kept:
        kept.sort(key=_cost)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)


def _keep_marked(config: pytest.Config, items: list[pytest.Item], level: str) -> None:
    """Only the tests of a special level, in the order in which they are listed; scenarios run inside them."""
    named: str | None = config.getoption(level)
    asked = {word.strip() for word in named.split(",")} if named else set()
    callspecs = {item: getattr(item, "callspec", None) for item in items}
    marked = [item for item in items if item.get_closest_marker(level) is not None]
    known = {callspec.id for item in marked if (callspec := callspecs[item]) is not None}
    if unknown := sorted(asked - known):
        items.clear()
        raise pytest.UsageError(f"no {level} {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    kept = [item for item in marked if not asked or callspecs[item].id in asked]  # type: ignore[union-attr] # all have one
    left = [item for item in items if item not in kept]
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)


def _cost(item: pytest.Item) -> tuple[bool, bool, bool, bool]:
    """Those that share a Dataset first, so that others are created meanwhile; those that run alone last.

    Of those with their own Dataset, the ones that watch a window are first: the next Dataset is created in
    it. What is left of that window then counts for those whose Dataset only has to be left alone, and the
    watches of Datasets that cannot become Bound and of applications that stay Pending are over.
    """
    declared = scenarios.of(item)
    names = getattr(item, "fixturenames", ())
    return (
        declared is not None and declared.alone,
        not {"dataset_owner", "unbindable_dataset", "pending_application"}.isdisjoint(names),
        "window" not in names,
        "idle_watch" in names,
    )
