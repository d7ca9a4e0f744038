"""A DataMigrate, which Alluxio does not support."""

from __future__ import annotations

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product.fluid_snapshots import DataMigrateSnapshot
from clusters.waiting import hold, reason_if_any
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, data_loads, data_operations
from suites.steps.events import wait_for_event
from suites.steps.reconcile import TWO_RETRIES
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.data_load import DataLoad
from workloads.models.data_migrate import DataMigrate, DatasetToMigrate, DataToMigrate, ExternalStorage


@scenario(
    "A26",
    Level.FULL,
    defects=(data_loads.NOT_NOTICED,),
    fields=("DataMigrate.status.phase",),
    writes=(kinds.DATA_MIGRATE,),
)
def test_data_migrate_fails_and_leaves_the_dataset_usable(dataset_owner: User) -> None:
    """A DataMigrate, which Alluxio does not support, fails without a Job, and the Dataset stays usable.

    The user creates a DataMigrate to a folder of the NFS claim, and then a DataLoad.
    """
    name = "a26-migrate"
    source = DatasetToMigrate(name=DATASET, namespace=dataset_owner.namespace, path="/")
    target = ExternalStorage(uri=f"pvc://{SOURCE}/migrated")
    migrate = DataMigrate(
        namespace=dataset_owner.namespace,
        name=name,
        source=DataToMigrate(dataset=source),
        to=DataToMigrate(external_storage=target),
    )
    dataset_owner.applies(migrate.manifest())
    ended = data_operations.ends(dataset_owner, kinds.DATA_MIGRATE, name)
    data_operations.ended_as(dataset_owner, kinds.DATA_MIGRATE, ended, "Failed")
    wait_for_event(dataset_owner, "DataMigrate", name, reason="DataOperationNotSupport")
    data_operations.usable_again(dataset_owner)
    with dataset_owner.evidence.phase("window", "no Job, phase Failed, Dataset Bound"):
        observations = hold(
            lambda: _why_not_refused(dataset_owner, name),
            reason_if_any,
            subject=f"DataMigrate {dataset_owner.namespace}/{name}",
            condition="phase Failed without a Job, with the Dataset Bound",
            window=TWO_RETRIES,
        )
    dataset_owner.evidence.fact(
        "DataMigrate status", "stays Failed, and no Job was started", looks=len(observations)
    )
    dataset_owner.applies(DataLoad.whole(dataset_owner.namespace, "a26-load", DATASET).manifest())
    data_loads.completes(dataset_owner, "a26-load")
    data_operations.job_of_load(dataset_owner, "a26-load")
    checks.all_cached(dataset_owner)
    checks.source_unchanged(dataset_owner)


def _why_not_refused(user: User, name: str) -> str:
    """What contradicts that the migration failed and changed nothing, or an empty text."""
    operation = user.observer.objects.get(DataMigrateSnapshot, name, user.namespace)
    dataset = user.observer.dataset(user.namespace, DATASET)
    jobs = user.observer.objects.list(JobSnapshot, user.namespace)
    if operation is None or operation.phase != "Failed":
        return f"the DataMigrate is {operation.phase if operation else 'gone'}"
    if not dataset.bound:
        return f"the Dataset's phase is {dataset.phase}"
    return f"there is {'; '.join(map(str, jobs))}" if jobs else ""
