"""What a cluster is to the rest of the harness, whoever made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clusters.facts import ProviderName
from clusters.host.commands import Completed


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers.

    Attributes:
        provider: who made it.
        name: of the kind cluster, or the kubeconfig's context.
        kubeconfig: file that reaches it.
        made_here: it was made by this call, not found.
    """

    provider: ProviderName
    name: str
    kubeconfig: Path
    made_here: bool


class Provider(Protocol):
    """Makes a cluster, or finds one, and takes down what it made."""

    def up(self) -> Cluster:
        """A cluster that answers; made first where it is not there."""
        ...

    def down(self) -> None:
        """Remove the cluster if this provider makes such clusters and it is ours."""
        ...

    def node_exec(self, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run a program on a node, as its root; a non-zero exit is returned, not raised."""
        ...

    def logs(self) -> Mapping[str, str]:
        """What the nodes themselves say (kubelet, containerd), by file name, for a failure bundle."""
        ...
