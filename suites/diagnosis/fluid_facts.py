"""Names, labels and kinds of Fluid that a diagnosis has to know, with the file that they were read from.

A fact without a version is of Fluid 1.0.8 and the same in 0.9. What differs is a row with the first version
that has it; all rows are tried, so that one diagnosis fits a cluster of any version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.product import fluid_names
from clusters.product.fluid_versions import (
    SIDECAR_MAPPING_PREFIX,
    SIDECAR_NAME_PREFIX,
    SIDECAR_NAMESPACE_PREFIX,
)
from suites.diagnosis.findings import Key

_FLUID_API: Final = kinds.DATASET.api_version


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """A kind that can serve a Dataset (charts/fluid/fluid/crds), and how its parts are named.

    Attributes:
        kind: the kind; a cluster may lack it.
        since: first version of Fluid that has it; empty if 0.9 has it.
        fuse: suffixes of the name of its Fuse DaemonSet.
        masters: suffixes of the names of its masters' controllers.
        workers: the same for its workers.
    """

    kind: Kind
    since: str = ""
    fuse: tuple[str, ...] = ("-fuse",)
    masters: tuple[str, ...] = ("-master",)
    workers: tuple[str, ...] = ("-worker",)


RUNTIMES: Final = (
    RuntimeFacts(kinds.ALLUXIO_RUNTIME),
    RuntimeFacts(kinds.THIN_RUNTIME),
    RuntimeFacts(Kind("JuiceFSRuntime", _FLUID_API, "juicefsruntimes")),
    RuntimeFacts(
        Kind("JindoRuntime", _FLUID_API, "jindoruntimes"),
        # pkg/ddc/jindocache/utils.go:93
        fuse=("-jindofs-fuse", "-fuse"),
        masters=("-jindofs-master", "-master"),
        workers=("-jindofs-worker", "-worker"),
    ),
    # Removed in 1.1.
    RuntimeFacts(Kind("GooseFSRuntime", _FLUID_API, "goosefsruntimes")),
    RuntimeFacts(Kind("EFCRuntime", _FLUID_API, "efcruntimes")),
    RuntimeFacts(Kind("VineyardRuntime", _FLUID_API, "vineyardruntimes")),
    # Its DaemonSet is the client's (pkg/ddc/cache/engine/transform_client.go of 1.1).
    RuntimeFacts(Kind("CacheRuntime", _FLUID_API, "cacheruntimes"), since="1.1", fuse=("-client",)),
)
RUNTIME_KINDS: Final = tuple(facts.kind for facts in RUNTIMES)
_BY_KIND: Final = {facts.kind.name: facts for facts in RUNTIMES}
#: Kinds of the controllers of masters and workers; the second is CacheRuntime's, since 1.1.
PART_CONTROLLERS: Final = ("StatefulSet", "AdvancedStatefulSet")

#: Schemes of mount points with an under store in Alluxio 2.9 (its modules underfs/*); Fluid passes on all
#: others.
ALLUXIO_SCHEMES: Final = frozenset(
    {"file", "http", "https", "hdfs", "viewfs", "s3", "s3a", "oss", "cos", "cosn", "obs", "kodo", "gs"}
    | {"swift", "wasb", "wasbs", "abfs", "abfss", "adl", "o3fs", "ofs", "cephfs", "cephfs-hadoop"}
    | {"glusterfs", "gfs"}
)
#: pkg/common/fluid_ufs_scheme.go:25-34
FLUID_SCHEMES: Final = frozenset({"local", "pvc", "dataset"})
REFERENCE_SCHEME: Final = "dataset"

#: charts/fluid/fluid/templates/csi/daemonset.yaml:5
CSI_DAEMON_SET: Final = "csi-nodeplugin-fluid"
#: charts/fluid/fluid/templates/controller/*.yaml
DATASET_CONTROLLER: Final = "dataset-controller"
ALLUXIO_CONTROLLER: Final = "alluxioruntime-controller"
#: Creates the ThinRuntime of a Dataset that refers to another Dataset.
THIN_CONTROLLER: Final = "thinruntime-controller"

#: Kubernetes' own CSI driver for NFS, with the volume attributes ``server`` and ``share``.
NFS_DRIVER: Final = "nfs.csi.k8s.io"

#: pkg/common/constants.go:192-203
SERVERLESS_LABEL: Final = "serverless.fluid.io/inject"
OLD_SIDECAR_LABEL: Final = "fuse.sidecar.fluid.io/inject"
SERVERFUL_LABEL: Final = "fuse.serverful.fluid.io/inject"
SIDECAR_DONE_LABEL: Final = "done.sidecar.fluid.io/inject"
#: Prefix of the names of the containers that the webhook adds to a Pod (pkg/common/volume.go:42).
SIDECAR_CONTAINER: Final = "fluid-fuse"
#: charts/alluxio/templates/worker/statefulset.yaml:28-29
WORKER_OF_LABEL: Final = "fluid.io/dataset"
PLACEMENT_LABEL: Final = "fluid.io/dataset-placement"
#: Label ``role`` of the Pods that load or migrate data (charts/fluid-dataloader, charts/fluid-datamigrate).
#: The
#: Pod of a DataProcess is a user's own.
OPERATION_ROLES: Final = frozenset({"dataload-pod", "datamigrate-pod"})


def runtime_facts(runtime_kinds: Iterable[str]) -> tuple[RuntimeFacts, ...]:
    """The facts about runtimes of some kinds; about an AlluxioRuntime if there are none."""
    found = tuple(_BY_KIND[kind] for kind in runtime_kinds if kind in _BY_KIND)
    return found or (_BY_KIND[kinds.ALLUXIO_RUNTIME.name],)


def sidecar_datasets(labels: Mapping[str, str]) -> Iterator[tuple[str, Key]]:
    """Container name and Dataset of each sidecar that a Pod's labels name.

    pkg/application/inject/fuse/mutator/mutator_default.go:438-467, since 1.0; two labels in place of one
    since 1.1. Earlier versions set no such label.
    """
    for label, value in labels.items():
        if label.startswith(SIDECAR_MAPPING_PREFIX):
            # Neither a namespace nor a name can contain an underscore.
            namespace, _, name = value.partition("_")
            yield label.removeprefix(SIDECAR_MAPPING_PREFIX), (namespace, name)
        elif label.startswith(SIDECAR_NAME_PREFIX):
            container = label.removeprefix(SIDECAR_NAME_PREFIX)
            yield container, (labels.get(SIDECAR_NAMESPACE_PREFIX + container, ""), value)


def referred_dataset(mount_point: str) -> Key | None:
    """Namespace and name in ``dataset://namespace/name[/folder]``; None if it is not of that form.

    pkg/ddc/base/dataset.go:35-51
    """
    scheme, mark, rest = mount_point.partition("://")
    namespace, slash, tail = rest.partition("/")
    name = tail.partition("/")[0]
    valid = scheme == REFERENCE_SCHEME and mark and slash and namespace and name
    return (namespace, name) if valid else None


def fuse_folder_dataset(path: str) -> Key | None:
    """The Dataset whose Fuse mounts at a path of the node or above it, or None."""
    parts = path.split("/")
    for end in range(len(parts), 0, -1):
        found = fluid_names.mounted_dataset("/".join(parts[:end]))
        if found:
            return found
    return None
