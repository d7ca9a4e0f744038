"""Groups A and B: DataLoads by a schedule, and more than one at once."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import moment
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DataLoadSnapshot
from clusters.waiting import is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import ByVersion, Since
from suites.steps import checks, data_operations
from suites.steps.data_loads import NOT_NOTICED, UnnoticedCompletion
from suites.steps.user import DATASET, LOAD_SECONDS, User
from workloads.models.data_load import DataLoad

#: Seconds until the next Job of a schedule for each minute is there.
TICK_SECONDS: Final = 90.0
#: Seconds until the workers dropped what was freed.
FREED_SECONDS: Final = 60.0
#: Seconds until Fluid's status says what the CronJob's does (it looks every 20 s).
STATUS_SECONDS: Final = 90.0
#: Whether two DataLoads of one Dataset run at the same time. Up to 0.9 the second one waits for the first
#: (pkg/ddc/base/operation_lock.go:67-83 of 0.9.3); later the Dataset just lists both
#: (api/v1alpha1/dataset_types.go:355-374 of 1.0.8).
AT_ONCE: Final = ByVersion({"0.9": False, "1.0": True})


@scenario(
    "A23",
    Level.FULL,
    since=Since("1.0", "a DataLoad of 0.9 has no schedule (api/v1alpha1/dataload_types.go of 0.9.3)"),
)
def test_scheduled_data_load_fills_the_cache_at_each_tick(dataset_owner: User) -> None:
    """A DataLoad with a schedule runs one Job at each tick, and each of them fills the cache.

    The user makes a DataLoad with ``policy: Cron`` for every minute, frees the cache after its first
    run, and deletes the DataLoad after the next.
    """
    name, jobs = "a23-load", fluid_names.data_load_job("a23-load")
    checks.nothing_cached(dataset_owner)
    load = DataLoad.whole(dataset_owner.namespace, name, DATASET)
    dataset_owner.applies(load.evolve(policy="Cron", schedule="* * * * *").manifest())
    _next_run(dataset_owner, jobs, before=frozenset())
    checks.all_cached(dataset_owner)
    before = _free(dataset_owner, jobs)
    _next_run(dataset_owner, jobs, before=before)
    checks.all_cached(dataset_owner)
    _one_job_a_tick(dataset_owner, jobs)
    _status_tells_the_schedule(dataset_owner, name, jobs)
    dataset_owner.system.kube.delete(kinds.DATA_LOAD, name, dataset_owner.namespace)
    with dataset_owner.evidence.phase("waiting", "the schedule goes"):
        wait(
            lambda: dataset_owner.system.kube.get(kinds.CRON_JOB, jobs, dataset_owner.namespace),
            is_gone,
            subject=f"CronJob {dataset_owner.namespace}/{jobs}",
            condition="deletion with its DataLoad",
            timeout=data_operations.GONE_SECONDS,
            describe=lambda seen: "gone" if seen is None else "there",
        )
    dataset_owner.evidence.fact("CronJob", "gone with its DataLoad")


def _runs(user: User, jobs: str) -> tuple[JobSnapshot, ...]:
    """The Jobs of a schedule, the oldest first."""
    found = user.observer.objects.list(JobSnapshot, user.namespace, labels=f"cronjob={jobs}")
    return tuple(sorted(found, key=_tick))


def _tick(job: JobSnapshot) -> int:
    """The minute for which Kubernetes made a Job; it is the end of its name."""
    number = job.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _next_run(user: User, jobs: str, *, before: frozenset[str]) -> JobSnapshot:
    """Wait until one of the schedule's Jobs that was not there before has ended well."""

    def new(seen: tuple[JobSnapshot, ...]) -> list[JobSnapshot]:
        return [job for job in seen if job.name not in before]

    with (
        user.evidence.phase("waiting", "a Job of the schedule ends"),
        user.system.kube.changes(kinds.JOB, user.namespace) as changed,
    ):
        seen = wait(
            lambda: _runs(user, jobs),
            lambda seen: any(job.is_complete for job in new(seen)),
            subject=f"CronJob {user.namespace}/{jobs}",
            condition="a new successful Job",
            timeout=(TICK_SECONDS + LOAD_SECONDS) * user.timeout_factor,
            failed=lambda seen: next((str(job) for job in new(seen) if job.has_failed), None),
            changes=changed,
            describe=lambda seen: "; ".join(map(str, seen)) or "no Job",
            advice="look at the CronJob and at the DataLoad's events",
        )
    run = next(job for job in new(seen) if job.is_complete)
    user.evidence.fact("Job of the schedule", str(run))
    return run


def _free(user: User, jobs: str) -> frozenset[str]:
    """Free the cache, and see it empty unless the next Job fills it already. Returns the Jobs before it."""
    before = frozenset(job.name for job in _runs(user, jobs))
    user.observer.alluxio(user.namespace, DATASET).free()
    with user.evidence.phase("waiting", "the cache is empty"):
        listing, _ = wait(
            lambda: (
                user.observer.listing(user.namespace, DATASET),
                len({job.name for job in _runs(user, jobs)} - before),
            ),
            lambda seen: seen[0].none_cached or seen[1] > 0,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="an empty cache",
            timeout=FREED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: f"{seen[0].percentage:.1f} % cached, {seen[1]} new Jobs",
        )
    user.evidence.fact("Alluxio listing", f"the cache was freed: {listing.percentage:.1f} % cached")
    return before


def _one_job_a_tick(user: User, jobs: str) -> None:
    """No two Jobs of the schedule are for the same minute."""
    ticks = [_tick(job) for job in _runs(user, jobs)]
    if len(ticks) < 2 or len(set(ticks)) < len(ticks) or min(ticks) < 0:  # noqa: PLR2004 - two ticks were waited for
        checks.fail(
            "the schedule has not one Job for each of its ticks",
            subject=f"CronJob {user.namespace}/{jobs}",
            expected="two Jobs or more, each for a minute of its own",
            seen="; ".join(map(str, _runs(user, jobs))),
        )
    user.evidence.fact("Jobs of the schedule", f"one for each of {len(ticks)} ticks", jobs=len(ticks))


def _status_tells_the_schedule(user: User, name: str, jobs: str) -> None:
    """The DataLoad's status names the CronJob's last tick, and that its Job ended well."""
    objects, kube = user.observer.objects, user.system.kube

    def look() -> tuple[DataLoadSnapshot | None, str]:
        cron = kube.get(kinds.CRON_JOB, jobs, user.namespace) or {}
        load, last = (
            objects.get(DataLoadSnapshot, name, user.namespace),
            moment(cron, "status", "lastScheduleTime"),
        )
        if load is None or last is None or load.last_scheduled is None:
            return load, "one of the two tells no tick"
        same = load.last_scheduled == last
        return load, "" if same else f"{load.last_scheduled} where Kubernetes says {last}"

    with user.evidence.phase("waiting", "the DataLoad's status tells the tick"):
        load, _ = wait(
            look,
            lambda seen: seen[0] is not None and seen[0].phase == "Complete" and not seen[1],
            subject=f"DataLoad {user.namespace}/{name}",
            condition="phase Complete with the CronJob's lastScheduleTime",
            timeout=STATUS_SECONDS * user.timeout_factor,
            describe=lambda seen: f"{seen[0]}; {seen[1] or 'the same tick'}",
        )
    assert load is not None
    user.evidence.fact("DataLoad status", f"{load}, last tick {load.last_scheduled}")


@scenario("B35", Level.FULL, defects=(NOT_NOTICED,))
def test_two_data_loads_at_once_both_complete(dataset_owner: User) -> None:
    """Two DataLoads made for one Dataset at once both complete, each by one Job, and all is cached.

    The user makes both in one go. Fluid 1.0 runs them at the same time, 0.9 one after the other.
    """
    names = ("b35-first", "b35-second")
    checks.nothing_cached(dataset_owner)
    dataset_owner.applies(
        *(DataLoad.whole(dataset_owner.namespace, name, DATASET).manifest() for name in names)
    )
    if not _both_end(dataset_owner, names):
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


def _both_end(user: User, names: tuple[str, str]) -> bool:
    """Wait until both DataLoads are Complete; tell what the Dataset said of them meanwhile.

    False where the end of one is not noticed, so that the other waits for ever.
    """
    objects, overlooked = user.observer.objects, UnnoticedCompletion(user)
    held: dict[str, None] = {}

    def look() -> tuple[DataLoadSnapshot | None, ...]:
        held[user.observer.dataset(user.namespace, DATASET).operations.get("DataLoad", "")] = None
        return tuple(objects.get(DataLoadSnapshot, name, user.namespace) for name in names)

    with (
        user.evidence.phase("waiting", "both DataLoads complete"),
        user.system.kube.changes(
            kinds.DATA_LOAD, user.namespace, more=[Topic(kinds.DATASET, user.namespace)]
        ) as changed,
    ):
        loads = wait(
            look,
            lambda seen: (
                all(load is not None and load.phase == "Complete" for load in seen)
                or any(load is not None and overlooked(load) for load in seen)
            ),
            subject=f"DataLoads of {user.namespace}/{DATASET}",
            condition="phase Complete",
            timeout=2 * LOAD_SECONDS * user.timeout_factor,
            failed=lambda seen: next(
                (f"one failed: {load}" for load in seen if load is not None and load.phase == "Failed"), None
            ),
            changes=changed,
            describe=lambda seen: "; ".join(map(str, seen)),
            advice="look at the logs of the loaders' Jobs",
        )
    user.evidence.fact("Dataset status", f"held by {' → '.join(name or 'nobody' for name in held)}")
    return not overlooked.tell(*(load for load in loads if load is not None))


def _overlap(first: JobSnapshot, second: JobSnapshot) -> bool:
    """Whether two Jobs that ended ran at the same time, by Kubernetes' own record."""
    if not (first.started and first.completed and second.started and second.completed):
        checks.fail(
            "a Job that is complete does not tell when it ran",
            subject=f"Jobs {first.name}, {second.name}",
            expected="startTime and completionTime",
            seen=f"{_times(first)}; {_times(second)}",
        )
    return first.started < second.completed and second.started < first.completed


def _times(job: JobSnapshot) -> str:
    shown = [f"{at:%H:%M:%S}" if at is not None else "?" for at in (job.started, job.completed)]
    return f"{job.name} from {shown[0]} to {shown[1]}"
