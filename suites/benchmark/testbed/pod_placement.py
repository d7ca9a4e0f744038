"""Where many parallel Pods can run: checked before they are created."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clusters.errors import InfrastructureError
from clusters.kubernetes.snapshots.node import HOST_LABEL, ZONE_LABEL, NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot


@dataclass(frozen=True, slots=True)
class Placement:
    """What the nodes of a cluster permit.

    Attributes:
        zones: zone of each node that accepts Pods; empty for one without.
        free: how many more Pods each of them accepts by its limit of Pods.
    """

    zones: Mapping[str, str]
    free: Mapping[str, int]

    @classmethod
    def of(cls, nodes: Iterable[NodeSnapshot], pods: Iterable[PodSnapshot]) -> Placement:
        """Read it from all nodes, and all Pods of the cluster."""
        usable = [node for node in nodes if node.pods_may_run]
        used = Counter(pod.node for pod in pods if not pod.ended)
        return cls(
            zones={node.name: node.zone for node in usable},
            free={node.name: max(node.pods - used[node.name], 0) for node in usable},
        )

    @property
    def spread(self) -> Sequence[str]:
        """Labels of nodes over whose values Pods are to be spread.

        The scheduler ignores nodes that lack one of several labels, so zones count only if all have one.
        """
        return (ZONE_LABEL, HOST_LABEL) if all(self.zones.values()) and self.zones else (HOST_LABEL,)

    def require(self, pods: int) -> None:
        """Refuse more Pods than the nodes accept.

        Raises:
            InfrastructureError: with the room of each node, the largest first.
        """
        room = sum(self.free.values())
        if pods <= room:
            return
        largest = sorted(self.free.items(), key=lambda one: -one[1])[:5]
        raise InfrastructureError(
            f"{pods} Pods do not fit on the cluster: its {len(self.free)} nodes accept {room} more",
            last_seen=", ".join(f"{node} {free}" for node, free in largest),
            advice="use a smaller --benchmark-pods, or more nodes",
        )
