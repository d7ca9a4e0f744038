"""The doctor's answer: a table on a terminal, plain lines elsewhere, JSON for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clusters.errors import HarnessError
from suites.diagnosis import CannotLookError, Finding, State

#: Of the JSON; raised when a field changes its meaning or goes.
SCHEMA: Final = 1

_MARKS: Final[Mapping[State, tuple[str, str]]] = {
    State.OK: ("ok", "green"),
    State.WAITING: ("wait", "yellow"),
    State.WRONG: ("WRONG", "bold red"),
}
_ORDER: Final = (State.WRONG, State.WAITING, State.OK)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the doctor has to say.

    Attributes:
        cluster: address of the API server.
        taken: when it looked, ISO 8601 in UTC.
        pods: how many Pods it saw.
        datasets: how many Datasets.
        looked_inside: it was allowed to look into Pods.
        findings: of the Pods that it was asked about.
        gaps: what could not be seen; one sentence each.
    """

    cluster: str
    taken: str
    pods: int
    datasets: int
    looked_inside: bool
    findings: tuple[Finding, ...]
    gaps: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        """Findings that ask for a change."""
        return sum(finding.wrong for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, else 1."""
        return 1 if self.wrong else 0

    @property
    def summary(self) -> str:
        """The whole in one line."""
        counts = Counter(finding.state for finding in self.findings)
        parts = [f"{counts[state]} {_MARKS[state][0].lower()}" for state in _ORDER if counts[state]]
        found = _count(len(self.findings), "finding")
        told = (
            f"{found}: {', '.join(parts)}" if parts else "no Pod that was asked about uses or wants a Dataset"
        )
        return f"{told} ({_count(self.pods, 'Pod')} and {_count(self.datasets, 'Dataset')} seen)"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


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
        "exitCode": answer.exit_code,
        "findings": [_finding(finding) for finding in _sorted(answer.findings)],
        "gaps": list(answer.gaps),
    }


def refusal_json(error: HarnessError) -> dict[str, Any]:
    """Why there is no answer, as JSON."""
    missing = error.missing if isinstance(error, CannotLookError) else ()
    return {
        "schema": SCHEMA,
        "exitCode": 2,
        "error": {"says": error.message, "change": error.advice, "missingRights": list(missing)},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "pod": _key(finding.pod),
        "dataset": _key(finding.dataset) if finding.dataset else None,
        "claim": finding.claim or None,
        "verdict": finding.verdict.value,
        "state": finding.state.value,
        "rows": list(finding.rows),
        "says": finding.says,
        "change": finding.change or None,
        "causes": [
            {
                "kind": cause.kind.value,
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


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    """What is wrong first."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.state))


def print_answer(answer: Answer, stream: TextIO) -> None:
    """A table on a terminal; plain lines, one block a finding, anywhere else."""
    if stream.isatty():
        _print_table(answer, Console(file=stream, highlight=False))
    else:
        stream.write("\n".join(plain_lines(answer)) + "\n")


def plain_lines(answer: Answer) -> list[str]:
    """The answer in lines; what is wrong is told with its evidence."""
    lines: list[str] = []
    for finding in _sorted(answer.findings):
        pod = "/".join(finding.pod)
        lines.append(f"{_MARKS[finding.state][0]:<5}  {pod}  {finding.verdict}  {finding}")
        lines += [f"         {fact}" for fact in _told(finding)]
    lines += [f"note   {gap}" for gap in answer.gaps]
    return [*lines, answer.summary]


def _told(finding: Finding) -> list[str]:
    """The evidence, each fact once."""
    return list(dict.fromkeys(map(str, finding.evidence)))


def _print_table(answer: Answer, console: Console) -> None:
    if answer.findings:
        table = Table(show_lines=True, expand=True)
        table.add_column("", no_wrap=True)
        table.add_column("Pod", overflow="fold", ratio=2)
        table.add_column("Dataset", overflow="fold", ratio=2)
        table.add_column("what is so, and the one change to make", ratio=6)
        for finding in _sorted(answer.findings):
            word, style = _MARKS[finding.state]
            # Names come from the cluster: as Text they are never taken for markup.
            told = Text(finding.says)
            if finding.change:
                told.append(f"\n→ {finding.change}", style="bold")
            told.append("".join(f"\n· {fact}" for fact in _told(finding)), style="dim")
            dataset = "/".join(finding.dataset) if finding.dataset else "-"
            table.add_row(Text(word, style=style), Text("/".join(finding.pod)), Text(dataset), told)
        console.print(table)
    for gap in answer.gaps:
        console.print(Text(f"note: {gap}", style="yellow"))
    console.print(Text(answer.summary, style="bold red" if answer.wrong else "bold green"))
