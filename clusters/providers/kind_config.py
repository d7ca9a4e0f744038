"""The configuration of a kind cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.host.probes import Host

#: Range of the Pods' addresses; the controller manager assigns a /24 of it to each node.
POD_SUBNET: Final = "10.244.0.0/16"


def kind_config(
    name: str, nodes: int, host: Host, mounts: Mapping[str, Path], *, own_network: bool
) -> dict[str, Any]:
    """The configuration of a cluster (kind.x-k8s.io/v1alpha4).

    Args:
        name: of the cluster.
        nodes: how many; from two on, the first is the control plane alone.
        host: whose limits the kubelet must know.
        mounts: files and folders of the host by where they are mounted in each node, read-only.
        own_network: the harness connects the nodes.
    """
    kubelet: dict[str, Any] = {"kind": "KubeletConfiguration", "serializeImagePulls": False}
    if host.cgroup_v1:
        kubelet["failCgroupV1"] = False
    if not host.sys_resource:
        # With it kubelet starts although it may not raise its own limits.
        kubelet["featureGates"] = {"KubeletInUserNamespace": True}
    mounted = [
        {"hostPath": str(source), "containerPath": target, "readOnly": True}
        for target, source in mounts.items()
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "networking": {"disableDefaultCNI": own_network, "podSubnet": POD_SUBNET},
        "kubeadmConfigPatches": [yaml.safe_dump(kubelet)],
        "nodes": [
            {"role": role, "extraMounts": mounted} for role in ("control-plane", *["worker"] * (nodes - 1))
        ],
    }
