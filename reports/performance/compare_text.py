"""The comparison of two runs as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reports import units
from reports.performance.comparability import EARLIER, LATER
from reports.performance.compare import Metric, RunComparison
from reports.performance.text import CLAIMS
from suites.benchmark.model.judgement import Conclusion

#: What is said where the rounds of one run a side were compared.
ONE_RUN: Final = (
    "One run on each side: its rounds do not show how runs of the same system differ. Before you act, repeat "
    "both, and compare three or more a side: compare A1 A2 A3 --to B1 B2 B3."
)


def render(found: RunComparison) -> str:
    """The figures of both sides next to each other, and the conclusion."""
    lines = [
        f"{side}  run {run.id}, {run.started:%Y-%m-%d %H:%M} UTC"
        for side, runs in zip((EARLIER, LATER), found.sides, strict=True)
        for run in runs
    ]
    lines += [f"  changed: {text}" for text in found.changed]
    lines += [f"  {text}" for text in found.only]
    if found.refused and not found.metrics:
        return "\n".join([*lines, "", *_conclusion(found)]) + "\n"
    rows = [
        (
            m.what.value,
            m.name,
            *("no value" if arm.median is None else m.shown(arm.median) for arm in (m.earlier, m.later)),
            _verdict_text(m),
        )
        for m in found.metrics
    ]
    widths = [max(len(row[column]) for row in [*rows, ("", "", "A", "B", "")]) for column in range(4)]
    series = None
    for metric, row in zip(found.metrics, rows, strict=True):
        if metric.series != series:
            series = metric.series
            lines += ["", series, _line(("", "", EARLIER, LATER), widths)]
        lines.append(f"{_line(row, widths)}  {row[4]}")
    lines += [
        "",
        "speed and slowest reads: how many times as fast as the baseline of the same round; these decide.",
        "bare speed: also depends on what else the machine did during the run; it decides nothing.",
    ]
    return "\n".join([*lines, "", *_conclusion(found)]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [f"{cell:<{width}}" for cell, width in zip(cells[:2], widths[:2], strict=True)]
    right = [f"{cell:>{width}}" for cell, width in zip(cells[2:4], widths[2:4], strict=True)]
    return "  " + "  ".join([*left, *right])


def _conclusion(found: RunComparison) -> list[str]:
    if found.refused:
        return ["NOT COMPARABLE", *(f"  {reason}" for reason in found.refused)]
    gated = found.gated
    caution = [] if found.by_run else [f"  {ONE_RUN}"]
    if found.regressions:
        names = [f"  {m.series}: {m.name}, {m.what}: {_percent_change(m)}" for m in found.regressions]
        return [
            f"REGRESSION: {len(names)} of {len(gated)} metrics became slower in B",
            *names,
            *caution,
        ]
    reach_of = sorted(m.judgement.could_find for m in gated if m.judgement.could_find is not None)
    reach = (
        f"; slowdowns of {units.percent(reach_of[0])} to {units.percent(reach_of[-1])} could have been found"
        if reach_of
        else ""
    )
    unsaid = sum(m.judgement.verdict is Conclusion.INCONCLUSIVE for m in gated)
    doubt = f"; {unsaid} of them inconclusive" if unsaid else ""
    return [f"NO REGRESSION SHOWN in {len(gated)} metrics{doubt}{reach}", *caution]


def _verdict_text(metric: Metric) -> str:
    judgement = metric.judgement
    verdict = judgement.verdict
    text = f"{verdict}: {judgement.reason}"
    if verdict in CLAIMS:
        if not metric.gated:
            text += " (not gated)"
        elif not metric.claimed:
            text = (
                f"not claimed: alone it would be judged {verdict}, but among so many metrics it may be chance"
            )
    if judgement.unstable:
        text += " [unstable]"
    return text


def _percent_change(metric: Metric) -> str:
    ratio = metric.judgement.ratio
    return "" if ratio is None else f"{units.percent(1 - ratio)} slower than in A"
