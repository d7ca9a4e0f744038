"""The check of a cluster that the harness did not create: one line for each requirement, and no write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clusters.cluster_check import check_cluster
from clusters.disruption import Disruption
from clusters.images.offline import definitions
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.options import Options
from clusters.product import fluid
from clusters.source_choice import SourceChoice
from tests.clusters.stored_objects import StoredObjects


class Cluster(StoredObjects):
    """A cluster with Fluid, a node with the harness's images, and a user with rights."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[tuple[str, str]] = set()
        self.written: list[str] = []
        self.admission: KubeError | None = None
        images = [{"names": [image.name]} for image in (definitions.toolbox(), definitions.nfs_server())]
        ready = {"conditions": [{"type": "Ready", "status": "True"}], "images": images}
        self.put("/api/v1/nodes/n1", status=ready)
        path = kinds.DEPLOYMENT.path(fluid.NAMESPACE, "dataset-controller")
        meta = {"name": "dataset-controller", "namespace": fluid.NAMESPACE}
        spec = {"template": {"spec": {"containers": [{"name": "manager", "image": "x:v1.0.8"}]}}}
        self.put(path, metadata=meta, spec=spec, status={"readyReplicas": 1})
        plugin = kinds.DAEMON_SET.path(fluid.NAMESPACE, fluid.CSI_DAEMON_SET)
        self.put(plugin, status={"desiredNumberScheduled": 1, "numberReady": 1})
        self.objects["/version"] = {"gitVersion": "v1.33.1"}

    @property
    def url(self) -> str:
        """Where it listens."""
        return "https://example:6443"

    def request(self, method: str, path: str, **more: Any) -> bytes:
        """Answer questions about rights."""
        if path.endswith("selfsubjectaccessreviews"):
            asked = more["body"]["spec"]["resourceAttributes"]
            allowed = (asked["verb"], asked["resource"]) not in self.refused
            return json.dumps({"status": {"allowed": allowed}}).encode()
        if ("dryRun", "All") in more.get("query", ()):
            if self.admission is not None:
                raise self.admission
            return json.dumps(more["body"]).encode()
        if method != "GET":
            self.written.append(path)
        return super().request(method, path, **more)


@pytest.fixture
def cluster() -> Cluster:
    """A cluster on which nothing is missing."""
    return Cluster()


def problems(cluster: Cluster, **options: Any) -> dict[str, tuple[str, str]]:
    """Problem and remedy of each requirement that is not met."""
    given = Options(kubeconfig=Path("/config"), **options)
    kube: Kube = cluster.kube()
    checked = check_cluster(given, kube, frozenset({Disruption.NODE_LABELS, Disruption.FLUID_COMPONENTS}))
    assert cluster.written == []
    return {one.name: (one.problem, one.remedy) for one in checked if one.problem}


def test_a_cluster_with_all_that_a_run_needs_has_no_problem(cluster: Cluster) -> None:
    """Nothing is written to find that out."""
    assert problems(cluster) == {}


def test_missing_rights_are_named(cluster: Cluster) -> None:
    """Those that every run needs, and those for what this one may disturb."""
    cluster.refused = {("create", "namespaces"), ("patch", "daemonsets")}
    (problem, remedy) = problems(cluster)["rights"]
    assert problem == "may not create namespaces, patch daemonsets.apps in fluid-system"
    assert "kubeconfig" in remedy


def test_a_cluster_without_fluid_needs_permission(cluster: Cluster) -> None:
    """To install it."""
    del cluster.objects[kinds.DEPLOYMENT.path(fluid.NAMESPACE, "dataset-controller")]
    assert "has no Fluid" in problems(cluster)["Fluid"][0]
    assert "Fluid" not in problems(cluster, install_fluid=True)


def test_fluid_that_is_not_ready_is_no_fluid_to_run_on(cluster: Cluster) -> None:
    """A run would wait for it in vain."""
    path = kinds.DEPLOYMENT.path(fluid.NAMESPACE, "dataset-controller")
    cluster.objects[path]["status"] = {"readyReplicas": 0}
    problem, remedy = problems(cluster)["Fluid"]
    assert problem == "Fluid is not ready"
    assert "fluid-system" in remedy


def test_nodes_without_the_images_need_a_registry(cluster: Cluster) -> None:
    """The harness's images are published nowhere."""
    cluster.objects["/api/v1/nodes/n1"]["status"]["images"] = []
    assert "published nowhere" in problems(cluster)["image"][0]
    assert "image" not in problems(cluster, registry="registry.example:5000")


def test_a_cluster_in_use_or_with_a_foreign_namespace_is_reported(cluster: Cluster) -> None:
    """As the run itself would refuse it."""
    cluster.put("/api/v1/namespaces/fluid-conformance")
    assert "did not create" in problems(cluster)["namespace"][0]


def test_a_cluster_without_nodes_is_reported(cluster: Cluster) -> None:
    """Pods could run nowhere."""
    cluster.objects["/api/v1/nodes/n1"]["spec"] = {"unschedulable": True}
    assert "no node accepts Pods" in problems(cluster)["nodes"][0]


def test_a_node_with_little_memory_is_reported(cluster: Cluster) -> None:
    """The cache in memory would not fit; a node that accepts no Pods does not count."""
    status = cluster.objects["/api/v1/nodes/n1"]["status"]
    cluster.put("/api/v1/nodes/n2", status={**status, "allocatable": {"memory": "900Mi"}})
    assert "node n2 has less than 1 GiB" in problems(cluster)["memory"][0]
    cluster.objects["/api/v1/nodes/n2"]["spec"] = {"unschedulable": True}
    assert "memory" not in problems(cluster)


def test_a_policy_that_refuses_the_namespace_is_reported(cluster: Cluster) -> None:
    """Before anything is created; a missing right is in the line of the rights alone."""
    says = 'admission webhook "policy.example" denied the request: label team is missing'
    cluster.admission = KubeError("try to create Namespace", status=400, reason="BadRequest", said=says)
    (problem, remedy) = problems(cluster)["admission"]
    assert says in problem
    assert "exempt" in remedy
    says = 'namespaces is forbidden: User "a" cannot create resource "namespaces"'
    cluster.admission = KubeError("try to create Namespace", status=403, reason="Forbidden", said=says)
    assert "admission" not in problems(cluster)
    cluster.put("/api/v1/namespaces/fluid-conformance", metadata={"labels": harness_labels()})
    assert "admission" not in problems(cluster)


def harness_labels() -> dict[str, str]:
    """Of its own namespace."""
    return {"app.kubernetes.io/managed-by": "fluid-conformance"}


def test_an_existing_source_is_checked(cluster: Cluster) -> None:
    """And the image of the NFS server is not needed with it."""
    cluster.objects["/api/v1/nodes/n1"]["status"]["images"] = [{"names": [definitions.toolbox().name]}]
    choice = SourceChoice(claim=("team", "photos"))
    found = problems(cluster, source=choice)
    assert found == {
        "source": ("there is no claim team/photos", "name an existing claim with --source-claim")
    }
    assert "image" in problems(cluster)
