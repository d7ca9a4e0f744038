"""Objects of the administrators of a hostile cluster; none has a label of the harness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.requests import request_json

NAME: Final = "hostile-clusters"
_META: Final = {"name": NAME}
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409

#: Path of the kind in a namespace, and the object.
QUOTA: Final[tuple[str, Mapping[str, Any]]] = (
    "/api/v1/namespaces/{namespace}/resourcequotas",
    {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": _META,
        "spec": {
            "hard": {"pods": "30", "requests.cpu": "8", "requests.memory": "8Gi", "limits.memory": "32Gi"}
        },
    },
)
LIMITS: Final[tuple[str, Mapping[str, Any]]] = (
    "/api/v1/namespaces/{namespace}/limitranges",
    {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": _META,
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
                    "default": {"cpu": "2", "memory": "2Gi"},
                }
            ]
        },
    },
)
SMALL_LIMITS: Final[tuple[str, Mapping[str, Any]]] = (
    LIMITS[0],
    {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": _META,
        "spec": {"limits": [{"type": "Container", "default": {"memory": "256Mi"}}]},
    },
)
POLICY: Final[tuple[str, Mapping[str, Any]]] = (
    "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _META,
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    },
)


def fake_node(
    name: str, system: str, architecture: str, taints: Sequence[Mapping[str, str]]
) -> Mapping[str, Any]:
    """A ready node without a machine."""
    size = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/os": system,
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": name,
            },
        },
        "spec": {"taints": list(taints)},
        "status": {
            "capacity": size,
            "allocatable": size,
            "nodeInfo": {"operatingSystem": system, "architecture": architecture, "kernelVersion": "1"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


def lease(name: str) -> Mapping[str, Any]:
    """With which a kubelet says that its node is there."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40},
    }


def send(kube: Kube, path: str, body: Mapping[str, Any]) -> None:
    """Create an object, unless it exists."""
    try:
        request_json(kube.connection, "POST", path, what=f"create at {path}", body=dict(body))
    except KubeError as error:
        if error.status != _CONFLICT:
            raise


def remove(kube: Kube, path: str) -> None:
    """Delete an object, if it exists."""
    try:
        request_json(kube.connection, "DELETE", path, what=f"delete {path}")
    except KubeError as error:
        if error.status != _NOT_FOUND:
            raise
