"""Fields that no row covers, each with its reason: none disappears silently."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class WhyUncovered(StrEnum):
    """Kinds of reasons."""

    NO_ROW = "no row yet"
    NOT_OF_ALLUXIO = "not of Alluxio"
    DEPRECATED = "deprecated"
    NOT_SET_BY_USERS = "not set by users"
    NOT_READ = "read by nothing"
    POD_OF_ANOTHER = "belongs to another part's Pod"
    BLOCKED = "blocked by a known defect"
    NOT_AT_HAND = "needs what is not at hand"
    ALPHA = "an alpha feature, off by default"
    FREE_TEXT = "free text or a time"


@dataclass(frozen=True, slots=True)
class UncoveredFields:
    """Fields without a row.

    Attributes:
        pattern: of their paths; ``*`` stands for one part of a path, ``**`` for all that follows.
        why: the kind of reason.
        reason: the reason itself, with its place in Fluid 1.0.8 where it was read there.
    """

    pattern: str
    why: WhyUncovered
    reason: str

    def matches(self, field: str) -> bool:
        """Whether a field is one of these."""
        expression = re.escape(self.pattern).replace(r"\*\*", ".+").replace(r"\*", r"[^.]*")
        return re.fullmatch(expression, field) is not None


_JOB_PARTS: Final = "a container in the Pod of {}, whose settings count"
_RESOURCE_CLAIM: Final = "dynamic resource allocation: the chart's templates have limits and requests alone"
_DATAFLOW_AFFINITY: Final = "DataflowAffinity=false (charts/fluid/fluid/values.yaml:429)"
_NO_PROXY: Final = "needs a published image of Alluxio: the one that the harness builds has no proxy"
_DEVICES: Final = "dynamic resource allocation needs a driver of devices"
_BACKUP: Final = "no DataBackup runs by itself: backup-not-permitted (A25)"
_MIGRATE: Final = "Alluxio supports no DataMigrate (pkg/ddc/alluxio/operate.go:40-46); A26 shows the refusal"

UNCOVERED_FIELDS: Final = (
    # Dataset
    UncoveredFields(
        "Dataset.spec.dataRestoreLocation.*", WhyUncovered.BLOCKED, f"nothing to restore from: {_BACKUP}"
    ),
    UncoveredFields(
        "Dataset.spec.owner.group",
        WhyUncovered.NOT_READ,
        "with Alluxio only uid and gid count (pkg/ddc/alluxio/transform_fuse.go:78-79)",
    ),
    UncoveredFields(
        "Dataset.spec.owner.user",
        WhyUncovered.NOT_READ,
        "with Alluxio only uid and gid count (pkg/ddc/alluxio/transform_fuse.go:78-79)",
    ),
    UncoveredFields(
        "Dataset.spec.runtimes[].*",
        WhyUncovered.NOT_SET_BY_USERS,
        "users create the runtime as an object of its own; Fluid writes the binding into the status",
    ),
    UncoveredFields("Dataset.status.conditions[].message", WhyUncovered.FREE_TEXT, "for people"),
    UncoveredFields("Dataset.status.conditions[].last*", WhyUncovered.FREE_TEXT, "no row asserts times"),
    UncoveredFields(
        "Dataset.status.dataBackupRef",
        WhyUncovered.DEPRECATED,
        "operationRef replaces it (api/v1alpha1/dataset_types.go:220-228)",
    ),
    UncoveredFields(
        "Dataset.status.dataLoadRef",
        WhyUncovered.DEPRECATED,
        "operationRef replaces it (api/v1alpha1/dataset_types.go:220-228)",
    ),
    # AlluxioRuntime
    *(
        UncoveredFields(
            f"AlluxioRuntime.spec.apiGateway.{field}",
            WhyUncovered.POD_OF_ANOTHER,
            _JOB_PARTS.format("the master"),
        )
        for field in (
            "imagePullSecrets",
            "networkMode",
            "nodeSelector",
            "podMetadata.annotations",
            "podMetadata.labels",
            "replicas",
        )
    ),
    UncoveredFields("AlluxioRuntime.spec.*.resources.claims[].name", WhyUncovered.NOT_READ, _RESOURCE_CLAIM),
    *(
        UncoveredFields(f"AlluxioRuntime.{field}", WhyUncovered.NOT_AT_HAND, _NO_PROXY)
        for field in ("spec.apiGateway.enabled", "spec.apiGateway.ports", "status.apiGateway.endpoint")
    ),
    UncoveredFields(
        "AlluxioRuntime.spec.apiGateway.*",
        WhyUncovered.NOT_READ,
        "the values have only enabled and ports (pkg/ddc/alluxio/types.go:124-127)",
    ),
    UncoveredFields(
        "AlluxioRuntime.spec.apiGateway.resources.*",
        WhyUncovered.NOT_READ,
        "the values have only enabled and ports (pkg/ddc/alluxio/types.go:124-127)",
    ),
    UncoveredFields(
        "AlluxioRuntime.spec.initUsers.**",
        WhyUncovered.NOT_AT_HAND,
        "the image init-users is in no package registry; it runs only with runAs",
    ),
    UncoveredFields(
        "AlluxioRuntime.spec.runAs.*",
        WhyUncovered.NOT_AT_HAND,
        "the Pods then start with the image init-users, which is in no package registry",
    ),
    *(
        UncoveredFields(
            f"AlluxioRuntime.spec.{part}.{field}",
            WhyUncovered.POD_OF_ANOTHER,
            _JOB_PARTS.format(pod),
        )
        for part, pod in (("jobMaster", "the master"), ("jobWorker", "the worker"))
        for field in (
            "imagePullSecrets",
            "networkMode",
            "nodeSelector",
            "podMetadata.annotations",
            "podMetadata.labels",
            "replicas",
            "volumeMounts",
        )
    ),
    *(
        UncoveredFields(
            f"AlluxioRuntime.spec.{part}.enabled",
            WhyUncovered.NOT_READ,
            "only that of apiGateway counts (api/v1alpha1/alluxioruntime_types.go:71-73)",
        )
        for part in ("jobMaster", "jobWorker", "master", "worker")
    ),
    UncoveredFields(
        "AlluxioRuntime.spec.worker.replicas",
        WhyUncovered.NOT_READ,
        "the number of workers is spec.replicas (pkg/ctrl/worker.go)",
    ),
    UncoveredFields("AlluxioRuntime.status.conditions[].message", WhyUncovered.FREE_TEXT, "for people"),
    UncoveredFields(
        "AlluxioRuntime.status.conditions[].last*", WhyUncovered.FREE_TEXT, "no row asserts times"
    ),
    UncoveredFields("AlluxioRuntime.status.*Reason", WhyUncovered.FREE_TEXT, "for people"),
    UncoveredFields("AlluxioRuntime.status.mountTime", WhyUncovered.FREE_TEXT, "no row asserts times"),
    UncoveredFields(
        "AlluxioRuntime.status.mounts[].**",
        WhyUncovered.NOT_OF_ALLUXIO,
        "the engine of Alluxio never writes it; the Dataset's status has them",
    ),
    UncoveredFields("AlluxioRuntime.status.setupDuration", WhyUncovered.FREE_TEXT, "no row asserts times"),
    # Data operations
    UncoveredFields(
        "DataLoad.spec.options",
        WhyUncovered.NOT_OF_ALLUXIO,
        "the engine of Alluxio reads no option (pkg/ddc/alluxio/load_data.go:94-158)",
    ),
    UncoveredFields("DataLoad.spec.resources.claims[].name", WhyUncovered.NOT_AT_HAND, _DEVICES),
    UncoveredFields(
        "DataProcess.spec.processor.script.resources.claims[].name", WhyUncovered.NOT_AT_HAND, _DEVICES
    ),
    UncoveredFields("DataMigrate.spec.**", WhyUncovered.NOT_OF_ALLUXIO, _MIGRATE),
    UncoveredFields("DataBackup.spec.**", WhyUncovered.BLOCKED, _BACKUP),
    UncoveredFields("DataBackup.status.**", WhyUncovered.BLOCKED, _BACKUP),
    UncoveredFields("DataMigrate.status.**", WhyUncovered.NOT_OF_ALLUXIO, _MIGRATE),
    *(
        reason
        for kind in ("DataLoad", "DataProcess")
        for reason in (
            UncoveredFields(f"{kind}.status.conditions[].message", WhyUncovered.FREE_TEXT, "for people"),
            UncoveredFields(
                f"{kind}.status.conditions[].last*", WhyUncovered.FREE_TEXT, "no row asserts times"
            ),
            UncoveredFields(f"{kind}.status.duration", WhyUncovered.FREE_TEXT, "no row asserts times"),
            UncoveredFields(
                f"{kind}.status.infos",
                WhyUncovered.NOT_SET_BY_USERS,
                "with Alluxio only a DataBackup writes it (pkg/controllers/v1alpha1/databackup)",
            ),
            UncoveredFields(
                f"{kind}.spec.runAfter.apiVersion",
                WhyUncovered.NOT_READ,
                "the kind alone selects the operation (pkg/utils/dataoperation.go:68-102)",
            ),
            UncoveredFields(
                f"{kind}.spec.runAfter.affinityStrategy.**", WhyUncovered.ALPHA, _DATAFLOW_AFFINITY
            ),
            UncoveredFields(f"{kind}.status.nodeAffinity", WhyUncovered.ALPHA, _DATAFLOW_AFFINITY),
        )
    ),
    UncoveredFields(
        "DataProcess.status.last*", WhyUncovered.NOT_READ, "a DataProcess of 1.0.8 has no schedule"
    ),
)
