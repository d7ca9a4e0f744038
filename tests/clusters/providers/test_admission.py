"""What a cluster's policies and webhooks do to the objects of a run, found out before anything is created."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.cluster_check import check_cluster
from clusters.errors import RefusalError
from clusters.images.offline import definitions
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.ownership import POD_SECURITY
from clusters.options import Options
from clusters.product import fluid
from clusters.progress import Progress
from clusters.providers import admission
from clusters.system import SystemBuilder
from tests.clusters.stored_objects import StoredObjects

Admit = Callable[[dict[str, Any]], None]


class Cluster(StoredObjects):
    """A cluster whose admission control changes or refuses what is created."""

    def __init__(self, admit: Admit) -> None:
        super().__init__()
        self.admit = admit
        self.objects["/version"] = {"gitVersion": "v1.34.0"}

    @property
    def url(self) -> str:
        """Where it listens."""
        return "https://example:6443"

    def request(self, method: str, path: str, **more: Any) -> bytes:
        """A dry run creates nothing; all else that is written fails the test."""
        if path.endswith("selfsubjectaccessreviews"):
            return b'{"status": {"allowed": true}}'
        if method == "GET":
            return super().request(method, path, **more)
        assert ("dryRun", "All") in more["query"]
        body: dict[str, Any] = copy.deepcopy(more["body"])
        self.admit(body)
        return json.dumps(body).encode()


def accepts(body: dict[str, Any]) -> None:
    """No webhook."""


def restricts(body: dict[str, Any]) -> None:
    """A policy gives each namespace a PodSecurity level."""
    if body["kind"] == "Namespace":
        body["metadata"]["labels"][POD_SECURITY] = "restricted"


def injects(body: dict[str, Any]) -> None:
    """A service mesh."""
    if body["kind"] == "Pod":
        body["spec"]["containers"].append({"name": "mesh-proxy"})
        body["spec"]["initContainers"] = [{"name": "mesh-init"}]


def refuses(kind: str, says: str, status: int = 403, reason: str = "Forbidden") -> Admit:
    """Admission control refuses a kind."""

    def admit(body: dict[str, Any]) -> None:
        if body["kind"] == kind:
            raise KubeError("try", status=status, reason=reason, said=says)

    return admit


def line(admit: Admit) -> str:
    """The line of `cluster check`."""
    checked = check_cluster(Options(kubeconfig=Path("/config")), Cluster(admit).kube())
    return next(str(one) for one in checked if one.name == "admission")


def test_a_cluster_that_accepts_everything() -> None:
    """Nothing is added, and nothing refused."""
    kube = Cluster(accepts).kube()
    assert admission.require_namespaces(kube)
    assert admission.added_containers(kube, "toolbox:1") == ()


def test_a_policy_that_restricts_pods_is_refused_in_one_sentence() -> None:
    """Also for the namespaces of scenarios alone, where Fluid would fail as if it were its fault."""
    with pytest.raises(RefusalError, match="PodSecurity level restricted") as caught:
        admission.require_namespaces(Cluster(restricts).kube())
    assert "exempt namespace fluid-conformance" in caught.value.advice

    def only_scenarios(body: dict[str, Any]) -> None:
        if body["metadata"]["name"].startswith("fc-"):
            restricts(body)

    with pytest.raises(RefusalError, match="namespace fc-"):
        admission.require_namespaces(Cluster(only_scenarios).kube())


@pytest.mark.parametrize(
    ("admit", "taints", "sentence"),
    [
        (restricts, [], "PodSecurity level restricted"),
        (
            refuses("Pod", 'admission webhook "w" denied the request: no'),
            [],
            "the cluster refuses Pods: admission webhook",
        ),
        (
            accepts,
            [{"key": "team", "effect": "NoSchedule"}],
            "no node accepts Pods: node n1 ready, team:NoSchedule",
        ),
    ],
)
def test_a_run_is_refused_before_it_creates_anything(
    monkeypatch: pytest.MonkeyPatch, admit: Admit, taints: list[dict[str, str]], sentence: str
) -> None:
    """Not only by the check: the fake fails the test at the first write."""
    cluster = Cluster(admit)
    images = [{"names": [image.name]} for image in (definitions.toolbox(), definitions.nfs_server())]
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "images": images}
    cluster.put("/api/v1/nodes/n1", status=ready, spec={"taints": taints})
    controller = kinds.DEPLOYMENT.path(fluid.NAMESPACE, fluid.DATASET_CONTROLLER)
    cluster.put(controller, metadata={"name": fluid.DATASET_CONTROLLER, "namespace": fluid.NAMESPACE})
    monkeypatch.setattr(Kube, "connect", lambda kubeconfig, run, guard: cluster.kube(run))
    builder = SystemBuilder(Options(kubeconfig=Path("/config")), "r1", Progress())
    with pytest.raises(RefusalError, match=sentence):
        builder.up()
    assert builder.down() == ()


def test_containers_of_a_service_mesh_are_named() -> None:
    """They are no reason to refuse a run."""
    assert line(injects).endswith("webhooks add to Pods: mesh-init, mesh-proxy")
    (limit,) = admission.limits(Cluster(injects).kube(), "toolbox:1")
    assert limit.startswith("webhooks of the cluster add mesh-init, mesh-proxy to Pods; a Job does not end")
    assert admission.limits(Cluster(accepts).kube(), "toolbox:1") == ()


@pytest.mark.parametrize(
    ("says", "status", "reason"),
    [
        ('admission webhook "policy.example" denied the request: no', 403, "Forbidden"),
        ('Internal error occurred: failed calling webhook "policy.example": timeout', 500, "InternalError"),
        (
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            422,
            "",
        ),
    ],
)
def test_a_webhook_or_policy_that_refuses_pods_is_named(says: str, status: int, reason: str) -> None:
    """In the words of the API server, before anything is created."""
    assert f"the cluster refuses Pods: {says}" in line(refuses("Pod", says, status, reason))


@pytest.mark.parametrize(
    "says",
    [
        'pods "x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5',
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes',
        'pods is forbidden: User "a" cannot create resource "pods" in the namespace "default"',
        'admission webhook "w" does not support dry run',
    ],
)
def test_what_holds_for_the_other_namespace_alone_is_no_refusal(says: str) -> None:
    """Quotas and levels of namespace default, rights there, and webhooks that cannot be asked."""
    assert line(refuses("Pod", says)) == f"ok  {'admission':<18} accepts the namespaces of a run"


def test_without_the_right_to_create_namespaces_nothing_is_known() -> None:
    """The line of the rights says so."""
    says = 'namespaces is forbidden: User "a" cannot create resource "namespaces"'
    assert "not known: see the rights" in line(refuses("Namespace", says))
