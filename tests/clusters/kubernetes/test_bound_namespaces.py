"""A client with rights only in the namespaces that it creates."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from clusters.kubernetes import bound_namespaces, kinds
from clusters.kubernetes.bound_namespaces import BindingKube
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import Connection, KubeError
from tests.clusters.conftest import FakeApi
from tests.clusters.stored_objects import StoredObjects

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fc-1"}}
BINDING = kinds.ROLE_BINDING.path("fc-1", "fluid-conformance")


class Authorized(StoredObjects):
    """An API server that knows a binding only after it was asked a few times."""

    def __init__(self, late: int = 2) -> None:
        super().__init__()
        self.late = late
        self.forbidden: set[str] = set()

    def request(self, method: str, path: str, **more: Any) -> bytes:
        """Answer questions about oneself."""
        if path.endswith("selfsubjectreviews"):
            return json.dumps({"status": {"userInfo": {"username": "system:serviceaccount:a:b"}}}).encode()
        if path.endswith("selfsubjectaccessreviews"):
            bound = kinds.ROLE_BINDING.path(
                more["body"]["spec"]["resourceAttributes"]["namespace"], "fluid-conformance"
            )
            if bound in self.objects:
                self.late -= 1
            return json.dumps({"status": {"allowed": bound in self.objects and self.late < 0}}).encode()
        if path in self.forbidden:
            raise KubeError(more["what"], status=403, reason="Forbidden")
        return super().request(method, path, **more)


def client(store: Authorized) -> BindingKube:
    """A client with a role."""
    return BindingKube(cast("Connection", store), "r1", role="own")


def test_a_new_namespace_is_bound_before_it_is_used() -> None:
    """To the user of the client, and the client waits until the API server knows it."""
    store = Authorized()
    client(store).apply(NAMESPACE)
    assert store.late < 0
    binding = store.objects[BINDING]
    assert binding["roleRef"]["name"] == "own"
    assert binding["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:serviceaccount:a:b"}
    ]


def test_a_namespace_with_rights_is_not_bound_again() -> None:
    """Such as the harness's own one, which is applied more than once."""
    store = Authorized(late=0)
    store.objects[BINDING] = {"metadata": {"name": "fluid-conformance"}}
    client(store).create(NAMESPACE)
    assert "roleRef" not in store.objects[BINDING]


def test_other_objects_bind_nothing() -> None:
    """Only a namespace does."""
    store = Authorized()
    client(store).apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "fc-1"}}
    )
    assert BINDING not in store.objects


def test_what_was_in_a_deleted_namespace_is_gone() -> None:
    """Its binding is gone with it, so the API server refuses where it said before that nothing is there."""
    store = Authorized()
    path = kinds.LEASE.path("fc-1", "run")
    store.forbidden = {path, kinds.POD.path("fc-1")}
    kube = client(store)
    assert kube.get(kinds.LEASE, "run", "fc-1") is None
    assert kube.list(kinds.POD, "fc-1") == []
    store.put("/api/v1/namespaces/fc-1")
    with pytest.raises(KubeError, match="403"):
        kube.get(kinds.LEASE, "run", "fc-1")
    with pytest.raises(KubeError, match="403"):
        kube.list(kinds.POD, "fc-1")


def test_without_a_role_it_is_an_ordinary_client(api: FakeApi) -> None:
    """With one it binds."""
    for role, kind in (("", Kube), ("own", BindingKube)):
        kube = bound_namespaces.connect(api.kubeconfig(), role, run="r1")
        assert type(kube) is kind
        kube.close()
