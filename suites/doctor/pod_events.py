"""`--events`: what is wrong with a Pod, as an Event of Kubernetes on that Pod.

There is one Event for each Pod and code. A later run counts it up and renews its time, as kubelet does, so
that a doctor that runs on a schedule creates few objects. Kubernetes deletes it an hour after the last time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import number
from clusters.kubernetes.requests import request_json
from suites.diagnosis import ClusterState, Finding
from suites.diagnosis.collect import DOCTORS_REASON

#: Who reports, and its field manager.
COMPONENT: Final = "fluid-doctor"
#: Longest message of an Event (k8s.io/kubernetes/pkg/apis/core/validation/events.go).
_LONGEST: Final = 1_024
_FORBIDDEN: Final = 403


def report(kube: Kube, state: ClusterState, findings: Iterable[Finding], now: datetime | None = None) -> int:
    """Create or renew an Event for each finding that asks for a change; returns their number.

    Raises:
        RefusalError: this user may not create Events.
        KubeError: refused for another reason, or not reached.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wrong = [finding for finding in findings if finding.wrong and finding.pod in state.pods_by_key]
    for finding in wrong:
        try:
            _renew(kube, finding, state.pods_by_key[finding.pod].snapshot.meta.uid, stamp)
        except KubeError as error:
            if error.status != _FORBIDDEN:
                raise
            raise RefusalError(
                f"this user may not create events in namespace {finding.pod[0]}",
                advice="grant the rights of fluid-doctor-events in suites/doctor/cluster-role.yaml, or leave "
                "out --events",
            ) from error
    return len(wrong)


def _renew(kube: Kube, finding: Finding, uid: str, stamp: str) -> None:
    namespace, pod = finding.pod
    name = f"{pod}.{COMPONENT}.{finding.code.value}"
    found = kube.get(kinds.EVENT, name, namespace) or {}
    body: dict[str, Any] = {
        "apiVersion": kinds.EVENT.api_version,
        "kind": kinds.EVENT.name,
        "metadata": {"name": name, "namespace": namespace},
        "type": "Warning",
        "reason": DOCTORS_REASON,
        "message": f"{finding} ({finding.code.value})"[:_LONGEST],
        "involvedObject": {
            "apiVersion": kinds.POD.api_version,
            "kind": kinds.POD.name,
            "name": pod,
            "namespace": namespace,
            "uid": uid,
        },
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
        "count": int(number(found, "count") or 0) + 1,
        "firstTimestamp": found.get("firstTimestamp") or stamp,
        "lastTimestamp": stamp,
    }
    request_json(
        kube.connection,
        "PATCH",
        kinds.EVENT.path(namespace, name),
        what=f"report on Pod {namespace}/{pod}",
        query=[("fieldManager", COMPONENT), ("force", "true")],
        body=body,
        content_type="application/apply-patch+yaml",
    )
