"""The page of scenarios."""

import pytest

from suites.catalogue import discovery, page, unwritten
from suites.catalogue.__main__ import main
from suites.catalogue.scenario import Level, scenario

#: What the conformance level has to hold: P0 and P1 of the catalogue's priorities, with B6 and A20.
CONFORMANCE = (  # noqa: SIM905 - forty ids are read best as words
    "A1 A2 A3 A4 A6 A7 A9 A11 A13 A14 A17 A18 A19 A20 A22 A27 A28 "
    "B1 B2 B3 B5 B6 B7 B8 B10 B11 B12 B14 B16 B18 B20 B38 C1 C4 C5 D1 D2 D4 D12 E1 E2 E3"
).split()


def test_pages_are_what_the_code_says() -> None:
    """docs/scenarios.md and docs/fields.md are current."""
    assert main(["--check"]) == 0


def test_every_row_is_a_scenario_or_left_out_and_never_both() -> None:
    """No row of the catalogue disappears."""
    scenarios = [found.id for found in discovery.declared()]
    others = [row.id for row in unwritten.UNWRITTEN_ROWS]
    assert sorted(scenarios + others) == sorted(unwritten.rows())


def test_every_left_out_row_says_why() -> None:
    """A row that is left out has a reason in words, and one of another scenario names it."""
    known = {found.id for found in discovery.declared()}
    for row in unwritten.UNWRITTEN_ROWS:
        assert row.does
        assert row.reason
        if row.why is unwritten.Why.ELSEWHERE:
            assert any(word.strip(",:.") in known for word in row.reason.split()), row.id


def test_conformance_level_is_whole() -> None:
    """All rows of the conformance level are scenarios of that level or below."""
    levels = {found.id: found.level for found in discovery.declared()}
    assert [row for row in CONFORMANCE if levels.get(row, Level.FULL) > Level.CONFORMANCE] == []


def test_every_row_links_to_its_test() -> None:
    """The link of each scenario leads from docs/ to the file that declares it."""
    for found in discovery.declared():
        file = page.PAGE.parent / ".." / found.file
        assert f'"{found.id}"' in file.read_text(encoding="utf-8"), found.id


def test_cell_with_a_bar_does_not_break_its_table() -> None:
    """A bar in a docstring does not end its cell."""

    @scenario("A1", Level.SMOKE)
    def test_bar() -> None:
        """One | two.

        The user does a | b.
        """

    found = test_bar.pytestmark[0].args[0]  # type: ignore[attr-defined]
    row = next(line for line in page.page([found]).splitlines() if line.startswith("| [A1]("))
    assert row.count("|") == 8
    assert "One &#124; two." in row


def test_two_scenarios_of_one_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id names one scenario."""

    @scenario("A1", Level.SMOKE)
    def test_twin() -> None:
        """Another A1."""

    monkeypatch.setattr("suites.scenarios.cache.test_c5_warm_read.test_twin", test_twin, raising=False)
    discovery.declared_tests.cache_clear()
    with pytest.raises(ValueError, match="two scenarios have the id A1"):
        discovery.declared()
