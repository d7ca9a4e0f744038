"""A DataLoad of a path that does not exist."""

from __future__ import annotations

from clusters.kubernetes import kinds
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import Since
from suites.steps import checks, data_operations
from suites.steps.user import DATASET, User
from workloads.models.data_load import DataLoad, TargetPath


@scenario(
    "B39",
    Level.FULL,
    since=Since(
        "1.0", "0.9 reads only the first condition of a Job, which is not Failed since Kubernetes 1.31"
    ),
)
def test_data_load_of_a_missing_path_fails(shared_user: User) -> None:
    """A DataLoad of a path that does not exist is Failed, and the Dataset stays usable.

    The user misspells the folder in ``target``.
    """
    load = DataLoad.whole(shared_user.namespace, "b39-load", DATASET)
    load = load.evolve(target=(TargetPath(path="/no-such-folder", replicas=1),))
    try:
        shared_user.applies(load.manifest())
        ended = data_operations.ends(shared_user, kinds.DATA_LOAD, load.name)
        data_operations.ended_as(shared_user, kinds.DATA_LOAD, ended, "Failed")
        checks.reported_events(shared_user, load.name, "DataLoad")
        data_operations.usable_again(shared_user)
    finally:
        data_operations.delete(shared_user, kinds.DATA_LOAD, load.name)
    data_operations.gone(shared_user, kinds.DATA_LOAD, load.name)
    pod = shared_user.starts(shared_user.application("b39-reader", DATASET))
    checks.served_by_fluid(shared_user, pod)
    shared_user.reads_right(pod)
