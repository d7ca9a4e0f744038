"""The state of a cluster at one moment, and the indexes that the rules of the diagnosis use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Self, TypeVar

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, items, moment, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.controllers import (
    DaemonSetSnapshot,
    DeploymentSnapshot,
    StatefulSetSnapshot,
)
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.meta import Owner
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.fuse import FuseSnapshot
from suites.diagnosis.findings import Evidence, Key
from suites.diagnosis.fluid_facts import (
    CSI_DAEMON_SET,
    OPERATION_ROLES,
    PART_CONTROLLERS,
    RUNTIME_KINDS,
    RuntimeFacts,
    runtime_facts,
)
from suites.diagnosis.objects import Export, PodInfo, RuntimeInfo, VolumeInfo

_K = TypeVar("_K")
_V = TypeVar("_V")
#: How long something may take before it is reported as wrong. Fluid's plugin alone tries for a minute
#: (csi/shell/check_mount.sh), and a Dataset of several JVMs needs minutes on a small node.
PATIENCE: Final = timedelta(minutes=5)
#: Events of one object that are quoted.
_QUOTED: Final = 2


@dataclass(frozen=True)
class ClusterState:
    """A cluster, or the part of it that was requested and could be read.

    Attributes:
        taken: when it was read.
        scope: the namespaces that were read, for each kind that was not read in all of them; none if the kind
            was not read at all. A kind that is not a key was read completely.
        pods: Pods.
        claims: PersistentVolumeClaims.
        volumes: PersistentVolumes.
        datasets: Fluid's Datasets.
        runtimes: runtimes of every kind.
        nodes: nodes.
        daemon_sets: DaemonSets, among them those of Fuses and of the CSI plugin.
        stateful_sets: StatefulSets, among them those of masters and workers.
        deployments: Fluid's controllers.
        bound_since: when the condition Ready of a Dataset changed last.
        drivers: names of the CSI drivers that are registered, by node.
        events: warnings, oldest first.
        gaps: what could not be read, and what follows from it; one sentence each.
    """

    taken: datetime
    scope: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pods: tuple[PodInfo, ...] = ()
    claims: tuple[ClaimSnapshot, ...] = ()
    volumes: tuple[VolumeInfo, ...] = ()
    datasets: tuple[DatasetSnapshot, ...] = ()
    runtimes: tuple[RuntimeInfo, ...] = ()
    nodes: tuple[NodeSnapshot, ...] = ()
    daemon_sets: tuple[DaemonSetSnapshot, ...] = ()
    stateful_sets: tuple[StatefulSetSnapshot, ...] = ()
    deployments: tuple[DeploymentSnapshot, ...] = ()
    bound_since: Mapping[Key, datetime] = field(default_factory=dict)
    drivers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    events: tuple[EventSnapshot, ...] = ()
    gaps: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        objects: Iterable[Mapping[str, Any]],
        taken: datetime,
        *,
        scope: Mapping[str, frozenset[str]] | None = None,
        gaps: Sequence[str] = (),
    ) -> Self:
        """Read it from API objects, each with its ``kind``; objects of other kinds are ignored.

        Raises:
            ValueError: a quantity in an object is not one.
        """
        by_kind: dict[str, list[Json]] = {}
        for obj in objects:
            by_kind.setdefault(text(obj, "kind"), []).append(obj)

        def of_kind(kind: Kind) -> list[Json]:
            return by_kind.get(kind.name, [])

        events = map(EventSnapshot.of, of_kind(kinds.EVENT))
        return cls(
            taken=taken,
            scope=dict(scope or {}),
            pods=tuple(map(PodInfo.of, of_kind(kinds.POD))),
            claims=tuple(map(ClaimSnapshot.of, of_kind(kinds.CLAIM))),
            volumes=tuple(map(VolumeInfo.of, of_kind(kinds.VOLUME))),
            datasets=tuple(map(DatasetSnapshot.of, of_kind(kinds.DATASET))),
            runtimes=tuple(RuntimeInfo.of(obj) for kind in RUNTIME_KINDS for obj in of_kind(kind)),
            nodes=tuple(map(NodeSnapshot.of, of_kind(kinds.NODE))),
            daemon_sets=tuple(map(DaemonSetSnapshot.of, of_kind(kinds.DAEMON_SET))),
            stateful_sets=tuple(map(StatefulSetSnapshot.of, of_kind(kinds.STATEFUL_SET))),
            deployments=tuple(map(DeploymentSnapshot.of, of_kind(kinds.DEPLOYMENT))),
            bound_since={
                (text(obj, "metadata", "namespace"), text(obj, "metadata", "name")): when
                for obj in of_kind(kinds.DATASET)
                for condition in items(obj, "status", "conditions")
                if text(condition, "type") == "Ready" and (when := moment(condition, "lastTransitionTime"))
            },
            drivers={
                text(obj, "metadata", "name"): frozenset(
                    text(item, "name") for item in items(obj, "spec", "drivers")
                )
                for obj in of_kind(kinds.CSI_NODE)
            },
            events=tuple(sorted(events, key=lambda event: event.last.timestamp() if event.last else 0.0)),
            gaps=tuple(gaps),
        )

    def sees(self, kind: Kind, namespace: str = "") -> bool:
        """Whether all objects of a kind were read: in a namespace, or in the whole cluster."""
        return kind.name not in self.scope or bool(namespace and namespace in self.scope[kind.name])

    def sees_runtimes(self, namespace: str) -> bool:
        """Whether the runtimes of every kind in a namespace were read."""
        return all(self.sees(kind, namespace) for kind in RUNTIME_KINDS)

    def recent(self, when: datetime | None) -> bool:
        """Whether something began less than `PATIENCE` ago."""
        return when is not None and self.taken - when < PATIENCE

    @cached_property
    def pods_by_key(self) -> Mapping[Key, PodInfo]:
        """Pods by namespace and name."""
        return {pod.key: pod for pod in self.pods}

    @cached_property
    def claims_by_key(self) -> Mapping[Key, ClaimSnapshot]:
        """Claims by namespace and name."""
        return {(claim.namespace, claim.name): claim for claim in self.claims}

    @cached_property
    def claims_by_name(self) -> Mapping[str, tuple[ClaimSnapshot, ...]]:
        """Claims of all namespaces by name."""
        return _grouped((claim.name, claim) for claim in self.claims)

    @cached_property
    def volumes_by_name(self) -> Mapping[str, VolumeInfo]:
        """Volumes by name."""
        return {volume.snapshot.name: volume for volume in self.volumes}

    @cached_property
    def datasets_by_key(self) -> Mapping[Key, DatasetSnapshot]:
        """Datasets by namespace and name."""
        return {(dataset.namespace, dataset.name): dataset for dataset in self.datasets}

    @cached_property
    def datasets_by_name(self) -> Mapping[str, tuple[DatasetSnapshot, ...]]:
        """Datasets of all namespaces by name."""
        return _grouped((dataset.name, dataset) for dataset in self.datasets)

    @cached_property
    def datasets_by_namespace(self) -> Mapping[str, tuple[DatasetSnapshot, ...]]:
        """Datasets by namespace."""
        return _grouped((dataset.namespace, dataset) for dataset in self.datasets)

    @cached_property
    def datasets_by_fuse_label(self) -> Mapping[str, tuple[DatasetSnapshot, ...]]:
        """Datasets by the node label that requests their Fuse; names can be such that two share one."""
        return _grouped((fluid_names.fuse_label(d.namespace, d.name, d.uid), d) for d in self.datasets)

    @cached_property
    def names_by_namespace(self) -> Mapping[str, Mapping[str, DatasetSnapshot]]:
        """Datasets by namespace and by name, and by the names of their source claims."""
        found: dict[str, dict[str, DatasetSnapshot]] = {}
        for (namespace, name), datasets in self.datasets_by_source.items():
            found.setdefault(namespace, {})[name] = datasets[0]
        for (namespace, name), dataset in self.datasets_by_key.items():
            found.setdefault(namespace, {})[name] = dataset
        return found

    @cached_property
    def datasets_by_source(self) -> Mapping[Key, tuple[DatasetSnapshot, ...]]:
        """Datasets by namespace and name of a claim that holds their data."""
        pairs = ((d, claim) for d in self.datasets for claim in d.source_claims)
        return _grouped(((d.namespace, claim), d) for d, claim in pairs)

    @cached_property
    def datasets_by_export(self) -> Mapping[Export, tuple[DatasetSnapshot, ...]]:
        """Datasets by the NFS export that holds their data."""
        pairs: list[tuple[Export, DatasetSnapshot]] = []
        for (namespace, name), datasets in self.datasets_by_source.items():
            volume = self.volume_of(self.claims_by_key.get((namespace, name)))
            if volume is not None and volume.export is not None:
                pairs += ((volume.export, dataset) for dataset in datasets)
        return _grouped(pairs)

    @cached_property
    def runtimes_by_key(self) -> Mapping[Key, tuple[RuntimeInfo, ...]]:
        """Runtimes by namespace and name; two kinds can have the same name."""
        return _grouped(((runtime.namespace, runtime.name), runtime) for runtime in self.runtimes)

    @cached_property
    def nodes_by_name(self) -> Mapping[str, NodeSnapshot]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def daemon_sets_by_key(self) -> Mapping[Key, DaemonSetSnapshot]:
        """DaemonSets by namespace and name."""
        return {(item.namespace, item.name): item for item in self.daemon_sets}

    @cached_property
    def stateful_sets_by_key(self) -> Mapping[Key, StatefulSetSnapshot]:
        """StatefulSets by namespace and name."""
        return {(item.namespace, item.name): item for item in self.stateful_sets}

    @cached_property
    def pods_by_owner(self) -> Mapping[tuple[str, str, str], tuple[PodInfo, ...]]:
        """Pods by namespace, kind of their owner and its name."""
        pairs: list[tuple[tuple[str, str, str], PodInfo]] = []
        for pod in self.pods:
            owner: Owner | None = pod.snapshot.owner
            if owner is not None:
                pairs.append(((pod.snapshot.namespace, owner.kind, owner.name), pod))
        return _grouped(pairs)

    @cached_property
    def pods_by_node(self) -> Mapping[str, tuple[PodInfo, ...]]:
        """Pods by the node on which they run."""
        return _grouped((pod.snapshot.node, pod) for pod in self.pods if pod.snapshot.node)

    @cached_property
    def events_by_object(self) -> Mapping[tuple[str, str, str], tuple[EventSnapshot, ...]]:
        """Warnings by kind, namespace and name of the object that they are about."""
        return _grouped(((event.kind, event.namespace, event.name), event) for event in self.events)

    @cached_property
    def _fluid_controllers(self) -> frozenset[tuple[str, str, str]]:
        """Namespace, kind and name of the StatefulSets and DaemonSets that serve Datasets."""
        keys = {*self.datasets_by_key, *self.runtimes_by_key}
        found: set[tuple[str, str, str]] = set()
        for namespace, name in keys:
            for facts in self.facts((namespace, name)):
                parts = (*facts.masters, *facts.workers)
                found |= {(namespace, kind, name + part) for kind in PART_CONTROLLERS for part in parts}
                found |= {(namespace, "DaemonSet", name + fuse) for fuse in facts.fuse}
        return frozenset(found)

    def facts(self, key: Key) -> tuple[RuntimeFacts, ...]:
        """What is known about the kinds of the runtimes of that namespace and name."""
        return runtime_facts(runtime.kind for runtime in self.runtimes_by_key.get(key, ()))

    def belongs_to_fluid(self, pod: PodInfo) -> bool:
        """Whether it is a master, worker, Fuse, plugin or data operation: these use source claims rightly."""
        owner = pod.snapshot.owner
        if owner is None:
            return False
        if owner.kind == "Job" and pod.snapshot.labels.get("role") in OPERATION_ROLES:
            return True
        key = (pod.snapshot.namespace, owner.kind, owner.name)
        return key in self._fluid_controllers or (owner.kind, owner.name) == ("DaemonSet", CSI_DAEMON_SET)

    def volume_of(self, claim: ClaimSnapshot | None) -> VolumeInfo | None:
        """The volume that a claim is bound to, or requests by name."""
        return self.volumes_by_name.get(claim.volume_name) if claim and claim.volume_name else None

    def owned_by(self, namespace: str, kind: str, name: str) -> tuple[PodInfo, ...]:
        """The Pods of a StatefulSet or DaemonSet."""
        return self.pods_by_owner.get((namespace, kind, name), ())

    def events_of(self, kind: str, namespace: str, name: str, reason: str = "") -> tuple[EventSnapshot, ...]:
        """The last warnings about an object, narrowed to a reason."""
        found = self.events_by_object.get((kind, namespace, name), ())
        return tuple(event for event in found if reason in ("", event.reason))[-_QUOTED:]

    def quoted(self, kind: str, namespace: str, name: str) -> tuple[Evidence, ...]:
        """The last warnings about an object as evidence."""
        events = self.events_of(kind, namespace, name)
        return tuple(Evidence(f"event of {kind} {namespace}/{name}", str(event)) for event in events)

    @cached_property
    def _fuses(self) -> dict[Key, FuseSnapshot]:
        return {}

    def fuse(self, namespace: str, name: str) -> FuseSnapshot:
        """The Fuse of the runtime of that name."""
        if (namespace, name) not in self._fuses:
            self._fuses[namespace, name] = self._fuse(namespace, name)
        return self._fuses[namespace, name]

    def _fuse(self, namespace: str, name: str) -> FuseSnapshot:
        dataset = self.datasets_by_key.get((namespace, name))
        volume = self.volumes_by_name.get(fluid_names.volume_name(namespace, name))
        named = volume.snapshot.attributes.get(fluid_names.FUSE_LABEL_ATTRIBUTE) if volume else None
        label = named or fluid_names.fuse_label(namespace, name, dataset.uid if dataset else "")
        found = [name + suffix for facts in self.facts((namespace, name)) for suffix in facts.fuse]
        daemon_set = next(filter(None, (self.daemon_sets_by_key.get((namespace, n)) for n in found)), None)
        pods = [pod.snapshot for n in found for pod in self.owned_by(namespace, "DaemonSet", n)]
        labelled = [node.name for node in self.nodes if node.labels.get(label) == "true"]
        return FuseSnapshot.of(f"{namespace}/{name}", label, daemon_set, pods, labelled)

    @cached_property
    def _plugin_pods(self) -> tuple[PodInfo, ...]:
        keys = [key for key in self.daemon_sets_by_key if key[1] == CSI_DAEMON_SET]
        return tuple(pod for ns, name in keys for pod in self.owned_by(ns, "DaemonSet", name))

    @cached_property
    def csi_plugins(self) -> Mapping[str, PodSnapshot]:
        """The Pods of Fluid's CSI plugin by node; empty also if they could not be read."""
        pods = (pod.snapshot for pod in self._plugin_pods)
        return {pod.node: pod for pod in pods if pod.node and not pod.deleting}

    @cached_property
    def fuse_recovery(self) -> bool:
        """Fluid's CSI plugin mounts again after a Fuse started again (feature gate FuseRecovery)."""
        return any(
            "FuseRecovery=true" in word
            for pod in self._plugin_pods
            for words in pod.arguments.values()
            for word in words
        )


def serves(dataset: DatasetSnapshot) -> bool:
    """It is Bound, or was and is being changed meanwhile (api/v1alpha1/dataset_types.go, phases)."""
    return dataset.phase in ("Bound", "Updating", "DataMigrating")


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> Mapping[_K, tuple[_V, ...]]:
    found: dict[_K, list[_V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
