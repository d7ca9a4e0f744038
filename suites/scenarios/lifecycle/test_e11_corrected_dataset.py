"""A Dataset that its user corrects after it could not be set up."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import WaitError, exists, is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks
from suites.steps.events import wait_for_event, wait_for_refused_duplicate_volume
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import AlluxioRuntime, Component
from workloads.models.dataset import Dataset, Mount
from workloads.models.shared import Resources
from workloads.models.small_runtime import laptop_runtime

#: Seconds until Fluid has tried twice: it tries every 20 s, and sooner after a reconcile request.
AGAIN_SECONDS: Final = 180.0
#: Failed attempts after which a change counts as ignored: one may have begun before the change.
TRIES: Final = 2
#: Seconds for corrected mounts to take effect, with reconcile requests: two of Fluid's retries.
MOUNTS_SECONDS: Final = 45.0
#: Seconds until a runtime that never ran is deleted.
RUNTIME_GONE_SECONDS: Final = 180.0
#: Seconds between two reconcile requests.
NUDGE_SECONDS: Final = 5.0
OVER_LIMIT: Final = "is greater than worker limits memory"


@scenario(
    "E11",
    Level.FULL,
    defects=(
        Defect(
            "mended-quota-ignored",
            "A tier's quota that is lowered after a failed set-up is ignored: Fluid keeps the tiers of the "
            "first reconcile until its controller is restarted.",
            "pkg/ddc/alluxio/runtime_info.go:28-38, transform_resources.go:88-112 (1.0.8)",
        ),
        Defect(
            "mended-mounts-ignored",
            "Mounts that are corrected after the master's StatefulSet was created are ignored: it is never "
            "updated, and only a new runtime helps.",
            "pkg/ddc/alluxio/master.go:75-90 (1.0.8)",
        ),
    ),
)
def test_dataset_gets_bound_after_its_user_corrects_it(user: User) -> None:
    """A Dataset that cannot be set up gets Bound after its user has corrected what the events report.

    The user configures more memory for the cache than for the worker, and mounts one claim twice. Then the
    user lowers the quota, removes the limit, writes one mount, and finally creates the runtime again.
    """
    mounts = tuple(
        Mount(mount_point=f"pvc://{SOURCE}/{folder}", name=folder) for folder in ("train", "labels")
    )
    user.creates_dataset(
        Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"),
        _limited(user, quota="512Mi"),
    )
    wait_for_event(
        user,
        "AlluxioRuntime",
        DATASET,
        reason="ErrorProcessRuntime",
        says=OVER_LIMIT,
        timeout=AGAIN_SECONDS * user.timeout_factor,
    )
    _lower_quota(user)

    corrected = laptop_runtime(user.namespace, DATASET, quota="128Mi")
    user.applies(corrected.manifest())
    user.evidence.fact("AlluxioRuntime", "the user removes the worker's limit")
    wait_for_refused_duplicate_volume(user, timeout=AGAIN_SECONDS * user.timeout_factor)
    _check_not_bound(user)

    if not _correct_mounts(user):
        _create_runtime_again(user, corrected)
    user.waits_until_bound()
    checks.claim_and_volume_of_fluid(user)
    pod = user.starts(user.application("e11-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    checks.all_cached(user)


def _limited(user: User, *, quota: str) -> AlluxioRuntime:
    """A runtime whose worker is limited to 256Mi, with a quota for its cache in memory."""
    runtime = laptop_runtime(user.namespace, DATASET, quota=quota)
    worker = (runtime.worker or Component()).evolve(resources=Resources(limits={"memory": "256Mi"}))
    return runtime.evolve(worker=worker)


def _check_not_bound(user: User) -> None:
    dataset = user.observer.dataset(user.namespace, DATASET)
    if dataset.bound:
        checks.fail(
            "a Dataset that cannot be set up is Bound",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase NotBound",
            seen=str(dataset),
        )
    user.evidence.fact("Dataset status", f"phase {dataset.phase or 'empty'}")


def _refusals(events: tuple[EventSnapshot, ...]) -> int:
    """Number of times that Fluid has refused the quota."""
    return sum(event.count for event in events if OVER_LIMIT in event.message)


def _lower_quota(user: User) -> None:
    """Lower the quota under the limit; record whether Fluid continues, or refuses the old quota again."""
    objects = user.observer.objects

    def observe() -> tuple[bool, tuple[EventSnapshot, ...]]:
        user.request_reconcile()
        master = objects.get(StatefulSetSnapshot, fluid_names.master_name(DATASET), user.namespace)
        return master is not None, objects.events(user.namespace, DATASET, "AlluxioRuntime")

    _, before = observe()
    user.applies(_limited(user, quota="128Mi").manifest())
    user.evidence.fact("AlluxioRuntime", "the user lowers the quota to 128Mi, under the limit")

    def is_decided(seen: tuple[bool, tuple[EventSnapshot, ...]]) -> bool:
        has_master, events = seen
        return has_master or _refusals(events) >= _refusals(before) + TRIES

    with user.evidence.phase("waiting", "Fluid tries again"):
        continues, events = wait(
            observe,
            is_decided,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition="another attempt after its quota was lowered",
            timeout=AGAIN_SECONDS * user.timeout_factor,
            delay=NUDGE_SECONDS,
            describe=lambda seen: "; ".join(map(str, seen[1][-3:])) or "no event",
        )
    refused = _refusals(events) - _refusals(before)
    user.evidence.defect(
        "mended-quota-ignored",
        seen=not continues,
        says="Fluid continues with the lowered quota"
        if continues
        else f"the old quota was refused {refused} times after it was lowered",
        refused=refused,
    )


def _correct_mounts(user: User) -> bool:
    """Mount the claim once. Returns whether Fluid then starts the master's Pod."""
    objects = user.observer.objects
    before = objects.get(StatefulSetSnapshot, fluid_names.master_name(DATASET), user.namespace)
    user.applies(Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared").manifest())
    user.evidence.fact("Dataset", "the user mounts the claim once")

    def observe() -> PodSnapshot | None:
        user.request_reconcile()
        return objects.get(PodSnapshot, fluid_names.master_pod(DATASET), user.namespace)

    started = True
    try:
        with user.evidence.phase("window", "corrected mounts are given time"):
            wait(
                observe,
                exists,
                subject=f"Pod {user.namespace}/{fluid_names.master_pod(DATASET)}",
                condition="creation once the claim is mounted once",
                timeout=MOUNTS_SECONDS,
                delay=NUDGE_SECONDS,
            )
    except WaitError:
        started = False
    after = objects.get(StatefulSetSnapshot, fluid_names.master_name(DATASET), user.namespace)
    updated = before is None or after is None or after.meta.generation != before.meta.generation
    user.evidence.defect(
        "mended-mounts-ignored",
        seen=not started,
        says="the master's Pod was created after the mounts were corrected"
        if started
        else f"no master's Pod in {MOUNTS_SECONDS:g} s; its StatefulSet was "
        f"{'updated' if updated else 'not updated'}",
    )
    return started


def _create_runtime_again(user: User, runtime: AlluxioRuntime) -> None:
    """Delete the runtime and create it again."""
    kube, objects = user.system.kube, user.observer.objects
    kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace)
    with (
        user.evidence.phase("teardown", "the runtime is deleted"),
        kube.changes(kinds.ALLUXIO_RUNTIME, user.namespace) as changed,
    ):
        wait(
            lambda: objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            is_gone,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition="deletion",
            timeout=RUNTIME_GONE_SECONDS * user.timeout_factor,
            changes=changed,
        )
    user.applies(runtime.manifest())
    user.evidence.fact("AlluxioRuntime", "the user deletes it and creates it again, with the quota of 128Mi")
