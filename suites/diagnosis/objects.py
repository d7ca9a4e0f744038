"""Pods, volumes and runtimes with the fields that only a diagnosis reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, at, flag, items, moment, number, quantity, table, text, texts
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import VolumeSnapshot
from clusters.product import fluid_names
from suites.diagnosis.findings import Key
from suites.diagnosis.fluid_facts import (
    NFS_DRIVER,
    OLD_SIDECAR_LABEL,
    SERVERFUL_LABEL,
    SERVERLESS_LABEL,
    SIDECAR_CONTAINER,
    SIDECAR_DONE_LABEL,
    sidecar_datasets,
)
from suites.diagnosis.placement import NodeTerms, Placement

#: An NFS server and a folder that it exports.
Export = tuple[str, str]

#: Container states in which the volumes of the Pod may still be being set up.
_BEFORE_START = ("waiting", "waiting: ContainerCreating", "waiting: PodInitializing")
#: Set by the kubelet when the sandbox of the Pod is ready, which is after its volumes were mounted
#: (Kubernetes 1.29).
_SANDBOX_READY = "PodReadyToStartContainers"


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """How the last run of a container that has ended, ended.

    Attributes:
        started: when the run started.
        finished: when it ended.
        exit_code: 0 for success.
        reason: such as ``Error`` or ``OOMKilled``.
    """

    started: datetime | None
    finished: datetime | None
    exit_code: int
    reason: str

    @classmethod
    def of(cls, status: Json) -> Self | None:
        """Read it from the status of a container; None if no run of it is known to have ended."""
        for part in ("state", "lastState"):
            ended = at(status, part, "terminated")
            if isinstance(ended, Mapping):
                return cls(
                    started=moment(ended, "startedAt"),
                    finished=moment(ended, "finishedAt"),
                    exit_code=number(ended, "exitCode"),
                    reason=text(ended, "reason"),
                )
        return None


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A Pod with the fields that only a diagnosis reads.

    Attributes:
        snapshot: the Pod.
        placement: the nodes on which it may run.
        memory: bytes that its containers request, summed.
        running_since: start of the current run, by container name.
        ends: the last run that ended, by container name.
        mounted_by: a time at which its volumes were mounted for certain: the earliest start of a container
            that is known, or the time at which the kubelet reported the sandbox; None if neither is known.
        first_start_known: ``mounted_by`` is the first start, not that of a later run.
        exports: NFS exports that it mounts without a claim, by volume name.
        read_only_volumes: names of the volumes that use their claim read-only.
        arguments: command-line arguments by container name.
        deletion_deadline: when its grace period ends; None if it is not being deleted.
        deletion_requested: when its deletion was requested.
        not_ready_since: when the condition Ready became False; None while it is True.
    """

    snapshot: PodSnapshot
    placement: Placement
    memory: float
    running_since: Mapping[str, datetime]
    ends: Mapping[str, ContainerEnd]
    mounted_by: datetime | None
    first_start_known: bool
    exports: Mapping[str, Export]
    read_only_volumes: frozenset[str]
    arguments: Mapping[str, tuple[str, ...]]
    deletion_deadline: datetime | None
    deletion_requested: datetime | None
    not_ready_since: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Pod."""
        statuses = [
            *items(obj, "status", "containerStatuses"),
            *items(obj, "status", "initContainerStatuses"),
        ]
        running = {text(item, "name"): moment(item, "state", "running", "startedAt") for item in statuses}
        ends = {text(item, "name"): ContainerEnd.of(item) for item in statuses}
        containers = items(obj, "spec", "containers")
        volumes = items(obj, "spec", "volumes")
        deadline = moment(obj, "metadata", "deletionTimestamp")
        grace = timedelta(seconds=number(obj, "metadata", "deletionGracePeriodSeconds"))
        starts = [*_starts(statuses), *_sandbox_times(obj)]
        return cls(
            snapshot=PodSnapshot.of(obj),
            placement=Placement.of(obj),
            memory=sum(size_in_bytes(at(item, "resources", "requests", "memory")) for item in containers),
            running_since={name: when for name, when in running.items() if when is not None},
            ends={name: end for name, end in ends.items() if end is not None},
            mounted_by=min(starts, default=None),
            first_start_known=bool(_sandbox_times(obj))
            or any(number(item, "restartCount") <= 1 and any(_starts([item])) for item in statuses),
            exports={text(volume, "name"): export for volume in volumes if (export := _export(volume))},
            read_only_volumes=frozenset(
                text(volume, "name")
                for volume in volumes
                if flag(volume, "persistentVolumeClaim", "readOnly")
            ),
            arguments={text(item, "name"): texts(item, "args") for item in containers},
            deletion_deadline=deadline,
            deletion_requested=deadline - grace if deadline else None,
            not_ready_since=next(
                (
                    moment(condition, "lastTransitionTime")
                    for condition in items(obj, "status", "conditions")
                    if text(condition, "type") == "Ready" and text(condition, "status") != "True"
                ),
                None,
            ),
        )

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.snapshot.namespace, self.snapshot.name

    @property
    def asks_for_fluid(self) -> bool:
        """It carries one of Fluid's labels for applications."""
        names = (SERVERLESS_LABEL, OLD_SIDECAR_LABEL, SERVERFUL_LABEL)
        return any(self.snapshot.labels.get(name) == "true" for name in names)

    @property
    def sidecars(self) -> Mapping[str, Key]:
        """Fluid's sidecars in it: the Dataset by container name.

        Empty unless Fluid's label says that it injected them. Since 1.0 further labels name the Datasets;
        before
        that only the path at which the sidecar mounts does (pkg/application/inject/fuse/injector.go:355-373
        of 0.9.3).
        """
        if self.snapshot.labels.get(SIDECAR_DONE_LABEL) != "true":
            return {}
        return dict(sidecar_datasets(self.snapshot.labels)) or {
            container: key
            for container, words in self.arguments.items()
            if container.startswith(SIDECAR_CONTAINER)
            for key in map(fluid_names.mounted_dataset, words)
            if key
        }

    @property
    def volumes_mounted(self) -> bool:
        """A container of it runs, has run, or waits for something that is later than the volumes."""
        containers = (*self.snapshot.init_containers, *self.snapshot.containers)
        return any(c.restarts or c.state not in _BEFORE_START for c in containers)

    def users_of(self, claim: str) -> frozenset[str]:
        """Names of the containers that mount a claim."""
        return frozenset(container for container, _ in self.snapshot.paths_of(claim))

    def may_write(self, claim: str) -> bool:
        """A container mounts the claim and may write to it."""
        volumes = {volume for volume, name in self.snapshot.claims.items() if name == claim}
        return any(
            mount.volume in volumes and not mount.read_only and mount.volume not in self.read_only_volumes
            for container in (*self.snapshot.containers, *self.snapshot.init_containers)
            for mount in container.mounts
        )


def _starts(statuses: list[Json]) -> Iterator[datetime]:
    """All starts of containers that their statuses still know."""
    for status in statuses:
        for state in ("state", "lastState"):
            for phase in ("running", "terminated"):
                when = moment(status, state, phase, "startedAt")
                if when is not None:
                    yield when


def _sandbox_times(obj: Json) -> list[datetime]:
    return [
        when
        for condition in items(obj, "status", "conditions")
        if text(condition, "type") == _SANDBOX_READY
        and text(condition, "status") == "True"
        and (when := moment(condition, "lastTransitionTime"))
    ]


def _export(volume: Json) -> Export | None:
    """The NFS export of a Pod's volume that uses no claim."""
    if at(volume, "nfs"):
        return text(volume, "nfs", "server"), folder(text(volume, "nfs", "path"))
    attributes = table(volume, "csi", "volumeAttributes")
    if text(volume, "csi", "driver") == NFS_DRIVER and attributes.get("server"):
        return attributes["server"], folder(attributes.get("share", ""))
    return None


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """A PersistentVolume with the fields that only a diagnosis reads.

    Attributes:
        snapshot: the volume.
        terms: the nodes on which it may be used, or None for all.
        export: its NFS export, or None if it is not on NFS.
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
            export = (seen.nfs_server, folder(seen.nfs_path))
        elif seen.driver == NFS_DRIVER and seen.attributes.get("server"):
            export = (seen.attributes["server"], folder(seen.attributes.get("share", "")))
        return cls(seen, NodeTerms.of(at(obj, "spec", "nodeAffinity", "required")), export)

    @property
    def runtime(self) -> Key | None:
        """Namespace and name of the runtime that serves it (pkg/utils/dataset/volume/create.go:90-93)."""
        found = (
            self.snapshot.attributes.get("runtime_namespace", ""),
            self.snapshot.attributes.get("runtime_name", ""),
        )
        return found if all(found) else None

    @property
    def claim_key(self) -> Key | None:
        """Namespace and name of the claim that it is for, or None."""
        found = (self.snapshot.claim_namespace, self.snapshot.claim_name)
        return found if all(found) else None


@dataclass(frozen=True, slots=True)
class Tier:
    """A level of a runtime's tiered store as it was written; an empty text for a missing field."""

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
        """Size of the tier; quotaList has priority over quota (pkg/ddc/base/runtime.go:403-430)."""
        if self.quota_list:
            return sum(size_in_bytes(part) for part in self.quota_list.split(","))
        return size_in_bytes(self.quota)


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """A runtime of any kind.

    Attributes:
        kind: such as ``AlluxioRuntime``.
        namespace: its namespace.
        name: its name, which is also its Dataset's.
        deleting: its deletion was requested.
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
            memory_limit=size_in_bytes(at(obj, "spec", "worker", "resources", "limits", "memory")),
        )

    @property
    def alluxio(self) -> bool:
        """It is an AlluxioRuntime."""
        return self.kind == kinds.ALLUXIO_RUNTIME.name

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def size_in_bytes(value: object) -> float:
    """A quantity as a number; 0 if there is none or if it is not a quantity."""
    try:
        return quantity(value) if value not in (None, "") else 0.0
    except (ValueError, ArithmeticError):
        return 0.0


def folder(path: str) -> str:
    """A path without a slash at its end."""
    return path.rstrip("/") or "/"
