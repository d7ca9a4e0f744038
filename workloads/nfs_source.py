"""The source of the data: a claim on an NFS export, as users create it before they use Fluid."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from workloads import volumes
from workloads.models.base import Manifest, Model
from workloads.models.dataset import AccessMode

#: Longest name of a volume (a DNS subdomain).
_LONGEST: Final = 253


class NfsSource(Model):
    """A volume on an NFS export and the claim that is bound to it, and to it alone.

    Attributes:
        namespace: of the claim.
        name: of the claim, such as ``nfs-src``.
        server: address of the NFS server; the node resolves it, not the cluster's DNS.
        path: the exported folder.
        mount_options: of the mount, such as ``("nfsvers=4.1", "hard")``.
        capacity: a Kubernetes quantity; NFS does not enforce it.
        access_modes: of volume and claim.
        volume: name of the volume. The default cannot meet the name that Fluid gives its own volume,
            ``<namespace>-<dataset>`` (pkg/utils/dataset/volume/create.go:53-159 of 1.0.8),
            even where the claim is named as the Dataset.
        labels: of both.
    """

    namespace: str
    name: str
    server: str
    path: str = "/export"
    mount_options: tuple[str, ...] = ()
    capacity: str = "10Gi"
    access_modes: tuple[AccessMode, ...] = ("ReadWriteMany",)
    volume: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)

    @property
    def volume_name(self) -> str:
        """Name of the volume."""
        return (self.volume or f"nfs.{self.namespace}.{self.name}")[:_LONGEST]

    def volume_manifest(self) -> Manifest:
        """The volume: kept when its claim is deleted, and reserved for that claim."""
        backend: Manifest = {"nfs": {"server": self.server, "path": self.path}}
        if self.mount_options:
            backend["mountOptions"] = list(self.mount_options)
        return volumes.volume(
            self.volume_name,
            backend,
            namespace=self.namespace,
            claim=self.name,
            capacity=self.capacity,
            access_modes=self.access_modes,
            labels=self.labels,
        )

    def claim_manifest(self) -> Manifest:
        """The claim, which asks for that volume by name."""
        return volumes.claim_on(
            self.volume_name,
            namespace=self.namespace,
            name=self.name,
            capacity=self.capacity,
            access_modes=self.access_modes,
            labels=self.labels,
        )

    def manifests(self) -> tuple[Manifest, Manifest]:
        """Volume and claim, in the order in which to send them."""
        return self.volume_manifest(), self.claim_manifest()
