"""The AlluxioRuntime: the cache that serves the Dataset of the same name.

Fields: charts/fluid/fluid/crds/data.fluid.io_alluxioruntimes.yaml:72-2347 of Fluid 1.0.8 and
:83-4220 of 0.9.3; Go types in api/v1alpha1/alluxioruntime_types.go:43-243 (1.0.8). The two differ,
for what is modelled here, in nothing; 0.9.3 also had ``fuse.global``, 1.0.8 also has
``imagePullSecrets``. There is no ``fuse.options`` in either: options are part of ``fuse.args``.
Left out: ``apiGateway``, ``initUsers``, ``hadoopConfig``, ``volumes`` and their mounts, ``ports``.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from workloads.models.base import Model, Resource
from workloads.models.shared import PodMetadata, Resources, User

NetworkMode = Literal["HostNetwork", "ContainerNetwork"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class AlluxioVersion(Model):
    """The image of all processes but the Fuse; without it the controller's own default is used.

    The tag must be a semantic version for the Fuse arguments to be built
    (pkg/ddc/alluxio/transform_fuse.go:62 of 1.0.8).
    """

    image: str | None = None
    image_tag: str | None = None
    image_pull_policy: PullPolicy | None = None


class Component(Model):
    """Master, job master, worker or job worker (alluxioruntime_types.go:43-95).

    Attributes:
        replicas: only the master's counts; the workers' number is the runtime's ``replicas``.
        jvm_options: ignored for ``jobMaster`` and ``jobWorker``: the engine's values have no place
            for them (pkg/ddc/alluxio/types.go:129-137 of 1.0.8, and 0.9.3 the same).
        env: ignored for those two likewise.
    """

    replicas: int | None = None
    jvm_options: tuple[str, ...] | None = None
    properties: Mapping[str, str] | None = None
    resources: Resources | None = None
    env: Mapping[str, str] | None = None
    node_selector: Mapping[str, str] | None = None
    network_mode: NetworkMode | None = None
    pod_metadata: PodMetadata | None = None


class Fuse(Model):
    """The file system client on each node (alluxioruntime_types.go:98-158).

    Attributes:
        args: replaces Fluid's ``fuse --fuse-opts=…`` as a whole
            (pkg/ddc/alluxio/transform_optimization.go:245-264 of 1.0.8).
        clean_policy: when the Fuse Pod is deleted; Fluid's default is ``OnRuntimeDeleted``.
            ``OnFuseChanged`` has no effect with Alluxio.
    """

    image: str | None = None
    image_tag: str | None = None
    image_pull_policy: PullPolicy | None = None
    jvm_options: tuple[str, ...] | None = None
    properties: Mapping[str, str] | None = None
    env: Mapping[str, str] | None = None
    resources: Resources | None = None
    args: tuple[str, ...] | None = None
    node_selector: Mapping[str, str] | None = None
    clean_policy: Literal["OnDemand", "OnRuntimeDeleted", "OnFuseChanged"] | None = None
    network_mode: NetworkMode | None = None
    pod_metadata: PodMetadata | None = None


class Level(Model):
    """One tier of the cache (api/v1alpha1/common.go:33-82).

    Attributes:
        mediumtype: kind of medium.
        path: folders on the node, separated by commas.
        quota: size of the whole tier, shared out evenly among the folders.
        quota_list: sizes of the folders, separated by commas, instead of ``quota``.
        high: high watermark; charts/alluxio/templates/config/alluxio-conf.yaml:36-51 of 1.0.8
            never hands it to Alluxio.
        low: low watermark; the same.
        volume_type: Fluid's default is ``hostPath``.
        volume_source: a Kubernetes volume source, for ``emptyDir``.
    """

    mediumtype: Literal["MEM", "SSD", "HDD"]
    path: str | None = None
    quota: str | None = None
    quota_list: str | None = None
    high: str | None = None
    low: str | None = None
    volume_type: Literal["hostPath", "emptyDir"] | None = None
    volume_source: Mapping[str, Any] | None = None


class TieredStore(Model):
    """The tiers, fastest first."""

    levels: tuple[Level, ...]


class Data(Model):
    """How many copies of a block are kept at most, and whether files are pinned."""

    replicas: int | None = None
    pin: bool | None = None


class CleanCachePolicy(Model):
    """How long and how often Fluid tries to free the cache when the runtime is deleted."""

    grace_period_seconds: int | None = None
    max_retry_attempts: int | None = None


class MetadataSyncPolicy(Model):
    """Whether Fluid counts files and bytes once the runtime is there; its default is yes."""

    auto_sync: bool | None = None


class Management(Model):
    """What the controller does around the runtime's life (common.go:91-99)."""

    clean_cache_policy: CleanCachePolicy | None = None
    metadata_sync_policy: MetadataSyncPolicy | None = None


class AlluxioRuntime(Resource):
    """An AlluxioRuntime; it binds to the Dataset with its name and namespace.

    Attributes:
        replicas: number of workers.
        tieredstore: the cache's tiers.
        properties: Alluxio's properties for all processes; they win over Fluid's defaults.
        jvm_options: for all processes *and* the command line. A published image puts them
            after a process's own options and an entrypoint may put them before, so give no
            option in both places with two values.
        data: copies.
        master: its settings.
        job_master: its settings.
        worker: its settings.
        job_worker: its settings.
        fuse: its settings.
        alluxio_version: the image.
        disable_prometheus: Fluid's default is to monitor.
        management: around its life.
        run_as: user of all processes; Fluid's default is root.
        pod_metadata: for all its Pods.
    """

    API_VERSION: ClassVar[str] = "data.fluid.io/v1alpha1"
    KIND: ClassVar[str] = "AlluxioRuntime"

    replicas: int | None = None
    tieredstore: TieredStore | None = None
    properties: Mapping[str, str] | None = None
    jvm_options: tuple[str, ...] | None = None
    data: Data | None = None
    master: Component | None = None
    job_master: Component | None = None
    worker: Component | None = None
    job_worker: Component | None = None
    fuse: Fuse | None = None
    alluxio_version: AlluxioVersion | None = None
    disable_prometheus: bool | None = None
    management: Management | None = None
    run_as: User | None = None
    pod_metadata: PodMetadata | None = None
