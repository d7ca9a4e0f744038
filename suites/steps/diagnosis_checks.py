"""What a user is told: the doctor's own diagnosis of a Pod, asked for by scenarios.

Kubernetes and Fluid say little of a claim that is used wrongly, so the doctor has to. Its sentence is
checked where the truth is known; a wrong one is a defect of the harness, never a finding about Fluid.
"""

from __future__ import annotations

from collections.abc import Sequence

from clusters.errors import HarnessError
from suites.diagnosis import CauseKind, ClusterState, Finding, Verdict, collect, diagnose_pod, look_inside
from suites.steps.user import User


def assert_diagnosis(
    user: User,
    pod: str,
    verdict: Verdict,
    *,
    cause: CauseKind | None = None,
    names: Sequence[str] = (),
    namespace: str = "",
    inside: bool = False,
) -> Finding:
    """The diagnosis finds that very case for a Pod, and names what the user has to know.

    Args:
        user: whose cluster is looked at.
        pod: name of the Pod.
        verdict: the case.
        cause: why its Dataset is not Bound, where that is the case.
        names: words that the told sentences must hold, such as the claim to mount instead.
        namespace: of the Pod; without it the user's.
        inside: add the proof from inside the Pod.

    Raises:
        HarnessError: it finds nothing, or another case, or leaves a name out.
    """
    picture = collect(user.system.kube)
    key = (namespace or user.namespace, pod)
    findings = _findings(user, picture, key, inside=inside)
    told = " | ".join(f"{finding.verdict}: {finding}" for finding in findings) or "nothing"
    match = next((finding for finding in findings if _fits(finding, verdict, cause)), None)
    missing = [name for name in names if match is not None and name not in str(match)]
    if match is None or missing:
        raise HarnessError(
            f"the diagnosis does not say what is wrong with Pod {pod}",
            subject=f"Pod {'/'.join(key)}",
            condition=f"{verdict}{f' because of {cause}' if cause else ''}"
            + (f", naming {', '.join(names)}" if names else ""),
            last_seen=told,
            advice="mend suites/diagnosis",
        )
    user.evidence.fact(
        "diagnosis",
        str(match),
        verdict=str(match.verdict),
        pod=pod,
        used=match.claim,
        dataset=match.dataset[1] if match.dataset else None,
        evidence="; ".join(map(str, match.evidence)),
    )
    return match


def _findings(
    user: User, picture: ClusterState, key: tuple[str, str], *, inside: bool
) -> tuple[Finding, ...]:
    seen = picture.pods_by_key.get(key)
    if seen is None:
        return ()
    findings = diagnose_pod(picture, seen)
    if inside:
        findings, _ = look_inside(user.system.kube.exec, picture, findings)
    return findings


def _fits(finding: Finding, verdict: Verdict, cause: CauseKind | None) -> bool:
    return finding.verdict is verdict and (cause is None or cause in [found.kind for found in finding.causes])
