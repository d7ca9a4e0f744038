"""A copy of Fluid's volume in another namespace."""

from __future__ import annotations

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.record.defects import Defect
from suites.steps import checks, deletion, leaks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.object_copies import as_written
from suites.steps.user import DATASET, PHASE_SECONDS, User, fluid_volume, unique


@scenario(
    "B4",
    Level.FULL,
    issues=(2260,),
    defects=(
        Defect(
            "copied-volume-unprotected",
            "A Dataset is deleted although an application uses it through a copy of Fluid's volume: only "
            "Pods on Fluid's own claim are searched.",
            "pkg/utils/kubeclient/volume.go:281-302 (1.0.8)",
        ),
    ),
)
def test_copy_of_fluids_volume_serves_another_namespace(dataset_owner: User) -> None:
    """A copy of Fluid's volume serves an application of another namespace, and does not keep its Dataset.

    The user copies Fluid's volume and claim under other names into another namespace, and later deletes the
    Dataset while the application there reads.
    """
    elsewhere = dataset_owner.creates_extra_namespace(unique("fc-elsewhere"))
    volume = unique("b4-copy")
    pod: PodSnapshot | None = None
    try:
        _copies_volume(dataset_owner, elsewhere, volume)
        pod = dataset_owner.starts(dataset_owner.application("b4-elsewhere", DATASET, namespace=elsewhere))
        checks.served_by_fluid(dataset_owner, pod)
        dataset_owner.reads_right(pod)
        assert_diagnosis(
            dataset_owner,
            pod.name,
            FindingCode.HAND_MADE_VOLUME,
            names=(
                volume,
                "made by hand",
                "neither protects nor mends",
                f"dataset://{dataset_owner.namespace}",
            ),
            namespace=elsewhere,
        )
        if not _kept_while_used(dataset_owner, pod):
            checks.dead_mount(dataset_owner, pod)
            dataset_owner.stops(pod)
            pod = None
            leaks.nothing_left(dataset_owner)
    finally:
        if pod is not None:
            dataset_owner.stops(pod)
        dataset_owner.system.kube.delete(kinds.CLAIM, DATASET, elsewhere)
        dataset_owner.system.kube.delete(kinds.VOLUME, volume)
        dataset_owner.removes_namespace(elsewhere)


def _copies_volume(user: User, elsewhere: str, name: str) -> None:
    """Copy Fluid's volume and claim under other names, with the same attributes."""
    kube, objects = user.system.kube, user.observer.objects
    volume = kube.get(kinds.VOLUME, fluid_volume(user))
    claim = kube.get(kinds.CLAIM, DATASET, user.namespace)
    assert volume is not None
    assert claim is not None
    copied = as_written(volume)
    copied["metadata"]["name"] = name
    copied["spec"]["claimRef"] = {"namespace": elsewhere, "name": DATASET}
    copied["spec"]["csi"]["volumeHandle"] = name
    copied_claim = as_written(claim)
    copied_claim["metadata"]["namespace"] = elsewhere
    copied_claim["metadata"].pop("ownerReferences", None)  # an owner cannot be in another namespace
    copied_claim["spec"]["volumeName"] = name
    user.applies(copied, copied_claim)

    def is_bound(claim: ClaimSnapshot | None) -> bool:
        return claim is not None and claim.phase == "Bound"

    with kube.changes(kinds.CLAIM, elsewhere) as changed:
        wait(
            lambda: objects.get(ClaimSnapshot, DATASET, elsewhere),
            is_bound,
            subject=f"claim {elsewhere}/{DATASET}",
            condition="phase Bound",
            timeout=PHASE_SECONDS,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    user.evidence.fact("claim and volume", f"copied into {elsewhere}", volume=name)


def _kept_while_used(user: User, pod: PodSnapshot) -> bool:
    """Whether Fluid keeps the deleted Dataset because the application reads through the copy."""
    kept = deletion.delete_while_used_by(user, pod)
    user.evidence.defect(
        "copied-volume-unprotected",
        seen=not kept,
        says=kept or "the Dataset was deleted while an application of another namespace used the copy",
    )
    if not kept:
        user.deletes_dataset()
    return bool(kept)
