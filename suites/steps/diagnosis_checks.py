"""The doctor's diagnosis of a Pod, checked by scenarios that know what is wrong with it.

Kubernetes and Fluid report little about a claim that is used wrongly, so the doctor has to. A wrong
diagnosis is a defect of the harness, never a finding about Fluid: it is recorded next to the verdict of the
scenario, whose own checks and controls go on, and it is no failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from clusters.errors import HarnessError
from suites.diagnosis import (
    CauseCode,
    ClusterState,
    Finding,
    FindingCode,
    collect,
    diagnose_pod,
    prove_in_pods,
)
from suites.steps.user import User


def assert_diagnosis(
    user: User,
    pod: str,
    code: FindingCode,
    *,
    cause: CauseCode | None = None,
    names: Sequence[str] = (),
    namespace: str = "",
    inside: bool = False,
) -> None:
    """The diagnosis finds that very case for a Pod, and names what the user has to know.

    It does not end the scenario, nor does it fail it: a diagnosis that finds nothing, or another case, or
    leaves a name out, or breaks, is recorded in `Evidence.wrong_diagnoses`.

    Args:
        user: whose cluster is checked.
        pod: name of the Pod.
        code: the case.
        cause: why its Dataset is not Bound, where that is the case.
        names: words that its sentences must contain, such as the claim to mount instead.
        namespace: of the Pod; without it the user's.
        inside: add the proof from inside the Pod.
    """
    key = (namespace or user.namespace, pod)
    try:
        match = _matching(user, key, code, cause, names, inside=inside)
    except HarnessError as error:
        user.evidence.fact("diagnosis", f"wrong, a defect of the harness: {error.message}", pod=pod)
        user.evidence.wrong_diagnoses.append(f"{error.message}: {error.condition}")
        user.evidence.attach("wrong diagnosis", str(error))
        return
    user.evidence.fact(
        "diagnosis",
        str(match),
        verdict=str(match.code),
        pod=pod,
        used=match.claim,
        dataset=match.dataset[1] if match.dataset else None,
        evidence="; ".join(map(str, match.evidence)),
    )


def _matching(
    user: User,
    key: tuple[str, str],
    code: FindingCode,
    cause: CauseCode | None,
    names: Sequence[str],
    *,
    inside: bool,
) -> Finding:
    findings = _findings(user, collect(user.system.kube), key, inside=inside)
    found = " | ".join(f"{finding.code}: {finding}" for finding in findings) or "nothing"
    match = next((finding for finding in findings if _fits(finding, code, cause)), None)
    missing = [name for name in names if match is not None and name not in str(match)]
    if match is None or missing:
        raise HarnessError(
            f"the diagnosis does not say what is wrong with Pod {key[1]}",
            subject=f"Pod {'/'.join(key)}",
            condition=f"{code}{f' because of {cause}' if cause else ''}"
            + (f", naming {', '.join(names)}" if names else ""),
            last_seen=found,
            advice="correct suites/diagnosis",
        )
    return match


def _findings(user: User, state: ClusterState, key: tuple[str, str], *, inside: bool) -> tuple[Finding, ...]:
    seen = state.pods_by_key.get(key)
    if seen is None:
        return ()
    findings = diagnose_pod(state, seen)
    if inside:
        findings, _ = prove_in_pods(user.system.kube.exec, state, findings)
    return findings


def _fits(finding: Finding, code: FindingCode, cause: CauseCode | None) -> bool:
    return finding.code is code and (cause is None or cause in [found.code for found in finding.causes])
