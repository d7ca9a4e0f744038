"""Which nodes Pods may run on, and which one is for the harness's servers."""

from __future__ import annotations

from collections.abc import Sequence

from clusters.errors import InfrastructureError, RefusalError
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


def require_schedulable(nodes: Sequence[NodeSnapshot]) -> None:
    """Refuse a cluster on which no Pod can run, or where Pods for Linux may be placed on other nodes.

    Raises:
        RefusalError: with the state and the taints of the nodes.
    """
    for node in nodes:
        if (
            node.ready
            and node.system not in ("", "linux")
            and not (node.unschedulable or node.keeps_pods_out)
        ):
            raise RefusalError(
                f"node {node.name} runs {node.system} without a taint, so Pods of Fluid may be placed there",
                advice=f"kubectl taint nodes {node.name} os={node.system}:NoSchedule",
            )
    if not any(node.pods_may_run for node in nodes):
        states = (f"{node}{', ' if node.taints else ''}{', '.join(node.taints)}" for node in nodes)
        raise RefusalError(
            f"no node accepts Pods: {'; '.join(states) or 'the cluster has none'}",
            advice="remove the taints, or uncordon a node",
        )


def node_for_servers(kube: Kube) -> str:
    """The node for the NFS server: the control plane, which keeps it off the nodes that faults hit."""
    return _node_for_servers(ClusterReader(kube).list(NodeSnapshot))


def used_nodes(nodes: Sequence[NodeSnapshot]) -> tuple[NodeSnapshot, ...]:
    """Of all nodes of a cluster, those on which Pods of the harness run.

    Raises:
        RefusalError: they have different architectures, and the images of the harness have one.
    """
    server = _node_for_servers(nodes) if nodes else ""
    used = tuple(node for node in nodes if node.pods_may_run or node.name == server)
    architectures = sorted({node.architecture for node in used})
    if len(architectures) > 1:
        raise RefusalError(
            f"the nodes that accept Pods have different architectures ({', '.join(architectures)}), and the "
            "images of the harness are built for one",
            advice="cordon the nodes of the others while the harness runs",
        )
    return used


def _node_for_servers(nodes: Sequence[NodeSnapshot]) -> str:
    fit = [node for node in nodes if node.servers_may_run] or nodes
    planes = [node.name for node in fit if "node-role.kubernetes.io/control-plane" in node.labels]
    return planes[0] if planes else min(node.name for node in fit)
