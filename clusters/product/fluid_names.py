"""Names and labels of the objects that Fluid creates for a Dataset and its AlluxioRuntime.

Read from Fluid 1.0.8; each function names the file and line. ``namespace`` and ``name``
are those of the Dataset (the AlluxioRuntime has the same), ``uid`` is the Dataset's.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

#: pkg/common/volume.go:30
CSI_DRIVER_NAME: Final = "fuse.csi.fluid.io"
#: pkg/common/volume.go:36; no StorageClass of that name exists
STORAGE_CLASS_NAME: Final = "fluid"
#: pkg/common/constants.go:168; value of the annotation `storage.CREATED_BY` of Fluid's claims and volumes
MADE_BY_FLUID: Final = "fluid"
#: pkg/common/label.go:39
DATASET_ID_LABEL: Final = "fluid.io/dataset-id"
#: pkg/common/label.go:43; on nodes with workers
DATASET_NUMBER_LABEL: Final = "fluid.io/dataset-num"
#: pkg/common/constants.go:173; on nodes with the worker of an Exclusive Dataset
EXCLUSIVE_LABEL: Final = "fluid_exclusive"
#: pkg/common/label.go:31
FUSE_LABEL_PREFIX: Final = "fluid.io/f-"
#: pkg/common/label.go:27
STORAGE_LABEL_PREFIX: Final = "fluid.io/s-"
#: Since 1.1: attribute of Fluid's volumes with the key of the label that the CSI plugin sets on a node that
#: needs a Fuse Pod (pkg/csi/plugins/nodeserver.go, NodeStageVolume). Earlier plugins compute the key.
FUSE_LABEL_ATTRIBUTE: Final = "mount_pod_node_selector_key"
#: a key of this length or more has the uid instead of the name (pkg/utils/label.go:193)
LABEL_LIMIT: Final = 63
#: charts/fluid/fluid/values.yaml, runtime.mountRoot
MOUNT_ROOT: Final = "/runtime-mnt"
_HOST_MOUNT: Final = re.compile(rf"{MOUNT_ROOT}/[^/]+/(?P<namespace>[^/]+)/(?P<name>[^/]+)/[^/]+-fuse")

DATASET_FINALIZER: Final = "fluid-dataset-controller-finalizer"
RUNTIME_FINALIZER: Final = "alluxio-runtime-controller-finalizer"

MASTER_CONTAINER: Final = "alluxio-master"
WORKER_CONTAINER: Final = "alluxio-worker"
FUSE_CONTAINER: Final = "alluxio-fuse"
#: pkg/dataprocess/constants.go:23; the container of a DataProcess that has a script
SCRIPT_CONTAINER: Final = "script-processor"


def _with_prefix(prefix: str, namespace: str, name: str, uid: str) -> str:
    """Fluid's rule of length: a key of 63 characters or more has the Dataset's uid instead.

    pkg/utils/label.go:189-205; without a uid the long key stays as it is.
    """
    key = f"{prefix}{namespace}-{name}"
    return key if len(key) < LABEL_LIMIT or not uid else f"{prefix}{uid}"


def dataset_id(namespace: str, name: str, uid: str = "") -> str:
    """Value of the label ``fluid.io/dataset-id`` (pkg/utils/label.go:207)."""
    return _with_prefix("", namespace, name, uid)


def fuse_label(namespace: str, name: str, uid: str = "") -> str:
    """Key of the label of nodes that should run a Fuse Pod; the value is ``true`` (label.go:178)."""
    return _with_prefix(FUSE_LABEL_PREFIX, namespace, name, uid)


def common_label(namespace: str, name: str, uid: str = "") -> str:
    """Key on workers' nodes, the claim and the volume; its value is ``true`` (pkg/utils/label.go:158)."""
    return _with_prefix(STORAGE_LABEL_PREFIX, namespace, name, uid)


def worker_labels(namespace: str, name: str, uid: str = "") -> tuple[str, ...]:
    """Keys that Fluid sets on the nodes of a Dataset's workers, in addition to `DATASET_NUMBER_LABEL`.

    pkg/utils/label.go:117-176 and pkg/utils/dataset/lifecycle/node.go.
    """
    middle = ("", "alluxio-", "h-alluxio-m-", "h-alluxio-d-", "h-alluxio-t-")
    return tuple(_with_prefix(STORAGE_LABEL_PREFIX + part, namespace, name, uid) for part in middle)


def cache_size_label(namespace: str, name: str, uid: str = "") -> str:
    """Key on workers' nodes whose value is the size of the node's cache, such as ``512MiB``.

    pkg/utils/dataset/lifecycle/node.go:332-361.
    """
    return _with_prefix(f"{STORAGE_LABEL_PREFIX}h-alluxio-t-", namespace, name, uid)


def exclusive_value(namespace: str, name: str, uid: str = "") -> str:
    """Value of the label ``fluid_exclusive`` of a node (pkg/ddc/base/label.go:56)."""
    value = f"{namespace}_{name}"
    return value if len(value) < LABEL_LIMIT else dataset_id(namespace, name, uid)


def node_labels(namespace: str, name: str, uid: str = "") -> tuple[str, ...]:
    """Every label key that a node can carry for this Dataset alone."""
    return (fuse_label(namespace, name, uid), *worker_labels(namespace, name, uid))


def staging_folder(namespace: str, name: str) -> str:
    """Where a node's kubelet keeps Fluid's volume from the first Pod that uses it until after the last one.

    As long as it is there, the CSI plugin is not asked to prepare the node for another Pod
    (Kubernetes' pkg/volume/csi/csi_util.go, makeDeviceMountPath).
    """
    handle = hashlib.sha256(volume_name(namespace, name).encode()).hexdigest()
    return f"/var/lib/kubelet/plugins/kubernetes.io/csi/{CSI_DRIVER_NAME}/{handle}"


def volume_name(namespace: str, name: str) -> str:
    """Name of the PersistentVolume, and its volume handle (pkg/ddc/base/pv.go:21)."""
    return f"{namespace}-{name}"


def claim_name(name: str) -> str:
    """Name of the claim that applications should mount (pkg/utils/dataset/volume/create.go:194)."""
    return name


def master_name(name: str) -> str:
    """The master's StatefulSet (pkg/ddc/alluxio/utils.go:105)."""
    return f"{name}-master"


def master_pod(name: str, index: int = 0) -> str:
    """A master's Pod, by default the first one."""
    return f"{master_name(name)}-{index}"


def worker_name(name: str) -> str:
    """The workers' StatefulSet (pkg/ddc/alluxio/utils.go:109)."""
    return f"{name}-worker"


def worker_pod(name: str) -> str:
    """The first worker's Pod."""
    return f"{worker_name(name)}-0"


def fuse_name(name: str) -> str:
    """The Fuse DaemonSet (pkg/ddc/alluxio/utils.go:113)."""
    return f"{name}-fuse"


def config_maps(name: str) -> tuple[str, ...]:
    """The ConfigMaps of a runtime, the helm release's own among them (master_internal.go:112-118)."""
    return (
        f"{name}-config",
        f"{name}-mount-config",
        f"{name}-alluxio-values",
        f"sh.helm.release.v1.{name}.v1",
    )


def pod_labels(name: str, role: str) -> str:
    """Label selector of a runtime's Pods; ``role`` is ``master``, ``worker`` or ``fuse``.

    charts/alluxio/templates.
    """
    return f"role=alluxio-{role},release={name}"


def host_mount(namespace: str, name: str) -> str:
    """Where a node has the Fuse mount (attribute ``fluid_path`` of the volume)."""
    return f"{MOUNT_ROOT}/alluxio/{namespace}/{name}/alluxio-fuse"


def mounted_dataset(path: str) -> tuple[str, str] | None:
    """Namespace and name of the Dataset whose Fuse mounts at a path of the node, whichever its runtime."""
    found = _HOST_MOUNT.fullmatch(path)
    return (found["namespace"], found["name"]) if found else None


def tier_folder(namespace: str, name: str, medium: str = "/dev/shm") -> str:  # noqa: S108 - Alluxio's own place
    """Folder of a worker's blocks on its node, under the path of its tier.

    pkg/ddc/alluxio/transform.go:202, and Alluxio's own alluxio.worker.data.folder.
    """
    return f"{medium}/{namespace}/{name}/alluxioworker"


def data_load_release(name: str) -> str:
    """The helm release of a DataLoad; a label ``release`` of its Job and Pods (pkg/utils/dataload.go:42)."""
    return f"{name}-loader"


def data_load_job(name: str) -> str:
    """The Job of a DataLoad, or the CronJob of one with a schedule (pkg/utils/dataload.go:47)."""
    return f"{data_load_release(name)}-job"


def data_process_release(name: str) -> str:
    """The helm release of a DataProcess, likewise a label (pkg/utils/dataprocess.go:43)."""
    return f"{name}-processor"


def data_process_job(name: str) -> str:
    """The Job of a DataProcess (pkg/utils/dataprocess.go:47)."""
    return f"{data_process_release(name)}-job"


def data_backup_record(name: str) -> str:
    """The ConfigMap that helm keeps of a DataBackup's release (pkg/utils/databackup.go)."""
    return f"sh.helm.release.v1.{name}-charts.v1"


def data_backup_pod(name: str) -> str:
    """The Pod of a DataBackup (pkg/utils/databackup.go:65)."""
    return f"{name}-pod"
