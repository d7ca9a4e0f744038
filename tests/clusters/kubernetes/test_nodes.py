"""Which nodes Pods may run on, and which one is for the harness's servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clusters.errors import InfrastructureError
from clusters.kubernetes.client import Kube
from clusters.kubernetes.nodes import node_for_servers, schedulable

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def test_a_cluster_whose_nodes_accept_no_pods_is_reported(api: FakeApi, kube: Kube) -> None:
    """Cordoned and tainted nodes do not count."""
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    nodes = [
        {"metadata": {"name": "a"}, "spec": {"unschedulable": True}, "status": READY},
        {"metadata": {"name": "b"}, "spec": {"taints": [taint]}, "status": READY},
    ]
    api.answer("GET", "/api/v1/nodes", {"items": nodes})
    with pytest.raises(InfrastructureError, match="accepts Pods"):
        schedulable(kube)
    api.answer("GET", "/api/v1/nodes", {"items": [*nodes, {"metadata": {"name": "c"}, "status": READY}]})
    assert schedulable(kube) == ("c",)


def test_the_nfs_server_is_on_the_control_plane(api: FakeApi, kube: Kube) -> None:
    """Faults hit workers; where there is no control plane to be seen, any node will do."""
    plane = {"metadata": {"name": "z", "labels": {"node-role.kubernetes.io/control-plane": ""}}}
    workers = [{"metadata": {"name": "b"}}, {"metadata": {"name": "a"}}]
    api.answer("GET", "/api/v1/nodes", {"items": [*workers, plane]}, {"items": workers})
    assert node_for_servers(kube) == "z"
    assert node_for_servers(kube) == "a"
