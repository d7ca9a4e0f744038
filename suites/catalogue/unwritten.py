"""Rows of the catalogue that no scenario is written for, each with its reason: none disappears silently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Why(StrEnum):
    """Kinds of reasons."""

    ELSEWHERE = "shown by another scenario"
    NOT_AT_HAND = "needs what is not at hand"


@dataclass(frozen=True, slots=True)
class UnwrittenRow:
    """A row without a scenario of its own.

    Attributes:
        id: of the row.
        does: what a user does, or what happens.
        why: the kind of reason.
        reason: the reason itself.
    """

    id: str
    does: str
    why: Why
    reason: str


#: Rows of each group of the catalogue: how many, and the numbers that it has not got. The last group is
#: not about Fluid but about what its documentation says.
#: D15 was not read in Fluid's source: it showed on three nodes, as what D4 left behind.
GROUPS: Final[Mapping[str, tuple[int, frozenset[int]]]] = MappingProxyType(
    {
        "A": (51, frozenset()),
        "B": (40, frozenset({9})),
        "C": (10, frozenset()),
        "D": (26, frozenset()),
        "E": (14, frozenset({12})),
        "DOC": (1, frozenset()),
    }
)


def rows() -> tuple[str, ...]:
    """Ids of all rows of the catalogue, in its order."""
    return tuple(
        f"{group}{number}"
        for group, (last, missing) in GROUPS.items()
        for number in range(1, last + 1)
        if number not in missing
    )


UNWRITTEN_ROWS: Final = (
    UnwrittenRow("A5", "uses a Dataset again on a node that has its Fuse Pod", Why.ELSEWHERE, "A6 does so"),
    UnwrittenRow(
        "A31",
        "has files read ahead by the file prefetcher",
        Why.NOT_AT_HAND,
        "needs the image fluid-file-prefetcher:v0.1.0, whose source no package registry holds",
    ),
    UnwrittenRow(
        "A38",
        "runs all processes as a user other than root",
        Why.NOT_AT_HAND,
        "needs the image init-users, which no package registry holds",
    ),
    UnwrittenRow("B19", "writes through a read-only Dataset", Why.ELSEWHERE, "A13 does so"),
    UnwrittenRow("C2", "checks whether an application reads through the Fuse", Why.ELSEWHERE, "A2 does so"),
    UnwrittenRow("C3", "reads after the Fuse was killed", Why.ELSEWHERE, "D1 does so"),
    UnwrittenRow(
        "C6",
        "asks Alluxio itself what it holds",
        Why.ELSEWHERE,
        "each check of what is cached does so: C5, A22",
    ),
    UnwrittenRow("D6", "the master's StatefulSet is deleted", Why.ELSEWHERE, "B36 does so"),
    UnwrittenRow("D8", "the Fuse's DaemonSet is deleted", Why.ELSEWHERE, "B36 does so"),
    UnwrittenRow(
        "D26",
        "the clock of a node is wrong",
        Why.NOT_AT_HAND,
        "the nodes of a kind cluster share the clock of their host, and a time namespace changes no clock of "
        "the day",
    ),
)
