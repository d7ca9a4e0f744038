"""Claims and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, quantity_at, table, text, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.meta import Meta, ObjectSnapshot

#: Annotation of a claim or a volume that a controller created; Fluid sets it (pkg/common/constants.go:168).
CREATED_BY: Final = "CreatedBy"


def _creator(meta: Meta) -> str:
    creator = meta.annotations.get(CREATED_BY)
    return f" (created by {creator})" if creator else ""


@dataclass(frozen=True, slots=True)
class ClaimSnapshot(ObjectSnapshot):
    """A PersistentVolumeClaim.

    Attributes:
        phase: ``Pending``, ``Bound``, ``Lost``.
        volume_name: its volume, or empty.
        access_modes: requested.
        requested: bytes.
    """

    KIND: ClassVar[Kind] = kinds.CLAIM

    phase: str
    volume_name: str
    access_modes: tuple[str, ...]
    requested: float

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a claim."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            volume_name=text(obj, "spec", "volumeName"),
            access_modes=texts(obj, "spec", "accessModes"),
            requested=quantity_at(obj, "spec", "resources", "requests", "storage"),
        )

    def __str__(self) -> str:
        volume = f" to volume {self.volume_name}" if self.volume_name else ""
        return self._with_deleting(
            f"claim {self.name}{_creator(self.meta)} {self.phase or 'without phase'}{volume}"
        )


@dataclass(frozen=True, slots=True)
class VolumeSnapshot(ObjectSnapshot):
    """A PersistentVolume.

    Attributes:
        phase: ``Available``, ``Bound``, ``Released``, ``Failed``.
        claim_namespace: of its ``claimRef``, or empty.
        claim_name: of its ``claimRef``, or empty.
        claim_uid: of its ``claimRef``; empty until it is bound.
        capacity: bytes.
        driver: the CSI driver, or empty.
        volume_handle: its name in the CSI driver.
        attributes: parameters for the CSI driver.
        nfs_server: of an NFS volume, or empty.
        nfs_path: the export.
    """

    KIND: ClassVar[Kind] = kinds.VOLUME

    phase: str
    claim_namespace: str
    claim_name: str
    claim_uid: str
    capacity: float
    driver: str
    volume_handle: str
    attributes: Mapping[str, str]
    nfs_server: str
    nfs_path: str

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a volume."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            claim_namespace=text(obj, "spec", "claimRef", "namespace"),
            claim_name=text(obj, "spec", "claimRef", "name"),
            claim_uid=text(obj, "spec", "claimRef", "uid"),
            capacity=quantity_at(obj, "spec", "capacity", "storage"),
            driver=text(obj, "spec", "csi", "driver"),
            volume_handle=text(obj, "spec", "csi", "volumeHandle"),
            attributes=table(obj, "spec", "csi", "volumeAttributes"),
            nfs_server=text(obj, "spec", "nfs", "server"),
            nfs_path=text(obj, "spec", "nfs", "path"),
        )

    def __str__(self) -> str:
        claim = f" for claim {self.claim_namespace}/{self.claim_name}" if self.claim_name else ""
        return self._with_deleting(
            f"volume {self.name}{_creator(self.meta)} {self.phase or 'without phase'}{claim}"
        )
