"""`report.html`: one file that needs no network and no other file to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clusters.progress import Stage
from reports import pages
from reports.pages import HtmlSection
from reports.verdict import phrases
from reports.verdict.model import ScenarioResult, Verdict
from suites.record.evidence import PhaseKind

#: What the parts of a scenario's time are called, in the order in which the bars show them.
PHASES: Final[dict[PhaseKind | str, str]] = {
    "dataset": "making the Dataset",
    "waiting": "waiting",
    "window": "watching that nothing happens",
    "reading": "reading",
    "teardown": "cleaning up",
    "other": "everything else",
}


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a bar: its kind, its time, and its share in percent of the axis."""

    kind: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a chart of times."""

    name: str
    anchor: str
    seconds: float
    slices: tuple[Slice, ...]
    note: str = ""


def render_page(verdict: Verdict, sections: Sequence[HtmlSection] = ()) -> str:
    """The report of a run as one HTML page.

    Args:
        verdict: what `verdict.json` holds.
        sections: further parts, shown after the scenarios.
    """
    return str(
        pages.render(
            "report.html.j2",
            v=verdict,
            headline=phrases.headline(verdict),
            explanation=phrases.EXPLANATIONS[verdict.verdict],
            counts=phrases.counts(verdict),
            classes=phrases.CLASSES,
            blame=phrases.blame,
            not_seen=phrases.not_seen,
            help_of=phrases.help_of,
            help_in_detail=phrases.help_in_detail,
            phases=PHASES,
            ran=[s for s in verdict.scenarios if s.outcome != "skipped" or s.evidence],
            skipped=[s for s in verdict.scenarios if s.outcome == "skipped"],
            stage_bars=stage_bars(verdict.stages),
            scenario_bars=scenario_bars(verdict.scenarios),
            sections=sections,
        )
    )


def stage_bars(stages: Sequence[Stage]) -> list[Bar]:
    """The stages of making the system, on one axis that ends at the longest."""
    longest = max((stage.seconds for stage in stages), default=0.0)
    return [
        Bar(
            name=stage.name,
            anchor="",
            seconds=stage.seconds,
            slices=(Slice("stage", stage.seconds, _share(stage.seconds, longest)),),
            note="found ready" if stage.cached else "",
        )
        for stage in stages
    ]


def scenario_bars(scenarios: Sequence[ScenarioResult]) -> list[Bar]:
    """Where the time of each scenario that ran went, on one axis that ends at the longest.

    What its phases do not explain is shown as *everything else*. Phases that lie within each other
    add up to more than the whole; the bar is then as long as they are.
    """
    ran = [s for s in scenarios if s.seconds and (s.outcome != "skipped" or s.evidence)]
    rows: list[tuple[ScenarioResult, dict[str, float]]] = []
    for s in ran:
        spent: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        for phase in s.phases:
            spent[phase.kind] += phase.seconds
        if not spent["teardown"]:
            spent["teardown"] = sum(attempt.teardown for attempt in s.attempts)
        spent["other"] += max(s.seconds - sum(spent.values()), 0.0)
        rows.append((s, spent))
    longest = max((sum(spent.values()) for _, spent in rows), default=0.0)
    return [
        Bar(
            name=s.id,
            anchor=s.anchor,
            seconds=s.seconds,
            slices=tuple(
                Slice(kind, value, _share(value, longest)) for kind, value in spent.items() if value > 0
            ),
        )
        for s, spent in rows
    ]


def _share(value: float, whole: float) -> float:
    return round(100 * value / whole, 3) if whole > 0 else 0.0
