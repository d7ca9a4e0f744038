"""DataLoads that fill the cache before an application reads."""

from __future__ import annotations

from typing import Final

from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, data_loads, dataset_status, load_results
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User
from workloads.models.data_load import DataLoad, TargetPath

FOLDER: Final = "labels"


@scenario(
    "A22",
    Level.SMOKE,
    defects=(data_loads.NOT_NOTICED,),
    untouched=True,
    fields=(
        "DataLoad.spec.dataset.name",
        "DataLoad.status.phase",
        "Dataset.status.fileNum",
        "Dataset.status.ufsTotal",
        "Dataset.status.cacheStates.cached",
        "Dataset.status.cacheStates.cachedPercentage",
    ),
)
def test_data_load_caches_all_files_before_any_application_reads(dataset_owner: User) -> None:
    """When a DataLoad is Complete its Job has completed and all files are cached, without any application.

    The user creates a DataLoad for the whole Dataset and waits until it is Complete.
    """
    checks.nothing_cached(dataset_owner)
    dataset_owner.applies(DataLoad.whole(dataset_owner.namespace, "a22-load", DATASET).manifest())
    noticed = data_loads.completes(dataset_owner, "a22-load")
    load_results.check_has_loaded(dataset_owner, "a22-load")
    if noticed:
        wait_for_event(dataset_owner, "DataLoad", "a22-load", reason="DataOperationSucceed", says="succeeded")
    checks.all_cached(dataset_owner)
    dataset_status.check_all_cached(dataset_owner)
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))


@scenario(
    "A34", Level.CONFORMANCE, defects=(data_loads.NOT_NOTICED,), fields=("DataLoad.spec.target[].path",)
)
def test_data_load_with_a_target_caches_only_that_folder(dataset_owner: User) -> None:
    """A DataLoad with a target caches the files of that folder, and no others.

    The user creates a DataLoad whose ``target`` is one folder of the Dataset, and waits until it is Complete.
    """
    checks.nothing_cached(dataset_owner)
    load = DataLoad.whole(dataset_owner.namespace, "a34-load", DATASET)
    load = load.evolve(target=(TargetPath(path=f"/{FOLDER}", replicas=1),))
    dataset_owner.applies(load.manifest())
    data_loads.completes(dataset_owner, load.name)
    load_results.check_has_loaded(dataset_owner, load.name)
    load_results.check_only_folder_cached(dataset_owner, FOLDER)
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))
