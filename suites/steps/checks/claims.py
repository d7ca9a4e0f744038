"""What must hold of claims and volumes."""

from __future__ import annotations

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import made_by_fluid, uses_fluid_driver
from suites.steps.checks.failure import fail
from suites.steps.user import DATASET, User


def claim_and_volume_of_fluid(user: User, dataset: str = DATASET) -> None:
    """Fluid made claim and volume, named by its rules, with its marks, bound to each other."""
    objects = user.observer.objects
    claim, volume_name = (
        objects.get(ClaimSnapshot, dataset, user.namespace),
        fluid_names.volume_name(user.namespace, dataset),
    )
    volume = objects.get(VolumeSnapshot, volume_name)
    subject = f"claim {user.namespace}/{dataset}"
    if claim is None or volume is None:
        fail(
            f"Fluid did not make claim {dataset} and volume {volume_name}",
            subject=subject,
            expected="claim and volume by Fluid",
            seen=f"{claim or 'no claim'}; {volume or 'no volume'}",
        )
    label = fluid_names.common_label(user.namespace, dataset)
    wrong = [
        text
        for holds, text in (
            (made_by_fluid(claim), "the claim lacks annotation CreatedBy=fluid"),
            (made_by_fluid(volume), "the volume lacks annotation CreatedBy=fluid"),
            (claim.phase == "Bound", f"the claim is {claim.phase}"),
            (claim.volume_name == volume_name, f"the claim is bound to {claim.volume_name}"),
            (uses_fluid_driver(volume), f"the volume's driver is {volume.driver}"),
            (claim.labels.get(label) == "true", f"the claim lacks label {label}"),
        )
        if not holds
    ]
    if wrong:
        fail(
            f"claim {dataset} is not one that Fluid made: {'; '.join(wrong)}",
            subject=subject,
            expected="claim and volume with Fluid's marks",
            seen=f"{claim}; {volume}",
        )
    user.evidence.fact("claim and volume", "made by Fluid and bound", claim=claim.name, volume=volume.name)


def no_such_claim(user: User, name: str) -> None:
    """There is no claim of that name in the user's namespace."""
    if user.system.kube.get(kinds.CLAIM, name, user.namespace) is not None:
        fail(
            f"there is a claim {name}, though its Dataset is not Bound",
            subject=f"claim {user.namespace}/{name}",
            expected="no claim",
            seen="a claim",
        )
    user.evidence.fact("claims", f"there is no claim {name}")


def claim_kept(before: ClaimSnapshot, now: ClaimSnapshot | None) -> None:
    """A claim of the user's own is neither deleted nor being deleted.

    While an application uses it, a deleted claim stays and serves (pvc-protection), so that reads do not show
    a deletion.
    """
    if now is None or now.deleting or now.meta.uid != before.meta.uid:
        fail(
            "the user's own claim is deleted",
            subject=f"claim {before.namespace}/{before.name}",
            expected="the claim as it was",
            seen=str(now or "no claim"),
        )
