"""A volume that a user writes, and the claim that is bound to it only."""

from collections.abc import Mapping, Sequence
from typing import Final

from clusters.product import fluid_names
from workloads.models.base import Manifest, metadata

_NO_LABELS: Final[Mapping[str, str]] = {}


def volume(
    name: str,
    backend: Mapping[str, object],
    *,
    namespace: str,
    claim: str,
    capacity: str,
    access_modes: Sequence[str],
    labels: Mapping[str, str] = _NO_LABELS,
) -> Manifest:
    """A volume that is kept when its claim is deleted, and reserved for that claim.

    Args:
        name: of the volume.
        backend: what it is on, such as ``{"nfs": {"server": …, "path": …}}``.
        namespace: of the claim.
        claim: its name.
        capacity: a Kubernetes quantity.
        access_modes: such as ``ReadOnlyMany``.
        labels: of the volume.
    """
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata(name, labels=labels),
        "spec": {
            "capacity": {"storage": capacity},
            "accessModes": list(access_modes),
            "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": namespace,
                "name": claim,
            },
            **backend,
        },
    }


def claim_on(
    volume_name: str,
    *,
    namespace: str,
    name: str,
    capacity: str,
    access_modes: Sequence[str],
    labels: Mapping[str, str] = _NO_LABELS,
) -> Manifest:
    """A claim that asks for a volume by its name."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name, namespace, labels),
        "spec": {
            "accessModes": list(access_modes),
            "storageClassName": "",
            "volumeName": volume_name,
            "resources": {"requests": {"storage": capacity}},
        },
    }


def of_fluids_driver(
    namespace: str, name: str, attributes: Mapping[str, str] | None = None
) -> tuple[Manifest, Manifest]:
    """A volume that names Fluid's driver, as no user should write it, and its claim.

    Args:
        namespace: of the claim.
        name: of both.
        attributes: attributes of the Dataset for the driver; None omits them.
    """
    csi: dict[str, object] = {"driver": fluid_names.CSI_DRIVER_NAME, "volumeHandle": name}
    if attributes is not None:
        csi["volumeAttributes"] = dict(attributes)
    size, modes = "1Gi", ("ReadOnlyMany",)
    return (
        volume(name, {"csi": csi}, namespace=namespace, claim=name, capacity=size, access_modes=modes),
        claim_on(name, namespace=namespace, name=name, capacity=size, access_modes=modes),
    )
