"""A server that the harness runs: one Pod on a fixed node, and a Service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def server_manifests(
    meta: Mapping[str, Any],
    node: str,
    ports: Sequence[Mapping[str, Any]],
    container: Mapping[str, Any],
    **more: Any,
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Service and Pod; the label ``app`` with their name connects them.

    The Pod has no controller, which could start it on another node without its state.

    Args:
        meta: name and namespace of both.
        node: of the Pod, regardless of its taints.
        ports: of the Service, as in its ``spec.ports``.
        container: of the Pod; its image is pulled only if it is missing.
        more: of the Pod's ``spec``.
    """
    label = {"app": meta["name"]}
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": dict(meta),
            "spec": {"selector": label, "ports": list(ports)},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**meta, "labels": label},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 2,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"imagePullPolicy": "IfNotPresent", **container}],
                **more,
            },
        },
    )
