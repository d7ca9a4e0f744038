"""Group E: what could not be set up is mended by its user, and has to work then."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import WaitError, exists, is_gone, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.steps import checks
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import AlluxioRuntime, Component
from workloads.models.dataset import Dataset, Mount
from workloads.models.shared import Resources
from workloads.models.small_runtime import laptop_runtime

#: Seconds until Fluid has tried again, twice: it tries each 20 s, and sooner when it is nudged.
AGAIN_SECONDS: Final = 180.0
#: Failed tries after which a change is ignored: one may have been under way when it was made.
TRIES: Final = 2
#: Seconds for which mended mounts are given time to count, with nudges: two rounds of Fluid's retry.
MOUNTS_SECONDS: Final = 45.0
#: Seconds until a runtime that never ran is gone.
RUNTIME_GONE_SECONDS: Final = 180.0
#: Seconds between two nudges.
NUDGE_SECONDS: Final = 5.0
OVER_LIMIT: Final = "is greater than worker limits memory"


@scenario(
    "E11",
    Level.FULL,
    defects=(
        Defect(
            "mended-quota-ignored",
            "A tier's quota that is lowered after a failed set-up is ignored: Fluid keeps the tiers as they "
            "were when it saw the runtime first, until its controller is started again.",
            "pkg/ddc/alluxio/runtime_info.go:28-38, transform_resources.go:88-112 (1.0.8)",
        ),
        Defect(
            "mended-mounts-ignored",
            "Mounts that are mended once the master's StatefulSet was written are ignored: it is never "
            "written again, and only a new runtime helps.",
            "pkg/ddc/alluxio/master.go:75-90 (1.0.8)",
        ),
    ),
)
def test_dataset_that_could_not_be_set_up_gets_bound_once_mended(user: User) -> None:
    """A Dataset that cannot be set up gets Bound once its user has mended what the events told.

    The user gives the cache more memory than the worker may have, and mounts one claim twice; lowers the
    quota, takes the limit away, writes one mount, and at last makes the runtime anew.
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
    _lowers_quota(user)

    mended = laptop_runtime(user.namespace, DATASET, quota="128Mi")
    user.applies(mended.manifest())
    user.evidence.fact("AlluxioRuntime", "the user takes the worker's limit away")
    wait_for_event(
        user,
        "StatefulSet",
        fluid_names.master_name(DATASET),
        reason="FailedCreate",
        says="Duplicate value",
        timeout=AGAIN_SECONDS * user.timeout_factor,
    )
    _not_bound(user)

    if not _mends_mounts(user):
        _makes_runtime_anew(user, mended)
    user.waits_until_bound()
    checks.claim_and_volume_of_fluid(user)
    pod = user.starts(user.application("e11-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    checks.all_cached(user)


def _limited(user: User, *, quota: str) -> AlluxioRuntime:
    """A runtime whose worker may have 256Mi, with that quota in memory."""
    runtime = laptop_runtime(user.namespace, DATASET, quota=quota)
    worker = (runtime.worker or Component()).evolve(resources=Resources(limits={"memory": "256Mi"}))
    return runtime.evolve(worker=worker)


def _not_bound(user: User) -> None:
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
    """How often Fluid has refused the quota by now."""
    return sum(event.count for event in events if OVER_LIMIT in event.message)


def _lowers_quota(user: User) -> None:
    """The user lowers the quota under the limit; see whether Fluid goes on, or refuses the old one again."""
    objects = user.observer.objects

    def look() -> tuple[bool, tuple[EventSnapshot, ...]]:
        user.request_reconcile()
        master = objects.get(StatefulSetSnapshot, fluid_names.master_name(DATASET), user.namespace)
        return master is not None, objects.events(user.namespace, DATASET, "AlluxioRuntime")

    _, before = look()
    user.applies(_limited(user, quota="128Mi").manifest())
    user.evidence.fact("AlluxioRuntime", "the user lowers the quota to 128Mi, under the limit")
    with user.evidence.phase("waiting", "Fluid tries again"):
        goes_on, events = wait(
            look,
            lambda seen: seen[0] or _refusals(seen[1]) >= _refusals(before) + TRIES,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition="a new attempt with the lower quota",
            timeout=AGAIN_SECONDS * user.timeout_factor,
            delay=NUDGE_SECONDS,
            describe=lambda seen: "; ".join(map(str, seen[1][-3:])) or "no event",
        )
    refused = _refusals(events) - _refusals(before)
    user.evidence.defect(
        "mended-quota-ignored",
        seen=not goes_on,
        says="Fluid goes on with the lowered quota"
        if goes_on
        else f"the old quota was refused {refused} times more after it had been lowered",
        refused=refused,
    )


def _mends_mounts(user: User) -> bool:
    """The user mounts the claim once; whether the master's Pod then comes by itself."""
    objects = user.observer.objects
    before = objects.get(StatefulSetSnapshot, fluid_names.master_name(DATASET), user.namespace)
    user.applies(Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared").manifest())
    user.evidence.fact("Dataset", "the user mounts the claim once")

    def look() -> PodSnapshot | None:
        user.request_reconcile()
        return objects.get(PodSnapshot, fluid_names.master_pod(DATASET), user.namespace)

    came = True
    try:
        with user.evidence.phase("window", "mended mounts are given time to count"):
            wait(
                look,
                exists,
                subject=f"Pod {user.namespace}/{fluid_names.master_pod(DATASET)}",
                condition="creation",
                timeout=MOUNTS_SECONDS,
                delay=NUDGE_SECONDS,
            )
    except WaitError:
        came = False
    after = objects.get(StatefulSetSnapshot, fluid_names.master_name(DATASET), user.namespace)
    spec_fields = before is None or after is None or after.meta.generation != before.meta.generation
    user.evidence.defect(
        "mended-mounts-ignored",
        seen=not came,
        says="the master's Pod came once the mounts were mended"
        if came
        else f"no master's Pod in {MOUNTS_SECONDS:g} s; its StatefulSet was "
        f"{'spec_fields' if spec_fields else 'not spec_fields'} again",
    )
    return came


def _makes_runtime_anew(user: User, runtime: AlluxioRuntime) -> None:
    """The user deletes the runtime and makes it again."""
    kube, objects = user.system.kube, user.observer.objects
    kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace)
    with (
        user.evidence.phase("teardown", "the runtime goes"),
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
    user.evidence.fact("AlluxioRuntime", "the user deletes it and makes it again, with the quota of 128Mi")
