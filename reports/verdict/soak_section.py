"""The section of the report on a soak: what it ran, what failed or is left, and what the system used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports import axes, pages, svg, units
from reports.pages import HtmlSection
from reports.svg import Panel, Span, Stretch, Timeline
from reports.verdict.model import Verdict

#: Colours of the kinds of steps (`suites.soak.model.Kind`), and of one that failed.
TONES: Final[Mapping[str, str]] = {
    "correct use": "a-raw-cold",
    "deletion and re-creation": "a-fluid-warm-same-client",
    "fault": "a-fluid-cold",
}
FAILED_TONE: Final = "t-bad"
#: Beginnings of the names of series: one panel each, which shows their sum.
PANELS: Final = (
    ("memory of ", "memory of Fluid's components, of etcd and of the kubelets", True),
    ("processes on ", "processes on all nodes", False),
    ("mounts on ", "mounts on all nodes", False),
    ("size of etcd", "size of etcd", True),
)


def soak_sections(verdict: Verdict) -> tuple[HtmlSection, ...]:
    """A section where there was a soak; its form is that of ``suites.soak.model.Soak.as_json``."""
    soak: Any = verdict.soak
    if soak is None:
        return ()
    chart = soak_chart(soak)
    html = pages.render(
        "soak.html.j2",
        soak=soak,
        chart=svg.timeline(chart) if chart is not None else None,
        grown=[_shown(one) for one in soak["growth"]],
    )
    return (HtmlSection("soak", "Soak", html),)


def soak_chart(soak: Mapping[str, Any]) -> Timeline | None:
    """What the system used over time, with the steps; None without two samples."""
    samples: Sequence[Mapping[str, Any]] = soak["samples"]
    if len(samples) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    last = max(float(soak["seconds"]), float(samples[-1]["at"]))
    scale = axes.time_axis(last)
    stretches = []
    for step in soak["steps"]:
        failed = step["outcome"] == "fail"
        span = Span(scale.at(step["at"]), scale.at(step["at"] + step["seconds"]))
        says = f"{step['row']} ({step['kind']}): {step['outcome']}, from {units.duration(step['at'])} on"
        stretches.append(Stretch(span, FAILED_TONE if failed else TONES[step["kind"]], says))
    panels = [
        panel
        for prefix, title, bytes_ in PANELS
        if (panel := _panel(samples, prefix, title, last, bytes_=bytes_)) is not None
    ]
    return Timeline(
        title="What the system used, over time",
        says="The coloured stretches show which kind of step ran; red ones failed. The table below has each "
        "series by itself.",
        axis=scale,
        stretches=tuple(stretches),
        legend=tuple((tone, kind) for kind, tone in TONES.items()),
        panels=tuple(panels),
    )


def _panel(
    samples: Sequence[Mapping[str, Any]], prefix: str, title: str, last: float, *, bytes_: bool
) -> Panel | None:
    """The sum of all series with a prefix; None where there is none."""
    points: list[tuple[float, float | None]] = []
    for sample in samples:
        values = [value for name, value in sample["values"].items() if name.startswith(prefix)]
        points.append((float(sample["at"]), sum(values) if values else None))
    if all(value is None for _, value in points):
        return None
    label = units.size if bytes_ else (lambda value: f"{value:.0f}")
    return svg.level_panel(
        title, "a-fluid-warm-cached", points, last, label=label, per=units.MIB if bytes_ else 1.0
    )


def _shown(one: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table of growth, as text."""
    in_bytes = one["series"].startswith(tuple(prefix for prefix, _, bytes_ in PANELS if bytes_))
    per_hour = float(one["per_hour"])
    sign = "-" if per_hour < 0 else "+"
    if in_bytes:
        text = f"{sign}{units.size(abs(per_hour))}"
        return {
            "series": one["series"],
            "first": units.size(one["first"]),
            "last": units.size(one["last"]),
            "per_hour": text,
        }
    return {
        "series": one["series"],
        "first": f"{one['first']:.0f}",
        "last": f"{one['last']:.0f}",
        "per_hour": f"{sign}{abs(per_hour):.1f}",
    }
