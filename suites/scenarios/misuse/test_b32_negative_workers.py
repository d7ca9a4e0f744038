"""A negative number of workers."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks
from suites.steps.reconcile import TWO_RETRIES
from suites.steps.user import DATASET, User

#: The API server's answer to an object that breaks a rule of its kind.
UNPROCESSABLE: Final = 422


@scenario(
    "B32",
    Level.FULL,
    defects=(
        Defect(
            "negative-workers-accepted",
            "The API accepts a runtime with a negative number of workers. Fluid then reports that it scaled "
            "in, fails to do so repeatedly, and no longer updates the status.",
            "charts/fluid/fluid/crds/data.fluid.io_alluxioruntimes.yaml:712-714, "
            "pkg/ctrl/replicas.go:45-75 (1.0.8)",
        ),
    ),
)
def test_negative_number_of_workers_removes_no_worker(dataset_owner: User) -> None:
    """A negative number of workers removes none: the Dataset stays Bound and serves its data.

    The user sets the runtime's ``replicas`` to -1 while an application reads, and the master's to 0.
    """
    pod = dataset_owner.starts(dataset_owner.application("b32-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    _check_no_master_refused(dataset_owner)
    was = _worker(dataset_owner)
    accepted = _set_workers(dataset_owner, -1)
    try:
        _check_same_worker_serves(dataset_owner, was, pod)
    finally:
        if accepted:
            _set_workers(dataset_owner, 1)
    events = checks.reported_events(dataset_owner, DATASET, "AlluxioRuntime")
    dataset_owner.evidence.defect(
        "negative-workers-accepted",
        seen=accepted,
        says=f"replicas -1 is accepted; events: {events or 'none'}"[:600]
        if accepted
        else "the API refuses replicas -1",
    )
    dataset_owner.reads_right(pod)


def _check_no_master_refused(user: User) -> None:
    """Control: the API has a minimum for the number of masters, and refuses 0."""
    body = {"spec": {"master": {"replicas": 0}}}
    try:
        user.system.kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace, body)
    except KubeError as error:
        if error.status != UNPROCESSABLE:
            raise
        user.evidence.fact("API server", f"a runtime without a master is refused: {error.said[:300]}")
        return
    checks.fail(
        "a runtime without a master was accepted",
        subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
        expected="master.replicas of 0 refused as invalid",
        seen="no refusal",
    )


def _set_workers(user: User, number: int) -> bool:
    """Set the number of workers. Returns whether the API accepts it."""
    body = {"spec": {"replicas": number}}
    try:
        user.system.kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace, body)
    except KubeError as error:
        if error.status != UNPROCESSABLE:
            raise
        user.evidence.fact("API server", f"replicas {number} is refused: {error.said[:300]}")
        return False
    user.evidence.fact("AlluxioRuntime", f"the user sets {number} workers, and the API accepts it")
    return True


def _worker(user: User) -> PodSnapshot | None:
    return user.observer.objects.get(PodSnapshot, fluid_names.worker_pod(DATASET), user.namespace)


def _check_same_worker_serves(user: User, was: PodSnapshot | None, reader: PodSnapshot) -> None:
    """During a window the worker is the same one and ready, the Dataset is Bound, and reads are right."""

    def observe() -> tuple[PodSnapshot | None, DatasetSnapshot]:
        user.reads_right_quietly(reader)
        return _worker(user), user.observer.dataset(user.namespace, DATASET)

    def wrong(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> str | None:
        worker, dataset = seen
        if worker is None or was is None or worker.uid != was.uid or not worker.ready or worker.deleting:
            return f"the worker has changed: {worker or 'deleted'}"
        return None if dataset.bound else f"the Dataset's phase is {dataset.phase}"

    with user.evidence.phase("window", "the worker stays"):
        observations = hold(
            observe,
            wrong,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound with the same worker and the right data",
            window=TWO_RETRIES,
        )
    user.evidence.fact(
        "worker", "the same one during the whole window; the Dataset stays Bound", looks=len(observations)
    )
