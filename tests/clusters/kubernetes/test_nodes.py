"""Which nodes Pods may run on, and which one is for the harness's servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.kubernetes.client import Kube
from clusters.kubernetes.nodes import node_for_servers, require_schedulable, schedulable, used_nodes
from clusters.kubernetes.snapshots.node import NodeSnapshot

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


def node(name: str, system: str = "linux", architecture: str = "amd64", **spec: object) -> dict[str, object]:
    """A node that is ready."""
    info = {"operatingSystem": system, "architecture": architecture}
    return {"metadata": {"name": name}, "spec": spec, "status": {**READY, "nodeInfo": info}}


def test_windows_nodes_and_nodes_that_are_not_ready_are_not_used(api: FakeApi, kube: Kube) -> None:
    """Neither for applications nor for the server."""
    unready = {"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    nodes = [node("a", "windows"), unready, node("c", unschedulable=True), node("d"), node("e")]
    api.answer("GET", "/api/v1/nodes", {"items": nodes})
    assert schedulable(kube) == ("d", "e")
    assert node_for_servers(kube) == "d"


def test_nodes_of_two_architectures_are_refused() -> None:
    """Unless those of the other one do not accept Pods; a tainted server node counts."""
    taint = {"key": "dedicated", "effect": "NoSchedule"}
    nodes = [node("a"), node("b", architecture="arm64")]
    with pytest.raises(RefusalError, match=r"different architectures \(amd64, arm64\)"):
        used_nodes(tuple(map(NodeSnapshot.of, nodes)))
    nodes[1] = node("b", architecture="arm64", taints=[taint])
    assert [one.name for one in used_nodes(tuple(map(NodeSnapshot.of, nodes)))] == ["a"]
    assert used_nodes(()) == ()


def test_a_windows_node_that_accepts_pods_is_refused() -> None:
    """Fluid names no operating system for its Pods; a taint, or no node at all, is in another sentence."""

    def check(*nodes: dict[str, object]) -> None:
        require_schedulable(tuple(map(NodeSnapshot.of, nodes)))

    linux, taint = node("a"), {"key": "os", "effect": "NoSchedule"}
    with pytest.raises(RefusalError, match="node w runs windows without a taint") as caught:
        check(linux, node("w", "windows"))
    assert caught.value.advice == "kubectl taint nodes w os=windows:NoSchedule"
    check(linux, node("w", "windows", taints=[taint]))
    check(linux, node("w", "windows", unschedulable=True))
    with pytest.raises(RefusalError, match="no node accepts Pods: node a ready, os:NoSchedule"):
        check(node("a", taints=[taint]))
    with pytest.raises(RefusalError, match="the cluster has none"):
        check()
