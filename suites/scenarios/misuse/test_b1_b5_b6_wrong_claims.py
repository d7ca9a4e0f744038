"""Applications that mount another claim than that of Fluid."""

from __future__ import annotations

from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.run.pending_applications import MISSPELT, PendingApplication
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, SOURCE, User


@scenario("B1", Level.SMOKE, issues=(4388,))
def test_application_on_the_source_claim_is_not_accelerated(dataset_owner: User, window: float) -> None:
    """An application on the original NFS claim reads the right data, and nothing is accelerated.

    The user creates a Dataset and then mounts the *source* claim instead of Fluid's, as in issue
    4388. No event says so. The same application on Fluid's claim is then served by a Fuse Pod.
    """
    wrong = dataset_owner.starts(dataset_owner.application("b1-original", SOURCE))
    checks.reads_raw_nfs(dataset_owner, wrong, "the application on the original claim")
    dataset_owner.reads_right(wrong)
    checks.no_fuse_over_window(dataset_owner, window, lambda: dataset_owner.reads_right_quietly(wrong))
    checks.nothing_cached(dataset_owner)
    checks.reported_events(dataset_owner, DATASET)
    assert_diagnosis(
        dataset_owner,
        wrong.name,
        FindingCode.ORIGINAL_CLAIM,
        names=(
            f"Pod `{wrong.name}` mounts claim `{SOURCE}`",
            f"source of Dataset `{DATASET}`",
            "reads past Fluid",
            f"Mount claim `{DATASET}` instead",
        ),
    )
    right = dataset_owner.starts(dataset_owner.application("b1-right", DATASET))
    checks.served_by_fluid(dataset_owner, right)
    assert_diagnosis(dataset_owner, right.name, FindingCode.SERVED, names=(DATASET,))
    dataset_owner.reads_right(right, who="positive control")
    checks.all_cached(dataset_owner)


@scenario("B5", Level.SMOKE)
def test_claim_of_another_namespace_leaves_the_application_pending(
    shared_user: User, pending_application: PendingApplication
) -> None:
    """An application in another namespace than the Dataset stays Pending, and its condition says why.

    The user starts a Pod that names Fluid's claim in a namespace that has no such claim.
    """
    elsewhere = pending_application.namespace
    try:
        _check_stayed_pending(shared_user, pending_application)
        assert_diagnosis(
            shared_user,
            pending_application.case.name,
            FindingCode.OTHER_NAMESPACE,
            names=(elsewhere, shared_user.namespace, DATASET),
            namespace=elsewhere,
        )
    finally:
        shared_user.removes_namespace(elsewhere)


@scenario("B6", Level.SMOKE)
def test_misspelt_claim_leaves_the_application_pending(
    shared_user: User, pending_application: PendingApplication
) -> None:
    """An application that misspells the claim stays Pending, and its condition says why.

    The user starts a Pod on claim ``demmo`` where Fluid's claim is ``demo``.
    """
    _check_stayed_pending(shared_user, pending_application)
    assert_diagnosis(
        shared_user,
        pending_application.case.name,
        FindingCode.MISSPELT,
        names=(MISSPELT, f"Mount claim `{DATASET}`"),
    )


def _check_stayed_pending(user: User, watched: PendingApplication) -> None:
    """During a window the Pod was not scheduled, and Kubernetes says that the claim is missing."""
    if watched.error is not None:
        raise watched.error
    name, claim = watched.case.name, watched.case.claim
    last = watched.observations[-1]
    if not last.scheduling:
        checks.fail(
            f"Pod {name} is Pending, and no condition says why",
            subject=f"Pod {watched.namespace}/{name}",
            expected=f"condition PodScheduled=False with a message about claim {claim}",
            seen=str(last),
        )
    user.evidence.fact(
        "Pod condition",
        last.scheduling,
        looks=len(watched.observations),
        watched_together=watched.together,
    )
    if watched.new_fuse:
        checks.fail(
            "a Fuse Pod was started for a Pod that is not scheduled",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="no new Fuse Pod",
            seen=watched.new_fuse,
        )
