"""The page of fields: which row turns red when a field of Fluid's resources is ignored or wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from suites.catalogue.crd_fields import KINDS, VERSION
from suites.catalogue.scenario import Scenario
from suites.catalogue.uncovered_fields import UncoveredFields, WhyUncovered
from suites.record.markdown import table_row

PAGE: Final = Path(__file__).parents[2] / "docs" / "fields.md"


def covering(scenarios: Sequence[Scenario]) -> Mapping[str, tuple[Scenario, ...]]:
    """The rows of each field that at least one row declares."""
    found: dict[str, tuple[Scenario, ...]] = {}
    for scenario in scenarios:
        for field in dict.fromkeys(scenario.fields):
            found[field] = (*found.get(field, ()), scenario)
    return found


def reason_of(field: str, reasons: Sequence[UncoveredFields]) -> UncoveredFields | None:
    """The first reason for a field to have no row, or None."""
    return next((reason for reason in reasons if reason.matches(field)), None)


def problems(
    fields: Sequence[str], scenarios: Sequence[Scenario], reasons: Sequence[UncoveredFields]
) -> list[str]:
    """What is wrong with the coverage, each as a sentence; empty if each field has its rows or its reason."""
    rows = covering(scenarios)
    wrong = [
        f"{', '.join(row.id for row in by)} names {field}, and Fluid {VERSION} has no such field"
        for field, by in rows.items()
        if field not in fields
    ]
    used: set[UncoveredFields] = set()
    for field in fields:
        if field in rows:
            continue
        reason = reason_of(field, reasons)
        if reason is None:
            wrong.append(f"{field} is neither covered by a row nor has a reason to have none")
        else:
            used.add(reason)
    wrong += [
        f"the reason for {reason.pattern} is needed by no field" for reason in reasons if reason not in used
    ]
    return wrong


def page(fields: Sequence[str], scenarios: Sequence[Scenario], reasons: Sequence[UncoveredFields]) -> str:
    """The page as Markdown."""
    rows = covering(scenarios)
    missing = [field for field in fields if _is_missing(field, rows, reasons)]
    parts = [
        "# Fields",
        (
            f"Made by `python -m suites.catalogue` from the CRDs of Fluid {VERSION} and from the rows. A "
            "test fails when it is not current, when a field has neither a row nor a reason, and when a row "
            "names a field that does not exist. `python -m suites.catalogue --crds` reads the CRDs again."
        ),
        (
            "A row covers a field if one of its checks turns red when the field is ignored or wrong, or "
            "records that as a known defect. A type of Kubernetes itself, such as `affinity` or `volumes`, "
            "counts as one field."
        ),
        _summary(fields, rows, reasons),
        f"## No row yet ({len(missing)})",
        (
            "No row turns red today if Fluid ignores one of these."
            if missing
            else "Each field has a row or a reason to have none."
        ),
        "\n".join(f"- `{field}`" for field in missing),
    ]
    for kind in KINDS:
        parts += [f"## {kind}", _table(kind, fields, rows, reasons)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_missing(
    field: str, rows: Mapping[str, tuple[Scenario, ...]], reasons: Sequence[UncoveredFields]
) -> bool:
    reason = None if field in rows else reason_of(field, reasons)
    return reason is not None and reason.why is WhyUncovered.NO_ROW


def _summary(
    fields: Sequence[str],
    rows: Mapping[str, tuple[Scenario, ...]],
    reasons: Sequence[UncoveredFields],
) -> str:
    lines = ["| kind | fields | with a row | a reason to have none | no row yet |", "|---|---|---|---|---|"]
    total = [0, 0, 0, 0]
    for kind in KINDS:
        own = [field for field in fields if field.startswith(f"{kind}.")]
        covered = sum(field in rows for field in own)
        missing = sum(_is_missing(field, rows, reasons) for field in own)
        counts = [len(own), covered, len(own) - covered - missing, missing]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        lines.append(table_row(kind, *map(str, counts)))
    return "\n".join([*lines, table_row("all", *map(str, total))])


def _table(
    kind: str,
    fields: Sequence[str],
    rows: Mapping[str, tuple[Scenario, ...]],
    reasons: Sequence[UncoveredFields],
) -> str:
    lines = ["| field | rows | why none |", "|---|---|---|"]
    for field in fields:
        owner, _, path = field.partition(".")
        if owner != kind:
            continue
        links = ", ".join(f"[{row.id}](../{row.file})" for row in rows.get(field, ()))
        reason = None if links else reason_of(field, reasons)
        why = f"{reason.why}: {reason.reason}" if reason is not None else ""
        lines.append(table_row(f"`{path}`", links, why))
    return "\n".join(lines)
