"""Nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, flag, items, quantity_at, text, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.meta import Condition, Meta, ObjectSnapshot, is_true

#: Labels of nodes that Kubernetes knows.
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
HOST_LABEL: Final = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class NodeSnapshot(ObjectSnapshot):
    """A node.

    Attributes:
        ready: the condition Ready is True.
        unschedulable: it is cordoned.
        taints: such as ``node-role.kubernetes.io/control-plane:NoSchedule``.
        kernel: its release.
        architecture: such as ``amd64``.
        system: its operating system, such as ``linux`` or ``windows``.
        cpu: allocatable cores.
        memory: allocatable bytes.
        ip: internal address.
        images: names of its images; the kubelet reports 50 by default.
        pods: allocatable Pods.
    """

    KIND: ClassVar[Kind] = kinds.NODE

    ready: bool
    unschedulable: bool
    taints: tuple[str, ...]
    kernel: str
    architecture: str
    system: str
    cpu: float
    memory: float
    ip: str
    images: tuple[str, ...]
    pods: int

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a node."""
        conditions = Condition.all_of(obj)
        addresses = items(obj, "status", "addresses")
        return cls(
            meta=Meta.of(obj),
            ready=is_true(conditions, "Ready"),
            unschedulable=flag(obj, "spec", "unschedulable"),
            taints=tuple(f"{text(t, 'key')}:{text(t, 'effect')}" for t in items(obj, "spec", "taints")),
            kernel=text(obj, "status", "nodeInfo", "kernelVersion"),
            architecture=text(obj, "status", "nodeInfo", "architecture"),
            system=text(obj, "status", "nodeInfo", "operatingSystem"),
            cpu=quantity_at(obj, "status", "allocatable", "cpu"),
            memory=quantity_at(obj, "status", "allocatable", "memory"),
            ip=next((text(a, "address") for a in addresses if text(a, "type") == "InternalIP"), ""),
            images=tuple(name for image in items(obj, "status", "images") for name in texts(image, "names")),
            pods=int(quantity_at(obj, "status", "allocatable", "pods")),
        )

    @property
    def zone(self) -> str:
        """Its zone, or empty."""
        return self.labels.get(ZONE_LABEL, "")

    @property
    def pods_may_run(self) -> bool:
        """It is ready, runs Linux, and accepts Pods without tolerations."""
        return self.servers_may_run and not self.keeps_pods_out

    @property
    def keeps_pods_out(self) -> bool:
        """It has a taint that keeps Pods without tolerations out."""
        return any(taint.endswith((":NoSchedule", ":NoExecute")) for taint in self.taints)

    @property
    def servers_may_run(self) -> bool:
        """It is ready, runs Linux and is not cordoned; taints do not keep servers of the harness out."""
        return self.ready and not self.unschedulable and self.system in ("", "linux")

    def __str__(self) -> str:
        state = "ready" if self.ready else "not ready"
        return self._with_deleting(f"node {self.name} {state}{', cordoned' if self.unschedulable else ''}")
