"""The sequence of a soak: which rows, and in which order, by a seed."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Mapping
from typing import Final

from clusters.errors import RefusalError
from suites.catalogue.discovery import declared_tests
from suites.sabotage.model import Place
from suites.soak.model import Kind

#: Rows of each kind. Each leaves the cluster as it was, and none of them needs an installation of its own.
ROWS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.USE: ("A2", "A3", "A10", "A22", "A24", "A28", "C5", "C9"),
    Kind.LIFECYCLE: ("E1", "E2", "E3", "E5", "E6", "E13"),
    Kind.FAULT: (
        "D1", "D4", "D9", "D10", "D12", "D13", "D14", "D16", "D17", "D18", "D19", "D20", "D21", "D22", "D23",
        "D24",
    ),
}  # fmt: skip
#: How often each kind comes, relative to the others.
WEIGHTS: Final[Mapping[Kind, int]] = {Kind.USE: 2, Kind.LIFECYCLE: 1, Kind.FAULT: 2}


def rows_here(nodes: int) -> Mapping[Kind, tuple[str, ...]]:
    """The rows of each kind that a cluster of so many nodes that take Pods can run."""
    tests = declared_tests()
    return {kind: tuple(row for row in rows if tests[row][0].nodes <= nodes) for kind, rows in ROWS.items()}


def sequence(seed: int, nodes: int) -> Iterator[tuple[Kind, str]]:
    """Rows without an end; the same seed and number of nodes give the same ones. None comes twice in a row.

    Args:
        seed: decides the sequence.
        nodes: that take Pods.
    """
    drawn, rows = random.Random(seed), rows_here(nodes)  # noqa: S311 - a sequence, not a secret
    kinds = [kind for kind in Kind if rows[kind]]
    last = ""
    while True:
        (kind,) = drawn.choices(kinds, [WEIGHTS[one] for one in kinds])
        row = drawn.choice(rows[kind])
        if row != last:
            yield kind, row
            last = row


def place_of(row: str) -> Place:
    """Whether a row runs on the Dataset that lives through the soak, or on one of its own."""
    names = inspect.signature(declared_tests()[row][1]).parameters.keys()
    return Place.SHARED if "shared_user" in names and "user" not in names else Place.OWN


def seconds_of(hours: float) -> float:
    """The time of a soak.

    Raises:
        RefusalError: it is not a positive number of hours, or more than a week.
    """
    if not 0 < hours <= 7 * 24:
        raise RefusalError(f"--soak {hours:g}: not a number of hours above 0, and at most {7 * 24}")
    return hours * 3600.0
