"""How a change outside the harness's namespaces is undone: as data, so that another process can do it.

Each step can be repeated, and does nothing if what it restores is gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed, shown
from clusters.kubernetes.client import MERGE_PATCH, Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, items, text
from clusters.kubernetes.kinds import KINDS, NODE, Kind
from clusters.kubernetes.ownership import FIELD_MANAGER
from clusters.kubernetes.source_folder import SourceFolder

_NOT_FOUND: Final = 404
_COMMAND_SECONDS: Final = 60.0


class NodeExec(Protocol):
    """Runs a program on a node; `clusters.providers.base.Provider.node_exec` is one."""

    def __call__(
        self, node: str, argv: Sequence[str], /, *, timeout: float, changes: Disruption
    ) -> Completed:
        """Run ``argv`` to its end within ``timeout`` seconds."""
        ...


class Undo(Protocol):
    """One step that restores something; its fields are JSON."""

    def apply(self, kube: Kube, node_exec: NodeExec) -> None:
        """Do it.

        Raises:
            HarnessError: it could not be done now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Patch:
    """Sets fields of an object to what they were.

    Attributes:
        api_version: of the object.
        kind: of the object.
        name: of the object.
        namespace: of the object; None if it is cluster-wide.
        body: the patch.
        content_type: of the patch.
    """

    api_version: str
    kind: str
    name: str
    namespace: str | None
    body: dict[str, Any]
    content_type: str = MERGE_PATCH

    @classmethod
    def of(
        cls,
        kind: Kind,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any],
        content_type: str = MERGE_PATCH,
    ) -> Patch:
        """A patch of an object of a kind that the harness knows."""
        return cls(kind.api_version, kind.name, name, namespace, dict(body), content_type)

    def apply(self, kube: Kube, node_exec: NodeExec) -> None:
        """Patch the object, if it exists."""
        del node_exec
        kind = KINDS[self.api_version, self.kind]
        try:
            kube.patch(kind, self.name, self.namespace, self.body, content_type=self.content_type)
        except KubeError as error:
            if error.status != _NOT_FOUND:
                raise


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """Restores a label of a node, unless another client has set it since.

    ``managedFields`` names the harness as its only manager as long as nobody else did: a client that sets the
    same value is not added there, one that removes the label and sets it again is.

    Attributes:
        node: name of the node.
        key: of the label.
        value: that it had; None if the node did not have it.
    """

    node: str
    key: str
    value: str | None = None

    def apply(self, kube: Kube, node_exec: NodeExec) -> None:
        """Set the label if the node lacks it, or remove it if the node has it from the harness."""
        del node_exec
        found = kube.get(NODE, self.node)
        if found is None:
            return
        there = at(found, "metadata", "labels", self.key) is not None
        managers = {
            text(entry, "manager")
            for entry in items(found, "metadata", "managedFields")
            if at(entry, "fieldsV1", "f:metadata", "f:labels", f"f:{self.key}") is not None
        }
        if not there if self.value is not None else there and managers == {FIELD_MANAGER}:
            kube.patch(NODE, self.node, None, {"metadata": {"labels": {self.key: self.value}}})


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """Runs a program on a node; it must not matter if it runs twice.

    Attributes:
        node: name of the node.
        argv: program and arguments.
    """

    node: str
    argv: tuple[str, ...]

    def apply(self, kube: Kube, node_exec: NodeExec) -> None:
        """Run it, if the node exists."""
        if kube.get(NODE, self.node) is None:
            return
        done = node_exec(self.node, self.argv, timeout=_COMMAND_SECONDS, changes=Disruption.NODE)
        if done.exit_code != 0:
            raise InfrastructureError(
                f"`{shown(list(self.argv), 120)}` failed on node {self.node}",
                last_seen=(done.stdout + done.stderr).strip()[-1_000:],
            )


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Removes folders of a node, after the objects of the run.

    For each Pod that mounts a missing folder the kubelet creates it again.

    Attributes:
        node: name of the node.
        folders: absolute paths; one that does not exist is passed over.
        only_empty: a folder that holds something stays, and is an error.
    """

    node: str
    folders: tuple[str, ...]
    only_empty: bool = False

    def apply(self, kube: Kube, node_exec: NodeExec) -> None:
        """Remove them, if the node exists."""
        remove = "rmdir --" if self.only_empty else "rm -rf --"
        script = f'set -e; for folder in "$@"; do if [ -e "$folder" ]; then {remove} "$folder"; fi; done'
        NodeCommand(self.node, ("sh", "-c", script, "remove", *self.folders)).apply(kube, node_exec)


#: Steps that are taken only when the objects of their run are removed, because these can repeat the change.
LATE: Final = (NodeFolders, SourceFolder)
TYPES: Final[Mapping[str, Any]] = {
    "patch": Patch,
    "nodeLabel": NodeLabel,
    "nodeCommand": NodeCommand,
    "nodeFolders": NodeFolders,
    "sourceFolder": SourceFolder,
}


def to_json(undo: Undo) -> dict[str, Any]:
    """A step as JSON, with its type."""
    name = next(name for name, kind in TYPES.items() if type(undo) is kind)
    fields: dict[str, Any] = json.loads(json.dumps(asdict(undo)))  # type: ignore[call-overload] # all are dataclasses
    return {"type": name, **fields}


def from_json(data: Mapping[str, Any]) -> Undo:
    """The step that `to_json` wrote.

    Raises:
        HarnessError: it was written by another version of the harness.
    """
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
    }
    try:
        undo: Undo = TYPES[fields.pop("type")](**fields)
    except (KeyError, TypeError) as error:
        raise HarnessError(
            f"this version of the harness cannot undo {dict(data)}",
            advice="restore with the version of the harness that changed it",
        ) from error
    return undo


def inverse(found: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch (RFC 7386) that takes back a merge patch.

    Args:
        found: the object before.
        change: the patch that will be applied.
    """
    undo: dict[str, Any] = {}
    for key, value in change.items():
        before = found.get(key)
        nested = isinstance(value, Mapping) and isinstance(before, Mapping)
        undo[key] = inverse(before, value) if nested else before  # type: ignore[arg-type] # checked in nested
    return undo
