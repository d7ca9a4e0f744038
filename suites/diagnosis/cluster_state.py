"""A cluster as one look found it: frozen, and enough to tell who goes through Fluid and who does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Self, TypeVar

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, at, items, moment, quantity, text, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.lookups import FuseSnapshot
from clusters.kubernetes.snapshots import (
    ClaimSnapshot,
    DaemonSetSnapshot,
    DatasetSnapshot,
    DeploymentSnapshot,
    EventSnapshot,
    NodeSnapshot,
    Owner,
    PodSnapshot,
    StatefulSetSnapshot,
    VolumeSnapshot,
)
from clusters.product import fluid_names
from suites.diagnosis.fitting import NodeTerms, Placement
from suites.diagnosis.verdicts import Key

_K = TypeVar("_K")
_V = TypeVar("_V")

_FLUID_API: Final = kinds.DATASET.api_version
#: What can serve a Dataset in Fluid 1.0.8 (charts/fluid/fluid/crds); a cluster need not know all of them.
RUNTIME_KINDS: Final = (
    kinds.ALLUXIO_RUNTIME,
    kinds.THIN_RUNTIME,
    Kind("JuiceFSRuntime", _FLUID_API, "juicefsruntimes"),
    Kind("JindoRuntime", _FLUID_API, "jindoruntimes"),
    Kind("GooseFSRuntime", _FLUID_API, "goosefsruntimes"),
    Kind("EFCRuntime", _FLUID_API, "efcruntimes"),
    Kind("VineyardRuntime", _FLUID_API, "vineyardruntimes"),
)

#: charts/fluid/fluid/templates/csi/daemonset.yaml:5
CSI_DAEMON_SET: Final = "csi-nodeplugin-fluid"
#: Ends of the names of Fuse DaemonSets; JindoRuntime has the second (pkg/ddc/jindocache/utils.go:93).
FUSE_SUFFIXES: Final = ("-fuse", "-jindofs-fuse")
#: Kubernetes' own CSI driver for NFS, with the volume attributes ``server`` and ``share``.
NFS_DRIVER: Final = "nfs.csi.k8s.io"

#: pkg/common/constants.go:192-203 and label.go:99
SERVERLESS_LABEL: Final = "serverless.fluid.io/inject"
OLD_SIDECAR_LABEL: Final = "fuse.sidecar.fluid.io/inject"
SERVERFUL_LABEL: Final = "fuse.serverful.fluid.io/inject"
SIDECAR_DONE_LABEL: Final = "done.sidecar.fluid.io/inject"
#: Begins the names of the containers that the webhook puts into a Pod (pkg/common/volume.go:42).
SIDECAR_CONTAINER: Final = "fluid-fuse"
SIDECAR_MAPPING_PREFIX: Final = "container-dataset-mapping.sidecar.fluid.io/"
#: charts/alluxio/templates/worker/statefulset.yaml:28-29
WORKER_OF_LABEL: Final = "fluid.io/dataset"
PLACEMENT_LABEL: Final = "fluid.io/dataset-placement"

#: An NFS server and a folder on it.
Export = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A Pod, with what only a diagnosis asks of it.

    Attributes:
        snapshot: the Pod.
        placement: where it may go.
        memory: bytes that its containers ask for together.
        began: when a container's present run began, by the container's name.
        exports: NFS exports that it mounts without any claim, by volume name.
        arguments: command-line arguments, by the container's name.
    """

    snapshot: PodSnapshot
    placement: Placement
    memory: float
    began: Mapping[str, datetime]
    exports: Mapping[str, Export]
    arguments: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Pod."""
        statuses = [
            *items(obj, "status", "containerStatuses"),
            *items(obj, "status", "initContainerStatuses"),
        ]
        began = {text(item, "name"): moment(item, "state", "running", "startedAt") for item in statuses}
        containers = items(obj, "spec", "containers")
        return cls(
            snapshot=PodSnapshot.of(obj),
            placement=Placement.of(obj),
            memory=sum(_bytes(at(item, "resources", "requests", "memory")) for item in containers),
            began={name: when for name, when in began.items() if when is not None},
            exports={
                text(volume, "name"): (text(volume, "nfs", "server"), _folder(text(volume, "nfs", "path")))
                for volume in items(obj, "spec", "volumes")
                if at(volume, "nfs")
            },
            arguments={text(item, "name"): texts(item, "args") for item in containers},
        )

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.snapshot.namespace, self.snapshot.name

    @property
    def asks_for_fluid(self) -> bool:
        """One of Fluid's labels for applications is on it."""
        names = (SERVERLESS_LABEL, OLD_SIDECAR_LABEL, SERVERFUL_LABEL)
        return any(self.snapshot.labels.get(name) == "true" for name in names)

    @property
    def sidecars(self) -> Mapping[str, Key]:
        """Fluid's sidecars in it: Dataset by the container's name.

        Empty unless Fluid says that it put them in. Since 1.0 it labels them with their Datasets
        (pkg/webhook/plugins/fusesidecar, mutator_default.go:438-467); up to 0.9 just where they mount
        tells it (pkg/application/inject/fuse/injector.go:355-373 of 0.9.3).
        """
        if self.snapshot.labels.get(SIDECAR_DONE_LABEL) != "true":
            return {}
        found: dict[str, Key] = {}
        for label, value in self.snapshot.labels.items():
            if label.startswith(SIDECAR_MAPPING_PREFIX):
                # Neither name may hold an underscore.
                namespace, _, name = value.partition("_")
                found[label.removeprefix(SIDECAR_MAPPING_PREFIX)] = (namespace, name)
        return found or {
            container: key
            for container, words in self.arguments.items()
            if container.startswith(SIDECAR_CONTAINER)
            for key in map(fluid_names.mounted_dataset, words)
            if key
        }

    @property
    def volumes_mounted(self) -> bool:
        """Its volumes are set up: a container of it runs, ran, or waits for something else than that."""
        containers = (*self.snapshot.init_containers, *self.snapshot.containers)
        waits = ("waiting", "waiting: ContainerCreating", "waiting: PodInitializing")
        return any(c.restarts or c.state not in waits for c in containers)


@dataclass(frozen=True, slots=True)
class SeenVolume:
    """A PersistentVolume, with where it may be used.

    Attributes:
        snapshot: the volume.
        terms: the nodes that it is for, or None for all.
        export: the NFS export that it is, or None.
    """

    snapshot: VolumeSnapshot
    terms: NodeTerms | None
    export: Export | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a volume."""
        seen = VolumeSnapshot.of(obj)
        export: Export | None = None
        if seen.nfs_server:
            export = (seen.nfs_server, _folder(seen.nfs_path))
        elif seen.driver == NFS_DRIVER and seen.attributes.get("server"):
            export = (seen.attributes["server"], _folder(seen.attributes.get("share", "")))
        return cls(seen, NodeTerms.of(at(obj, "spec", "nodeAffinity", "required")), export)

    @property
    def runtime(self) -> Key | None:
        """Namespace and name of the runtime that serves it, as its attributes say (create.go:90-93)."""
        found = (
            self.snapshot.attributes.get("runtime_namespace", ""),
            self.snapshot.attributes.get("runtime_name", ""),
        )
        return found if all(found) else None


@dataclass(frozen=True, slots=True)
class Tier:
    """A level of a runtime's tiered store as it was written; an empty text where nothing was."""

    medium: str
    path: str
    quota: str
    quota_list: str

    @property
    def paths(self) -> tuple[str, ...]:
        """Its folders."""
        return tuple(self.path.split(","))

    @property
    def bytes(self) -> float:
        """Size of the whole tier; quotaList goes before quota (pkg/ddc/base/runtime.go:403-430)."""
        if self.quota_list:
            return sum(_bytes(part) for part in self.quota_list.split(","))
        return _bytes(self.quota)


@dataclass(frozen=True, slots=True)
class SeenRuntime:
    """A runtime of any kind.

    Attributes:
        kind: such as ``AlluxioRuntime``.
        namespace: its namespace.
        name: its name, which is its Dataset's.
        deleting: its deletion was asked for.
        tiers: its tiered store.
        memory_limit: bytes that a worker may use; 0 without a limit.
    """

    kind: str
    namespace: str
    name: str
    deleting: bool
    tiers: tuple[Tier, ...]
    memory_limit: float

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a runtime."""
        return cls(
            kind=text(obj, "kind"),
            namespace=text(obj, "metadata", "namespace"),
            name=text(obj, "metadata", "name"),
            deleting=bool(text(obj, "metadata", "deletionTimestamp")),
            tiers=tuple(
                Tier(text(i, "mediumtype"), text(i, "path"), text(i, "quota"), text(i, "quotaList"))
                for i in items(obj, "spec", "tieredstore", "levels")
            ),
            memory_limit=_bytes(at(obj, "spec", "worker", "resources", "limits", "memory")),
        )

    @property
    def alluxio(self) -> bool:
        """It is an AlluxioRuntime."""
        return self.kind == kinds.ALLUXIO_RUNTIME.name

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class ClusterState:
    """A cluster, or the part of it that was asked for.

    Attributes:
        taken: when.
        whole: Pods and claims of all namespaces are in it.
        pods: Pods.
        claims: PersistentVolumeClaims.
        volumes: PersistentVolumes.
        datasets: Fluid's Datasets.
        runtimes: runtimes of every kind.
        nodes: nodes.
        daemon_sets: DaemonSets, those of Fuses and of the CSI plugin among them.
        stateful_sets: StatefulSets, those of masters and workers among them.
        deployments: Fluid's controllers, as far as they were found.
        bound_since: when Fluid last changed its mind whether a Dataset is ready.
        drivers: names of the CSI drivers that are registered, by node.
        events: warnings; only ever evidence.
        gaps: what could not be looked at, and what follows from it; one sentence each.
    """

    taken: datetime
    whole: bool = True
    pods: tuple[PodInfo, ...] = ()
    claims: tuple[ClaimSnapshot, ...] = ()
    volumes: tuple[SeenVolume, ...] = ()
    datasets: tuple[DatasetSnapshot, ...] = ()
    runtimes: tuple[SeenRuntime, ...] = ()
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
        whole: bool = True,
        gaps: Sequence[str] = (),
    ) -> Self:
        """Read it from API objects of any kinds, each with its ``kind``; kinds of no use are passed over."""
        sorted_by: dict[str, list[Json]] = {}
        for obj in objects:
            sorted_by.setdefault(text(obj, "kind"), []).append(obj)

        def of_kind(kind: Kind) -> list[Json]:
            return sorted_by.get(kind.name, [])

        return cls(
            taken=taken,
            whole=whole,
            pods=tuple(map(PodInfo.of, of_kind(kinds.POD))),
            claims=tuple(map(ClaimSnapshot.of, of_kind(kinds.CLAIM))),
            volumes=tuple(map(SeenVolume.of, of_kind(kinds.VOLUME))),
            datasets=tuple(map(DatasetSnapshot.of, of_kind(kinds.DATASET))),
            runtimes=tuple(SeenRuntime.of(obj) for kind in RUNTIME_KINDS for obj in of_kind(kind)),
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
            events=tuple(map(EventSnapshot.of, of_kind(kinds.EVENT))),
            gaps=tuple(gaps),
        )

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
    def volumes_by_name(self) -> Mapping[str, SeenVolume]:
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
    def runtimes_by_key(self) -> Mapping[Key, tuple[SeenRuntime, ...]]:
        """Runtimes by namespace and name; two kinds may share a name."""
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
        """Pods by the node that they are on."""
        return _grouped((pod.snapshot.node, pod) for pod in self.pods if pod.snapshot.node)

    @cached_property
    def events_by_object(self) -> Mapping[tuple[str, str, str], tuple[EventSnapshot, ...]]:
        """Warnings by kind, namespace and name of what they are about."""
        return _grouped(((event.kind, event.namespace, event.name), event) for event in self.events)

    @cached_property
    def parts_of_fluid(self) -> frozenset[tuple[str, str, str]]:
        """Namespace, kind and name of the StatefulSets and DaemonSets that serve Datasets.

        Their Pods mount source claims rightly.
        """
        keys = {*self.datasets_by_key, *self.runtimes_by_key}
        return frozenset(
            (namespace, kind, name + suffix)
            for namespace, name in keys
            for kind, suffixes in (
                ("StatefulSet", ("-master", "-worker", "-jindofs-master", "-jindofs-worker")),
                ("DaemonSet", FUSE_SUFFIXES),
            )
            for suffix in suffixes
        )

    def volume_of(self, claim: ClaimSnapshot | None) -> SeenVolume | None:
        """The volume that a claim is bound to, or asks for by name."""
        return self.volumes_by_name.get(claim.volume_name) if claim and claim.volume_name else None

    def owned_by(self, namespace: str, kind: str, name: str) -> tuple[PodInfo, ...]:
        """The Pods of a StatefulSet or DaemonSet."""
        return self.pods_by_owner.get((namespace, kind, name), ())

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
        label = fluid_names.fuse_label(namespace, name, dataset.uid if dataset else "")
        found = [name + suffix for suffix in FUSE_SUFFIXES]
        daemon_set = next(filter(None, (self.daemon_sets_by_key.get((namespace, n)) for n in found)), None)
        pods = [pod.snapshot for n in found for pod in self.owned_by(namespace, "DaemonSet", n)]
        # Where a Pod is being replaced on its node, the one that stays counts.
        pods.sort(key=lambda pod: not (pod.ended or pod.deleting))
        return FuseSnapshot(
            dataset=f"{namespace}/{name}",
            label=label,
            daemon_set=daemon_set,
            pods={pod.node: pod for pod in pods if pod.node},
            unplaced=tuple(pod for pod in pods if not pod.node),
            labelled=tuple(sorted(node.name for node in self.nodes if node.labels.get(label) == "true")),
        )

    @cached_property
    def csi_plugins(self) -> Mapping[str, PodSnapshot]:
        """The Pods of Fluid's CSI plugin by node; empty also where they could not be seen."""
        keys = [key for key in self.daemon_sets_by_key if key[1] == CSI_DAEMON_SET]
        pods = (pod.snapshot for ns, name in keys for pod in self.owned_by(ns, "DaemonSet", name))
        return {pod.node: pod for pod in pods if pod.node and not pod.deleting}

    @cached_property
    def fuse_recovery(self) -> bool:
        """Fluid's CSI plugin was told to mount again after a Fuse came back."""
        keys = [key for key in self.daemon_sets_by_key if key[1] == CSI_DAEMON_SET]
        pods = [pod for ns, name in keys for pod in self.owned_by(ns, "DaemonSet", name)]
        return any(
            "FuseRecovery=true" in word for pod in pods for words in pod.arguments.values() for word in words
        )


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> Mapping[_K, tuple[_V, ...]]:
    found: dict[_K, list[_V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _bytes(value: object) -> float:
    """A quantity, or 0 where there is none or it is not one."""
    try:
        return quantity(value) if value not in (None, "") else 0.0
    except ValueError:
        return 0.0


def _folder(path: str) -> str:
    return path.rstrip("/") or "/"
