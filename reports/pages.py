"""The templates of all HTML pages, and the sections of a page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import units

TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class HtmlSection:
    """A section of a page.

    Attributes:
        id: its anchor.
        title: its heading, and its name in the table of contents.
        html: its body.
    """

    id: str
    title: str
    html: Markup


def render(template: str, **values: object) -> Markup:
    """A rendered template; all values are escaped, except `markupsafe.Markup`."""
    return Markup(environment().get_template(template).render(values))  # noqa: S704 - Jinja escapes the values


@cache
def environment() -> Environment:
    """The Jinja environment of all pages; a run renders its page after each scenario."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "duration": units.duration,
        "figures": units.figures,
        "rate": units.rate,
        "size": units.size,
        "ns": units.nanoseconds,
        "times": units.times,
        "percent": units.percent,
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return made
