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

#: Why a row that needs the NFS server of the harness does not run with an existing source.
NO_NFS_SERVER: Final = "the source of this run is not the harness's"
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
    options = config.stash[OPTIONS]
    few_rights = bool(options.bind_role)
    if options.source is not None and (level is not None or config.getoption("soak", None) is not None):
        items.clear()
        raise pytest.UsageError(
            f"{options.source} cannot be the source of this: it stops and slows the NFS server of the harness"
        )
    for item in items:
        declared = scenarios.of(item)
        reason = _why_not(declared, permitted) if declared is not None else _benchmark(item, permitted)
        if reason:
            item.add_marker(pytest.mark.skip(reason=NOT_RUN_DISRUPTIVE + reason))
        elif few_rights and declared is not None and ADMINISTRATORS & set(declared.writes):
            item.add_marker(pytest.mark.skip(reason=CANNOT_RUN_HERE + _CREATES_ROLES))
        elif options.source is not None and (does := _does_with_nfs_server(item, declared)):
            item.add_marker(pytest.mark.skip(reason=f"{CANNOT_RUN_HERE}it {does}, and {NO_NFS_SERVER}"))


def _does_with_nfs_server(item: pytest.Item, declared: Scenario | None) -> str:
    """What a test does with the NFS server of the harness; empty if any source serves."""
    if declared is not None:
        return declared.nfs_server
    return "limits and counts what the NFS server sends" if item.get_closest_marker("benchmark") else ""


def will_run(item: pytest.Item) -> bool:
    """Whether a selected test is not left out."""
    return item.get_closest_marker("skip") is None


def why_not(item: pytest.Item) -> str:
    """The reason why a selected test is left out; empty if it runs."""
    marker = item.get_closest_marker("skip")
    return str(marker.kwargs.get("reason", "")) if marker is not None else ""


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
