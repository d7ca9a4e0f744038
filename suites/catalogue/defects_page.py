"""The page of known defects, docs/defects.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from suites.catalogue import upstream_reports
from suites.catalogue.scenario import Scenario
from suites.record.defects import Defect
from suites.record.markdown import escape, table_row

PAGE: Final = Path(__file__).parents[2] / "docs" / "defects.md"
_NUMBER: Final = re.compile(r"#(\d+)")
_ISSUES: Final = "https://github.com/fluid-cloudnative/fluid/issues/"


def defects_of(scenarios: Sequence[Scenario]) -> dict[Defect, list[Scenario]]:
    """Each known defect with the rows that show it."""
    shown: dict[Defect, list[Scenario]] = {}
    for scenario in scenarios:
        for defect in scenario.defects:
            shown.setdefault(defect, []).append(scenario)
    return shown


def page(scenarios: Sequence[Scenario]) -> str:
    """The page as Markdown."""
    found = defects_of(scenarios)
    reports = {defect: upstream_reports.read(defect.key) for defect in found}
    known = sum(report.issue != "none" for report in reports.values())
    lines = [
        "| defect | report | versions of Fluid | in Fluid's repository | rows |",
        "|---|---|---|---|---|",
    ]
    lines += [
        table_row(
            f"`{defect.key}`",
            f"[{escape(report.title)}](../suites/catalogue/upstream/{defect.key}.md)",
            str(defect.affected),
            _NUMBER.sub(rf"[#\1]({_ISSUES}\1)", report.issue),
            ", ".join(f"[{row.id}](../{row.file})" for row in found[defect]),
        )
        for defect, report in reports.items()
    ]
    return (
        "\n\n".join(
            (
                "# Known defects of Fluid",
                (
                    "Made by `python -m suites.catalogue`. Each has a report for Fluid's maintainers. A run "
                    "that sees a defect writes the report with what was seen and the evidence to "
                    "`out/<run>/defects/<key>.md`. “All” means that no version is known without it."
                ),
                (
                    f"There are {len(found)}. A stored copy of Fluid's issues and pull requests was searched "
                    f"for them on November 28, 2026: {known} are mentioned there, some of them by another "
                    "effect. “None” means that the search found none."
                ),
                (
                    "The commands of a report with `shows:` in its first lines can be run against the "
                    "cluster of the current kubeconfig, which needs Fluid and `kubectl`: "
                    "`python -m suites.catalogue.reproduce KEY`."
                ),
                "\n".join(lines),
            )
        )
        + "\n"
    )
