"""The verdict in short: Markdown for a job's page, and lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reports.verdict import phrases
from reports.verdict.model import Outcome, ScenarioResult, Verdict

#: How an outcome and a verdict look on a terminal, in pytest's markup.
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
        f"{phrases.counts(verdict)}, in {phrases.seconds(verdict.run.seconds)}.",
        phrases.EXPLANATIONS[verdict.verdict],
        "",
    ]
    if not verdict.run.finished:
        lines += ["**The run is going on, or it was killed before its end.**", ""]
    lines += [f"- {_md(reason)}" for reason in verdict.reasons]
    lines += [
        "",
        *_system_lines(verdict),
        "",
        "| | scenario | what must hold | seconds | why |",
        "|---|---|---|---:|---|",
    ]
    lines += [
        f"| {MARKS[s.outcome]} {s.outcome} | {_md(s.anchor)} | {_md(s.title)} | {s.seconds:.1f} | {_why(s)} |"
        for s in verdict.scenarios
    ]
    return "\n".join(lines) + "\n"


def terminal_lines(verdict: Verdict) -> list[tuple[str, Mapping[str, bool]]]:
    """The verdict as lines, each with its markup: scenarios first, the verdict last, where it is seen."""
    lines: list[tuple[str, Mapping[str, bool]]] = []
    width = max((len(s.anchor) for s in verdict.scenarios), default=0)
    for s in verdict.scenarios:
        colour = COLOURS[s.outcome]
        lines.append((f"{s.anchor:<{width}}  {s.outcome:<12}  {s.seconds:8.1f} s  {s.title}", colour))
        if s.reason and s.outcome != "pass":
            kind = f"{phrases.blame(s)}: " if s.failure_class else ""
            lines.append((f"{'':<{width}}  {kind}{s.reason}", {}))
        told = [
            f"known defect {defect.key} {phrases.not_seen(defect, verdict.system)}"
            for defect in s.defects
            if not defect.seen
        ]
        told += [f"{bundle.name}: {bundle.path}" for bundle in s.bundles]
        lines += [(f"{'':<{width}}  {text}", {}) for text in told]
    lines.append(("", {}))
    headline = f"{verdict.verdict.upper()}: {phrases.headline(verdict)}"
    lines.append((f"{headline} ({phrases.counts(verdict)})", {**COLOURS[verdict.verdict], "bold": True}))
    lines += [(f"  {reason}", {}) for reason in verdict.reasons]
    return lines


def _system_lines(verdict: Verdict) -> list[str]:
    system = verdict.system
    if system is None:
        return ["The system was not known yet when the run ended."]
    client = f"{system.nfs_client} NFS client" if system.nfs_client else "NFS client unknown"
    made = {"kind": "kind cluster", "existing": "existing cluster"}[system.cluster]
    nodes = "node" if system.nodes == 1 else "nodes"
    versions = f"Fluid {system.fluid}, Alluxio {system.alluxio}, Kubernetes {system.kubernetes}"
    return [_md(f"{versions} ({made}, {system.nodes} {nodes}, {client}).")]


def _why(s: ScenarioResult) -> str:
    if s.outcome == "pass":
        return ""
    kind = f"{phrases.blame(s)}: " if s.failure_class else ""
    return _md(kind + s.reason)


def _md(text: str) -> str:
    """Text that stays text in a Markdown table."""
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "\\`"), ("*", "\\*")):
        text = text.replace(raw, safe)
    return " ".join(text.split())
