"""The reports in the folder of a run: the page, summaries in Markdown, and the measurements as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.files import write_atomically
from reports.performance import report as performance
from reports.verdict import defect_pages
from reports.verdict.model import Verdict
from reports.verdict.page import render_page
from reports.verdict.sabotage_section import sabotage_sections
from reports.verdict.soak_section import soak_sections
from reports.verdict.summary import render_summary
from suites.benchmark.model.results import Benchmark

PAGE: Final = "report.html"
SUMMARY: Final = "summary.md"


def write(folder: Path, verdict: Verdict | None, benchmark: Benchmark | None) -> str:
    """Write all reports of a run that are derived from its `verdict.json` and `benchmark.json`.

    Args:
        folder: of the run.
        verdict: None for a run without scenarios.
        benchmark: None for a run without measurements.

    Returns:
        The reports in Markdown.

    Raises:
        OSError: a file cannot be written.
    """
    summaries = []
    if verdict is not None:
        summaries.append(render_summary(verdict))
        write_atomically(folder / SUMMARY, summaries[-1])
        defect_pages.write(folder, verdict)
        sections = (
            *sabotage_sections(verdict),
            *soak_sections(verdict),
            *performance.performance_sections(benchmark),
        )
        write_atomically(folder / PAGE, render_page(verdict, sections))
    if benchmark is not None:
        summaries.append(performance.render_markdown(benchmark))
        performance.write(folder, benchmark)
        if verdict is None:
            write_atomically(folder / PAGE, performance.render_performance_page(benchmark))
    return "\n".join(summaries)
