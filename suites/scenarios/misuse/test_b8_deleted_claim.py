"""Fluid's claim, deleted by its user."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product.fluid_snapshots import made_by_fluid
from clusters.waiting import WaitError, hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.record.defects import Defect
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User, fluid_volume

#: Seconds until Fluid creates a claim again (periodic reconcile: 90 s).
AGAIN_SECONDS: Final = 180.0


@scenario(
    "B8",
    Level.CONFORMANCE,
    issues=(4382,),
    untouched=True,
    defects=(
        Defect(
            "deleted-claim-comes-back-pending",
            "A claim of Fluid that was deleted is created again and stays Pending, because its volume is "
            "still reserved for the old one; no event says so.",
            "pkg/utils/dataset/volume/create.go:53-159 (1.0.8)",
        ),
    ),
)
def test_deleted_claim_of_fluid_can_be_restored(dataset_owner: User) -> None:
    """After Fluid's claim was deleted, claim and volume can be restored, and the data are served.

    The user deletes the claim that Fluid created. If the new one stays Pending, the user follows
    the diagnosis and deletes the volume as well.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    old = objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace)
    assert old is not None
    kube.delete(kinds.CLAIM, DATASET, dataset_owner.namespace, because="the user deletes Fluid's claim")
    again = _wait_for_new_claim(dataset_owner, old.uid)
    application = dataset_owner.application("b8-after", DATASET)
    dataset_owner.applies(application.manifest())
    pending = _stays_pending(dataset_owner) if again.phase != "Bound" else False
    claim = objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace)
    volume = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    dataset_owner.evidence.defect(
        "deleted-claim-comes-back-pending",
        seen=pending,
        says=f"the new claim of Fluid: {claim}; {volume}",
    )
    if pending:
        assert_diagnosis(
            dataset_owner,
            application.name,
            FindingCode.CLAIM_DELETED,
            names=(DATASET, fluid_volume(dataset_owner), "Delete"),
        )
        current = objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace)
        kube.delete(kinds.CLAIM, DATASET, dataset_owner.namespace, because="the user follows the diagnosis")
        kube.delete(kinds.VOLUME, fluid_volume(dataset_owner), because="the user follows the diagnosis")
        _wait_for_new_claim(dataset_owner, current.uid if current else "", bound=True)
    pod = dataset_owner.waits_until_running(application)
    checks.claim_and_volume_of_fluid(dataset_owner)
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)


def _wait_for_new_claim(user: User, old: str, *, bound: bool = False) -> ClaimSnapshot:
    """Wait until Fluid has created the claim again; with ``bound``, until the claim is Bound."""
    objects = user.observer.objects

    def is_new(claim: ClaimSnapshot | None) -> bool:
        if claim is None or claim.uid == old or not made_by_fluid(claim):
            return False
        return claim.phase == "Bound" or not bound

    with user.evidence.phase("waiting", "Fluid creates the claim again"):
        claim = wait(
            user.with_reconcile_requests(lambda: objects.get(ClaimSnapshot, DATASET, user.namespace)),
            is_new,
            subject=f"claim {user.namespace}/{DATASET}",
            condition="replacement by Fluid" + (" and phase Bound" if bound else ""),
            timeout=AGAIN_SECONDS * user.timeout_factor,
            delay=1.0,
            advice="check the logs of the alluxioruntime-controller",
        )
    assert claim is not None
    user.evidence.fact("claim", f"created again by Fluid: {claim}")
    return claim


def why_bound(claim: ClaimSnapshot | None) -> str | None:
    """What contradicts that a claim is not Bound, or None."""
    return f"{claim}" if claim is not None and claim.phase == "Bound" else None


def _stays_pending(user: User) -> bool:
    """Whether the claim is still not Bound at the end of a window."""
    objects = user.observer.objects
    try:
        with user.evidence.phase("window", "the claim stays Pending"):
            hold(
                user.with_reconcile_requests(lambda: objects.get(ClaimSnapshot, DATASET, user.namespace)),
                why_bound,
                subject=f"claim {user.namespace}/{DATASET}",
                condition="another phase than Bound",
                window=user.two_reconciles,
            )
    except WaitError:
        return False
    return True
