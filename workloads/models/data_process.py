"""The DataProcess: run a program of the user's over a Dataset.

Fields: charts/fluid/fluid/crds/data.fluid.io_dataprocesses.yaml of Fluid 1.0.8; Go types in
api/v1alpha1/dataprocess_types.go:26-115. Fluid 0.9.3 has no such kind. Left out: the processor
``job`` (a whole Pod), and of the script its environment, volumes and resources; ``runAfter``.
"""

from typing import ClassVar, Literal

from workloads.models.base import Model, Resource
from workloads.models.shared import PodMetadata


class MountedDataset(Model):
    """The Dataset, and where the program sees it. Fluid accepts only one of the DataProcess's own namespace.

    Attributes:
        name: of the Dataset.
        namespace: of the Dataset.
        mount_path: where its claim is mounted.
        sub_path: mount only this folder of it.
    """

    name: str
    namespace: str
    mount_path: str
    sub_path: str | None = None


class ScriptProcessor(Model):
    """A script that runs in a container of its own, as a Job.

    Attributes:
        image: without its tag.
        image_tag: put behind a colon, also when it is empty (pkg/dataprocess/processor_types.go:98).
        image_pull_policy: as in Kubernetes.
        restart_policy: Fluid's default is ``Never``.
        command: its argument is the script (charts/fluid-dataprocess/common/templates/job.yaml:52-57).
        source: the script.
    """

    image: str
    image_tag: str
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    restart_policy: Literal["Never", "OnFailure"] | None = None
    command: tuple[str, ...] | None = None
    source: str


class Processor(Model):
    """What is run; Fluid refuses one without a script and without a Job."""

    service_account_name: str | None = None
    pod_metadata: PodMetadata | None = None
    script: ScriptProcessor | None = None


class DataProcess(Resource):
    """A DataProcess.

    Attributes:
        dataset: what to process, and where it is mounted.
        processor: the program.
        ttl_seconds_after_finished: seconds after which it is deleted.
    """

    API_VERSION: ClassVar[str] = "data.fluid.io/v1alpha1"
    KIND: ClassVar[str] = "DataProcess"

    dataset: MountedDataset
    processor: Processor
    ttl_seconds_after_finished: int | None = None
