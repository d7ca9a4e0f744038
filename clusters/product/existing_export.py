"""An existing NFS export as the source of the data, chosen by a claim or by its server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import at, flag, table, text, texts
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.source_folder import CONTAINER, MOUNT, SourceFolder
from clusters.product.nfs_export import NfsExport
from clusters.progress import Progress
from clusters.source_choice import SourceChoice

#: The CSI driver for NFS of the Kubernetes project (csi-driver-nfs). It mounts ``server:share``, and below
#: it ``subDir`` (NodePublishVolume, pkg/nfs/nodeserver.go of v4.9); names of attributes have no case.
NFS_DRIVER: Final = "nfs.csi.k8s.io"
_SHARED: Final = "ReadWriteMany"


@dataclass(frozen=True, slots=True)
class MountSource:
    """What nodes mount: an export and the options that its volume has."""

    server: str
    path: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.server}:{self.path}"


@dataclass(frozen=True, slots=True)
class ExistingExport(NfsExport):
    """The folder of this run on an export that the harness did not create.

    Attributes:
        on_export: the folder.
    """

    on_export: SourceFolder

    @property
    def root(self) -> str:
        """The folder of this run."""
        return str(PurePosixPath(self.on_export.path) / self.on_export.folder)

    @property
    def pod(self) -> str:
        """The Pod that mounts the export."""
        return self.on_export.name

    @property
    def container(self) -> str:
        """Its only container."""
        return CONTAINER

    @property
    def observed_on(self) -> str:
        """A mount of NFS, in a Pod that is not an application."""
        return "NFS source, mounted by the harness"

    @property
    def mount_options(self) -> tuple[str, ...]:
        """Those of the volume of the user's claim."""
        return self.on_export.options

    def inside(self, folder: str) -> str:
        """Below the mount of the Pod."""
        return str(PurePosixPath(MOUNT) / PurePosixPath(folder).relative_to(self.on_export.path))

    def volume(self) -> tuple[Mapping[str, Any], str]:
        """The claim of that Pod, so that the options are the same."""
        return {"persistentVolumeClaim": {"claimName": self.pod}}, self.on_export.folder


def resolve(kube: Kube, choice: SourceChoice | None) -> MountSource | None:
    """What nodes mount for a choice, None without one; nothing is created.

    Raises:
        RefusalError: the claim is absent, not Bound, not ReadWriteMany, read-only, or not on NFS.
    """
    if choice is None:
        return None
    if choice.claim is None:
        return MountSource(choice.server, choice.path)
    namespace, name = choice.claim
    found = kube.get(kinds.CLAIM, name, namespace)
    if found is None:
        raise RefusalError(f"there is no {choice}", advice="name an existing claim with --source-claim")
    phase = text(found, "status", "phase")
    if at(found, "metadata", "deletionTimestamp") is not None:
        raise RefusalError(f"{choice} is being deleted", advice="name another claim")
    if phase != "Bound":
        raise RefusalError(
            f"{choice} is not Bound: its phase is {phase or 'unknown'}", advice="wait until it is Bound"
        )
    modes = texts(found, "spec", "accessModes")
    if _SHARED not in modes:
        raise RefusalError(
            f"{choice} does not have access mode {_SHARED}: it has {', '.join(modes) or 'none'}",
            advice="Pods on several nodes read and write the source; name a claim that permits that",
        )
    volume = text(found, "spec", "volumeName")
    return _of_volume(kube.get(kinds.VOLUME, volume) or {}, f"volume {volume} of {choice}")


def _of_volume(volume: Mapping[str, Any], shown: str) -> MountSource:
    if not volume:
        raise RefusalError(f"{shown} does not exist", advice="kubectl describe pvc says why")
    options = texts(volume, "spec", "mountOptions")
    driver = text(volume, "spec", "csi", "driver")
    read_only = "ro" in options
    if at(volume, "spec", "nfs") is not None:
        server, path = text(volume, "spec", "nfs", "server"), text(volume, "spec", "nfs", "path")
        read_only |= flag(volume, "spec", "nfs", "readOnly")
    elif driver == NFS_DRIVER:
        attributes = {
            key.lower(): value for key, value in table(volume, "spec", "csi", "volumeAttributes").items()
        }
        server, path = attributes.get("server", ""), attributes.get("share", "")
        path = str(PurePosixPath(path) / attributes.get("subdir", "").lstrip("/")) if path else ""
        read_only |= flag(volume, "spec", "csi", "readOnly")
    else:
        kinds_of_volume = sorted(set(volume.get("spec") or {}) & _BACKENDS)
        what = (
            f"of the CSI driver {driver}" if driver else f"of kind {', '.join(kinds_of_volume) or 'unknown'}"
        )
        raise RefusalError(f"{shown} is not on NFS: it is {what}", advice="name a claim on NFS")
    if not server or not path.startswith("/") or "${" in path:
        raise RefusalError(
            f"{shown} does not say which export it is: {server or 'no server'}, {path or 'no path'}",
            advice="name the server with --source-server",
        )
    if read_only:
        raise RefusalError(f"{shown} is read-only", advice="the run writes its data to a folder of its own")
    return MountSource(server, str(PurePosixPath(path)), options)


#: Fields of a volume's spec that say what it is on, for the error of one that is not on NFS.
_BACKENDS: Final = frozenset(
    {"hostPath", "local", "iscsi", "fc", "cephfs", "rbd", "glusterfs", "azureFile", "awsElasticBlockStore"}
)


def use(kube: Kube, journal: Journal, source: MountSource, image: str, progress: Progress) -> ExistingExport:
    """Create the folder of a run on an export; the journal removes it when the objects of the run are gone.

    Args:
        kube: the cluster, used by that run.
        journal: of the cluster.
        source: the export.
        image: toolbox image.
        progress: shows the stage.

    Raises:
        RefusalError: the export cannot be mounted, or the folder cannot be created.
    """
    folder = SourceFolder(
        source.server,
        source.path,
        source.options,
        image,
        f"fluid-conformance-{kube.run}",
        secrets.token_hex(8),
    )
    with progress.stage("folder of this run on the source"):
        folder.start(kube)
        folder.require_absent(kube)
        journal.undo_at_the_end(f"folder {folder.folder} is on {source}", folder)
        folder.create(kube)
    return ExistingExport(kube, source.server, folder)
