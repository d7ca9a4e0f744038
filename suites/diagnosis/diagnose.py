"""Who goes through Fluid and who does not: each Pod that uses, or seems to be meant to use, a Dataset."""

from __future__ import annotations

from clusters.kubernetes import kinds
from clusters.product.fluid_snapshots import made_by_fluid, uses_fluid_driver
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.findings import Finding
from suites.diagnosis.objects import PodInfo
from suites.diagnosis.rules.claim_use import ClaimUse
from suites.diagnosis.rules.direct_source import direct_source
from suites.diagnosis.rules.ending_pod import adjusted
from suites.diagnosis.rules.missing_claim import missing_claim
from suites.diagnosis.rules.right_claim import right_claim
from suites.diagnosis.rules.sidecar import sidecars
from suites.diagnosis.rules.wrong_claim import created_by_fluid, hand_made, left_over, namesake, source_claim


def diagnose(state: ClusterState) -> tuple[Finding, ...]:
    """The findings about all Pods, ordered by namespace, Pod, claim and Dataset."""
    found = [finding for pod in state.pods for finding in diagnose_pod(state, pod)]
    return tuple(sorted(found, key=lambda finding: (finding.pod, finding.claim, finding.dataset or ("", ""))))


def diagnose_pod(state: ClusterState, pod: PodInfo) -> tuple[Finding, ...]:
    """The findings about one Pod: one for each claim, export, folder or sidecar that concerns a Dataset."""
    if state.belongs_to_fluid(pod):
        return ()
    found = [_of_claim(ClaimUse(state, pod, claim)) for claim in pod.snapshot.claim_names]
    found += direct_source(state, pod)
    found += sidecars(state, pod)
    return tuple(adjusted(state, pod, finding) for finding in found if finding is not None)


def _of_claim(use: ClaimUse) -> Finding | None:
    """The finding about a Pod and one claim; None if the claim has nothing to do with Fluid."""
    state = use.state
    claim = state.claims_by_key.get(use.key)
    dataset = state.datasets_by_key.get(use.key)
    if claim is None:
        return missing_claim(use, dataset) if state.sees(kinds.CLAIM, use.pod.namespace) else None
    volume = state.volume_of(claim)
    through_fluid = volume is not None and uses_fluid_driver(volume.snapshot)
    if volume is not None and through_fluid and not created_by_fluid(use, claim, volume):
        return hand_made(use, claim, volume)
    if dataset is not None:
        if made_by_fluid(claim) or through_fluid:
            return right_claim(use, claim, volume, dataset)
        return namesake(use, claim, volume, dataset)
    if made_by_fluid(claim) or through_fluid:
        return left_over(use, claim)
    return source_claim(use, claim, volume)
