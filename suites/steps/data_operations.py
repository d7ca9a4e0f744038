"""Data operations, such as a DataLoad or a DataProcess: how they end, and what they leave of themselves."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_ended
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DATA_OPERATIONS, DataOperationSnapshot, DatasetSnapshot
from clusters.product.predicates import is_idle
from clusters.waiting import is_empty, wait
from suites.steps import checks
from suites.steps.user import DATASET, LOAD_SECONDS, PHASE_SECONDS, User

#: Seconds until what a deleted data operation made is gone.
GONE_SECONDS: Final = 90.0


def ends(user: User, kind: Kind, name: str) -> DataOperationSnapshot:
    """Wait until a data operation is over, well or not."""
    objects = user.observer.objects
    with (
        user.evidence.phase("waiting", f"{kind} {name} ends"),
        user.system.kube.changes(kind, user.namespace) as changed,
    ):
        ended = wait(
            lambda: objects.get(DATA_OPERATIONS[kind], name, user.namespace),
            has_ended,
            subject=f"{kind} {user.namespace}/{name}",
            condition="phase Complete or Failed",
            timeout=LOAD_SECONDS * user.timeout_factor,
            changes=changed,
            advice=f"check its events and the dataset-controller's log for {name}",
        )
    assert ended is not None
    return ended


def ended_as(user: User, kind: Kind, ended: DataOperationSnapshot, phase: str) -> None:
    """A data operation ended in that phase."""
    if ended.phase != phase:
        checks.fail(
            f"{kind} {ended.name} is {ended.phase}",
            subject=f"{kind} {user.namespace}/{ended.name}",
            expected=f"phase {phase}",
            seen=f"{ended}; {checks.reported_events(user, ended.name, str(kind))}",
        )
    user.evidence.fact(f"{kind} status", str(ended))


def usable_again(user: User) -> None:
    """Wait until the Dataset is Bound and no operation holds it; it says DataMigrating for a moment."""
    with user.system.kube.changes(kinds.DATASET, user.namespace) as changed:
        dataset: DatasetSnapshot = wait(
            lambda: user.observer.dataset(user.namespace, DATASET),
            is_idle,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound without a data operation",
            timeout=PHASE_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: f"{seen}; operations {dict(seen.operations)}",
        )
    user.evidence.fact("Dataset status", f"phase {dataset.phase}, held by no data operation")


def job_of_load(user: User, name: str) -> JobSnapshot:
    """The one Job that a DataLoad ran by."""
    release = fluid_names.data_load_release(name)
    jobs = user.observer.objects.list(JobSnapshot, user.namespace, labels=f"release={release}")
    if len(jobs) != 1 or not jobs[0].is_complete:
        checks.fail(
            f"DataLoad {name} is Complete, and has not one Job that ended well",
            subject=f"DataLoad {user.namespace}/{name}",
            expected=f"Job {fluid_names.data_load_job(name)}, complete",
            seen="; ".join(map(str, jobs)) or "no Job",
        )
    user.evidence.fact("Job", str(jobs[0]), failed_pods=jobs[0].failed)
    return jobs[0]


def no_job(user: User, name: str) -> None:
    """There is no Job of that name."""
    found = user.observer.objects.get(JobSnapshot, name, user.namespace)
    if found is not None:
        checks.fail(
            "a data operation that was refused started a Job",
            subject=f"Job {user.namespace}/{name}",
            expected="no Job",
            seen=str(found),
        )
    user.evidence.fact("Jobs", f"there is no {name}")


def delete(user: User, kind: Kind, *names: str) -> None:
    """Ask for the deletion of data operations."""
    for name in names:
        user.system.kube.delete(kind, name, user.namespace)


def gone(user: User, kind: Kind, *names: str, timeout: float = GONE_SECONDS) -> None:
    """Wait until deleted data operations are gone; Fluid lets them go when it has removed what they made."""
    kube = user.system.kube
    with user.evidence.phase("teardown", f"{kind} {', '.join(names)} is deleted"):
        wait(
            lambda: [name for name in names if kube.get(kind, name, user.namespace) is not None],
            is_empty,
            subject=f"{kind} of {user.namespace}",
            condition="deletion",
            timeout=timeout * user.timeout_factor,
            describe=lambda left: ", ".join(left) or "gone",
            advice="check its finalizer and the dataset-controller's log",
        )
