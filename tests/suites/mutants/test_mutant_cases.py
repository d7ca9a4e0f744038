"""The list of mutants: that it covers what it has to, and that its page is current."""

from __future__ import annotations

from suites.catalogue.discovery import declared_tests
from suites.mutants import __main__ as command
from suites.mutants.cases import MUTANTS, ROWS_WITHOUT_MUTANT
from suites.mutants.model import Mutant, Part
from suites.mutants.page import page, recorded


def test_there_are_enough_mutants_and_each_part_has_some() -> None:
    """At least sixty, with ids of their own, for every part."""
    assert len(MUTANTS) >= 60
    assert len({one.id for one in MUTANTS}) == len(MUTANTS)
    assert {one.part for one in MUTANTS} == set(Part)


def test_each_mutant_changes_something_and_names_rows_of_the_catalogue() -> None:
    """It has edits or a hang, not both, and its green row is none of its rows."""
    for one in MUTANTS:
        assert bool(one.edits) != (one.hang is not None), one.id
        assert set(one.rows) <= declared_tests().keys(), one.id
        assert one.rows, one.id
        assert one.green in declared_tests(), one.id
        assert not declared_tests()[one.green][0].alone, one.id


def test_edits_are_short_and_change_something() -> None:
    """Almost nothing of Fluid's source is in this repository."""
    for one in MUTANTS:
        for edit in one.edits:
            assert edit.find != edit.put, one.id
            assert edit.line > 0, one.id
            assert len(edit.find) <= 80, one.id


def test_every_row_has_a_mutant_of_its_own_or_a_reason() -> None:
    """It is the first row of a mutant, which is tried whatever other rows find."""
    covered = {one.rows[0] for one in MUTANTS}
    assert declared_tests().keys() - covered == ROWS_WITHOUT_MUTANT.keys()
    text = page(MUTANTS, {})
    assert all(f"| {row} | {why} |" in text for row, why in ROWS_WITHOUT_MUTANT.items())


def test_the_page_is_current() -> None:
    """``python -m suites.mutants`` writes it."""
    assert command.main(["--check"]) == 0


def test_recorded_results_are_of_mutants_that_exist() -> None:
    """Each belongs to a mutant that exists, and describes it as the code does."""
    known = {one.id: one for one in MUTANTS}
    for id_, row in recorded().items():
        assert row["says"] == known[id_].says
        assert row["part"] == known[id_].part.value


def test_the_page_names_each_mutant_with_its_outcome() -> None:
    """A mutant that was not tried is named as well."""
    text = page(MUTANTS, {})
    assert all(f"| {one.id} | {one.says} |" in text for one in MUTANTS)
    assert "none tried" in text


def test_templates_need_no_compiler() -> None:
    """A mutant that changes charts alone is known as one."""
    by_part: dict[bool, set[Part]] = {}
    for one in MUTANTS:
        by_part.setdefault(one.templates, set()).add(one.part)
    assert by_part[True] == {Part.CHARTS}
    assert isinstance(MUTANTS[0], Mutant)
