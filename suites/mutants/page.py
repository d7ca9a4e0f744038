"""The page of all mutants, docs/mutants.md, generated from the code and the recorded results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from suites.mutants.cases import ROWS_WITHOUT_MUTANT
from suites.mutants.model import FLUID, Edit, Mutant, Part
from suites.mutants.result import scores
from suites.record.markdown import table_row

PAGE: Final = Path(__file__).parents[2] / "docs" / "mutants.md"
RECORDED: Final = Path(__file__).with_name("recorded.json")
#: Outcomes that say something about the rows.
JUDGED: Final = frozenset({"killed", "survived", "misblamed"})


def recorded() -> dict[str, dict[str, Any]]:
    """The last recorded result of each mutant that was tried, by id."""
    if not RECORDED.exists():
        return {}
    return {row["id"]: row for row in json.loads(RECORDED.read_text())}


def record(rows: Sequence[Mapping[str, Any]], mutants: Sequence[Mutant]) -> None:
    """Take results into the recorded ones; results of mutants that no longer exist are dropped."""
    known = recorded() | {row["id"]: dict(row) for row in rows}
    kept = [known[mutant.id] for mutant in mutants if mutant.id in known]
    RECORDED.write_text(json.dumps([_short(row) for row in kept], indent=1, ensure_ascii=False) + "\n")


def page(mutants: Sequence[Mutant], results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as Markdown."""
    found = scores(results.values())
    parts = [
        "# Mutants",
        (
            "Made from the code and `suites/mutants/recorded.json` by `python -m suites.mutants`; a test "
            "fails when it is not current. `tox -e mutants` runs them on a real cluster."
        ),
        (
            f"Each mutant changes Fluid {FLUID} in one place, is built, and put into the running cluster. "
            "Its rows of [the catalogue](scenarios.md) then have to turn red and to call it Fluid's fault "
            "(killed). A mutant that no row notices has survived: a check is missing. One that a row notices "
            "and calls the fault of the harness or of the infrastructure is misblamed."
        ),
        (
            f"There are {len(mutants)} mutants; {found['all'].tried} were tried, on clusters with one node "
            f"or three. {_total(found)}"
        ),
        _scores(mutants, results),
    ]
    for part in Part:
        parts.append(f"## {part.value[0].upper()}{part.value[1:]}")
        parts.append(_table([one for one in mutants if one.part is part], results))
    parts += ["## Rows without a mutant", _without_mutant()]
    return "\n\n".join(parts) + "\n"


def _without_mutant() -> str:
    lines = ["| row | why no change of Fluid's programs and charts turns it red |", "|---|---|"]
    lines += [table_row(row, why) for row, why in ROWS_WITHOUT_MUTANT.items()]
    return "\n".join(lines)


def _total(found: Mapping[str, Any]) -> str:
    score = found["all"]
    return f"Of these, {score}; {score.survived} survived and {score.misblamed} were misblamed."


def _scores(mutants: Sequence[Mutant], results: Mapping[str, Mapping[str, Any]]) -> str:
    found = scores(results.values())
    lines = ["| part | mutants | killed | survived | misblamed | not tried |", "|---|---|---|---|---|---|"]
    for part in Part:
        ids = [one.id for one in mutants if one.part is part]
        score = found.get(part.value)
        cells = (score.killed, score.survived, score.misblamed) if score else (0, 0, 0)
        untried = sum(1 for id_ in ids if results.get(id_, {}).get("outcome") not in JUDGED)
        lines.append(table_row(part.value, str(len(ids)), *map(str, cells), str(untried)))
    return "\n".join(lines)


def _table(mutants: Sequence[Mutant], results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| id | what is broken | where | rows | outcome | what the row said |",
        "|---|---|---|---|---|---|",
    ]
    for mutant in mutants:
        row = results.get(mutant.id)
        where = (
            ", ".join(dict.fromkeys(map(_place, mutant.edits))) or f"`{mutant.hang and mutant.hang.process}`"
        )
        outcome = str(row["outcome"]) if row is not None else "not tried"
        lines.append(table_row(mutant.id, mutant.says, where, ", ".join(mutant.rows), outcome, _words(row)))
    return "\n".join(lines)


def _place(edit: Edit) -> str:
    return f"`{edit.file}:{edit.line}`"


def _words(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["trouble"]:
        return str(row["trouble"])
    said = row["rows"][-1]
    if said["outcome"] == "pass":
        return ""
    return f"{said['row']}: {said['reason']}"


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """A result without the details, which belong into a run's own report."""
    rows = [
        {key: one[key] for key in ("row", "outcome", "class", "reason", "seconds")} for one in row["rows"]
    ]
    green = row["green"] and {key: row["green"][key] for key in ("row", "outcome", "reason")}
    return {
        **{key: row[key] for key in ("id", "part", "says", "outcome")},
        "rows": rows,
        "green": green,
        "trouble": row["trouble"].splitlines()[0] if row["trouble"] else "",
        "seconds": row["seconds"],
        "ran": row.get("ran", {}),
    }
