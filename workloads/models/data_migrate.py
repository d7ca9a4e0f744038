"""The DataMigrate: copy data between a Dataset and another store.

Fields: charts/fluid/fluid/crds/data.fluid.io_datamigrates.yaml of Fluid 1.0.8 and 0.9.3; Go types in
api/v1alpha1/datamigrate_types.go:26-130 (1.0.8). Only what says from where to where is modelled:
Alluxio supports none of it (pkg/ddc/alluxio/operate.go:40-46).
"""

from typing import ClassVar

from pydantic import Field

from workloads.models.base import Model, Resource


class DatasetToMigrate(Model):
    """A Dataset as one end of a migration, and the folder in it."""

    name: str
    namespace: str
    path: str | None = None


class ExternalStorage(Model):
    """A store that is no Dataset, such as ``pvc://claim/folder``."""

    uri: str


class DataToMigrate(Model):
    """One end of a migration: one of the two."""

    dataset: DatasetToMigrate | None = None
    external_storage: ExternalStorage | None = None


class DataMigrate(Resource):
    """A DataMigrate.

    Attributes:
        source: where the data are; ``from`` in the API.
        to: where they go.
    """

    API_VERSION: ClassVar[str] = "data.fluid.io/v1alpha1"
    KIND: ClassVar[str] = "DataMigrate"

    source: DataToMigrate = Field(alias="from")
    to: DataToMigrate
