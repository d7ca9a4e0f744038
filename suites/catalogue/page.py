"""The page of all scenarios, docs/scenarios.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from clusters.disruption import ALL, Disruption
from clusters.pins import pins
from suites.catalogue.defects_page import defects_of
from suites.catalogue.scenario import Scenario
from suites.catalogue.unwritten import GROUPS, UNWRITTEN_ROWS, rows
from suites.record.markdown import table_row

PAGE: Final = Path(__file__).parents[2] / "docs" / "scenarios.md"
_DEFECTS: Final = "[defects.md](defects.md) has a report of each for Fluid's maintainers."
_TITLES: Final = {
    "A": "Correct use",
    "B": "Misuse",
    "C": "What is cached",
    "D": "Recovery",
    "E": "Lifecycle",
    "DOC": "The doctor",
}


def page(scenarios: Sequence[Scenario]) -> str:
    """The page as Markdown."""
    total = len(rows())
    kinds = ", ".join(f"`{kind.option}`" for kind in Disruption if kind in ALL)
    parts = [
        "# Scenarios",
        (
            "Made from the code by `python -m suites.catalogue`; a test fails when it is not current. "
            f"The catalogue has {total} rows: {len(scenarios)} are scenarios, {len(UNWRITTEN_ROWS)} have "
            "none, with their reasons at the end."
        ),
        (
            "Each level includes those before it: `smoke`, `conformance`, `full`. “Alone” means that "
            "nothing else runs at the same time. “Again untouched in full” means that level `full` also runs "
            "it without any request for a reconcile, so that all times are Fluid's own: "
            f"{', '.join(s.id for s in scenarios if s.untouched)}. With `--untouched` all rows run so. The "
            "report says of each row whether the harness helped. The id links to the test."
        ),
        (
            "“Disturbs” says what a scenario does outside the namespaces of the harness. On a cluster that "
            "the harness did not create, only those run that disturb nothing; the others run with "
            f"`--allow-disruptive KINDS`. Kinds are {kinds}. "
            "Each Dataset also uses up to 1 GiB of the memory of the nodes of its workers, and by default no "
            "other Dataset with placement Exclusive can use these nodes."
        ),
        (
            "With `--source-claim` or `--source-server` there is no NFS server of the harness. Rows that "
            "stop it, slow it or count what it sends are then not run: "
            f"{', '.join(s.id for s in scenarios if s.nfs_server)}."
        ),
    ]
    for group in GROUPS:
        parts.append(f"## {group}. {_TITLES[group]}")
        parts.append(_scenarios(s for s in scenarios if s.id.rstrip("0123456789") == group))
    parts += ["## Defects of Fluid that are checked", _DEFECTS, _defects(scenarios)]
    parts += ["## Rows without a scenario", _unwritten_rows()]
    return "\n\n".join(parts) + "\n"


def _scenarios(scenarios: Iterable[Scenario]) -> str:
    lines = [
        "| id | what a user does | what must hold | level | disturbs | Fluid | issues |",
        "|---|---|---|---|---|---|---|",
    ]
    pinned = sorted((version for version, pin in pins().fluid.items() if pin.module), reverse=True)
    for s in scenarios:
        needs = [f"{s.nodes} nodes"] if s.nodes > 1 else []
        needs += ["alone"] if s.alone else []
        needs += ["the harness's NFS server"] if s.nfs_server else []
        level = str(s.level) + (f" ({', '.join(needs)})" if needs else "")
        level += ", again untouched in full" if s.untouched else ""
        versions = ", ".join(version for version in pinned if not s.since or s.since.covers(version))
        versions += f" ({s.since.why})" if s.since else ""
        issues = ", ".join(f"[#{n}](https://github.com/fluid-cloudnative/fluid/issues/{n})" for n in s.issues)
        disturbs = "; ".join(map(str, s.disturbs)) or "nothing"
        lines.append(table_row(f"[{s.id}](../{s.file})", s.does, s.title, level, disturbs, versions, issues))
    return "\n".join(lines)


def _defects(scenarios: Iterable[Scenario]) -> str:
    lines = [
        "| key | what seems wrong | versions of Fluid | where it was read | scenario |",
        "|---|---|---|---|---|",
    ]
    lines += [
        table_row(
            f"`{d.key}`", d.says, str(d.affected), f"`{d.source}`", ", ".join(row.id for row in rows_of_it)
        )
        for d, rows_of_it in defects_of(tuple(scenarios)).items()
    ]
    return "\n".join(lines)


def _unwritten_rows() -> str:
    lines = ["| id | what a user does, or what happens | why |", "|---|---|---|"]
    lines += [table_row(row.id, row.does, f"{row.why}: {row.reason}") for row in UNWRITTEN_ROWS]
    return "\n".join(lines)
