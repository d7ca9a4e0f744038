"""How the doctor's answer is shown: a table on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import os
import sys
from typing import Any, Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clusters.errors import HarnessError
from suites.diagnosis import CannotDiagnoseError, Finding
from suites.doctor.answer import MARKS, Answer

#: Of the JSON; raised when a field changes its meaning or is removed.
SCHEMA: Final = 1
#: Where each code has a section.
PAGE: Final = "docs/doctor.md"
CANNOT_DIAGNOSE: Final = 2


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as JSON, described in docs/doctor.md."""
    return {
        "schema": SCHEMA,
        "cluster": answer.cluster,
        "taken": answer.taken,
        "pods": answer.pods,
        "datasets": answer.datasets,
        "lookedInside": answer.looked_inside,
        "wrong": answer.wrong,
        "unknown": answer.unknown,
        "ignored": answer.ignored,
        "exitCode": answer.exit_code,
        "findings": [finding_json(finding) for finding in answer.ordered],
        "gaps": list(answer.gaps),
    }


def refusal_json(error: HarnessError) -> dict[str, Any]:
    """Why there is no answer, as JSON."""
    missing = error.missing if isinstance(error, CannotDiagnoseError) else ()
    return {
        "schema": SCHEMA,
        "exitCode": CANNOT_DIAGNOSE,
        "error": {"says": error.message, "change": error.advice, "missingRights": list(missing)},
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {
        "pod": _key(finding.pod),
        "dataset": _key(finding.dataset) if finding.dataset else None,
        "claim": finding.claim or None,
        "verdict": finding.code.value,
        "page": f"{PAGE}#{finding.code.value}",
        "state": finding.state.value,
        "rows": list(finding.rows),
        "says": finding.says,
        "change": finding.change or None,
        "causes": [
            {
                "kind": cause.code.value,
                "page": f"{PAGE}#{cause.code.value}",
                "says": cause.says,
                "change": cause.change,
                "evidence": [{"source": fact.source, "says": fact.says} for fact in cause.evidence],
            }
            for cause in finding.causes
        ],
        "evidence": [{"source": fact.source, "says": fact.says} for fact in finding.evidence],
    }


def _key(key: tuple[str, str]) -> dict[str, str]:
    return {"namespace": key[0], "name": key[1]}


def print_answer(answer: Answer, stream: TextIO) -> None:
    """A table on a terminal; plain lines, one block for each finding, elsewhere."""
    if stream.isatty():
        _print_table(answer, Console(file=stream, highlight=False))
    else:
        stream.write("\n".join(plain_lines(answer)) + "\n")


def plain_lines(answer: Answer) -> list[str]:
    """The answer in lines: each finding with its evidence."""
    lines: list[str] = []
    for finding in answer.ordered:
        lines.append(plain_line(finding))
        lines += [f"         {fact}" for fact in _facts(finding)]
    lines += [f"note   {gap}" for gap in answer.gaps]
    return [*lines, answer.summary]


def plain_line(finding: Finding) -> str:
    """A finding in one line, without its evidence."""
    return f"{MARKS[finding.state][0]:<5}  {'/'.join(finding.pod)}  {_codes(finding)}  {finding}"


def _codes(finding: Finding) -> str:
    """Its code, and those of its causes: what --ignore accepts."""
    causes = ", ".join(cause.code.value for cause in finding.causes)
    return f"{finding.code.value} ({causes})" if causes else finding.code.value


def _facts(finding: Finding) -> list[str]:
    """The evidence, each fact once."""
    return list(dict.fromkeys(map(str, finding.evidence)))


def _print_table(answer: Answer, console: Console) -> None:
    if answer.findings:
        table = Table(show_lines=True, expand=True)
        table.add_column("", no_wrap=True)
        table.add_column("Pod", overflow="fold", ratio=2)
        table.add_column("Dataset", overflow="fold", ratio=2)
        table.add_column("finding, and the one change to make", ratio=6)
        for finding in answer.ordered:
            word, style = MARKS[finding.state]
            # Names are read from the cluster: as Text they are never interpreted as markup.
            shown = Text(finding.says)
            if finding.change:
                shown.append(f"\n→ {finding.change}", style="bold")
            shown.append("".join(f"\n· {fact}" for fact in _facts(finding)), style="dim")
            shown.append(f"\n[{_codes(finding)}]", style="dim")
            dataset = "/".join(finding.dataset) if finding.dataset else "-"
            table.add_row(Text(word, style=style), Text("/".join(finding.pod)), Text(dataset), shown)
        console.print(table)
    for gap in answer.gaps:
        console.print(Text(f"note: {gap}", style="yellow"))
    console.print(Text(answer.summary, style="bold red" if answer.exit_code else "bold green"))


def drop_output() -> None:
    """What is still buffered is dropped, because the reader, such as `head`, has read enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
