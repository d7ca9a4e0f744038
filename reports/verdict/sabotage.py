"""The part of the report that tells how the product was broken on purpose, and who noticed."""

from __future__ import annotations

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.verdict.model import Verdict
from reports.verdict.page import TEMPLATES, HtmlSection


def sabotage_sections(verdict: Verdict) -> tuple[HtmlSection, ...]:
    """One section where there was sabotage, else none.

    Its rows are those of ``suites.sabotage.model.Row.as_json``.
    """
    if not verdict.sabotage:
        return ()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("sabotage.html.j2").render(rows=verdict.sabotage)
    return (HtmlSection("sabotage", "Broken on purpose", Markup(html)),)  # noqa: S704 - the template escaped it
