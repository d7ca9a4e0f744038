"""The sections of the report on sabotage and mutants: what was changed, and which scenarios noticed."""

from __future__ import annotations

from reports import pages
from reports.pages import HtmlSection
from reports.verdict.model import Verdict
from suites.mutants.result import scores


def sabotage_sections(verdict: Verdict) -> tuple[HtmlSection, ...]:
    """A section where there was sabotage, and one where there were mutants.

    Their rows are those of ``suites.sabotage.model.Row.as_json`` and
    ``suites.mutants.result.Result.as_json``.
    """
    sections = []
    if verdict.sabotage:
        html = pages.render("sabotage.html.j2", rows=verdict.sabotage)
        sections.append(HtmlSection("sabotage", "Broken on purpose", html))
    if verdict.mutants:
        html = pages.render("mutants.html.j2", rows=verdict.mutants, scores=scores(verdict.mutants))
        sections.append(HtmlSection("mutants", "Mutants", html))
    return tuple(sections)
