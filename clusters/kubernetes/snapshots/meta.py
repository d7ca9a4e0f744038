"""What all snapshots have: metadata, owners, conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from clusters.kubernetes.fields import Json, items, moment, number, table, text, texts

#: Characters of a message that `str()` of a snapshot shows.
SHOWN_MESSAGE: Final = 160


def shortened(message: str) -> str:
    """A message on one line of at most `SHOWN_MESSAGE` characters."""
    line = " ".join(message.split())
    return line if len(line) <= SHOWN_MESSAGE else line[: SHOWN_MESSAGE - 1] + "…"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of an object's status."""

    type: str
    status: str
    reason: str = ""
    message: str = ""

    @classmethod
    def all_of(cls, obj: Json) -> tuple[Self, ...]:
        """The conditions in an object's status."""
        return tuple(
            cls(text(item, "type"), text(item, "status"), text(item, "reason"), text(item, "message"))
            for item in items(obj, "status", "conditions")
        )

    def __str__(self) -> str:
        return f"{self.type}={self.status}" + (f" ({self.reason})" if self.reason else "")


def find_condition(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """The condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: tuple[Condition, ...], kind: str) -> bool:
    """Whether the condition of a type has the status True."""
    found = find_condition(conditions, kind)
    return found is not None and found.status == "True"


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner of an object, from its ``ownerReferences``."""

    kind: str
    name: str
    uid: str

    @classmethod
    def all_of(cls, obj: Json) -> tuple[Self, ...]:
        """The owners of an object."""
        return tuple(
            cls(text(item, "kind"), text(item, "name"), text(item, "uid"))
            for item in items(obj, "metadata", "ownerReferences")
        )


@dataclass(frozen=True, slots=True)
class Meta:
    """The metadata of an object.

    Attributes:
        namespace: empty for a cluster-scoped object.
        name: unique in its namespace for its kind.
        uid: unique in the cluster for all time.
        labels: by key.
        annotations: by key.
        owners: the object is deleted with them.
        finalizers: block its deletion until they are removed.
        deleting: it has a deletion timestamp.
        created: creation timestamp.
        generation: number of changes of its specification.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    deleting: bool
    created: datetime | None
    generation: int

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an object's metadata."""
        return cls(
            namespace=text(obj, "metadata", "namespace"),
            name=text(obj, "metadata", "name"),
            uid=text(obj, "metadata", "uid"),
            labels=table(obj, "metadata", "labels"),
            annotations=table(obj, "metadata", "annotations"),
            owners=Owner.all_of(obj),
            finalizers=texts(obj, "metadata", "finalizers"),
            deleting=bool(text(obj, "metadata", "deletionTimestamp")),
            created=moment(obj, "metadata", "creationTimestamp"),
            generation=number(obj, "metadata", "generation"),
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class ObjectSnapshot:
    """Base of the snapshots: short access to an object's metadata."""

    meta: Meta

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.meta.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.meta.name

    @property
    def uid(self) -> str:
        """Its uid."""
        return self.meta.uid

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.meta.labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return self.meta.annotations

    @property
    def deleting(self) -> bool:
        """It has a deletion timestamp."""
        return self.meta.deleting

    def _with_deleting(self, state: str) -> str:
        return f"{state}, deleting" if self.deleting else state
