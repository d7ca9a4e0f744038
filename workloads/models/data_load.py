"""The DataLoad: fill the cache before anyone reads.

Fields: charts/fluid/fluid/crds/data.fluid.io_dataloads.yaml:44-620 of Fluid 1.0.8 and :54-985 of
0.9.3; Go types in api/v1alpha1/dataload_types.go:28-101 (1.0.8). ``affinity``, ``schedulerName``
and ``runAfter`` are left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from workloads.models.base import Model, Resource
from workloads.models.shared import PodMetadata, Resources, Toleration


class TargetDataset(Model):
    """The Dataset to load. Fluid accepts only one of the DataLoad's own namespace."""

    name: str
    namespace: str | None = None


class TargetPath(Model):
    """A path of the Dataset, and how many copies of it.

    The loading script splits the paths at blanks and colons
    (charts/fluid-dataloader/alluxio/templates/configmap.yaml:88-93 of 1.0.8).
    """

    path: str
    replicas: int | None = None


class DataLoad(Resource):
    """A DataLoad.

    Attributes:
        dataset: what to load.
        load_metadata: read the metadata of the source again first; Fluid does not by default.
        target: paths; Fluid's default is all.
        options: of the runtime.
        policy: ``Once`` (Fluid's default), ``Cron`` or ``OnEvent``; 1.0 and later.
        schedule: for ``Cron``; 1.0 and later.
        ttl_seconds_after_finished: seconds after which it is deleted; 1.0 and later.
        resources: of the loading Pod; 1.0 and later.
        node_selector: of the loading Pod.
        tolerations: of the loading Pod.
        pod_metadata: of the loading Pod.
    """

    API_VERSION: ClassVar[str] = "data.fluid.io/v1alpha1"
    KIND: ClassVar[str] = "DataLoad"
    SINCE: ClassVar[Mapping[str, str]] = MappingProxyType(
        dict.fromkeys(("policy", "schedule", "ttlSecondsAfterFinished", "resources"), "1.0")
    )

    dataset: TargetDataset
    load_metadata: bool | None = None
    target: tuple[TargetPath, ...] | None = None
    options: Mapping[str, str] | None = None
    policy: Literal["Once", "Cron", "OnEvent"] | None = None
    schedule: str | None = None
    ttl_seconds_after_finished: int | None = None
    resources: Resources | None = None
    node_selector: Mapping[str, str] | None = None
    tolerations: tuple[Toleration, ...] | None = None
    pod_metadata: PodMetadata | None = None

    @classmethod
    def whole(cls, namespace: str, name: str, dataset: str, *, replicas: int = 1) -> Self:
        """Load all of ``dataset`` (in the same namespace), after reading the metadata of its source again."""
        return cls(
            namespace=namespace,
            name=name,
            dataset=TargetDataset(name=dataset, namespace=namespace),
            load_metadata=True,
            target=(TargetPath(path="/", replicas=replicas),),
        )
