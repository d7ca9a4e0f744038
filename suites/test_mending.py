"""Group E: what could not be set up is mended by its user, and has to work then."""

from __future__ import annotations

from typing import Final

from clusters.snapshots import EventSnapshot
from clusters.waiting import wait
from suites import checks
from suites.events import told_by_event
from suites.scenario import Defect, Level, scenario
from suites.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import AlluxioRuntime, Component
from workloads.models.dataset import Dataset, Mount
from workloads.models.laptop import laptop_runtime
from workloads.models.shared import Resources

#: Seconds until Fluid has tried again, twice: it tries each 20 s, and sooner when it is nudged.
AGAIN_SECONDS: Final = 180.0
#: Failed tries after which a change is ignored: one may have been under way when it was made.
TRIES: Final = 2
OVER_LIMIT: Final = "is greater than worker limits memory"
NOT_INSTALLED: Final = "failed to install kubernetes resources"


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
    ),
)
def test_dataset_that_could_not_be_set_up_gets_bound_once_mended(user: User) -> None:
    """A Dataset that cannot be set up gets Bound once its user has mended what the events told.

    The user gives the cache more memory than the worker may have, and mounts one claim twice; lowers the
    quota, takes the limit away, and then writes one mount.
    """
    mounts = tuple(
        Mount(mount_point=f"pvc://{SOURCE}/{folder}", name=folder) for folder in ("train", "labels")
    )
    user.makes_dataset(
        Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"),
        _limited(user, quota="512Mi"),
    )
    _cannot_be_set_up(user, OVER_LIMIT)

    before = _refusals(_events(user))
    user.applies(_limited(user, quota="128Mi").manifest())
    user.evidence.fact("AlluxioRuntime", "the user lowers the quota to 128Mi, under the limit")
    _quota_counts(user, before)

    user.applies(laptop_runtime(user.namespace, DATASET, quota="128Mi").manifest())
    user.evidence.fact("AlluxioRuntime", "the user takes the worker's limit away")
    _cannot_be_set_up(user, NOT_INSTALLED)

    user.applies(Dataset.over_claim(user.namespace, DATASET, SOURCE).but(placement="Shared").manifest())
    user.evidence.fact("Dataset", "the user mounts the claim once")
    user.waits_until_bound()
    checks.claim_and_volume_of_fluid(user)
    pod = user.starts(user.application("e11-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    checks.all_cached(user)
    capacity = user.observer.dataset(user.namespace, DATASET).cache.capacity
    user.evidence.fact("Dataset status", f"cacheCapacity {capacity or 'not told yet'}, quota 128Mi")


def _limited(user: User, *, quota: str) -> AlluxioRuntime:
    """A runtime whose worker may have 256Mi, with that quota in memory."""
    runtime = laptop_runtime(user.namespace, DATASET, quota=quota)
    worker = (runtime.worker or Component()).but(resources=Resources(limits={"memory": "256Mi"}))
    return runtime.but(worker=worker)


def _cannot_be_set_up(user: User, says: str) -> None:
    """An event tells why, and the Dataset is not Bound."""
    told_by_event(
        user, "AlluxioRuntime", DATASET, reason="ErrorProcessRuntime", says=says, timeout=AGAIN_SECONDS
    )
    dataset = user.observer.dataset(user.namespace, DATASET)
    if dataset.bound:
        raise checks.fail(
            "a Dataset that cannot be set up is Bound",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase NotBound",
            seen=str(dataset),
        )
    user.evidence.fact("Dataset status", f"phase {dataset.phase or 'empty'}")


def _events(user: User) -> tuple[EventSnapshot, ...]:
    return user.observer.view.events(user.namespace, DATASET, "AlluxioRuntime")


def _refusals(events: tuple[EventSnapshot, ...]) -> int:
    """How often Fluid has refused the quota by now."""
    return sum(event.count for event in events if OVER_LIMIT in event.message)


def _quota_counts(user: User, before: int) -> None:
    """Whether Fluid goes by the lowered quota: then it comes as far as the next mistake, the mounts."""

    def look() -> tuple[EventSnapshot, ...]:
        user.nudges()
        return _events(user)

    def installs(events: tuple[EventSnapshot, ...]) -> bool:
        return any(NOT_INSTALLED in event.message for event in events)

    with user.evidence.phase("waiting", "Fluid tries again"):
        events = wait(
            look,
            lambda seen: installs(seen) or _refusals(seen) >= before + TRIES,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition="tried again after its quota was lowered",
            timeout=AGAIN_SECONDS * user.patience,
            delay=5.0,
            describe=lambda seen: "; ".join(map(str, seen[-3:])) or "no event",
        )
    refused = _refusals(events) - before
    user.evidence.defect(
        "mended-quota-ignored",
        seen=not installs(events),
        says="the lowered quota counts"
        if installs(events)
        else f"the old quota was refused {refused} times more after it had been lowered",
        refused=refused,
    )
