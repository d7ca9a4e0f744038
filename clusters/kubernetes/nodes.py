"""Which nodes Pods may run on, and which one is for the harness's servers."""

from __future__ import annotations

from clusters.errors import InfrastructureError
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.node import NodeSnapshot


def schedulable(kube: Kube) -> tuple[str, ...]:
    """Names of the nodes that Pods may run on; a single control-plane node is one of them."""
    nodes = ClusterReader(kube).list(NodeSnapshot)
    names = tuple(sorted(node.name for node in nodes if node.pods_may_run))
    if not names:
        raise InfrastructureError(
            f"none of {len(nodes)} nodes accepts Pods",
            last_seen=", ".join(str(node) for node in nodes),
            advice="see the nodes' kubelet journals in the bundle",
        )
    return names


def node_for_servers(kube: Kube) -> str:
    """The node for the NFS server: the control plane, which keeps it off the nodes that faults hit."""
    nodes = ClusterReader(kube).list(NodeSnapshot)
    planes = [node.name for node in nodes if "node-role.kubernetes.io/control-plane" in node.labels]
    return planes[0] if planes else min(node.name for node in nodes)
