"""The performance report: a section of `report.html`, or a page of its own; Markdown, and CSV.

It names a difference only if the judge (`suites.benchmark.analysis.judge`) claims one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from clusters.errors import RefusalError
from reports import pages, svg, units
from reports.files import write_atomically
from reports.pages import HtmlSection
from reports.performance.charts import (
    SHOWN_PERCENTILES,
    LatencyRow,
    latency_chart,
    latency_rows,
    ratio_chart,
    throughput_chart,
    time_chart,
)
from reports.performance.parallel_text import says_parts
from reports.performance.rounds_csv import render_csv
from reports.performance.text import (
    ANCHORS,
    CLAIMS,
    MARKS,
    TONES,
    VERDICTS,
    advices,
    alarms,
    arm_badges,
    cpu_text,
    how_text,
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
from reports.verdict import model as verdict_model
from suites.benchmark.model import results
from suites.benchmark.model.judgement import SMALLEST_CLAIM, Figures, Judgement, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import MEANING, Arm, SeriesResult
from suites.record.markdown import escape, table_row

#: Names of the files in the folder of a run.
CSV_FILE: Final = "benchmark.csv"

MARKDOWN_FILE: Final = "benchmark.md"

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
            (p for name in (results.FILE, verdict_model.FILE) if (p := path / name).exists()),
            path / results.FILE,
        )
    if path.name != verdict_model.FILE:
        return results.load(path)
    part = verdict_model.load(path).benchmark
    if part is None:
        raise RefusalError(f"{path} holds no measurements", advice="measure with: pytest suites -m benchmark")
    return results.parse(part, str(path))


def performance_sections(benchmark: Benchmark | None) -> tuple[HtmlSection, ...]:
    """The performance section of `report.html`; none without measurements."""
    if benchmark is None:
        return ()
    return (HtmlSection("performance", "Read performance", _body(benchmark)),)


def render_performance_page(benchmark: Benchmark) -> str:
    """The performance report as a page of its own, for a run without scenarios."""
    return str(
        pages.render(
            "plain_page.html.j2",
            title=f"Read performance, run {benchmark.id}",
            overline=f"Fluid performance report · run {benchmark.id} · "
            f"{benchmark.started.strftime('%-d %B %Y, %H:%M UTC')}",
            heading="Read performance of Fluid, compared with NFS",
            body=_body(benchmark),
            foot=Markup(
                'Next to this page: <a href="benchmark.json">benchmark.json</a> and '
                '<a href="benchmark.csv">benchmark.csv</a> for programs, '
                '<a href="benchmark.md">benchmark.md</a> for a message. '
                "The page itself needs neither a network nor these files."
            ),
        )
    )


def write(folder: Path, benchmark: Benchmark) -> None:
    """Write the measurements of a run as CSV and Markdown.

    Raises:
        OSError: a file cannot be written.
    """
    write_atomically(folder / CSV_FILE, render_csv(benchmark))
    write_atomically(folder / MARKDOWN_FILE, render_markdown(benchmark))


def render_markdown(benchmark: Benchmark) -> str:
    """The results in short, as Markdown (GitHub's flavour)."""
    lines = ["## Read performance", "", escape(measured_on(benchmark.environment)), ""]
    if not benchmark.finished or benchmark.stopped:
        lines += [f"**{escape(unfinished(benchmark))}**", ""]
    compared = [(series, one) for series in benchmark.series for one in series.judged]
    lines += ["| verdict | compared | in | times as fast | 95 % interval |", "|---|---|---|---:|---|"]
    lines += [_comparison_row(series, one) for series, one in compared] or [
        table_row("", "nothing was compared", "", "", "")
    ]
    for advice in advices(benchmark):
        lines += ["", escape(advice)]
    for alarm in alarms(benchmark):
        lines += ["", f"**{escape(alarm)}**"]
    for series in benchmark.series:
        lines += [
            "",
            f"### {escape(series.name)}",
            "",
            escape(says_series(series)),
            "",
            *(f"- {escape(text)}" for text in says_spread(series)),
            *([""] if says_spread(series) else []),
            f"| {how_text(series)} | median | 95 % interval | variation | CPU for 1 GiB | rounds | worth |",
            "|---|---:|---|---:|---:|---:|---|",
        ]
        for figures in series.figures:
            worth = ", ".join(badge.word for badge in arm_badges(figures))
            lines.append(
                table_row(
                    escape(figures.arm),
                    value_text(figures.median, series.unit),
                    span_text(figures.low, figures.high, series.unit),
                    _percent(figures.variation),
                    cpu_text(figures),
                    f"{figures.rounds} of {figures.rounds + figures.invalid}",
                    worth,
                )
            )
        lines += [f"\n- {escape(reason)}" for reason in left_out(series)]
    if benchmark.findings:
        lines += [
            "",
            "### Other observations",
            "",
            *(f"- {escape(finding)}" for finding in benchmark.findings),
        ]
    return "\n".join(lines) + "\n"


def _comparison_row(series: SeriesResult, one: Judgement) -> str:
    decides = one.purpose is Purpose.COMPARISON
    return table_row(
        f"**{one.verdict}**" if decides else one.verdict,
        escape(pair_text(one) if decides else f"{pair_text(one)} ({one.purpose})"),
        escape(series.name),
        ratio_text(one),
        interval_text(one),
    )


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
    return pages.render(
        "performance.html.j2",
        b=benchmark,
        env=benchmark.environment,
        views=views,
        compared=compared,
        checks=checks,
        alarms=alarms(benchmark),
        advices=advices(benchmark),
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
        how=how_text,
        says_spread=says_spread,
        says_parts=says_parts,
        value=value_text,
        span=span_text,
        ratio=ratio_text,
        interval=interval_text,
        cpu=cpu_text,
        claimed=sum(one.verdict in CLAIMS for _, one in compared),
    )


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
