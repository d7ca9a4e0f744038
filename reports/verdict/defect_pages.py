"""Pages of the known defects that a run has seen, for Fluid's maintainers: in none of the harness's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from reports.files import write_atomically
from reports.verdict.model import DefectResult, ScenarioResult, Verdict
from suites.catalogue import upstream_reports
from suites.catalogue.upstream_reports import UpstreamReport, UpstreamReportError

FOLDER: Final = "defects"
#: Sources of facts that are about the harness itself.
_OWN_SOURCES: Final = ("harness", "leak check", "control", "product defect", "product defect gone")
#: Names that a run gives to namespaces and nodes, and what a reader sees instead.
_NAMESPACE: Final = re.compile(r"\bfc(?:-shared)?-[0-9a-f]{6}\b")
_CLUSTER: Final = re.compile(r"\bfluid-conformance[-\w]*?-(worker\d*|control-plane)\b")
#: Facts listed as evidence.
SHOWN_FACTS: Final = 12
_CLUSTER_COMMANDS: Final = """\
kind create cluster
helm repo add fluid https://fluid-cloudnative.github.io/charts
helm install fluid fluid/fluid --version {fluid} --namespace fluid-system --create-namespace \\
  --set runtime.alluxio.enabled=true --wait"""


def write(folder: Path, verdict: Verdict) -> None:
    """Write a page for each defect that was seen, below the folder of the run.

    Raises:
        OSError: a page cannot be written.
    """
    for key, text in pages(verdict).items():
        write_atomically(folder / FOLDER / f"{key}.md", text)


def pages(verdict: Verdict) -> Mapping[str, str]:
    """The pages as Markdown, by the key of the defect."""
    found: dict[str, list[tuple[ScenarioResult, DefectResult]]] = {}
    for scenario in verdict.scenarios:
        for defect in scenario.defects:
            if defect.seen:
                found.setdefault(defect.key, []).append((scenario, defect))
    made = {}
    for key, seen in found.items():
        try:
            report = upstream_reports.read(key)
        except UpstreamReportError:
            continue
        made[key] = _page(verdict, report, seen)
    return made


def _page(verdict: Verdict, report: UpstreamReport, seen: list[tuple[ScenarioResult, DefectResult]]) -> str:
    system = verdict.system
    fluid = system.fluid.removeprefix("v").partition("-")[0] if system is not None else ""
    versions = (
        f"Fluid {system.fluid}, Alluxio {system.alluxio}, Kubernetes {system.kubernetes}"
        if system is not None
        else "unknown"
    )
    issue = report.issue if report.issue != "none" else "no issue was found"
    parts = [
        f"# {report.title}",
        f"- **Versions**: {versions}\n- **In Fluid's repository**: {issue}",
        "## What was done",
        f"On a new cluster:\n\n```sh\n{_CLUSTER_COMMANDS.format(fluid=fluid)}\n```",
        report.done,
        "## Expected",
        report.expected,
        "## Seen",
        "\n".join(f"- {_plain(line)}" for line in _said(seen)),
        "## Evidence",
        "\n".join(f"- {line}" for line in _evidence(seen[0][0])),
        "## Place in the source",
        "\n".join(f"- `{place}`" for place in dict.fromkeys(defect.source for _, defect in seen)),
        "## Suggested direction",
        report.direction,
    ]
    return "\n\n".join(parts) + "\n"


def _said(seen: list[tuple[ScenarioResult, DefectResult]]) -> Iterator[str]:
    """What was seen of the defect, each once."""
    keys = {defect.key for _, defect in seen}
    said = [
        fact.says
        for scenario, _ in seen
        for fact in scenario.evidence
        if fact.source == "product defect" and fact.data.get("defect") in keys
    ]
    yield from dict.fromkeys(said or [defect.says for _, defect in seen])


def _evidence(scenario: ScenarioResult) -> Iterator[str]:
    """The facts next to it."""
    facts = [fact for fact in scenario.evidence if fact.source not in _OWN_SOURCES]
    for fact in facts[-SHOWN_FACTS:]:
        yield f"{_plain(fact.source)}: {_plain(fact.says)}"


def _plain(text: str) -> str:
    """A text with names as on a plain cluster, on one line."""
    one_line = " ".join(text.split())
    return _CLUSTER.sub(r"kind-\1", _NAMESPACE.sub("demo", one_line)).replace("the user's ", "the ")
