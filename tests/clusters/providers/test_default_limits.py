"""A small memory limit that a cluster gives to containers without one is named before a run."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, MANAGED_BY, MANAGED_BY_LABEL
from clusters.providers import default_limits
from tests.clusters.providers.test_admission import Admit, Cluster, accepts


def cluster(*namespaces: str, admit: Admit = accepts) -> Cluster:
    """A cluster with namespaces; the harness's own has its label."""
    found = Cluster(admit)
    for name in ("default", "kube-system", *namespaces):
        labels = {MANAGED_BY_LABEL: MANAGED_BY} if name.startswith("f") else {}
        found.put(f"/api/v1/namespaces/{name}", metadata={"name": name, "labels": labels})
    return found


def limit(found: Cluster, namespace: str, name: str = "policy", **limits: Any) -> None:
    """Add a LimitRange."""
    found.put(
        default_limits.LIMIT_RANGE.path(namespace, name),
        metadata={"name": name, "namespace": namespace},
        spec={"limits": [{"type": "Container", **(limits or {"default": {"memory": "256Mi"}})}]},
    )


def test_a_limit_range_in_the_namespace_of_the_harness_refuses_the_run() -> None:
    """It was not created by the harness, so a policy creates it in the namespaces of scenarios, too."""
    found = cluster(HARNESS_NAMESPACE)
    limit(found, HARNESS_NAMESPACE)
    with pytest.raises(
        RefusalError, match=r"LimitRange policy of the cluster.*256 MiB.*need 2048 MiB"
    ) as caught:
        default_limits.require(found.kube(), "toolbox:1")
    assert "exempt namespace fluid-conformance" in caught.value.advice


def test_a_limit_range_in_most_namespaces_is_named() -> None:
    """It refuses nothing, because it may have been created by hand."""
    found = cluster("a", "b", "c")
    for name in ("a", "b"):
        limit(found, name)
    (says,) = default_limits.require(found.kube(), "toolbox:1")
    assert says.startswith("LimitRange policy, in 2 of 4 namespaces, gives containers without a memory limit")


@pytest.mark.parametrize(
    ("namespaces", "limits"),
    [
        (("a",), {}),
        (("kube-system",), {}),
        (("a", "b"), {"default": {"memory": "2Gi"}}),
        (("a", "b"), {"default": {"cpu": "1"}}),
        (("a", "b"), {"type": "Pod", "max": {"memory": "1Mi"}}),
    ],
)
def test_limits_that_do_not_matter_are_not_named(namespaces: tuple[str, ...], limits: dict[str, Any]) -> None:
    """Of one team, of a part of the system, large enough, of processors, or of whole Pods."""
    found = cluster("a", "b", "c")
    for name in namespaces:
        limit(found, name, **limits)
    assert default_limits.require(found.kube(), "toolbox:1") == ()


def test_a_largest_limit_is_a_default() -> None:
    """Kubernetes gives it to containers without a limit."""
    found = cluster(HARNESS_NAMESPACE)
    limit(found, HARNESS_NAMESPACE, max={"memory": "1Gi"})
    with pytest.raises(RefusalError, match="1024 MiB"):
        default_limits.require(found.kube(), "toolbox:1")


def sets_limits(body: dict[str, Any]) -> None:
    """A webhook."""
    if body["kind"] == "Pod":
        body["spec"]["containers"][0]["resources"] = {"limits": {"memory": "128Mi"}}


def test_a_webhook_that_sets_limits_refuses_the_run() -> None:
    """It is seen by a dry run, unless a LimitRange of that namespace explains the limit."""
    found = cluster(admit=sets_limits)
    with pytest.raises(RefusalError, match=r"a webhook of the cluster gives.*128 MiB"):
        default_limits.require(found.kube(), "toolbox:1")
    limit(found, "default")
    assert default_limits.require(found.kube(), "toolbox:1") == ()


@pytest.mark.parametrize("kind", [default_limits.LIMIT_RANGE, kinds.NAMESPACE])
def test_who_may_not_list_them_is_not_refused(kind: Kind) -> None:
    """Nothing is known then."""
    found = cluster()

    def before(method: str, path: str) -> None:
        if path == kind.path():
            raise KubeError(f"list {kind.plural}", status=403)

    found.before = before
    assert default_limits.find(found.kube(), "toolbox:1") is None
