"""How the Pods of one round shared what they read: totals by node and zone, and the stragglers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from suites.benchmark.model.rounds import Part

#: A Pod that is slower than this share of the median Pod, or starts later than this share of the median time
#: of a Pod, is a straggler. Of fewer Pods the median says little.
SLOW: Final = 0.67
LATE: Final = 0.33
LEAST_PODS: Final = 4


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """The Pods of one node or of one zone in one round.

    Attributes:
        name: of the node or zone; empty for nodes without a zone.
        pods: how many.
        nodes: on how many nodes.
        read_bytes: of all its Pods.
        seconds: from the start of its first Pod to the end of its last one.
    """

    name: str
    pods: int
    nodes: int
    read_bytes: int
    seconds: float

    @property
    def bytes_per_second(self) -> float:
        """Of the whole group."""
        return self.read_bytes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Straggler:
    """A Pod that held up a round.

    Attributes:
        part: the Pod.
        speed: as a share of the median Pod's.
        late: it started late, rather than read slowly.
    """

    part: Part
    speed: float
    late: bool


def pods_of(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts that are Pods."""
    return tuple(part for part in parts if part.kind == "pod")


def by_node(parts: Iterable[Part]) -> tuple[GroupTotal, ...]:
    """Totals by node, the slowest one a Pod first."""
    return tuple(sorted(_totals(parts, lambda part: part.node), key=_speed_of_a_pod))


def by_zone(parts: Iterable[Part]) -> tuple[GroupTotal, ...]:
    """Totals by zone in the order of their names; empty if no node has one."""
    found = _totals(parts, lambda part: part.zone)
    return tuple(sorted(found, key=lambda one: one.name)) if any(one.name for one in found) else ()


def stragglers(parts: Iterable[Part]) -> tuple[Straggler, ...]:
    """The Pods that were much slower, or started much later, than the others; the slowest first."""
    pods = pods_of(parts)
    if len(pods) < LEAST_PODS:
        return ()
    speed, seconds = median(pod.bytes_per_second for pod in pods), median(pod.seconds for pod in pods)
    if speed <= 0:
        return ()
    found = []
    for pod in pods:
        share = pod.bytes_per_second / speed
        late = (pod.started or 0.0) > LATE * seconds
        if share < SLOW or late:
            found.append(Straggler(pod, share, late=share >= SLOW))
    return tuple(sorted(found, key=lambda one: one.speed))


def _speed_of_a_pod(total: GroupTotal) -> float:
    return total.bytes_per_second / total.pods


def _totals(parts: Iterable[Part], name: Callable[[Part], str]) -> Sequence[GroupTotal]:
    groups: dict[str, list[Part]] = defaultdict(list)
    for part in pods_of(parts):
        groups[name(part)].append(part)
    return [
        GroupTotal(
            name=group,
            pods=len(pods),
            nodes=len({pod.node for pod in pods}),
            read_bytes=sum(pod.read_bytes for pod in pods),
            seconds=max((pod.started or 0.0) + pod.seconds for pod in pods)
            - min(pod.started or 0.0 for pod in pods),
        )
        for group, pods in groups.items()
    ]
