"""The list of all rows of the catalogue: what each came to, and why a row was not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field

from reports.verdict.model import Model, Outcome, ScenarioResult, Verdict
from suites.catalogue.discovery import declared
from suites.catalogue.scenario import Level, Scenario
from suites.catalogue.unwritten import UNWRITTEN_ROWS, rows
from suites.record.run import CANNOT_RUN_HERE

Conclusion = Literal["pass", "fail", "known-defect"]

#: Rows beyond the level of the run.
_ABOVE: Final = "belongs to level {level}"
#: Rows that a run of some rows did not name.
_NOT_SELECTED: Final = "was not selected"


class RowResult(Model):
    """A row of the catalogue."""

    id: str
    case: str = Field("", description="which form of the row, where it has several")
    level: Literal["smoke", "conformance", "full", ""] = Field(description="empty: no scenario is written")
    outcome: Outcome | Literal["not run"]
    why: str = Field("", description="why it was not run, or did not pass")


class RowList(Model):
    """`rows.json`."""

    level: Literal["smoke", "conformance", "full"]
    selected: tuple[str, ...] = Field((), description="the only rows that were to run; empty: the level")
    rows: tuple[RowResult, ...]


def level_of(verdict: Verdict) -> Level:
    """The level of a run.

    Raises:
        ValueError: it is none of those that include each other, or is not recorded.
    """
    return Level.of(verdict.run.options.get("level", ""))


def selected_rows(verdict: Verdict) -> tuple[str, ...]:
    """The rows that a run was restricted to; empty for a whole level."""
    named = verdict.run.options.get("scenario", "")
    return tuple(row.strip().upper() for row in named.split(",") if row.strip())


def conclusion(verdict: Verdict) -> Conclusion | None:
    """What a run says about Fluid; None if nothing.

    A run of some rows that all showed known defects has no pass, so that its verdict is inconclusive. As a
    part of something that names the rows it says what there is to say.
    """
    if verdict.verdict in {"pass", "fail"}:
        return verdict.verdict
    alone = verdict.run.finished and not verdict.problems and bool(selected_rows(verdict))
    return (
        "known-defect" if alone and {one.outcome for one in verdict.scenarios} == {"known-defect"} else None
    )


def list_rows(verdict: Verdict) -> RowList:
    """Every row of the catalogue, in its order."""
    level = level_of(verdict)
    return RowList.model_validate(
        {"level": str(level), "selected": selected_rows(verdict), "rows": tuple(_rows(verdict, level))}
    )


def missing_rows(verdict: Verdict) -> list[Scenario]:
    """Scenarios that belong to the run, and that the verdict does not list."""
    level, listed = level_of(verdict), {one.id for one in verdict.scenarios}
    return [one for one in declared() if _belongs(one, level, verdict) and one.id not in listed]


def _belongs(one: Scenario, level: Level, verdict: Verdict) -> bool:
    selected = selected_rows(verdict)
    return one.id in selected if selected else one.level <= level


def unpermitted_skips(verdict: Verdict) -> list[ScenarioResult]:
    """Rows that were skipped for another reason than that this host or cluster cannot run them."""
    return [
        one
        for one in verdict.scenarios
        if one.outcome == "skipped" and not one.reason.startswith(CANNOT_RUN_HERE)
    ]


def _rows(verdict: Verdict, level: Level) -> Iterator[RowResult]:
    known = {one.id: one for one in declared()}
    unwritten = {one.id: one for one in UNWRITTEN_ROWS}
    for row in rows():
        found = [one for one in verdict.scenarios if one.id == row]
        for one in found:
            outcome = "not run" if one.outcome == "skipped" else one.outcome
            yield _row(row, one.level, outcome, one.reason, one.case)
        if found:
            continue
        if row in unwritten:
            yield _row(row, "", "not run", f"{unwritten[row].why}: {unwritten[row].reason}")
        else:
            above = known[row].level > level
            why = _ABOVE.format(level=known[row].level) if above else "missing"
            if selected_rows(verdict) and not _belongs(known[row], level, verdict):
                why = _NOT_SELECTED
            yield _row(row, str(known[row].level), "not run", why)


def _row(row: str, level: str, outcome: str, why: str, case: str = "") -> RowResult:
    return RowResult.model_validate({"id": row, "case": case, "level": level, "outcome": outcome, "why": why})
