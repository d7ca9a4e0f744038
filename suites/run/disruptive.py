"""Which tests may run on this cluster, by what they disturb."""

from __future__ import annotations

from typing import Final

import pytest

from clusters.disruption import ALL, Disruption
from clusters.rights import ADMINISTRATORS
from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Scenario
from suites.record.run import CANNOT_RUN_HERE, NOT_RUN_DISRUPTIVE
from suites.run.options import OPTIONS, PERMITTED, special_level

#: What a benchmark disturbs: it reads as fast as it can.
BENCHMARK: Final = frozenset({Disruption.NODE_RESOURCES})

_CREATES_ROLES: Final = "it creates roles, which only an administrator may; this user has few rights"


def disturbed_by(item: pytest.Item) -> frozenset[Disruption]:
    """What a test may disturb: what its scenario declares; sabotages and mutants, everything."""
    declared = scenarios.of(item)
    if declared is not None:
        return frozenset(one.kind for one in declared.disturbs)
    return BENCHMARK if item.get_closest_marker("benchmark") is not None else ALL


def leave_out_disruptive(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let those be skipped that would disturb what this run may not disturb, each with what it would do.

    Raises:
        pytest.UsageError: a whole level would.
    """
    permitted = config.stash[PERMITTED]
    level = special_level(config)
    if level is not None and permitted < ALL:
        items.clear()
        raise pytest.UsageError(
            f"level {level} breaks the product on purpose, and the harness did not create this cluster; "
            f"run it without --kubeconfig, or permit it with --allow-disruptive {_option(ALL)}"
        )
    few_rights = bool(config.stash[OPTIONS].bind_role)
    for item in items:
        declared = scenarios.of(item)
        reason = _why_not(declared, permitted) if declared is not None else _benchmark(item, permitted)
        if reason:
            item.add_marker(pytest.mark.skip(reason=NOT_RUN_DISRUPTIVE + reason))
        elif few_rights and declared is not None and ADMINISTRATORS & set(declared.writes):
            item.add_marker(pytest.mark.skip(reason=CANNOT_RUN_HERE + _CREATES_ROLES))


def will_run(item: pytest.Item) -> bool:
    """Whether a selected test is not left out."""
    return item.get_closest_marker("skip") is None


def _why_not(declared: Scenario, permitted: frozenset[Disruption]) -> str:
    refused = [one for one in declared.disturbs if one.kind not in permitted]
    if not refused:
        return ""
    needed = _option(frozenset(one.kind for one in declared.disturbs))
    return f"it {' and '.join(one.does for one in refused)}; --allow-disruptive {needed} permits it"


def _benchmark(item: pytest.Item, permitted: frozenset[Disruption]) -> str:
    if item.get_closest_marker("benchmark") is None or permitted >= BENCHMARK:
        return ""
    return f"a benchmark uses all of the network; --allow-disruptive {_option(BENCHMARK)} permits it"


def _option(kinds: frozenset[Disruption]) -> str:
    return ",".join(kind.option for kind in Disruption if kind in kinds)
