"""An API server in memory: it keeps objects, applies merge patches, and refuses changes of old versions."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from clusters.disruption import Disruption
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import Connection, KubeError
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.kinds import KINDS
from clusters.kubernetes.ownership import FIELD_MANAGER
from clusters.kubernetes.write_guard import WriteGuard
from clusters.providers.default_limits import LIMIT_RANGE

_PLURALS = {kind.plural for kind in (*KINDS.values(), LIMIT_RANGE)}


class Run(Protocol):
    """Runs a program on a node."""

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run it."""
        ...


@dataclass
class StoredObjects:
    """Replaces `Connection`.

    Attributes:
        objects: by path.
        guard: as of the real one.
        before: is called with method and path before each request; may raise.
        managers: who set the value of a label, by path and key.
    """

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    guard: WriteGuard | None = None
    before: Callable[[str, str], None] = lambda method, path: None
    managers: dict[tuple[str, str], str] = field(default_factory=dict)
    _versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def kube(self, run: str = "r1", **more: Any) -> Kube:
        """A client of it."""
        return Kube(cast("Connection", self), run, **more)

    def journal(self, run: Run, **more: Any) -> Journal:
        """The journal of this cluster, whose nodes run programs by ``run``; it has node n1."""
        self.objects.setdefault("/api/v1/nodes/n1", {"metadata": {"name": "n1", "labels": {}}})

        def node_exec(node: str, argv: Sequence[str], /, *, timeout: float, changes: Disruption) -> Completed:
            return run(argv, timeout=timeout)

        return Journal(self.kube(**more), node_exec)

    def close(self) -> None:
        """Nothing to close."""

    def put(self, path: str, **content: Any) -> None:
        """Store an object."""
        self.objects[path] = {"metadata": {"name": path.rpartition("/")[2]}, **copy.deepcopy(content)}
        self._touch(path)

    def label(self, path: str, key: str, value: str | None, manager: str) -> None:
        """Set or remove a label; who sets the value that is there is not noted, as in Kubernetes."""
        labels = self.objects[path]["metadata"].setdefault("labels", {})
        if value is None:
            labels.pop(key, None)
            self.managers.pop((path, key), None)
        elif labels.get(key) != value:
            labels[key] = value
            self.managers[path, key] = manager
        self._note_managers(path)

    def _note_managers(self, path: str) -> None:
        self.objects[path]["metadata"]["managedFields"] = [
            {"manager": manager, "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {}}}}}
            for (one, key), manager in self.managers.items()
            if one == path
        ]

    def read(self, path: str) -> Mapping[str, Any] | None:
        """The object, or None."""
        return self.objects.get(path)

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        content_type: str = "",
    ) -> bytes:
        """One request."""
        if self.guard is not None and method != "GET":
            self.guard.check_request(method, path, query, body, self.read)
        self.before(method, path)
        answer = self._answer(method, path, what, query, body, apply="apply" in content_type)
        return json.dumps(answer).encode()

    def _listed(self, path: str, selector: str) -> list[dict[str, Any]]:
        """Objects of a kind, in one namespace or in all, with a label."""
        key, _, value = selector.partition("=")
        return [
            obj
            for one, obj in self.objects.items()
            if (one.rpartition("/")[0] == path or _in_some_namespace(one, path))
            and (not key or obj["metadata"].get("labels", {}).get(key) == value)
        ]

    def _answer(
        self,
        method: str,
        path: str,
        what: str,
        query: Sequence[tuple[str, str]],
        body: Any,
        *,
        apply: bool,
    ) -> Any:
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise KubeError(what, status=409, reason="AlreadyExists")
            self.objects[path] = {}
        found = self.objects.get(path)
        if method == "GET" and path.rpartition("/")[2] in _PLURALS:
            return {"metadata": {}, "items": self._listed(path, dict(query).get("labelSelector", ""))}
        if found is None and apply:
            found = self.objects[path] = {}
        if found is None:
            raise KubeError(what, status=404, reason="NotFound")
        if method == "GET":
            return found
        if method == "DELETE":
            return self.objects.pop(path)
        version = (body.get("metadata") or {}).get("resourceVersion")
        if version is not None and version != found["metadata"]["resourceVersion"]:
            raise KubeError(what, status=409, reason="Conflict")
        labels = (body.get("metadata") or {}).get("labels") or {} if "/nodes/" in path else {}
        for key, value in labels.items():
            self.label(path, key, value, FIELD_MANAGER)
        merge(self.objects[path], body)
        self._touch(path)
        return self.objects[path]

    def _touch(self, path: str) -> None:
        self.objects[path].setdefault("metadata", {})["resourceVersion"] = str(next(self._versions))


def _in_some_namespace(one: str, path: str) -> bool:
    """Whether an object is in a list over all namespaces, such as ``/api/v1/pods``."""
    prefix, _, plural = path.rpartition("/")
    parent = one.rpartition("/")[0]
    return (
        parent.startswith(f"{prefix}/namespaces/")
        and parent.count("/") == path.count("/") + 2
        and (parent.endswith(f"/{plural}"))
    )


def merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Apply a merge patch (RFC 7386)."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping):
            inner = target.get(key)
            target[key] = inner if isinstance(inner, dict) else {}
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)
