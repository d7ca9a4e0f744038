"""Which rights a request needs, as RBAC names them."""

from __future__ import annotations

import pytest

from clusters.kubernetes.client import Kube
from clusters.kubernetes.used_rights import UsedRight, UsedRights, granted, rights_of_request
from tests.clusters.conftest import FakeApi

PODS = "/api/v1/namespaces/demo/pods"


@pytest.mark.parametrize(
    ("method", "path", "query", "needs"),
    [
        ("GET", "/version", [], []),
        ("GET", "/api", [], []),
        ("GET", "/apis/apps/v1", [], []),
        ("GET", "/api/v1/nodes", [], ["list nodes"]),
        ("GET", "/api/v1/nodes/n1", [], ["get nodes"]),
        ("GET", PODS, [("watch", "1")], ["watch pods in demo"]),
        ("GET", PODS, [], ["list pods in demo"]),
        ("GET", f"{PODS}/a/exec", [], ["get pods/exec in demo"]),
        ("GET", f"{PODS}/a:80/proxy/metrics", [], ["get pods/proxy in demo"]),
        ("POST", PODS, [], ["create pods in demo"]),
        ("DELETE", f"{PODS}/a", [], ["delete pods in demo"]),
        ("GET", "/api/v1/namespaces/demo", [], ["get namespaces"]),
        ("PATCH", "/api/v1/namespaces/demo/status", [], ["patch namespaces/status"]),
        (
            "PATCH",
            "/apis/data.fluid.io/v1alpha1/namespaces/demo/datasets/d",
            [("fieldManager", "x"), ("force", "true")],
            ["create datasets.data.fluid.io in demo", "patch datasets.data.fluid.io in demo"],
        ),
        ("PATCH", "/api/v1/nodes/n1", [("fieldManager", "x")], ["patch nodes"]),
    ],
)
def test_rights_of_a_request(method: str, path: str, query: list[tuple[str, str]], needs: list[str]) -> None:
    """Method and path decide, and the query of a watch and of server-side apply."""
    assert sorted(map(str, rights_of_request(method, path, query))) == needs


def test_used_rights_are_taken_once() -> None:
    """Each right is there once, until it is taken."""
    used = UsedRights()
    used.record("POST", PODS, [("dryRun", "All")])
    used.record("GET", PODS)
    used.record("GET", PODS)
    assert used.take() == {UsedRight("list", "", "pods", "demo")}
    assert used.take() == frozenset()


def test_requests_are_recorded(api: FakeApi) -> None:
    """Those of connecting need none."""
    kube = Kube.connect(api.kubeconfig(), run="r1")
    assert kube.connection.used.take() == frozenset()
    api.answer("GET", "/api/v1/nodes/n1", {"metadata": {"name": "n1"}})
    kube.connection.request("GET", "/api/v1/nodes/n1", what="get the node")
    assert kube.connection.used.take() == {UsedRight("get", "", "nodes")}
    kube.close()


def test_a_rule_for_some_names_grants_nothing_in_general() -> None:
    """It holds for these objects only."""
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    right = UsedRight("get", "", "pods", "demo")
    assert granted([rule], right)
    assert not granted([{**rule, "resourceNames": ["a"]}], right)
    assert not granted([{**rule, "verbs": ["list"]}], right)
    assert not granted([{**rule, "apiGroups": ["apps"]}], right)
