"""The performance report: a part of `report.html`, or a page of its own; Markdown, and CSV.

It says what the judge said and nothing beyond: a difference is named only where
`suites.benchmark.judge` claims one, and beside each number stands what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from clusters.errors import RefusalError
from reports import svg, units
from reports.files import write_atomically
from reports.performance.charts import (
    SHOWN_PERCENTILES,
    LatencyRow,
    latency_chart,
    latency_rows,
    ratio_chart,
    throughput_chart,
    time_chart,
)
from reports.performance.rounds_csv import render_csv
from reports.performance.text import (
    ANCHORS,
    CLAIMS,
    MARKS,
    TONES,
    VERDICTS,
    alarms,
    arm_badges,
    interval_text,
    left_out,
    measured_on,
    pair_text,
    ratio_text,
    round_badges,
    says_series,
    says_spread,
    span_text,
    unfinished,
    value_text,
)
from reports.svg import Badge
from reports.verdict import model
from reports.verdict.page import HtmlSection
from suites.benchmark.model import results
from suites.benchmark.model.judgement import SMALLEST_CLAIM, Figures, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import MEANING, Arm, SeriesResult

#: Files that `write` makes in the folder of a run.
CSV_FILE: Final = "benchmark.csv"

MARKDOWN_FILE: Final = "benchmark.md"

PAGE_FILE: Final = "report.html"

SCHEMA_PATH: Final = Path(__file__).parents[1] / "schemas" / "benchmark.schema.json"


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series as the page shows it."""

    series: SeriesResult
    anchor: str
    throughput: Markup
    ratios: Markup
    latency: Markup
    timeline: Markup
    rows: tuple[tuple[Arm, Figures, tuple[Badge, ...]], ...]
    latencies: tuple[LatencyRow, ...]
    left_out: tuple[str, ...]
    rounds: tuple[tuple[Round, tuple[Badge, ...]], ...]


def load_results(path: Path) -> Benchmark:
    """The measurements of a run.

    Args:
        path: its folder, its `benchmark.json`, or a `verdict.json` with measurements.

    Raises:
        RefusalError: there are none, or they cannot be read.
    """
    if path.is_dir():
        path = next(
            (p for name in (results.FILE, "verdict.json") if (p := path / name).exists()), path / results.FILE
        )
    if path.name != "verdict.json":
        return results.load(path)
    part = model.load(path).benchmark
    if part is None:
        raise RefusalError(f"{path} holds no measurements", advice="measure with: pytest suites -m benchmark")
    return results.parse(part, str(path))


def performance_sections(benchmark: Benchmark | None) -> tuple[HtmlSection, ...]:
    """The further parts of a run's page: the performance section, or nothing where nothing was measured."""
    return () if benchmark is None else (performance_section(benchmark),)


def performance_section(benchmark: Benchmark) -> HtmlSection:
    """The performance report as a part of `report.html`."""
    return HtmlSection("performance", "Read performance", _body(benchmark))


def render_performance_page(benchmark: Benchmark) -> str:
    """The performance report as a page of its own, for a run that measured and tested nothing."""
    page: str = (
        svg.environment()
        .get_template("plain_page.html.j2")
        .render(
            title=f"Read performance, run {benchmark.id}",
            overline=f"Fluid performance report · run {benchmark.id} · "
            f"{benchmark.started.strftime('%-d %B %Y, %H:%M UTC')}",
            heading="Reading through Fluid, beside NFS alone",
            body=_body(benchmark),
            foot=Markup(
                'Beside this page: <a href="benchmark.json">benchmark.json</a> and '
                '<a href="benchmark.csv">benchmark.csv</a> for machines, '
                '<a href="benchmark.md">benchmark.md</a> for a message. '
                "The page itself needs no network and none of these files."
            ),
        )
    )
    return page


def write(folder: Path, benchmark: Benchmark, *, page: bool) -> None:
    """Write what a run measured: JSON, CSV and Markdown, and a page where there is no other.

    Args:
        folder: of the run.
        benchmark: what it measured.
        page: write `report.html` too; not where the run has a verdict, whose page has this as a part.

    Raises:
        OSError: a file cannot be written.
    """
    write_atomically(folder / results.FILE, benchmark.to_json())
    write_atomically(folder / CSV_FILE, render_csv(benchmark))
    write_atomically(folder / MARKDOWN_FILE, render_markdown(benchmark))
    if page:
        write_atomically(folder / PAGE_FILE, render_performance_page(benchmark))


def render_markdown(benchmark: Benchmark) -> str:
    """The results in short, as Markdown (GitHub's flavour)."""
    lines = ["## Read performance", "", _md(measured_on(benchmark.environment)), ""]
    if not benchmark.finished or benchmark.stopped:
        lines += [f"**{_md(unfinished(benchmark))}**", ""]
    compared = [(series, one) for series in benchmark.series for one in series.judged]
    lines += ["| verdict | compared | in | times as fast | 95 % interval |", "|---|---|---|---:|---|"]
    lines += [
        f"| {'**' if one.purpose is Purpose.COMPARISON else ''}{one.verdict}"
        f"{'**' if one.purpose is Purpose.COMPARISON else ''} | {_md(pair_text(one))}"
        f"{'' if one.purpose is Purpose.COMPARISON else f' ({_md(one.purpose)})'}"
        f" | {_md(series.name)} | {ratio_text(one)} | {interval_text(one)} |"
        for series, one in compared
    ] or ["| | nothing was compared | | | |"]
    for alarm in alarms(benchmark):
        lines += ["", f"**{_md(alarm)}**"]
    for series in benchmark.series:
        lines += [
            "",
            f"### {_md(series.name)}",
            "",
            _md(says_series(series)),
            "",
            *(f"- {_md(text)}" for text in says_spread(series)),
            *([""] if says_spread(series) else []),
            "| how it was read | median | 95 % interval | variation | rounds | worth |",
            "|---|---:|---|---:|---:|---|",
        ]
        for figures in series.figures:
            worth = ", ".join(badge.word for badge in arm_badges(figures))
            lines.append(
                f"| {_md(figures.arm)} | {value_text(figures.median, series.unit)} "
                f"| {span_text(figures.low, figures.high, series.unit)} | {_percent(figures.variation)} "
                f"| {figures.rounds} of {figures.rounds + figures.invalid} | {worth} |"
            )
        lines += [f"\n- {_md(reason)}" for reason in left_out(series)]
    if benchmark.findings:
        lines += ["", "### Noticed", "", *(f"- {_md(finding)}" for finding in benchmark.findings)]
    return "\n".join(lines) + "\n"


def _body(benchmark: Benchmark) -> Markup:
    views = [_view(series, f"performance-{number}") for number, series in enumerate(benchmark.series, 1)]
    compared = [
        (view, one) for view in views for one in view.series.judged if one.purpose is Purpose.COMPARISON
    ]
    checks = [
        (view, one) for view in views for one in view.series.judged if one.purpose is not Purpose.COMPARISON
    ]
    kinds = {arm.kind: MEANING[arm.kind] for view in views for arm in view.series.arms}
    names = {
        arm.kind: arm.name for view in reversed(views) for arm in reversed(view.series.arms) if not arm.note
    }
    html = (
        svg.environment()
        .get_template("performance.html.j2")
        .render(
            b=benchmark,
            env=benchmark.environment,
            views=views,
            compared=compared,
            checks=checks,
            alarms=alarms(benchmark),
            unfinished=unfinished(benchmark),
            measured_on=measured_on(benchmark.environment),
            meanings=[(names.get(kind, kind.value), meaning) for kind, meaning in kinds.items()],
            marks=MARKS,
            verdicts=VERDICTS,
            tones=TONES,
            anchors=ANCHORS,
            percentiles=SHOWN_PERCENTILES,
            smallest_claim=SMALLEST_CLAIM,
            pair_text=pair_text,
            says_series=says_series,
            says_spread=says_spread,
            value=value_text,
            span=span_text,
            ratio=ratio_text,
            interval=interval_text,
            claimed=sum(one.verdict in CLAIMS for _, one in compared),
        )
    )
    return Markup(html)  # noqa: S704 - Jinja has escaped what is in it


def _view(series: SeriesResult, anchor: str) -> SeriesView:
    latencies = latency_rows(series)
    return SeriesView(
        series=series,
        anchor=anchor,
        throughput=svg.strip_chart(throughput_chart(series)),
        ratios=svg.strip_chart(chart) if (chart := ratio_chart(series)) else Markup(),
        latency=svg.strip_chart(latency_chart(series, latencies)) if latencies else Markup(),
        timeline=svg.timeline(time) if (time := time_chart(series)) else Markup(),
        rows=tuple(
            (arm, figures, arm_badges(figures))
            for arm, figures in zip(series.arms, series.figures, strict=True)
        ),
        latencies=latencies,
        left_out=left_out(series),
        rounds=tuple(
            (one, round_badges(one))
            for one in sorted(series.rounds, key=lambda one: (one.number, one.started))
        ),
    )


def _percent(value: float | None) -> str:
    return "not known" if value is None else units.percent(value)


def _md(text: str) -> str:
    """Text that stays text in a Markdown table."""
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "\\`"), ("*", "\\*")):
        text = text.replace(raw, safe)
    return " ".join(text.split())
