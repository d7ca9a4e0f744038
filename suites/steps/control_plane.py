"""The node of the control plane."""

from __future__ import annotations

from clusters.kubernetes.snapshots.node import NodeSnapshot
from suites.record.run import cannot_run_here
from suites.steps.user import User


def only_node(user: User) -> str:
    """The only node of the control plane; the scenario is skipped where there is not exactly one."""
    nodes = user.observer.objects.list(NodeSnapshot)
    planes = [node.name for node in nodes if "node-role.kubernetes.io/control-plane" in node.labels]
    if len(planes) != 1:
        cannot_run_here(f"it needs one node of the control plane, and there are {len(planes)}")
    return planes[0]
