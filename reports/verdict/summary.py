"""The verdict in short: Markdown for the page of a CI job, and lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reports import units
from reports.verdict import phrases
from reports.verdict.model import Outcome, ScenarioResult, Verdict
from suites.record.markdown import escape, table_row

#: Colours of an outcome and a verdict on a terminal, in pytest's markup.
COLOURS: Final[Mapping[str, Mapping[str, bool]]] = {
    "pass": {"green": True},
    "fail": {"red": True},
    "known-defect": {"yellow": True},
    "skipped": {"yellow": True},
    "inconclusive": {"yellow": True},
    "invalid": {"red": True},
}

MARKS: Final[Mapping[Outcome, str]] = {"pass": "✅", "fail": "❌", "known-defect": "🟣", "skipped": "⏭️"}


def render_summary(verdict: Verdict) -> str:
    """The verdict as Markdown (GitHub's flavour)."""
    lines = [
        f"## {phrases.headline(verdict)} (`{verdict.verdict}`)",
        "",
        f"{phrases.counts(verdict)}, in {units.duration(verdict.run.seconds)}.",
        phrases.EXPLANATIONS[verdict.verdict],
        "",
    ]
    if not verdict.run.finished:
        lines += ["**The run is not finished, or it was killed.**", ""]
    lines += [f"- {escape(reason)}" for reason in verdict.reasons]
    lines += [
        "",
        *_system_lines(verdict),
        "",
        "| | scenario | what must hold | harness | seconds | why |",
        "|---|---|---|---|---:|---|",
    ]
    lines += [
        table_row(
            f"{MARKS[s.outcome]} {s.outcome}",
            escape(s.anchor),
            escape(s.title),
            phrases.help_of(s),
            f"{s.seconds:.1f}",
            _why(s),
        )
        for s in verdict.scenarios
    ]
    return "\n".join(lines) + "\n"


def terminal_lines(verdict: Verdict) -> list[tuple[str, Mapping[str, bool]]]:
    """The verdict as lines, each with its markup: scenarios first, the verdict last."""
    lines: list[tuple[str, Mapping[str, bool]]] = []
    width = max((len(s.anchor) for s in verdict.scenarios), default=0)
    for s in verdict.scenarios:
        colour = COLOURS[s.outcome]
        lines.append((f"{s.anchor:<{width}}  {s.outcome:<12}  {s.seconds:8.1f} s  {s.title}", colour))
        if s.reason and s.outcome != "pass":
            kind = f"{phrases.blame(s)}: " if s.failure_class else ""
            lines.append((f"{'':<{width}}  {kind}{s.reason}", {}))
        notes = [
            f"known defect {defect.key} {phrases.not_seen(defect, verdict.system)}"
            for defect in s.defects
            if not defect.seen
        ]
        notes += [f"the doctor was wrong: {text}" for text in s.wrong_diagnoses]
        notes += [f"{bundle.name}: {bundle.path}" for bundle in s.bundles]
        lines += [(f"{'':<{width}}  {text}", {}) for text in notes]
    lines.append(("", {}))
    headline = f"{verdict.verdict.upper()}: {phrases.headline(verdict)}"
    lines.append((f"{headline} ({phrases.counts(verdict)})", {**COLOURS[verdict.verdict], "bold": True}))
    lines += [(f"  {reason}", {}) for reason in verdict.reasons]
    return lines


def _system_lines(verdict: Verdict) -> list[str]:
    system = verdict.system
    if system is None:
        return ["The run ended before the system was known."]
    client = phrases.nfs(system)
    made = {"kind": "kind cluster", "existing": "existing cluster"}[system.cluster]
    nodes = "node" if system.nodes == 1 else "nodes"
    source = f" ({system.fluid_source})" if system.fluid_source else ""
    versions = f"Fluid {system.fluid}{source}, Alluxio {system.alluxio}, Kubernetes {system.kubernetes}"
    return [escape(f"{versions} ({made}, {system.nodes} {nodes}, {client}).")]


def _why(s: ScenarioResult) -> str:
    if s.outcome == "pass":
        return ""
    kind = f"{phrases.blame(s)}: " if s.failure_class else ""
    return escape(kind + s.reason)
