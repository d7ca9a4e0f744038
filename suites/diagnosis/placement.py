"""Which nodes a Pod or a volume may be on, by Kubernetes' rules for labels and taints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from clusters.kubernetes.fields import Json, at, items, text, texts
from clusters.kubernetes.snapshots.node import NodeSnapshot

_NAME_FIELD: Final = "metadata.name"
_EXCLUDES: Final = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One test on a node.

    Attributes:
        key: of the label, or of the field.
        operator: ``In``, ``NotIn``, ``Exists``, ``DoesNotExist``, ``Gt`` or ``Lt``.
        values: to compare with.
        field: it is about a field, of which there is only ``metadata.name``.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()
    field: bool = False

    def holds(self, node: NodeSnapshot) -> bool:
        """Whether the node passes it."""
        value = {_NAME_FIELD: node.name}.get(self.key) if self.field else node.labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return _compares(value, self.operator, self.values)
            case _:
                return False

    def __str__(self) -> str:
        return f"{self.key} {self.operator}" + (f" ({', '.join(self.values)})" if self.values else "")


def _compares(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    try:
        found, limit = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return found > limit if operator == "Gt" else found < limit


@dataclass(frozen=True, slots=True)
class NodeTerms:
    """A required node selector: terms of which one must hold, each of tests that all must hold."""

    terms: tuple[tuple[Requirement, ...], ...]

    @classmethod
    def of(cls, selector: object) -> Self | None:
        """Read a ``nodeSelector`` object with ``nodeSelectorTerms``; None when there is none."""
        if at(selector, "nodeSelectorTerms") is None:
            return None
        return cls(tuple(_requirements(term) for term in items(selector, "nodeSelectorTerms")))

    def holds(self, node: NodeSnapshot) -> bool:
        """Whether the node passes one of the terms; as in Kubernetes, an empty term matches no node."""
        return any(term and all(test.holds(node) for test in term) for term in self.terms)

    def __str__(self) -> str:
        return " or ".join(" and ".join(map(str, term)) or "nothing" for term in self.terms)


def _requirements(term: Json) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(text(item, "key"), text(item, "operator"), texts(item, "values"), field)
        for part, field in (("matchExpressions", False), ("matchFields", True))
        for item in items(term, part)
    )


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration of a Pod."""

    key: str
    operator: str
    effect: str

    @classmethod
    def all_of(cls, obj: Json) -> tuple[Self, ...]:
        """The tolerations of a Pod."""
        return tuple(
            cls(text(item, "key"), text(item, "operator") or "Equal", text(item, "effect"))
            for item in items(obj, "spec", "tolerations")
        )

    def tolerates(self, key: str, effect: str) -> bool:
        """Whether it tolerates a taint. Values are not compared: that would only rule out more nodes."""
        anything = not self.key and self.operator == "Exists"
        return (anything or self.key == key) and self.effect in ("", effect)


@dataclass(frozen=True, slots=True)
class Placement:
    """The nodes on which a Pod may run.

    Attributes:
        selector: labels that its node must have.
        terms: its required node affinity, or None.
        tolerations: the taints that it tolerates.
    """

    selector: Mapping[str, str]
    terms: NodeTerms | None
    tolerations: tuple[Toleration, ...]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read it from a Pod."""
        selector = at(obj, "spec", "nodeSelector")
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        return cls(
            selector={str(k): str(v) for k, v in selector.items()} if isinstance(selector, Mapping) else {},
            terms=NodeTerms.of(at(obj, "spec", "affinity", "nodeAffinity", required)),
            tolerations=Toleration.all_of(obj),
        )

    def selects(self, node: NodeSnapshot) -> bool:
        """Whether the node has the labels that the Pod requires."""
        chosen = all(node.labels.get(key) == value for key, value in self.selector.items())
        return chosen and (self.terms is None or self.terms.holds(node))

    def may_use(self, node: NodeSnapshot) -> bool:
        """Whether the node has the labels and no taint that excludes the Pod."""
        # A node that is cordoned or not ready has taints that say so.
        return self.selects(node) and all(self._tolerates(taint) for taint in node.taints)

    def _tolerates(self, taint: str) -> bool:
        key, _, effect = taint.rpartition(":")
        return effect not in _EXCLUDES or any(t.tolerates(key, effect) for t in self.tolerations)

    def __str__(self) -> str:
        parts = [f"{key}={value}" for key, value in self.selector.items()]
        return " and ".join(parts + ([str(self.terms)] if self.terms else [])) or "any node"
