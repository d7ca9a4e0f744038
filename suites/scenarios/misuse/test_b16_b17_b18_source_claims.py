"""Source claims that do not exist, are in another namespace, or are mounted twice."""

from __future__ import annotations

from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.defects import Defect
from suites.run.unbindable import APPLICATION, ELSEWHERE, MISSING, OTHER_CLAIM, WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_refused_duplicate_volume
from suites.steps.user import DATASET, SOURCE


@scenario("B16", Level.CONFORMANCE)
def test_missing_source_claim_keeps_the_master_pending(unbindable_dataset: WatchResult) -> None:
    """A Dataset over a claim that does not exist does not get Bound; its master waits for the claim.

    The user misspells the source claim in the Dataset's mount point.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    never_bound.check_master_waits_for(user, MISSING, where="in the cluster")
    checks.reported_events(user, DATASET, "Dataset")
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.SOURCE_CLAIM_MISSING,
        names=(DATASET, MISSING),
    )


@scenario("B17", Level.FULL)
def test_source_claim_of_another_namespace_keeps_the_master_pending(unbindable_dataset: WatchResult) -> None:
    """A Dataset over a claim of another namespace does not get Bound; its master waits for the claim.

    The user's NFS claim is in another namespace than the Dataset.
    """
    user = unbindable_dataset.user
    elsewhere = f"{user.namespace}-{ELSEWHERE}"
    try:
        never_bound.check_never_bound(unbindable_dataset)
        never_bound.check_master_waits_for(user, OTHER_CLAIM, where="in its namespace")
        assert_diagnosis(
            user,
            APPLICATION,
            FindingCode.DATASET_NOT_BOUND,
            cause=CauseCode.SOURCE_CLAIM_ELSEWHERE,
            names=(DATASET, OTHER_CLAIM, elsewhere),
        )
    finally:
        user.removes_namespace(elsewhere)


@scenario(
    "B18",
    Level.CONFORMANCE,
    defects=(
        Defect(
            "same-claim-twice",
            "A Dataset that mounts two folders of one claim cannot be installed: Fluid names a volume of its "
            "Pods after the claim, once for each mount.",
            "pkg/ddc/alluxio/transform_ufs.go:47-67 (1.0.8)",
        ),
    ),
)
def test_one_claim_in_two_mounts_does_not_get_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset that mounts the same claim twice does not get Bound, and an event says why.

    The user writes a mount for each of two folders of one NFS claim.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    event = wait_for_refused_duplicate_volume(user)
    user.evidence.defect(
        "same-claim-twice",
        seen=SOURCE in event.message,
        says=f"Kubernetes refuses what Fluid wrote for the master: {event.message[:300]}",
    )
    never_bound.check_still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.SAME_CLAIM_TWICE,
        names=(DATASET, SOURCE, "once"),
    )
