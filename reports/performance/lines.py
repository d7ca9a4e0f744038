"""What a benchmark measured, in short, for a terminal."""

from __future__ import annotations

from reports.performance.text import (
    alarms,
    interval_text,
    pair_text,
    ratio_text,
    says_spread,
    unfinished,
    value_text,
)
from suites.benchmark.model.results import Benchmark


def lines(benchmark: Benchmark) -> list[str]:
    """The results in short, for a terminal."""
    found: list[str] = []
    for series in benchmark.series:
        found += [f"{series.name}:"]
        for figures in series.figures:
            unstable = ", unstable" if figures.unstable else ""
            invalid = f", {figures.invalid} invalid" if figures.invalid else ""
            median = value_text(figures.median, series.unit)
            found.append(f"  {figures.arm:28} {median:>14}  ({figures.rounds} rounds{invalid}{unstable})")
        found += [f"  {text}" for text in says_spread(series)]
        for one in series.judged:
            purpose = "" if one.as_expected is None else f" [{one.purpose}]"
            numbers = f": {ratio_text(one)} ({interval_text(one)})" if one.ratio is not None else ""
            found.append(f"  {one.verdict}: {pair_text(one)}{purpose}{numbers}")
    found += [f"! {alarm}" for alarm in alarms(benchmark)]
    if not benchmark.finished or benchmark.stopped:
        found.append(unfinished(benchmark))
    return found
