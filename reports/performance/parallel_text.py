"""Sentences on reads of many Pods at once: totals by node and zone, and stragglers by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reports import units
from suites.benchmark.analysis.parallel_summary import (
    LEAST_PODS,
    GroupTotal,
    Straggler,
    by_node,
    by_zone,
    pods_of,
    stragglers,
)
from suites.benchmark.model.rounds import Part, Round
from suites.benchmark.model.series import SeriesResult

#: Nodes, and stragglers, that a sentence names.
NAMED: Final = 5
#: Parts of a round that a table shows one by one.
SHOWN_PARTS: Final = 16


def says_groups(series: SeriesResult) -> tuple[str, ...]:
    """What each arm's median round was made of, if several Pods read at once."""
    found: list[str] = []
    for arm in series.arms:
        rounds = [one for one in series.of_arm(arm.name) if one.valid and one.value is not None]
        rounds = [one for one in rounds if len(pods_of(one.parts)) >= LEAST_PODS]
        if not rounds:
            continue
        middle = _median(rounds)
        zones, nodes = by_zone(middle.parts), by_node(middle.parts)
        if zones:
            found.append(f"{arm.name}, median round by zone: {'; '.join(map(_group, zones))}")
        if len(nodes) > 1:
            which = f"the slowest {NAMED} of {len(nodes)} nodes" if len(nodes) > NAMED else "by node"
            found.append(f"{arm.name}, median round, {which}: {'; '.join(map(_group, nodes[:NAMED]))}")
        with_late = sum(bool(stragglers(one.parts)) for one in rounds)
        if with_late:
            found.append(
                f"{arm.name}: stragglers in {with_late} of {len(rounds)} rounds; in the median round "
                f"{_names(stragglers(middle.parts))}"
            )
    return tuple(found)


def says_parts(one: Round) -> tuple[str, ...]:
    """The parts of a round, one line each; of many Pods the totals of their nodes, and the stragglers."""
    pods = pods_of(one.parts)
    if len(pods) <= SHOWN_PARTS:
        return tuple(map(_part, one.parts))
    nodes = by_node(pods)
    lines = [f"node {_group(node)}" for node in nodes[:SHOWN_PARTS]]
    if len(nodes) > SHOWN_PARTS:
        lines.append(f"and {len(nodes) - SHOWN_PARTS} more nodes")
    return (*lines, f"stragglers: {_names(stragglers(pods))}")


def _median(rounds: Sequence[Round]) -> Round:
    ordered = sorted(rounds, key=lambda one: one.value or 0.0)
    return ordered[(len(ordered) - 1) // 2]


def _part(part: Part) -> str:
    where = f" on {part.node}" if part.node else ""
    return f"{part.name}{where}: {units.rate(part.bytes_per_second)}"


def _group(total: GroupTotal) -> str:
    several = f" on {total.nodes} nodes" if total.nodes > 1 else ""
    pods = f"{total.pods} Pod{'' if total.pods == 1 else 's'}{several}"
    return f"{total.name or 'without a zone'} {units.rate(total.bytes_per_second)} ({pods})"


def _names(found: Sequence[Straggler]) -> str:
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(map(_straggler, found[:NAMED]))}{more}" if found else "none"


def _straggler(one: Straggler) -> str:
    pod = one.part.name.partition(",")[0]
    why = (
        f"started {one.part.started or 0.0:.1f} s late"
        if one.late
        else f"{units.percent(one.speed)} of the median"
    )
    return f"{pod} on {one.part.node} ({why})"
