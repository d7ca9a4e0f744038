"""Common parts of all faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes.kinds import Kind

#: Seconds for one command in a Pod or on a node.
COMMAND_SECONDS: Final = 30.0


class Run(Protocol):
    """Runs a program in a Pod or on a node; a non-zero exit is returned, not raised.

    `functools.partial(kube.exec, namespace, pod, container)` is one.
    """

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run ``argv`` to its end within ``timeout`` seconds."""
        ...


class Objects(Protocol):
    """The part of `clusters.kubernetes.client.Kube` that faults need."""

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object, or None."""
        ...

    def patch(self, kind: Kind, name: str, namespace: str | None, body: object) -> dict[str, Any]:
        """Change parts of an object (JSON merge patch)."""
        ...

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        because: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        """Delete an object."""
        ...


class FaultError(InfrastructureError):
    """A fault had no effect, or could not be undone."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as the evidence shows it.

    Attributes:
        says: what was done, in plain words.
    """

    says: str
