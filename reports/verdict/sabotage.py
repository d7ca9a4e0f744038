"""The parts of the report about a product that was broken, or changed, on purpose, and who noticed."""

from __future__ import annotations

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.verdict.model import Verdict
from reports.verdict.page import TEMPLATES, HtmlSection
from suites.mutants.result import scores


def sabotage_sections(verdict: Verdict) -> tuple[HtmlSection, ...]:
    """A section where there was sabotage, and one where there were mutants.

    Their rows are those of ``suites.sabotage.model.Row.as_json`` and
    ``suites.mutants.result.Result.as_json``.
    """
    sections = []
    if verdict.sabotage:
        html = _rendered("sabotage.html.j2", rows=verdict.sabotage)
        sections.append(HtmlSection("sabotage", "Broken on purpose", html))
    if verdict.mutants:
        html = _rendered("mutants.html.j2", rows=verdict.mutants, scores=scores(verdict.mutants))
        sections.append(HtmlSection("mutants", "Mutants", html))
    return tuple(sections)


def _rendered(template: str, **values: object) -> Markup:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Markup(environment.get_template(template).render(values))  # noqa: S704 - the template escaped it
