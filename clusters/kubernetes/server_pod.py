"""A server of the harness's own: one bare Pod on a fixed node, and the Service that gives it an address."""

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
    """Service and Pod, told apart from others by a label ``app`` with their name.

    The Pod is a bare one on a fixed node: nothing may start it again elsewhere, without its state.

    Args:
        meta: name and namespace of both.
        node: where the Pod runs, whatever the node's taints.
        ports: of the Service, as in its ``spec.ports``.
        container: of the Pod; its image is pulled only where it is missing.
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
