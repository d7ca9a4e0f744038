"""A foreign claim that has the Dataset's name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product.fluid_snapshots import made_by_fluid
from clusters.waiting import WaitError, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.record.defects import Defect
from suites.steps import checks, deletion, leaks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User, fluid_volume

#: Seconds until Fluid's volume exists once the Dataset is Bound.
VOLUME_SECONDS: Final = 90.0


@scenario(
    "B2",
    Level.CONFORMANCE,
    issues=(4388,),
    defects=(
        Defect(
            "same-name-claim-accepted",
            "An existing claim with the Dataset's name is taken for that of Fluid: the Dataset gets Bound, "
            "and applications that mount the claim bypass Fluid.",
            "pkg/controllers/runtime_controller.go:291-296 (1.0.8)",
        ),
        Defect(
            "same-name-claim-unprotected",
            "A Dataset whose name a foreign claim has is deleted although applications use that claim.",
            "pkg/utils/kubeclient/volume.go:281-302 (1.0.8)",
        ),
    ),
)
def test_foreign_claim_with_the_datasets_name_is_not_accelerated(user: User, window: float) -> None:
    """An application on a foreign claim that has the Dataset's name reads the right data and bypasses Fluid.

    The user has an NFS claim ``demo`` and creates a Dataset ``demo`` in its namespace.
    """
    user.creates_source(DATASET)
    user.creates_dataset()
    try:
        user.waits_until_bound()
    except WaitError as error:
        refusal = refusal_of_claim(user.observer.objects.events(user.namespace), DATASET)
        if refusal is None or user.observer.dataset(user.namespace, DATASET).bound:
            raise
        says = f"Fluid refuses it: {refusal} ({error.message})"
        user.evidence.defect("same-name-claim-accepted", seen=False, says=says)
        return
    volume = _wait_for_volume(user)
    claim = user.observer.objects.get(ClaimSnapshot, DATASET, user.namespace)
    assert claim is not None
    user.evidence.defect(
        "same-name-claim-accepted",
        seen=not made_by_fluid(claim) and volume.phase == "Available",
        says=f"the Dataset is Bound; {claim}; Fluid created {volume}",
    )
    pod = user.starts(user.application("b2-namesake", DATASET))
    checks.reads_raw_nfs(user, pod, "the application on the user's own claim")
    user.reads_right(pod)
    checks.no_fuse_over_window(user, window, lambda: user.reads_right_quietly(pod))
    checks.nothing_cached(user)
    assert_diagnosis(
        user, pod.name, FindingCode.NAMESAKE_CLAIM, names=(pod.name, DATASET, "Fluid did not make")
    )
    _check_deletion_in_use(user, pod)
    checks.claim_kept(claim, user.observer.objects.get(ClaimSnapshot, DATASET, user.namespace))
    user.reads_right(pod, who="application, Dataset deleted")


def refusal_of_claim(events: Iterable[EventSnapshot], name: str) -> str | None:
    """What Fluid says against a claim that has the Dataset's name, or None.

    Only warnings about the Dataset or its runtime count, and only if they name that claim: a Pod that waits
    for another claim is no refusal.
    """
    named = re.compile(
        rf"(persistentvolumeclaim|pvc)s?\W+(?:\S+/)?{re.escape(name)}(?![\w.-])", re.IGNORECASE
    )
    for event in events:
        about = event.kind in {"Dataset", "AlluxioRuntime"} and event.name == name
        if about and event.type == "Warning" and named.search(event.message):
            return f"{event.reason}: {event.message[:300]}"
    return None


def _check_deletion_in_use(user: User, pod: PodSnapshot) -> None:
    kept = deletion.delete_while_used_by(user, pod)
    user.evidence.defect(
        "same-name-claim-unprotected",
        seen=not kept,
        says=kept or "the Dataset was deleted while an application used the claim of its name",
    )
    if not kept:
        user.deletes_dataset()
        leaks.nothing_left(user)


def _wait_for_volume(user: User) -> VolumeSnapshot:
    """Wait for the volume that Fluid creates once the Dataset is Bound."""
    objects, name = user.observer.objects, fluid_volume(user)

    def has_a_phase(volume: VolumeSnapshot | None) -> bool:
        return volume is not None and bool(volume.phase)

    volume = wait(
        lambda: objects.get(VolumeSnapshot, name),
        has_a_phase,
        subject=f"volume {name}",
        condition="creation by Fluid",
        timeout=VOLUME_SECONDS,
    )
    assert volume is not None
    return volume
