"""The sequence of a soak: from its seed, and only of rows that fit."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from clusters.errors import RefusalError
from suites.catalogue.discovery import declared_tests
from suites.sabotage.model import Place
from suites.soak.model import Kind
from suites.soak.plan import ROWS, place_of, rows_here, seconds_of, sequence


def test_same_seed_gives_the_same_sequence() -> None:
    """Another seed gives another one; all kinds come, and no row comes twice in a row."""
    first = list(islice(sequence(7, 2), 200))
    assert first == list(islice(sequence(7, 2), 200))
    assert first != list(islice(sequence(8, 2), 200))
    assert {kind for kind, _ in first} == set(Kind)
    assert all(one[1] != other[1] for one, other in pairwise(first))
    assert {row for _, row in first} > {"A2", "E1", "D9"}


def test_rows_exist_and_need_nothing_that_a_soak_has_not() -> None:
    """Each is in the catalogue once, of its kind, and has fixtures that can be given to it."""
    rows = [row for several in ROWS.values() for row in several]
    assert len(rows) == len(set(rows))
    assert set(rows) <= declared_tests().keys()
    assert all(row.startswith("D") for row in ROWS[Kind.FAULT])
    assert place_of("A2") is Place.SHARED
    assert place_of("E1") is Place.OWN
    assert place_of("D16") is Place.OWN


def test_rows_that_need_more_nodes_are_left_out() -> None:
    """One node is enough for the others."""
    one = rows_here(1)
    assert "D18" not in one[Kind.FAULT]
    assert "D9" in one[Kind.FAULT]
    assert "D18" in rows_here(2)[Kind.FAULT]


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), 1000.0])
def test_time_that_is_none_is_refused(hours: float) -> None:
    """It is a positive number of hours, and a week at most."""
    assert seconds_of(0.5) == 1800
    with pytest.raises(RefusalError, match="not a number of hours"):
        seconds_of(hours)
