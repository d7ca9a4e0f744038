"""The Fuse of a Dataset: a DaemonSet, its Pods, and the labels of the nodes that run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.controllers import DaemonSetSnapshot
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot


@dataclass(frozen=True, slots=True)
class FuseSnapshot:
    """The Fuse of one Dataset at one moment.

    Attributes:
        dataset: ``namespace/name``.
        label: key of the node label that requests a Fuse Pod.
        daemon_set: None if there is none.
        pods: Fuse Pods by node.
        unplaced: Fuse Pods without a node.
        doubled: further Fuse Pods on a node that has one, except ended and deleted ones.
        labelled: names of the nodes that carry the label, sorted.
    """

    dataset: str
    label: str
    daemon_set: DaemonSetSnapshot | None
    pods: Mapping[str, PodSnapshot] = field(default_factory=dict)
    unplaced: tuple[PodSnapshot, ...] = ()
    labelled: tuple[str, ...] = ()
    doubled: tuple[PodSnapshot, ...] = ()

    @classmethod
    def of(
        cls,
        dataset: str,
        label: str,
        daemon_set: DaemonSetSnapshot | None,
        pods: Iterable[PodSnapshot],
        labelled: Iterable[str],
    ) -> Self:
        """Build it from its parts.

        Args:
            dataset: ``namespace/name``.
            label: key of the node label that requests a Fuse Pod.
            daemon_set: None if there is none.
            pods: all Fuse Pods. Where a Pod is being replaced on its node, the new one counts.
            labelled: names of the nodes that carry the label.
        """
        ending_first = sorted(pods, key=lambda pod: not (pod.ended or pod.deleting))
        by_node = {pod.node: pod for pod in ending_first if pod.node}
        return cls(
            dataset=dataset,
            label=label,
            daemon_set=daemon_set,
            pods=by_node,
            unplaced=tuple(pod for pod in ending_first if not pod.node),
            labelled=tuple(sorted(labelled)),
            doubled=tuple(
                pod
                for pod in ending_first
                if pod.node and by_node[pod.node] is not pod and not (pod.ended or pod.deleting)
            ),
        )

    @property
    def desired(self) -> int:
        """Number of Fuse Pods that the DaemonSet should run; 0 without a DaemonSet."""
        return self.daemon_set.desired if self.daemon_set else 0

    @property
    def ready(self) -> int:
        """Number of ready Fuse Pods in the DaemonSet's status."""
        return self.daemon_set.ready if self.daemon_set else 0

    @property
    def absent(self) -> bool:
        """No Fuse Pod, none requested, no labelled node."""
        return not (self.desired or self.pods or self.unplaced or self.labelled)

    def pod_on(self, node: str) -> PodSnapshot | None:
        """The Fuse Pod on a node."""
        return self.pods.get(node)

    def ready_on(self, node: str) -> bool:
        """The node is labelled and its Fuse Pod is ready. Ready says nothing about the mount itself."""
        pod = self.pods.get(node)
        return node in self.labelled and pod is not None and pod.ready and not pod.deleting

    def __str__(self) -> str:
        if self.daemon_set is None:
            return f"Fuse of {self.dataset}: no DaemonSet"
        where = ", ".join(f"{node}{'' if pod.ready else ' (not ready)'}" for node, pod in self.pods.items())
        labelled = ", ".join(self.labelled) or "none"
        pods = where or "none"
        if self.doubled:
            pods += f" and also {', '.join(pod.name for pod in self.doubled)}"
        return (
            f"Fuse of {self.dataset}: {self.ready}/{self.desired} ready, Pods: {pods}, labelled: {labelled}"
        )


def read_fuse(reader: ClusterReader, namespace: str, dataset: str, uid: str = "") -> FuseSnapshot:
    """The Fuse of a Dataset.

    Args:
        reader: reads the cluster.
        namespace: of the Dataset.
        dataset: its name.
        uid: its uid; only long names need it. If it is left out, it is read from the cluster.
    """
    label = fluid_names.fuse_label(namespace, dataset, uid)
    if not uid and len(label) >= fluid_names.LABEL_LIMIT:
        found = reader.get(DatasetSnapshot, dataset, namespace)
        label = fluid_names.fuse_label(namespace, dataset, found.uid if found else "")
    valid = len(label.partition("/")[2]) <= fluid_names.LABEL_LIMIT
    return FuseSnapshot.of(
        f"{namespace}/{dataset}",
        label,
        reader.get(DaemonSetSnapshot, fluid_names.fuse_name(dataset), namespace),
        reader.list(PodSnapshot, namespace, labels=fluid_names.pod_labels(dataset, "fuse")),
        [node.name for node in reader.list(NodeSnapshot, labels=f"{label}=true")] if valid else [],
    )
