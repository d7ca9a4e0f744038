"""Fluid's objects at one moment, and what Fluid adds to objects of Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, items, moment, number, percentage, table, text, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.meta import Condition, Meta, ObjectSnapshot, shortened
from clusters.kubernetes.snapshots.storage import CREATED_BY, ClaimSnapshot, VolumeSnapshot
from clusters.product import fluid_names


def made_by_fluid(obj: ClaimSnapshot | VolumeSnapshot) -> bool:
    """Whether a claim or a volume carries the annotation that Fluid sets on those that it creates."""
    return obj.annotations.get(CREATED_BY) == fluid_names.MADE_BY_FLUID


def uses_fluid_driver(volume: VolumeSnapshot) -> bool:
    """Whether a volume is served by Fluid's CSI driver, whoever created it."""
    return volume.driver == fluid_names.CSI_DRIVER_NAME


@dataclass(frozen=True, slots=True)
class CacheStates:
    """The cache of a Dataset in its status; it lags by up to 2.5 minutes (Fluid 1.0.8).

    Attributes:
        capacity: as Fluid writes it, such as ``512.00MiB``.
        cached: the same.
        cached_percentage: of the data at the source; None while unknown. Can exceed 100.
        hit_ratio: per cent of bytes read from the cache; None before the first sample.
        local_hit_ratio: from a worker on the reader's node.
        remote_hit_ratio: from other workers.
        throughput_ratio: share of the cache in all throughput since the start of Alluxio, per cent.
        local_throughput_ratio: of it from a worker on the reader's node.
        remote_throughput_ratio: of it from other workers.
        raw: all of it as the API gives it.
    """

    capacity: str
    cached: str
    cached_percentage: float | None
    hit_ratio: float | None
    local_hit_ratio: float | None
    remote_hit_ratio: float | None
    throughput_ratio: float | None
    local_throughput_ratio: float | None
    remote_throughput_ratio: float | None
    raw: Mapping[str, str]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read it from the status of a Dataset or of a runtime."""
        raw = table(obj, "status", "cacheStates")
        return cls(
            capacity=raw.get("cacheCapacity", ""),
            cached=raw.get("cached", ""),
            cached_percentage=percentage(raw.get("cachedPercentage", "")),
            hit_ratio=percentage(raw.get("cacheHitRatio", "")),
            local_hit_ratio=percentage(raw.get("localHitRatio", "")),
            remote_hit_ratio=percentage(raw.get("remoteHitRatio", "")),
            throughput_ratio=percentage(raw.get("cacheThroughputRatio", "")),
            local_throughput_ratio=percentage(raw.get("localThroughputRatio", "")),
            remote_throughput_ratio=percentage(raw.get("remoteThroughputRatio", "")),
            raw=raw,
        )

    def __str__(self) -> str:
        if not self.raw:
            return "cache not reported"
        share = f" ({self.cached_percentage:g} %)" if self.cached_percentage is not None else ""
        return f"{self.cached or '?'} of {self.capacity or '?'} cached{share}"


@dataclass(frozen=True, slots=True)
class DatasetMount:
    """A mount point of a Dataset."""

    mount_point: str
    name: str = ""
    path: str = ""

    @classmethod
    def all_of(cls, obj: Json, part: str) -> tuple[Self, ...]:
        """The mounts in ``spec`` or ``status``."""
        return tuple(
            cls(
                mount_point=text(item, "mountPoint"),
                name=text(item, "name"),
                path=text(item, "path"),
            )
            for item in items(obj, part, "mounts")
        )

    @property
    def source_claim(self) -> str:
        """The claim that ``pvc://claim/folder`` names, or empty for any other scheme."""
        scheme, _, rest = self.mount_point.partition("://")
        return rest.partition("/")[0] if scheme == "pvc" else ""


@dataclass(frozen=True, slots=True)
class DatasetSnapshot(ObjectSnapshot):
    """A Dataset.

    Attributes:
        phase: ``NotBound``, ``Bound``, ``Failed``, ``Updating``, …; empty before Fluid processed it.
        conditions: all of them.
        mounts: in the specification.
        runtimes: names of the runtimes bound to it.
        ufs_total: bytes at the source as Fluid writes them; ``[Calculating]`` until then.
        file_num: files at the source, the same.
        cache: in the status.
        placement: ``Exclusive`` (also when empty) or ``Shared``.
        dataset_ref: Datasets ``namespace/name`` that refer to this one.
        operations: names of running data operations by kind.
    """

    KIND: ClassVar[Kind] = kinds.DATASET

    phase: str
    conditions: tuple[Condition, ...]
    mounts: tuple[DatasetMount, ...]
    runtimes: tuple[str, ...]
    ufs_total: str
    file_num: str
    cache: CacheStates
    placement: str
    dataset_ref: tuple[str, ...]
    operations: Mapping[str, str]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Dataset."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            conditions=Condition.all_of(obj),
            mounts=DatasetMount.all_of(obj, "spec"),
            runtimes=tuple(text(item, "name") for item in items(obj, "status", "runtimes")),
            ufs_total=text(obj, "status", "ufsTotal"),
            file_num=text(obj, "status", "fileNum"),
            cache=CacheStates.of(obj),
            placement=text(obj, "spec", "placement"),
            dataset_ref=texts(obj, "status", "datasetRef"),
            operations=table(obj, "status", "operationRef"),
        )

    @property
    def finalizers(self) -> tuple[str, ...]:
        """Finalizers that block its deletion."""
        return self.meta.finalizers

    @property
    def bound(self) -> bool:
        """Its phase is Bound."""
        return self.phase == "Bound"

    @property
    def source_claims(self) -> tuple[str, ...]:
        """The claims with its source data; applications should not mount them."""
        return tuple(dict.fromkeys(mount.source_claim for mount in self.mounts if mount.source_claim))

    def __str__(self) -> str:
        last = self.conditions[-1] if self.conditions and not self.bound else None
        why = f", {last}: {shortened(last.message)}" if last and last.message else ""
        cache = f", {self.cache}" if self.cache.raw else ""
        return self._with_deleting(f"Dataset {self.name} {self.phase or 'without phase'}{cache}{why}")


@dataclass(frozen=True, slots=True)
class Component:
    """Masters, workers or Fuses of a runtime in its status.

    Attributes:
        phase: ``NotReady``, ``PartialReady``, ``Ready`` or empty. Always Ready for Fuses in Fluid 1.0.8.
        desired: number of Pods that should exist.
        ready: number of ready Pods.
    """

    phase: str
    desired: int
    ready: int

    @classmethod
    def of(cls, obj: Json, name: str) -> Self:
        """Read ``Master``, ``Worker`` or ``Fuse``."""
        lower = name.lower()
        return cls(
            phase=text(obj, "status", f"{lower}Phase"),
            desired=number(obj, "status", f"desired{name}NumberScheduled"),
            ready=number(obj, "status", f"{lower}NumberReady"),
        )

    def __str__(self) -> str:
        return f"{self.phase or 'unknown'} {self.ready}/{self.desired}"


@dataclass(frozen=True, slots=True)
class AlluxioRuntimeSnapshot(ObjectSnapshot):
    """An AlluxioRuntime.

    Attributes:
        replicas: requested workers.
        master: in the status.
        worker: in the status.
        fuse: in the status; no evidence of a Fuse in Fluid 1.0.8.
    """

    KIND: ClassVar[Kind] = kinds.ALLUXIO_RUNTIME

    replicas: int
    master: Component
    worker: Component
    fuse: Component

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an AlluxioRuntime."""
        return cls(
            meta=Meta.of(obj),
            replicas=number(obj, "spec", "replicas"),
            master=Component.of(obj, "Master"),
            worker=Component.of(obj, "Worker"),
            fuse=Component.of(obj, "Fuse"),
        )

    @property
    def finalizers(self) -> tuple[str, ...]:
        """Finalizers that block its deletion."""
        return self.meta.finalizers

    def __str__(self) -> str:
        state = f"AlluxioRuntime {self.name} master {self.master}, worker {self.worker}, fuse {self.fuse}"
        return self._with_deleting(state)


@dataclass(frozen=True, slots=True)
class DataOperationSnapshot(ObjectSnapshot):
    """A data operation of Fluid; the status of all kinds has the same form.

    Attributes:
        phase: ``Pending``, ``Executing``, ``Complete``, ``Failed``; empty before Fluid processed it.
        conditions: all of them.
        last_scheduled: of a cron operation, else None.
        last_successful: end of the last successful Job of a cron operation, else None.
    """

    KIND: ClassVar[Kind]

    phase: str
    conditions: tuple[Condition, ...]
    last_scheduled: datetime | None
    last_successful: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a data operation."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            conditions=Condition.all_of(obj),
            last_scheduled=moment(obj, "status", "lastScheduleTime"),
            last_successful=moment(obj, "status", "lastSuccessfulTime"),
        )

    @property
    def ended(self) -> bool:
        """It ended, successfully or not."""
        return self.phase in ("Complete", "Failed")

    def __str__(self) -> str:
        last = self.conditions[-1] if self.conditions else None
        why = f": {shortened(last.message)}" if last and last.message and self.phase != "Complete" else ""
        return self._with_deleting(f"{self.name} {self.phase or 'without phase'}{why}")


@dataclass(frozen=True, slots=True)
class DataLoadSnapshot(DataOperationSnapshot):
    """A DataLoad."""

    KIND: ClassVar[Kind] = kinds.DATA_LOAD


@dataclass(frozen=True, slots=True)
class DataProcessSnapshot(DataOperationSnapshot):
    """A DataProcess."""

    KIND: ClassVar[Kind] = kinds.DATA_PROCESS


@dataclass(frozen=True, slots=True)
class DataBackupSnapshot(DataOperationSnapshot):
    """A DataBackup."""

    KIND: ClassVar[Kind] = kinds.DATA_BACKUP


@dataclass(frozen=True, slots=True)
class DataMigrateSnapshot(DataOperationSnapshot):
    """A DataMigrate."""

    KIND: ClassVar[Kind] = kinds.DATA_MIGRATE


#: The snapshot class of each kind of data operation.
DATA_OPERATIONS: Final[Mapping[Kind, type[DataOperationSnapshot]]] = {
    snapshot.KIND: snapshot
    for snapshot in (DataLoadSnapshot, DataProcessSnapshot, DataBackupSnapshot, DataMigrateSnapshot)
}
