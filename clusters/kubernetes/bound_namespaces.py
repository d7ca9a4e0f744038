"""A client whose user has rights only in the namespaces that the harness creates.

The user may create namespaces, and bind one ClusterRole (RBAC's verb ``bind``). In each namespace that it
creates it binds that role to itself, so that its rights never include the objects of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.requests import request_json
from clusters.kubernetes.write_guard import WriteGuard
from clusters.waiting import wait

BINDING: Final = "fluid-conformance"
#: Seconds until the API server knows a new binding.
EFFECTIVE_SECONDS: Final = 30.0
_FORBIDDEN: Final = 403
_AUTHENTICATION: Final = "authentication.k8s.io/v1"
_AUTHORIZATION: Final = "authorization.k8s.io/v1"


def connect(kubeconfig: Path, role: str, *, run: str, guard: WriteGuard | None = None) -> Kube:
    """Connect to the cluster of a kubeconfig; with a role, as a user with rights in its own namespaces only.

    Raises:
        RefusalError: it cannot be reached; raised within about 5 s.
    """
    if not role:
        return Kube.connect(kubeconfig, run=run, guard=guard)
    kube = BindingKube.connect(kubeconfig, run=run, guard=guard)
    kube.role = role
    return kube


@dataclass
class BindingKube(Kube):
    """Binds a role to its own user in each namespace that it creates.

    Attributes:
        role: the ClusterRole.
    """

    role: str = ""

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """As `Kube.get`; None if the namespace is gone, and the rights there with it."""
        try:
            return super().get(kind, name, namespace)
        except KubeError as error:
            if self._is_gone(namespace, error):
                return None
            raise

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """As `Kube.list`; empty if the namespace is gone, and the rights there with it."""
        try:
            return super().list(kind, namespace, labels=labels, fields=fields)
        except KubeError as error:
            if self._is_gone(namespace, error):
                return []
            raise

    def apply(self, manifest: Mapping[str, Any]) -> Object:
        """As `Kube.apply`; in a namespace, bind the role before anything else is done there."""
        made = super().apply(manifest)
        self._bind(made)
        return made

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """As `Kube.create`; in a namespace, bind the role before anything else is done there."""
        made = super().create(manifest)
        self._bind(made)
        return made

    def _is_gone(self, namespace: str | None, error: KubeError) -> bool:
        if error.status != _FORBIDDEN or not namespace:
            return False
        return super().get(kinds.NAMESPACE, namespace) is None

    def _bind(self, made: Object) -> None:
        if made.get("kind") != kinds.NAMESPACE.name or not self.role:
            return
        namespace = text(made, "metadata", "name")
        if self._may_create_pods(namespace):
            return
        super().apply(
            {
                "apiVersion": kinds.ROLE_BINDING.api_version,
                "kind": kinds.ROLE_BINDING.name,
                "metadata": {"name": BINDING, "namespace": namespace},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": kinds.CLUSTER_ROLE.name,
                    "name": self.role,
                },
                "subjects": [
                    {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self._user_name()}
                ],
            }
        )
        wait(
            partial(self._may_create_pods, namespace),
            bool,
            subject=f"rights of ClusterRole {self.role} in namespace {namespace}",
            condition="the right to create Pods",
            timeout=EFFECTIVE_SECONDS,
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"see RoleBinding {namespace}/{BINDING} and ClusterRole {self.role}",
        )

    def _user_name(self) -> str:
        """The name of the user of this client, such as ``system:serviceaccount:team:harness``."""
        body = {"apiVersion": _AUTHENTICATION, "kind": "SelfSubjectReview"}
        path = f"/apis/{_AUTHENTICATION}/selfsubjectreviews"
        answer = request_json(self.connection, "POST", path, what="ask for one's own name", body=body)
        return text(answer, "status", "userInfo", "username")

    def _may_create_pods(self, namespace: str) -> bool:
        attributes = {"verb": "create", "resource": kinds.POD.plural, "namespace": namespace}
        body = {
            "apiVersion": _AUTHORIZATION,
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = f"/apis/{_AUTHORIZATION}/selfsubjectaccessreviews"
        answer = request_json(self.connection, "POST", path, what="ask what may be done", body=body)
        return at(answer, "status", "allowed") is True
