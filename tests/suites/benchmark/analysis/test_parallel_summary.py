"""Totals of many Pods by node and zone, and the stragglers among them."""

from __future__ import annotations

from typing import Any

import pytest

from suites.benchmark.analysis.parallel_summary import by_node, by_zone, stragglers
from suites.benchmark.model.rounds import Part

MIB = 1024 * 1024


def pod(number: int, node: str = "n1", *, seconds: float = 1.0, **more: Any) -> Part:
    """A Pod that read 100 MiB."""
    size = 100 * MIB
    return Part(
        kind="pod",
        name=f"Pod {number}, 0.00 s after the first",
        node=node,
        read_bytes=size,
        seconds=seconds,
        bytes_per_second=size / seconds,
        **more,
    )


def test_totals_count_from_the_first_start_to_the_last_end() -> None:
    """The slowest node a Pod comes first; a zone's name is that of its nodes."""
    parts = [
        pod(1, "n1", zone="a", started=0.0),
        pod(2, "n1", zone="a", started=0.5, seconds=1.5),
        pod(3, "n2", zone="a", started=0.0),
        pod(4, "n3", zone="b", started=0.0),
    ]
    first, *_ = by_node(parts)
    assert (first.name, first.pods, first.seconds) == ("n1", 2, 2.0)
    assert first.bytes_per_second == pytest.approx(100 * MIB)
    zone, other = by_zone(parts)
    assert (zone.name, zone.pods, zone.nodes, zone.read_bytes) == ("a", 3, 2, 300 * MIB)
    assert (other.name, other.pods) == ("b", 1)


def test_nodes_without_zones_have_no_totals_by_zone() -> None:
    """Nor do parts that are no Pods count."""
    group = Part(kind="group", name="epoch 1", read_bytes=1, seconds=1.0, bytes_per_second=1.0)
    assert by_zone([pod(1), pod(2, "n2"), group]) == ()
    assert [one.name for one in by_node([pod(1), group])] == ["n1"]


def test_stragglers_are_slow_or_late() -> None:
    """Compared with the median Pod; the slowest first."""
    parts = [pod(number, started=0.0) for number in range(10)]
    assert stragglers(parts) == ()
    parts += [pod(10, seconds=2.0, started=0.0), pod(11, seconds=5.0, started=0.0), pod(12, started=0.6)]
    found = [(one.part.name.partition(",")[0], round(one.speed, 2), one.late) for one in stragglers(parts)]
    assert found == [("Pod 11", 0.2, False), ("Pod 10", 0.5, False), ("Pod 12", 1.0, True)]


def test_few_pods_have_no_stragglers() -> None:
    """Their median says little."""
    assert stragglers([pod(1), pod(2), pod(3, seconds=9.0)]) == ()
    assert stragglers([]) == ()
