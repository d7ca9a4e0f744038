"""Applications that mount another claim than that of Fluid."""

from __future__ import annotations

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, SOURCE, User, unique

#: Seconds for which a Pod that cannot start is watched; kubelet and scheduler try several times meanwhile.
STUCK_SECONDS = 20.0


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
def test_claim_of_another_namespace_leaves_the_application_pending(shared_user: User) -> None:
    """An application in another namespace than the Dataset stays Pending, and its condition says why.

    The user starts a Pod that names Fluid's claim in a namespace that has no such claim.
    """
    elsewhere = shared_user.creates_extra_namespace(unique("fc-elsewhere"))
    try:
        application = shared_user.application("b5-elsewhere", DATASET, namespace=elsewhere)
        shared_user.applies(application.manifest())
        _check_stays_pending(shared_user, elsewhere, "b5-elsewhere", DATASET)
        assert_diagnosis(
            shared_user,
            "b5-elsewhere",
            FindingCode.OTHER_NAMESPACE,
            names=(elsewhere, shared_user.namespace, DATASET),
            namespace=elsewhere,
        )
    finally:
        shared_user.removes_namespace(elsewhere)


@scenario("B6", Level.SMOKE)
def test_misspelt_claim_leaves_the_application_pending(shared_user: User) -> None:
    """An application that misspells the claim stays Pending, and its condition says why.

    The user starts a Pod on claim ``demmo`` where Fluid's claim is ``demo``.
    """
    shared_user.applies(shared_user.application("b6-misspelt", "demmo").manifest())
    _check_stays_pending(shared_user, shared_user.namespace, "b6-misspelt", "demmo")
    assert_diagnosis(
        shared_user, "b6-misspelt", FindingCode.MISSPELT, names=("demmo", f"Mount claim `{DATASET}`")
    )


def why_not_pending(pod: PodSnapshot | None) -> str | None:
    """What contradicts that a Pod is Pending without a node, or None."""
    if pod is None:
        return "it was deleted"
    return f"it was scheduled to {pod.node}" if pod.node or pod.phase != "Pending" else None


def _check_stays_pending(user: User, namespace: str, name: str, claim: str) -> None:
    """During a window the Pod is not scheduled, and Kubernetes says that the claim is missing."""
    objects = user.observer.objects
    user.waits_for_scheduling_verdict(namespace, name)
    before = user.observer.fuse(user.namespace, DATASET)
    with user.evidence.phase("window", f"Pod {name} stays Pending"):
        seen = hold(
            lambda: objects.get(PodSnapshot, name, namespace),
            why_not_pending,
            subject=f"Pod {namespace}/{name}",
            condition="phase Pending without a node",
            window=STUCK_SECONDS,
        )
    last = seen[-1]
    assert last is not None
    if not last.scheduling:
        checks.fail(
            f"Pod {name} is Pending, and no condition says why",
            subject=f"Pod {namespace}/{name}",
            expected=f"condition PodScheduled=False with a message about claim {claim}",
            seen=str(last),
        )
    user.evidence.fact("Pod condition", last.scheduling, looks=len(seen))
    after = user.observer.fuse(user.namespace, DATASET)
    if set(after.pods) - set(before.pods):
        checks.fail(
            "a Fuse Pod was started for a Pod that is not scheduled",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="no new Fuse Pod",
            seen=str(after),
        )
