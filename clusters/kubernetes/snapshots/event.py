"""Events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, moment, number, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.meta import shortened


@dataclass(frozen=True, slots=True)
class EventSnapshot:
    """An Event.

    Attributes:
        type: ``Normal`` or ``Warning``.
        reason: one word.
        message: for humans.
        kind: of the involved object.
        namespace: of that object.
        name: of that object.
        count: number of occurrences.
        last: time of the last occurrence, if known.
    """

    KIND: ClassVar[Kind] = kinds.EVENT

    type: str
    reason: str
    message: str
    kind: str
    namespace: str
    name: str
    count: int
    last: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an Event of the old or the new form."""
        last = (
            moment(obj, "series", "lastObservedTime")
            or moment(obj, "lastTimestamp")
            or moment(obj, "eventTime")
            or moment(obj, "metadata", "creationTimestamp")
        )
        return cls(
            type=text(obj, "type"),
            reason=text(obj, "reason"),
            message=text(obj, "message"),
            kind=text(obj, "involvedObject", "kind"),
            namespace=text(obj, "involvedObject", "namespace"),
            name=text(obj, "involvedObject", "name"),
            count=number(obj, "series", "count") or number(obj, "count") or 1,
            last=last,
        )

    def __str__(self) -> str:
        times = f" (x{self.count})" if self.count > 1 else ""
        return f"{self.type} {self.reason} of {self.kind} {self.name}: {shortened(self.message)}{times}"
