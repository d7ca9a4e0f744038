"""A user with few rights on the cluster: a ServiceAccount with only the rights that it is given.

Programs that the harness ships to users run under this account, with its own kubeconfig.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import FailureClass
from clusters.host.commands import Completed, SystemCommands
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import items, text, texts
from clusters.waiting import is_empty, wait
from suites.steps.user import User, unique
from workloads.models.base import Manifest

#: The roles that are shipped for the doctor.
DOCTORS_ROLES: Final = Path(__file__).parents[1] / "doctor" / "cluster-role.yaml"
#: Seconds until the API server grants what was bound; it hears of it by a watch of its own.
GRANT_SECONDS: Final = 30.0
#: Seconds for one run of the doctor, the start of Python on a busy machine among them.
DOCTOR_SECONDS: Final = 120.0
TOKEN_SECONDS: Final = 3600

_HOUSE: Final = Path(__file__).parents[2]
#: Runs a program on a terminal of its own, and passes on what it shows.
_ON_A_TERMINAL: Final = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
_SCREEN: Final = {"TERM": "xterm", "COLUMNS": "220", "NO_COLOR": "1"}

#: Groups in which everybody may ask who they are and what they may do.
_ABOUT_ONESELF: Final = ("authorization.k8s.io", "authentication.k8s.io")


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that may be done: a verb on a resource, such as ``create`` on ``pods/exec``."""

    verb: str
    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


@dataclass
class Account:
    """A ServiceAccount.

    Attributes:
        owner: access to the cluster with our own rights.
        namespace: where it is.
        name: of it, and of what is bound to it for the cluster.
        folder: for its kubeconfig.
        kube: access to the cluster with its rights.
    """

    owner: Kube
    namespace: str
    name: str
    folder: Path
    kube: Kube = field(init=False)
    _bound: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        meta = {"name": self.name, "namespace": self.namespace}
        self.owner.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        self.kubeconfig.write_text(yaml.safe_dump(self._config()))
        self.kubeconfig.chmod(0o600)
        self.kube = Kube.connect(self.kubeconfig, run=self.owner.run)

    @property
    def kubeconfig(self) -> Path:
        """The file with which it reaches the cluster."""
        return self.folder / f"{self.name}.kubeconfig"

    def binds(self, role: Manifest) -> None:
        """Give it a ClusterRole for the whole cluster, and wait until that is in force.

        The role has a name of its own, because a user may have applied the shipped one.
        """
        name = f"{self.name}-{role['metadata']['name']}"
        self._bound.append(name)
        self.owner.apply({**role, "metadata": {"name": name}})
        api = "rbac.authorization.k8s.io"
        self.owner.apply(
            {
                "apiVersion": f"{api}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}],
            }
        )
        expected = rights_of(role["rules"])
        wait(
            lambda: expected - self.rights(self.namespace),
            is_empty,
            subject=f"ServiceAccount {self.namespace}/{self.name}",
            condition=f"the rights from ClusterRole {name}",
            timeout=GRANT_SECONDS,
            describe=lambda missing: f"may not yet {', '.join(map(str, sorted(missing)))}",
            failure_class=FailureClass.INFRASTRUCTURE,
        )

    def rights(self, namespace: str) -> frozenset[Right]:
        """All that it may do in a namespace, by the API server's own word."""
        answer = self.kube.connection.request(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            what="ask what may be done",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectRulesReview",
                "spec": {"namespace": namespace},
            },
        )
        return rights_of(items(json.loads(answer), "status", "resourceRules"))

    def doctor(self, *words: str, terminal: bool = False) -> Completed:
        """Run the doctor as a user does, in a process of its own.

        Args:
            words: options.
            terminal: let it write to a terminal, on which it shows its table.
        """
        argv: list[str | Path] = [sys.executable, "-c", _ON_A_TERMINAL] if terminal else []
        argv += [sys.executable, "-m", "suites.doctor", "--kubeconfig", self.kubeconfig, *words]
        return SystemCommands().run(
            argv,
            check=False,
            timeout=DOCTOR_SECONDS,
            env={"PYTHONPATH": str(_HOUSE), "PYTHONDONTWRITEBYTECODE": "1", **(_SCREEN if terminal else {})},
            cwd=self.folder,
        )

    def delete(self) -> None:
        """Delete its rights and the account."""
        self.kube.close()
        for name in self._bound:
            self.owner.delete(kinds.CLUSTER_ROLE_BINDING, name)
            self.owner.delete(kinds.CLUSTER_ROLE, name)
        self.owner.delete(kinds.SERVICE_ACCOUNT, self.name, self.namespace)

    def _config(self) -> dict[str, Any]:
        how = self.owner.connection.credentials()
        cluster: dict[str, Any] = {"server": how.url}
        if how.ca_file is not None:
            data = base64.b64encode(Path(how.ca_file).read_bytes()).decode()
            cluster["certificate-authority-data"] = data
        elif not how.verify:
            cluster["insecure-skip-tls-verify"] = True
        if how.server_name is not None:
            cluster["tls-server-name"] = how.server_name
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": self.name, "user": {"token": self._token()}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
        }

    def _token(self) -> str:
        path = kinds.SERVICE_ACCOUNT.path(self.namespace, self.name)
        answer = self.owner.connection.request(
            "POST",
            f"{path}/token",
            what=f"ask for a token of ServiceAccount {self.namespace}/{self.name}",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS},
            },
        )
        return text(json.loads(answer), "status", "token")


@contextmanager
def account(user: User, folder: Path) -> Iterator[Account]:
    """An account in the user's namespace, without any rights yet; gone when the block ends."""
    made = Account(user.system.kube, user.namespace, unique("doctors-user"), folder)
    try:
        yield made
    finally:
        made.delete()


def shipped_roles() -> Mapping[str, Manifest]:
    """The doctor's ClusterRoles by name, as they are shipped."""
    return {role["metadata"]["name"]: role for role in yaml.safe_load_all(DOCTORS_ROLES.read_text())}


def rights_of(rules: Sequence[Mapping[str, Any]]) -> frozenset[Right]:
    """The rights that rules (``rbac.authorization.k8s.io/v1``, PolicyRule) grant, one by one."""
    return frozenset(
        Right(verb, group, resource)
        for rule in rules
        for verb in texts(rule, "verbs")
        for group in texts(rule, "apiGroups")
        for resource in texts(rule, "resources")
    )


def beyond_reading(rights: frozenset[Right]) -> frozenset[Right]:
    """Of these rights, all but those to read, and those that everybody has to ask about oneself."""
    return frozenset(
        right
        for right in rights
        if right.verb not in {"get", "list", "watch"} and right.group not in _ABOUT_ONESELF
    )
