"""Tiers whose quota is too large or missing."""

from __future__ import annotations

from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.run.unbindable import APPLICATION, WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET


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
        says="is greater than worker limits memory",
    )
    never_bound.check_no_pods(unbindable_dataset)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.QUOTA_OVER_LIMIT,
        names=(DATASET, "512 MiB", "256 MiB"),
    )


@scenario("B22", Level.FULL)
def test_tier_without_a_quota_is_refused(unbindable_dataset: WatchResult) -> None:
    """A tier without a quota is refused, and an event says what is missing.

    The user configures a tier in memory and forgets its size.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    wait_for_event(user, "AlluxioRuntime", DATASET, says="quota")
    never_bound.check_no_pods(unbindable_dataset)
    assert_diagnosis(
        user, APPLICATION, FindingCode.DATASET_NOT_BOUND, cause=CauseCode.NO_QUOTA, names=(DATASET, "quota")
    )
