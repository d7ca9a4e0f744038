"""Why a StatefulSet or DaemonSet has no Pod, by its event FailedCreate."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.meta import Meta
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence
from suites.diagnosis.wording import shown

FAILED_CREATE: Final = "FailedCreate"
#: Characters of the message of an event that a sentence contains.
_MESSAGE_LENGTH: Final = 300
#: What to change, by a word that Kubernetes uses in its refusal.
_REMEDIES: Final = (
    (
        "violates PodSecurity",
        (
            "Set the label pod-security.kubernetes.io/enforce of the namespace to privileged (Fluid's Pods "
            "mount folders of the node, and its Fuse is privileged), or use another namespace."
        ),
    ),
    ("exceeded quota", "Raise the ResourceQuota of the namespace, or lower what the runtime requests."),
    (
        "must specify",
        "Set the requests and limits that the ResourceQuota of the namespace demands in the runtime.",
    ),
    ("no PriorityClass", "Create that PriorityClass, or remove it from the runtime."),
    ("serviceaccount", "Create that ServiceAccount in the namespace."),
)


def not_created(state: ClusterState, kind: str, controller: Meta, part: str) -> Cause:
    """The cause for a controller that has no Pod.

    Args:
        state: the cluster.
        kind: ``StatefulSet`` or ``DaemonSet``.
        controller: its metadata.
        part: what its Pods are, such as ``its master``.
    """
    name = f"{kind} {shown(controller.name)}"
    observed = Evidence(f"{kind} {controller}", "has no Pod")
    events = state.events_of(kind, controller.namespace, controller.name, FAILED_CREATE)
    if not events:
        return Cause(
            CauseCode.POD_NOT_CREATED,
            f"{name} has no Pod for {part}, and no event says why",
            f"See `kubectl describe {kind.lower()} {controller.name} --namespace {controller.namespace}`.",
            (observed, *state.quoted(kind, controller.namespace, controller.name)),
        )
    message = " ".join(events[-1].message.split())[:_MESSAGE_LENGTH]
    remedy = next((text for word, text in _REMEDIES if word.lower() in message.lower()), "")
    return Cause(
        CauseCode.POD_NOT_CREATED,
        f"Kubernetes refuses to create {part}: {message}",
        remedy or f"Correct what Kubernetes reports; {name} then creates the Pod.",
        (observed, Evidence(f"event of {kind} {controller}", f"{FAILED_CREATE}: {message}")),
    )
