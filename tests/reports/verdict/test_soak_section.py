"""The section of the report on a soak."""

from __future__ import annotations

from datetime import UTC, datetime

from reports import units
from reports.verdict.model import RunFacts, Verdict
from reports.verdict.page import render_page
from reports.verdict.soak_section import TONES, soak_chart, soak_sections
from suites.soak.model import Kind, Reads, Sample, Soak, Step

MEMORY = "memory of fluid-csi"


def a_soak() -> Soak:
    """Two steps, one of which failed, and samples."""
    return Soak(
        seed=5,
        hours=1.0,
        steps=[
            Step(1, "A2", Kind.USE, "An application <reads>", 0.0, 30.0, "pass", reads=Reads(10, 0, 1.5)),
            Step(2, "D18", Kind.FAULT, "Partition", 30.0, 90.0, "fail", None, "reads hang"),
        ],
        samples=[
            Sample(0.0, {MEMORY: 2.0**20, "mounts on n1": 10.0, "mounts on n2": 5.0}),
            Sample(60.0, {MEMORY: 3 * 2.0**20, "mounts on n1": 12.0, "mounts on n2": 5.0}),
            Sample(120.0, {MEMORY: 4 * 2.0**20, "mounts on n1": 10.0, "mounts on n2": 5.0}),
        ],
        replaced=["after D18: reads hang"],
        leaks=["n1: /runtime-mnt/x"],
        seconds=120.0,
        finished=True,
    )


def a_verdict(soak: Soak | None) -> Verdict:
    """A verdict with nothing else."""
    run = RunFacts(id="r", started=datetime(2026, 11, 28, tzinfo=UTC), seconds=1.0, finished=True)
    return Verdict(
        verdict="inconclusive",
        reasons=(),
        run=run,
        system=None,
        scenarios=(),
        soak=soak.as_json() if soak else None,
    )


def test_section_has_reads_failures_leftovers_growth_and_a_plot() -> None:
    """Everything in the plot is in a table, and text from the system is escaped."""
    (section,) = soak_sections(a_verdict(a_soak()))
    text = str(section.html)
    assert "2, of which 1 failed" in text
    assert "10 right, 0 failed" in text
    assert "n1: /runtime-mnt/x" in text
    assert "after D18: reads hang" in text
    assert "An application &lt;reads&gt;" in text
    assert "<svg" in text
    assert MEMORY in text
    assert units.size(2 * 2.0**20) in text  # the median of the first samples
    assert text in render_page(a_verdict(a_soak()), (section,))


def test_plot_shows_each_step_and_sums_of_nodes() -> None:
    """A failed step has the colour of failures; a series of several nodes is one line."""
    chart = soak_chart(a_soak().as_json())
    assert chart is not None
    assert [stretch.tone for stretch in chart.stretches] == [TONES["correct use"], "t-bad"]
    assert [panel.title for panel in chart.panels] == [
        "memory of Fluid's components, of etcd and of the kubelets",
        "mounts on all nodes",
    ]
    assert set(TONES) == {kind.value for kind in Kind}


def test_soak_without_samples_has_no_plot_and_none_has_no_section() -> None:
    """A soak that was ended at once is still reported."""
    soak = Soak(seed=1, hours=1.0)
    assert soak_chart(soak.as_json()) is None
    (section,) = soak_sections(a_verdict(soak))
    assert "It did not run to its end" in section.html
    assert soak_sections(a_verdict(None)) == ()
