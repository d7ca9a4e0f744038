"""Tiers whose quota is too large or missing."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.meta import find_condition
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from clusters.waiting import WaitError, is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.defects import Defect
from suites.run.unbindable import APPLICATION, WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import EVENT_SECONDS, wait_for_event
from suites.steps.user import DATASET, User

#: How Fluid says that the quota is larger than the limit.
GREATER: Final = "is greater than worker limits memory"
#: Seconds until a runtime that its Dataset owns is deleted with it; Fluid tries again after 20 s.
GONE_SECONDS: Final = 60.0
RUNTIME_STAYS: Final = "runtime-without-owner-stays"


@scenario("B20", Level.CONFORMANCE, fields=("AlluxioRuntime.spec.worker.resources.limits",))
def test_cache_larger_than_the_workers_memory_limit_is_refused(unbindable_dataset: WatchResult) -> None:
    """A memory tier larger than the worker's memory limit is refused, and an event names both sizes.

    The user sets a limit of 256Mi for the worker and a quota of 512Mi for its cache in memory.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    wait_for_event(
        user,
        "AlluxioRuntime",
        DATASET,
        reason="ErrorProcessRuntime",
        says=GREATER,
    )
    _check_not_ready(user)
    never_bound.check_no_pods(unbindable_dataset)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.QUOTA_OVER_LIMIT,
        names=(DATASET, "512 MiB", "256 MiB"),
    )


def _check_not_ready(user: User) -> None:
    """The Dataset itself says why it cannot be set up (pkg/controllers/runtime_controller.go:391-416)."""

    def is_said(dataset: DatasetSnapshot) -> bool:
        condition = find_condition(dataset.conditions, "NotReady")
        return condition is not None and condition.status == "True" and GREATER in condition.message

    with user.evidence.phase("waiting", "the Dataset's conditions say why"):
        wait(
            lambda: user.observer.dataset(user.namespace, DATASET),
            is_said,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"condition NotReady=True with the text “{GREATER}”",
            timeout=EVENT_SECONDS * user.timeout_factor,
            describe=lambda seen: (
                "; ".join(f"{one} {one.message[:200]}" for one in seen.conditions) or "no condition"
            ),
        )
    user.evidence.fact("Dataset status", f"condition NotReady: {GREATER}")


@scenario(
    "B22",
    Level.FULL,
    defects=(
        Defect(
            RUNTIME_STAYS,
            "A runtime that could not be set up, because its tier has no quota, has no owner: it stays when "
            "its Dataset is deleted.",
            "pkg/controllers/runtime_controller.go:101-141, pkg/ddc/base/runtime.go:404 (1.0.8)",
        ),
    ),
)
def test_tier_without_a_quota_is_refused(unbindable_dataset: WatchResult) -> None:
    """A tier without a quota is refused, an event says what is missing, and the Dataset can be deleted.

    The user configures a tier in memory and forgets its size, and then deletes the Dataset.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    wait_for_event(user, "AlluxioRuntime", DATASET, says="quota")
    never_bound.check_no_pods(unbindable_dataset)
    assert_diagnosis(
        user, APPLICATION, FindingCode.DATASET_NOT_BOUND, cause=CauseCode.NO_QUOTA, names=(DATASET, "quota")
    )
    _check_deletion(user)


def _check_deletion(user: User) -> None:
    """The Dataset is deleted; record whether its runtime is deleted with it."""
    objects = user.observer.objects
    user.system.kube.delete(kinds.DATASET, DATASET, user.namespace)
    with user.evidence.phase("waiting", "the Dataset is deleted"):
        wait(
            lambda: objects.get(DatasetSnapshot, DATASET, user.namespace),
            is_gone,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="deletion",
            timeout=GONE_SECONDS,
        )
    try:
        with user.evidence.phase("waiting", "its runtime is deleted, or stays"):
            wait(
                lambda: objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
                is_gone,
                subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
                condition="deletion with its Dataset",
                timeout=GONE_SECONDS,
            )
    except WaitError:
        runtime = objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace)
        owners = ", ".join(owner.kind for owner in runtime.meta.owners) if runtime is not None else ""
        says = f"its runtime stays {GONE_SECONDS:g} s after the Dataset; owners: {owners or 'none'}"
        user.evidence.defect(RUNTIME_STAYS, seen=True, says=says)
        return
    user.evidence.defect(RUNTIME_STAYS, seen=False, says="its runtime was deleted with it")
