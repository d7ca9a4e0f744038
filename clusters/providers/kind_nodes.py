"""Containers that are nodes of kind clusters, and which of those clusters the harness manages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.host.engine import Engine

#: Where the harness's state folder is mounted in a node: the mark of a cluster that the harness manages.
MARK: Final = "/kind/fluid-conformance"
#: File in the state folder of a cluster that must outlive the run that created it.
KEPT: Final = "kept"
#: Label that kind gives the containers of a cluster; its value is the cluster's name.
_CLUSTER_LABEL: Final = "io.x-k8s.kind.cluster"


def cluster_containers(engine: Engine, name: str | None = None) -> tuple[str, ...]:
    """Names of the containers that are kind nodes, of one cluster or of all."""
    label = _CLUSTER_LABEL + (f"={name}" if name else "")
    done = engine.run("ps", "-a", "--filter", f"label={label}", "--format", "{{.Names}}")
    return tuple(sorted(done.stdout.split()))


@dataclass(frozen=True, slots=True)
class ManagedNode:
    """A container that is a node of a cluster managed by the harness.

    Attributes:
        container: its name.
        cluster: name of its cluster.
        state: the harness's folder for that cluster, in the cache of the user who created it.
    """

    container: str
    cluster: str
    state: Path

    @property
    def kept(self) -> bool:
        """Whether its cluster must outlive the run that created it."""
        return (self.state / KEPT).exists()


def managed_nodes(engine: Engine, name: str | None = None) -> tuple[ManagedNode, ...]:
    """The nodes of the harness's clusters: of one, or of all."""
    found = (managed_node(engine, container) for container in cluster_containers(engine, name))
    return tuple(node for node in found if node is not None)


def managed_node(engine: Engine, container: str) -> ManagedNode | None:
    """The container as a node of a cluster managed by the harness; None if it is foreign."""
    found = engine.inspect("container", container) or {}
    marks = [mount for mount in found.get("Mounts", []) if mount.get("Destination") == MARK]
    if not marks:
        return None
    return ManagedNode(container, cluster_of(found), Path(marks[0].get("Source", "")))


def cluster_of(container: Mapping[str, Any]) -> str:
    """The kind cluster of a container, from the engine's description of it; empty if it has none."""
    return str(((container.get("Config") or {}).get("Labels") or {}).get(_CLUSTER_LABEL, ""))
