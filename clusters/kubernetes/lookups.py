"""Typed lookups in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar

from clusters.kubernetes.fields import Json
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.event import EventSnapshot

if TYPE_CHECKING:
    from clusters.kubernetes.client import Kube


class Snapshot(Protocol):
    """A class whose instances are snapshots of objects of one kind."""

    KIND: ClassVar[Kind]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an object of the API."""
        ...


S = TypeVar("S", bound=Snapshot)


@dataclass(frozen=True)
class ClusterReader:
    """Typed lookups in one cluster; each call sends a new request."""

    kube: Kube

    def get(self, snapshot: type[S], name: str, namespace: str | None = None) -> S | None:
        """One object, or None if there is none of that name."""
        found = self.kube.get(snapshot.KIND, name, namespace)
        return snapshot.of(found) if found else None

    def list(
        self, snapshot: type[S], namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[S, ...]:
        """The objects of one namespace or of all, narrowed by selectors."""
        found = self.kube.list(snapshot.KIND, namespace, labels=labels, fields=fields)
        return tuple(map(snapshot.of, found))

    def events(
        self, namespace: str | None = None, name: str = "", kind: str = ""
    ) -> tuple[EventSnapshot, ...]:
        """Events, oldest first; narrowed to those about an object's name and kind.

        Kubernetes keeps them for an hour and combines similar ones: rely on reason and message,
        never on their number.
        """
        pairs = (("involvedObject.name", name), ("involvedObject.kind", kind))
        fields = ",".join(f"{key}={value}" for key, value in pairs if value)
        found = self.list(EventSnapshot, namespace, fields=fields)
        return tuple(sorted(found, key=lambda event: event.last.timestamp() if event.last else 0.0))
