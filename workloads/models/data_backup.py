"""The DataBackup: a backup of the metadata of a Dataset in Alluxio's master.

Fields: charts/fluid/fluid/crds/data.fluid.io_databackups.yaml of Fluid 1.0.8 and 0.9.3; Go types in
api/v1alpha1/databackup_types.go:26-39 (1.0.8). ``runAfter`` is left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from workloads.models.base import Resource
from workloads.models.shared import User

#: Where Alluxio's master writes a backup, and the Pod of a DataBackup looks for it.
ALLUXIO_BACKUPS: Final = "/alluxio_backups"


class DataBackup(Resource):
    """A DataBackup.

    Attributes:
        dataset: name of the Dataset, in the same namespace.
        backup_path: ``pvc://claim/folder``, or ``local://`` and a folder of the master's node; no other
            scheme (pkg/controllers/v1alpha1/databackup/implement.go:88 of 1.0.8).
        run_as: Fluid's default is the runtime's own user.
        ttl_seconds_after_finished: seconds after which it is deleted; 1.0 and later.
    """

    API_VERSION: ClassVar[str] = "data.fluid.io/v1alpha1"
    KIND: ClassVar[str] = "DataBackup"
    SINCE: ClassVar[Mapping[str, str]] = MappingProxyType({"ttlSecondsAfterFinished": "1.0"})

    dataset: str
    backup_path: str
    run_as: User | None = None
    ttl_seconds_after_finished: int | None = None
