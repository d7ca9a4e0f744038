"""Two DataLoads of one Dataset at once."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product.fluid_snapshots import DataLoadSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import ByVersion
from suites.steps import checks, data_operations
from suites.steps.data_loads import NOT_NOTICED, UnnoticedCompletion
from suites.steps.user import DATASET, LOAD_SECONDS, User
from workloads.models.data_load import DataLoad

#: Whether two DataLoads of one Dataset run at the same time. Up to 0.9 the second one waits for the first
#: (pkg/ddc/base/operation_lock.go:67-83 of 0.9.3); later the Dataset just lists both
#: (api/v1alpha1/dataset_types.go:355-374 of 1.0.8).
AT_ONCE: Final = ByVersion({"0.9": False, "1.0": True})


@scenario("B35", Level.FULL, defects=(NOT_NOTICED,))
def test_two_data_loads_at_once_both_complete(dataset_owner: User) -> None:
    """Two DataLoads of one Dataset both complete, each with one Job, and all files are cached.

    The user creates both at once. Fluid 1.0 runs them at the same time, 0.9 one after the other.
    """
    names = ("b35-first", "b35-second")
    checks.nothing_cached(dataset_owner)
    dataset_owner.applies(
        *(DataLoad.whole(dataset_owner.namespace, name, DATASET).manifest() for name in names)
    )
    if not _wait_for_both(dataset_owner, names):
        checks.all_cached(dataset_owner)
        return
    first, second = (data_operations.job_of_load(dataset_owner, name) for name in names)
    at_once = _overlap(first, second)
    says = "ran at the same time" if at_once else "ran one after the other"
    if at_once != AT_ONCE.on(dataset_owner.system):
        checks.fail(
            f"the Jobs of two DataLoads {says}",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="at the same time"
            if AT_ONCE.on(dataset_owner.system)
            else "the second one waits for the first",
            seen=f"{_times(first)}; {_times(second)}",
        )
    dataset_owner.evidence.fact("Jobs", f"the two {says}: {_times(first)}; {_times(second)}")
    data_operations.usable_again(dataset_owner)
    checks.all_cached(dataset_owner)


def _wait_for_both(user: User, names: tuple[str, str]) -> bool:
    """Wait until both DataLoads are Complete; record the Dataset's operations meanwhile.

    Returns False if Fluid does not notice that one has completed, so that the other never runs.
    """
    objects, overlooked = user.observer.objects, UnnoticedCompletion(user)
    held: dict[str, None] = {}

    def observe() -> tuple[DataLoadSnapshot | None, ...]:
        held[user.observer.dataset(user.namespace, DATASET).operations.get("DataLoad", "")] = None
        return tuple(objects.get(DataLoadSnapshot, name, user.namespace) for name in names)

    def are_decided(loads: tuple[DataLoadSnapshot | None, ...]) -> bool:
        complete = all(load is not None and load.phase == "Complete" for load in loads)
        return complete or any(load is not None and overlooked(load) for load in loads)

    def why_failed(loads: tuple[DataLoadSnapshot | None, ...]) -> str | None:
        failed = (load for load in loads if load is not None and load.phase == "Failed")
        return next((f"one failed: {load}" for load in failed), None)

    with (
        user.evidence.phase("waiting", "both DataLoads complete"),
        user.system.kube.changes(
            kinds.DATA_LOAD, user.namespace, more=[Topic(kinds.DATASET, user.namespace)]
        ) as changed,
    ):
        loads = wait(
            observe,
            are_decided,
            subject=f"DataLoads of {user.namespace}/{DATASET}",
            condition="phase Complete of both",
            timeout=2 * LOAD_SECONDS * user.timeout_factor,
            failed=why_failed,
            changes=changed,
            describe=lambda seen: "; ".join(map(str, seen)),
            advice="check the logs of the loaders' Jobs",
        )
    user.evidence.fact("Dataset status", f"operation: {' → '.join(name or 'none' for name in held)}")
    return not overlooked.report(*(load for load in loads if load is not None))


def _overlap(first: JobSnapshot, second: JobSnapshot) -> bool:
    """Whether two Jobs ran at the same time, by their start and completion times."""
    if not (first.started and first.completed and second.started and second.completed):
        checks.fail(
            "a Job that is complete has no start or completion time",
            subject=f"Jobs {first.name}, {second.name}",
            expected="startTime and completionTime",
            seen=f"{_times(first)}; {_times(second)}",
        )
    return first.started < second.completed and second.started < first.completed


def _times(job: JobSnapshot) -> str:
    shown = [f"{at:%H:%M:%S}" if at is not None else "?" for at in (job.started, job.completed)]
    return f"{job.name} from {shown[0]} to {shown[1]}"
