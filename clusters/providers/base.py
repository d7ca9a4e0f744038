"""A cluster for the rest of the harness, created by the harness or foreign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clusters.disruption import Disruption
from clusters.facts import ProviderName
from clusters.host.commands import Completed


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers.

    Attributes:
        provider: of the cluster.
        name: of the kind cluster, or the kubeconfig's context.
        kubeconfig: file that reaches it.
        made_here: this call created it.
    """

    provider: ProviderName
    name: str
    kubeconfig: Path
    made_here: bool


class Provider(Protocol):
    """Creates a cluster, or uses an existing one, and deletes what it created."""

    def up(self) -> Cluster:
        """A cluster that answers; created first if it does not exist."""
        ...

    def down(self) -> None:
        """Delete the cluster if the harness created it."""
        ...

    def node_exec(
        self,
        node: str,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        changes: Disruption | None = None,
    ) -> Completed:
        """Run a program on a node, as its root; a non-zero exit is returned, not raised.

        Args:
            node: its name.
            argv: program and arguments; no shell.
            timeout: seconds.
            changes: what it changes, `Disruption.NOTHING` for things of the harness only. None is for
                programs that are known to read only.

        Raises:
            UndeclaredWriteError: the scenario that runs has not declared such a change.
        """
        ...

    def logs(self) -> Mapping[str, str]:
        """Logs of the nodes (kubelet, containerd), by file name, for a failure bundle."""
        ...
