"""DataLoads by a schedule."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import moment
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.output import Listing
from clusters.product.fluid_snapshots import DataLoadSnapshot
from clusters.waiting import is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import Since
from suites.steps import checks, data_operations
from suites.steps.user import DATASET, LOAD_SECONDS, User
from workloads.models.data_load import DataLoad

#: Seconds until the next Job of a schedule for every minute exists.
TICK_SECONDS: Final = 90.0
#: Seconds until the workers have removed freed blocks.
FREED_SECONDS: Final = 60.0
#: Seconds until Fluid's status agrees with that of the CronJob (it reconciles every 20 s).
STATUS_SECONDS: Final = 90.0
#: Times of the CronJob's status that Fluid copies
#: (pkg/controllers/v1alpha1/dataload/status_handler.go:136-138 of 1.0.8).
CRON_TIMES: Final = ("lastScheduleTime", "lastSuccessfulTime")


@scenario(
    "A23",
    Level.FULL,
    since=Since("1.0", "a DataLoad of 0.9 has no schedule (api/v1alpha1/dataload_types.go of 0.9.3)"),
    fields=(
        "DataLoad.spec.policy",
        "DataLoad.spec.schedule",
        "DataLoad.status.lastScheduleTime",
        "DataLoad.status.lastSuccessfulTime",
    ),
)
def test_scheduled_data_load_fills_the_cache_each_time(dataset_owner: User) -> None:
    """A DataLoad with a schedule runs one Job each time, and each Job fills the cache.

    The user creates a DataLoad with ``policy: Cron`` for every minute, frees the cache after its first
    run, and deletes the DataLoad after the next.
    """
    name, jobs = "a23-load", fluid_names.data_load_job("a23-load")
    checks.nothing_cached(dataset_owner)
    load = DataLoad.whole(dataset_owner.namespace, name, DATASET)
    dataset_owner.applies(load.evolve(policy="Cron", schedule="* * * * *").manifest())
    _wait_for_next_job(dataset_owner, jobs, before=frozenset())
    checks.all_cached(dataset_owner)
    before = _free(dataset_owner, jobs)
    _wait_for_next_job(dataset_owner, jobs, before=before)
    checks.all_cached(dataset_owner)
    _check_one_job_each_time(dataset_owner, jobs)
    _check_status_has_schedule(dataset_owner, name, jobs)
    dataset_owner.system.kube.delete(kinds.DATA_LOAD, name, dataset_owner.namespace)
    with dataset_owner.evidence.phase("waiting", "the CronJob is deleted"):
        wait(
            lambda: dataset_owner.system.kube.get(kinds.CRON_JOB, jobs, dataset_owner.namespace),
            is_gone,
            subject=f"CronJob {dataset_owner.namespace}/{jobs}",
            condition="deletion with its DataLoad",
            timeout=data_operations.GONE_SECONDS,
            describe=lambda seen: "deleted" if seen is None else "still exists",
        )
    dataset_owner.evidence.fact("CronJob", "deleted with its DataLoad")


def _runs(user: User, jobs: str) -> tuple[JobSnapshot, ...]:
    """The Jobs of a schedule, the oldest first."""
    found = user.observer.objects.list(JobSnapshot, user.namespace, labels=f"cronjob={jobs}")
    return tuple(sorted(found, key=_tick))


def _tick(job: JobSnapshot) -> int:
    """The minute for which Kubernetes created a Job, from the end of its name."""
    number = job.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _wait_for_next_job(user: User, jobs: str, *, before: frozenset[str]) -> JobSnapshot:
    """Wait until a Job of the schedule that did not exist before is Complete."""

    def new(seen: tuple[JobSnapshot, ...]) -> list[JobSnapshot]:
        return [job for job in seen if job.name not in before]

    def has_completed(seen: tuple[JobSnapshot, ...]) -> bool:
        return any(job.is_complete for job in new(seen))

    def why_failed(seen: tuple[JobSnapshot, ...]) -> str | None:
        return next((str(job) for job in new(seen) if job.has_failed), None)

    with (
        user.evidence.phase("waiting", "a Job of the schedule completes"),
        user.system.kube.changes(kinds.JOB, user.namespace) as changed,
    ):
        seen = wait(
            lambda: _runs(user, jobs),
            has_completed,
            subject=f"CronJob {user.namespace}/{jobs}",
            condition="a new Job with condition Complete",
            timeout=(TICK_SECONDS + LOAD_SECONDS) * user.timeout_factor,
            failed=why_failed,
            changes=changed,
            describe=lambda seen: "; ".join(map(str, seen)) or "no Job",
            advice="check the CronJob and the DataLoad's events",
        )
    run = next(job for job in new(seen) if job.is_complete)
    user.evidence.fact("Job of the schedule", str(run))
    return run


def _free(user: User, jobs: str) -> frozenset[str]:
    """Free the cache; wait until it is empty, or the next Job runs. Returns the Jobs from before."""
    before = frozenset(job.name for job in _runs(user, jobs))
    user.observer.alluxio(user.namespace, DATASET).free()

    def is_freed(seen: tuple[Listing, int]) -> bool:
        listing, new_jobs = seen
        return listing.none_cached or new_jobs > 0

    with user.evidence.phase("waiting", "the cache is empty"):
        listing, _ = wait(
            lambda: (
                user.observer.listing(user.namespace, DATASET),
                len({job.name for job in _runs(user, jobs)} - before),
            ),
            is_freed,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="an empty cache after `alluxio fs free`",
            timeout=FREED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: f"{seen[0].percentage:.1f} % cached, {seen[1]} new Jobs",
        )
    user.evidence.fact("Alluxio listing", f"the cache was freed: {listing.percentage:.1f} % cached")
    return before


def _check_one_job_each_time(user: User, jobs: str) -> None:
    """No two Jobs of the schedule are for the same minute."""
    ticks = [_tick(job) for job in _runs(user, jobs)]
    if len(ticks) < 2 or len(set(ticks)) < len(ticks) or min(ticks) < 0:  # noqa: PLR2004 - two ticks were waited for
        checks.fail(
            "the schedule has not one Job for each of its times",
            subject=f"CronJob {user.namespace}/{jobs}",
            expected="two Jobs or more, each for a minute of its own",
            seen="; ".join(map(str, _runs(user, jobs))),
        )
    user.evidence.fact("Jobs of the schedule", f"one for each of {len(ticks)} minutes", jobs=len(ticks))


def _check_status_has_schedule(user: User, name: str, jobs: str) -> None:
    """The DataLoad's status has the two times of the CronJob's status, and its phase is Complete."""
    objects, kube = user.observer.objects, user.system.kube

    def observe() -> tuple[DataLoadSnapshot | None, str]:
        load = objects.get(DataLoadSnapshot, name, user.namespace)
        cron = kube.get(kinds.CRON_JOB, jobs, user.namespace) or {}
        actual = (load.last_scheduled, load.last_successful) if load is not None else (None, None)
        expected = tuple(moment(cron, "status", field) for field in CRON_TIMES)
        wrong = [
            f"{field} is {now}, and the CronJob has {then}"
            for field, now, then in zip(CRON_TIMES, actual, expected, strict=True)
            if now is None or now != then
        ]
        return load, "; ".join(wrong)

    def is_up_to_date(seen: tuple[DataLoadSnapshot | None, str]) -> bool:
        load, difference = seen
        return load is not None and load.phase == "Complete" and not difference

    with user.evidence.phase("waiting", "the DataLoad's status has the times of the schedule"):
        load, _ = wait(
            observe,
            is_up_to_date,
            subject=f"DataLoad {user.namespace}/{name}",
            condition=f"phase Complete, and {' and '.join(CRON_TIMES)} as the CronJob's",
            timeout=STATUS_SECONDS * user.timeout_factor,
            describe=lambda seen: f"{seen[0]}; {seen[1] or 'the same times'}",
        )
    assert load is not None
    times = f"last scheduled at {load.last_scheduled}, last successful at {load.last_successful}"
    user.evidence.fact("DataLoad status", f"{load}, {times}")
