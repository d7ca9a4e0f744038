"""Looking at a cluster: typed snapshots by name, and what is true of a Dataset's Fuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots import (
    AlluxioRuntimeSnapshot,
    ClaimSnapshot,
    DaemonSetSnapshot,
    DataLoadSnapshot,
    DatasetSnapshot,
    DeploymentSnapshot,
    EventSnapshot,
    JobSnapshot,
    NodeSnapshot,
    PodSnapshot,
    StatefulSetSnapshot,
    VolumeSnapshot,
)
from clusters.product import fluid_names

if TYPE_CHECKING:
    from clusters.kubernetes.client import Kube
    from clusters.kubernetes.kinds import Kind


@dataclass(frozen=True, slots=True)
class FuseSnapshot:
    """The Fuse of one Dataset: the DaemonSet, its Pods, and the nodes that are to run one.

    Attributes:
        dataset: ``namespace/name``.
        label: key of the node label that asks for a Fuse Pod.
        daemon_set: None when there is none.
        pods: the Fuse Pods by node; those not scheduled yet are in ``unplaced``.
        unplaced: Fuse Pods without a node.
        doubled: further Fuse Pods on a node that has one, but for those that are going.
        labelled: names of the nodes that carry the label, in order.
    """

    dataset: str
    label: str
    daemon_set: DaemonSetSnapshot | None
    pods: Mapping[str, PodSnapshot] = field(default_factory=dict)
    unplaced: tuple[PodSnapshot, ...] = ()
    labelled: tuple[str, ...] = ()
    doubled: tuple[PodSnapshot, ...] = ()

    @property
    def desired(self) -> int:
        """Fuse Pods that the DaemonSet wants; 0 without a DaemonSet."""
        return self.daemon_set.desired if self.daemon_set else 0

    @property
    def ready(self) -> int:
        """Fuse Pods that are ready, as the DaemonSet counts."""
        return self.daemon_set.ready if self.daemon_set else 0

    @property
    def absent(self) -> bool:
        """Nothing of a Fuse anywhere: none wanted, no Pod, no node labelled."""
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
            pods += f" and besides {', '.join(pod.name for pod in self.doubled)}"
        return (
            f"Fuse of {self.dataset}: {self.ready}/{self.desired} ready, Pods: {pods}, labelled: {labelled}"
        )


@dataclass(frozen=True)
class ClusterReader:
    """Typed look-ups in one cluster; each call asks anew. What is not there is None or missing."""

    kube: Kube

    def pod(self, namespace: str, name: str) -> PodSnapshot | None:
        """A Pod."""
        found = self.kube.get(kinds.POD, name, namespace)
        return PodSnapshot.of(found) if found else None

    def pods(
        self, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> tuple[PodSnapshot, ...]:
        """Pods of a namespace or of all, narrowed by selectors."""
        found = self.kube.list(kinds.POD, namespace, labels=labels, fields=fields)
        return tuple(map(PodSnapshot.of, found))

    def claim(self, namespace: str, name: str) -> ClaimSnapshot | None:
        """A claim."""
        found = self.kube.get(kinds.CLAIM, name, namespace)
        return ClaimSnapshot.of(found) if found else None

    def claims(self, namespace: str | None = None, labels: str = "") -> tuple[ClaimSnapshot, ...]:
        """Claims of a namespace or of all."""
        return tuple(map(ClaimSnapshot.of, self.kube.list(kinds.CLAIM, namespace, labels=labels)))

    def volume(self, name: str) -> VolumeSnapshot | None:
        """A volume."""
        found = self.kube.get(kinds.VOLUME, name)
        return VolumeSnapshot.of(found) if found else None

    def volumes(self, labels: str = "") -> tuple[VolumeSnapshot, ...]:
        """All volumes."""
        return tuple(map(VolumeSnapshot.of, self.kube.list(kinds.VOLUME, labels=labels)))

    def node(self, name: str) -> NodeSnapshot | None:
        """A node."""
        found = self.kube.get(kinds.NODE, name)
        return NodeSnapshot.of(found) if found else None

    def nodes(self, labels: str = "") -> tuple[NodeSnapshot, ...]:
        """All nodes, narrowed by a selector."""
        return tuple(map(NodeSnapshot.of, self.kube.list(kinds.NODE, labels=labels)))

    def daemon_set(self, namespace: str, name: str) -> DaemonSetSnapshot | None:
        """A DaemonSet."""
        found = self.kube.get(kinds.DAEMON_SET, name, namespace)
        return DaemonSetSnapshot.of(found) if found else None

    def stateful_set(self, namespace: str, name: str) -> StatefulSetSnapshot | None:
        """A StatefulSet."""
        found = self.kube.get(kinds.STATEFUL_SET, name, namespace)
        return StatefulSetSnapshot.of(found) if found else None

    def deployment(self, namespace: str, name: str) -> DeploymentSnapshot | None:
        """A Deployment."""
        found = self.kube.get(kinds.DEPLOYMENT, name, namespace)
        return DeploymentSnapshot.of(found) if found else None

    def deployments(self, namespace: str | None = None, labels: str = "") -> tuple[DeploymentSnapshot, ...]:
        """Deployments of a namespace or of all."""
        found = self.kube.list(kinds.DEPLOYMENT, namespace, labels=labels)
        return tuple(map(DeploymentSnapshot.of, found))

    def job(self, namespace: str, name: str) -> JobSnapshot | None:
        """A Job."""
        found = self.kube.get(kinds.JOB, name, namespace)
        return JobSnapshot.of(found) if found else None

    def jobs(self, namespace: str | None = None, labels: str = "") -> tuple[JobSnapshot, ...]:
        """Jobs of a namespace or of all."""
        return tuple(map(JobSnapshot.of, self.kube.list(kinds.JOB, namespace, labels=labels)))

    def dataset(self, namespace: str, name: str) -> DatasetSnapshot | None:
        """A Dataset."""
        found = self.kube.get(kinds.DATASET, name, namespace)
        return DatasetSnapshot.of(found) if found else None

    def datasets(self, namespace: str | None = None) -> tuple[DatasetSnapshot, ...]:
        """Datasets of a namespace or of all."""
        return tuple(map(DatasetSnapshot.of, self.kube.list(kinds.DATASET, namespace)))

    def runtime(self, namespace: str, name: str) -> AlluxioRuntimeSnapshot | None:
        """An AlluxioRuntime."""
        found = self.kube.get(kinds.ALLUXIO_RUNTIME, name, namespace)
        return AlluxioRuntimeSnapshot.of(found) if found else None

    def runtimes(self, namespace: str | None = None) -> tuple[AlluxioRuntimeSnapshot, ...]:
        """AlluxioRuntimes of a namespace or of all."""
        return tuple(map(AlluxioRuntimeSnapshot.of, self.kube.list(kinds.ALLUXIO_RUNTIME, namespace)))

    def data_load(self, namespace: str, name: str) -> DataLoadSnapshot | None:
        """A DataLoad."""
        return self.operation(kinds.DATA_LOAD, namespace, name)

    def operation(self, kind: Kind, namespace: str, name: str) -> DataLoadSnapshot | None:
        """A data operation of any kind, such as a DataProcess; their status is the same."""
        found = self.kube.get(kind, name, namespace)
        return DataLoadSnapshot.of(found) if found else None

    def events(
        self, namespace: str | None = None, name: str = "", kind: str = ""
    ) -> tuple[EventSnapshot, ...]:
        """Events, oldest first; narrowed to those about an object's name and kind.

        Kubernetes keeps them for an hour and puts like ones together: count on reason and
        message, never on how many there are.
        """
        pairs = (("involvedObject.name", name), ("involvedObject.kind", kind))
        fields = ",".join(f"{key}={value}" for key, value in pairs if value)
        found = map(EventSnapshot.of, self.kube.list(kinds.EVENT, namespace, fields=fields))
        return tuple(sorted(found, key=lambda event: event.last.timestamp() if event.last else 0.0))

    def fuse(self, namespace: str, dataset: str, uid: str = "") -> FuseSnapshot:
        """The Fuse of a Dataset.

        Args:
            namespace: of the Dataset.
            dataset: its name.
            uid: its uid; only long names need it, and it is then looked up when left out.
        """
        label = fluid_names.fuse_label(namespace, dataset, uid)
        if not uid and len(label) >= fluid_names.LABEL_LIMIT:
            found = self.dataset(namespace, dataset)
            label = fluid_names.fuse_label(namespace, dataset, found.uid if found else "")
        daemon_set = self.daemon_set(namespace, fluid_names.fuse_name(dataset))
        pods = self.pods(namespace, fluid_names.pod_labels(dataset, "fuse"))
        # Where a Pod is being replaced on its node, the one that stays counts.
        oldest_first = sorted(pods, key=lambda pod: not (pod.ended or pod.deleting))
        by_node = {pod.node: pod for pod in oldest_first if pod.node}
        nodes = self.nodes(f"{label}=true") if len(label.partition("/")[2]) <= fluid_names.LABEL_LIMIT else ()
        return FuseSnapshot(
            dataset=f"{namespace}/{dataset}",
            label=label,
            daemon_set=daemon_set,
            pods=by_node,
            unplaced=tuple(pod for pod in pods if not pod.node),
            labelled=tuple(sorted(node.name for node in nodes)),
            doubled=tuple(
                pod
                for pod in oldest_first
                if pod.node and by_node[pod.node] is not pod and not (pod.ended or pod.deleting)
            ),
        )
