"""Which rights the requests of a run use, as RBAC names them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Verbs of RBAC by method, for a request that names an object and for one that does not
#: (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go).
_VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "GET": ("get", "list"),
    "POST": ("create", "create"),
    "PUT": ("update", "update"),
    "PATCH": ("patch", "patch"),
    "DELETE": ("delete", "deletecollection"),
}
_OF_NAMESPACES: Final = ("status", "finalize")


@dataclass(frozen=True, order=True, slots=True)
class UsedRight:
    """One right.

    Attributes:
        verb: such as ``patch``.
        group: of the API; empty for the core.
        resource: plural, with its subresource, such as ``pods/exec``.
        namespace: in which it was used; empty for a cluster-wide object, or for all namespaces.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{where}"


@dataclass
class UsedRights:
    """The rights that were used; safe to share between threads."""

    _used: set[UsedRight] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, method: str, path: str, query: Sequence[tuple[str, str]] = ()) -> None:
        """Record the rights of one request. A dry run is a question: a run goes on where it is forbidden."""
        if ("dryRun", "All") in query:
            return
        found = tuple(rights_of_request(method, path, query))
        with self._lock:
            self._used.update(found)

    def take(self) -> frozenset[UsedRight]:
        """The rights that were used since the last call."""
        with self._lock:
            found = frozenset(self._used)
            self._used.clear()
        return found


def rights_of_request(method: str, path: str, query: Sequence[tuple[str, str]] = ()) -> Iterable[UsedRight]:
    """The rights that one request needs; none for a path without objects, such as ``/version``.

    Server-side apply needs the right to patch, and that to create if there is no such object.
    """
    parts = path.strip("/").split("/")
    start = {"api": 2, "apis": 3}.get(parts[0], len(parts))
    group = parts[1] if parts[0] == "apis" and len(parts) > 1 else ""
    rest = parts[start:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in _OF_NAMESPACES:  # noqa: PLR2004 - namespaces/NAME/plural
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return
    named = len(rest) > 1
    subresource = f"/{rest[2]}" if len(rest) > 2 else ""  # noqa: PLR2004 - plural/NAME/subresource
    verb = _VERBS[method][0 if named else 1]
    if verb == "list" and any(name == "watch" for name, _ in query):
        verb = "watch"
    yield UsedRight(verb, group, rest[0] + subresource, namespace)
    if method == "PATCH" and any(name == "force" for name, _ in query) and not subresource:
        yield UsedRight("create", group, rest[0], namespace)


def granted(rules: Sequence[Mapping[str, Any]], right: UsedRight) -> bool:
    """Whether rules of a Role (``rbac.authorization.k8s.io/v1``, PolicyRule) grant a right."""
    return any(
        right.verb in rule["verbs"]
        and right.group in rule["apiGroups"]
        and right.resource in rule["resources"]
        and not rule.get("resourceNames")
        for rule in rules
    )
