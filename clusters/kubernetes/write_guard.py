"""Refuses writes that disturb others on the cluster, unless they are permitted at that time.

The connection asks before each request that changes something, the client before each exec, and the provider
before each command on a node. Objects in the harness's namespaces, and cluster-wide objects with its label,
may always be changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import shown
from clusters.kubernetes.fields import at, text
from clusters.kubernetes.ownership import is_managed

#: The object at a path of the API, or None.
Read = Callable[[str], Mapping[str, Any] | None]

#: Requests that ask something although they are sent as POST.
_QUESTIONS: Final = ("authorization.k8s.io", "authentication.k8s.io")
#: Programs that change nothing on a node.
_READING: Final = frozenset({"cat", "df", "du", "journalctl", "ls", "readlink", "stat", "test", "true"})
#: Options with which find changes files.
_FIND_CHANGES: Final = ("-delete", "-exec", "-execdir", "-fls", "-fprint", "-fprintf", "-ok", "-okdir")
#: Words that drop the page cache of a whole node, in whatever command they are.
_DROPS_PAGE_CACHE: Final = "drop_caches"


class UndeclaredWriteError(HarnessError):
    """A write was refused because it is not permitted at this time."""


@dataclass
class WriteGuard:
    """What may be disturbed at this time, and what was refused.

    It is shared by all threads of a run, because one scenario runs at a time and background threads change
    only objects of the harness.

    Attributes:
        fluid_namespace: namespace of Fluid's components.
        refused: the writes that were refused since `take_refused` was last called, a sentence each.
        closed: why nothing at all may be written any more; empty while it may.
    """

    fluid_namespace: str
    refused: list[str] = field(default_factory=list)
    closed: str = ""
    _permitted: frozenset[Disruption] = field(default=frozenset(), init=False)
    _own: set[str] = field(default_factory=set, init=False)
    _restoring: threading.local = field(default_factory=threading.local, init=False)

    @contextmanager
    def permitting(self, kinds: frozenset[Disruption]) -> Iterator[None]:
        """These kinds, and no others, may be disturbed while the context lasts."""
        before, self._permitted = self._permitted, kinds
        try:
            yield
        finally:
            self._permitted = before

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """This thread restores what was changed before; that is always permitted."""
        before = getattr(self._restoring, "active", False)
        self._restoring.active = True
        try:
            yield
        finally:
            self._restoring.active = before

    @property
    def own_namespaces(self) -> tuple[str, ...]:
        """The namespaces of the harness that this run has written to."""
        return tuple(sorted(self._own))

    def take_refused(self) -> tuple[str, ...]:
        """The writes that were refused since the last call."""
        found = tuple(self.refused)
        self.refused.clear()
        return found

    def check_request(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: object, read: Read
    ) -> None:
        """Check a request that is not a GET.

        Raises:
            UndeclaredWriteError: it changes something that may not be disturbed at this time.
            InfrastructureError: nothing may be written any more.
        """
        if ("dryRun", "All") in query or any(f"/{group}/" in path for group in _QUESTIONS):
            return
        self._require_open()
        target = _Target.of(path)
        if self._is_own(target, method, read):
            return
        self._require(self._kind_of(target, body, read), f"{method} {path}")

    def check_exec(self, namespace: str, pod: str, argv: Sequence[str], read: Read) -> None:
        """Check a command in a container.

        Raises:
            UndeclaredWriteError: the Pod is foreign, and may not be disturbed at this time.
        """
        if self._is_own_namespace(namespace, read):
            return
        kind = Disruption.FLUID_COMPONENTS if namespace == self.fluid_namespace else None
        self._require(kind, f"`{shown(list(argv), 80)}` in Pod {namespace}/{pod}")

    def check_node_command(self, node: str, argv: Sequence[str], changes: Disruption | None) -> None:
        """Check a command on a node.

        Args:
            node: name of the node.
            argv: program and arguments.
            changes: what it changes; `Disruption.NOTHING` for things of the harness only; None for a program
                that is known to read only.

        Raises:
            UndeclaredWriteError: it changes something that may not be disturbed at this time.
        """
        if any(_DROPS_PAGE_CACHE in word for word in argv):
            changes = Disruption.NODE_CACHE
        elif changes is None:
            changes = Disruption.NOTHING if only_reads(argv) else Disruption.NODE
        if changes is not Disruption.NOTHING:
            self._require_open()
            self._require(changes, f"`{shown(list(argv), 80)}` on node {node}")

    def _require_open(self) -> None:
        if self.closed:
            raise InfrastructureError(f"nothing more is written to this cluster: {self.closed}")

    def _require(self, kind: Disruption | None, write: str) -> None:
        if getattr(self._restoring, "active", False) or kind in self._permitted:
            return
        what = "a foreign object, which no scenario may change" if kind is None else f"kind {kind.value}"
        self.refused.append(f"{write} ({what})")
        raise UndeclaredWriteError(
            f"{write} was refused: it disturbs others ({what}), and that is not declared",
            condition="only changes that the scenario declares",
            advice="declare the kind with disturbs=… at the scenario, or change only objects of the harness",
        )

    def _is_own(self, target: _Target, method: str, read: Read) -> bool:
        if target.namespace:
            return self._is_own_namespace(target.namespace, read)
        if not target.name:
            return method == "POST"  # a new cluster-wide object, which the client labels
        found = read(target.object_path)
        if found is None:
            return True  # it is created, or there is nothing to change
        claim_of = (
            text(found, "spec", "claimRef", "namespace") if target.plural == "persistentvolumes" else ""
        )
        return is_managed(found) or (bool(claim_of) and self._is_own_namespace(claim_of, read))

    def _is_own_namespace(self, name: str, read: Read) -> bool:
        if name in self._own:
            return True
        found = read(f"/api/v1/namespaces/{name}")
        if found is not None and is_managed(found):
            self._own.add(name)
            return True
        return found is None

    def _kind_of(self, target: _Target, body: object, read: Read) -> Disruption | None:
        """What is disturbed by a change of a foreign object; None for what nobody may change."""
        if target.namespace:
            return Disruption.FLUID_COMPONENTS if target.namespace == self.fluid_namespace else None
        if target.plural == "nodes":
            return Disruption.NODE_LABELS if _changes_labels_only(body) else Disruption.NODE
        found = read(target.object_path) or {}
        release = at(found, "metadata", "annotations", "meta.helm.sh/release-namespace")
        fluids = release == self.fluid_namespace or (release is None and "fluid" in target.name)
        return Disruption.FLUID_COMPONENTS if fluids and target.plural != "namespaces" else None


@dataclass(frozen=True, slots=True)
class _Target:
    """What a path of the API names."""

    namespace: str
    plural: str
    name: str
    object_path: str

    @classmethod
    def of(cls, path: str) -> _Target:
        """Read a path such as ``/api/v1/namespaces/demo/pods/a`` or ``/api/v1/nodes/n1``."""
        parts = path.strip("/").split("/")
        start = 2 if parts[0] == "api" else 3
        prefix, rest = parts[:start], parts[start:]
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in {"status", "finalize"}:  # noqa: PLR2004 - namespaces/NAME/plural
            namespace, prefix, rest = rest[1], [*prefix, *rest[:2]], rest[2:]
        name = rest[1] if len(rest) > 1 else ""
        return cls(namespace, rest[0], name, "/" + "/".join([*prefix, *rest[:2]]))


def only_reads(argv: Sequence[str]) -> bool:
    """Whether a command is known to change nothing."""
    program = argv[0] if argv else ""
    if program == "find":
        return not any(word in _FIND_CHANGES for word in argv)
    return program in _READING


def _changes_labels_only(body: object) -> bool:
    if not isinstance(body, dict) or set(body) != {"metadata"}:
        return False
    return isinstance(body["metadata"], dict) and set(body["metadata"]) <= {"labels", "annotations"}
