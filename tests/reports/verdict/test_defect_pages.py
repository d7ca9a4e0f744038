"""Pages of defects that a run has seen."""

from pathlib import Path

from clusters.facts import SystemFacts
from reports.verdict import defect_pages
from reports.verdict.model import DefectResult, RunFacts, ScenarioResult, Verdict
from suites.record.evidence import Fact

KEY = "pin-ignored"


def verdict(*, seen: bool = True, key: str = KEY) -> Verdict:
    """A run with one row that checked a defect."""
    facts = (
        Fact(source="harness", says="requested 3 reconciles", at=1.0),
        Fact(source="Alluxio listing", says="no pinned file on fluid-conformance-worker2", at=2.0),
        Fact(
            source="product defect", says="AlluxioRuntime fc-0a1b2c/demo: none", data={"defect": key}, at=3.0
        ),
    )
    row = ScenarioResult(
        id="A37",
        title="what must hold",
        level="full",
        outcome="known-defect",
        evidence=facts,
        defects=(DefectResult(key=key, says="it has no effect", source="a.go:1 (1.0.8)", seen=seen),),
    )
    return Verdict(
        verdict="pass",
        reasons=(),
        run=RunFacts(id="r", started="2026-11-28T00:00:00Z", seconds=1.0, finished=True),
        system=SystemFacts(
            kubernetes="v1.34.0", fluid="v1.0.8-6533239", alluxio="2.9.0", cluster="kind", nodes=2
        ),
        scenarios=(row,),
    )


def test_page_has_all_parts_and_no_word_of_the_harness(tmp_path: Path) -> None:
    """Versions, commands, expected, seen, evidence, place, direction; names as on a plain cluster."""
    defect_pages.write(tmp_path, verdict())
    text = (tmp_path / "defects" / f"{KEY}.md").read_text()
    for part in (
        "# data.pin of an AlluxioRuntime has no effect",
        "Fluid v1.0.8-6533239, Alluxio 2.9.0, Kubernetes v1.34.0",
        "helm install fluid fluid/fluid --version 1.0.8",
        "kubectl create namespace demo",
        "## Expected",
        "- AlluxioRuntime demo/demo: none",
        "- Alluxio listing: no pinned file on kind-worker2",
        "- `a.go:1 (1.0.8)`",
        "## Suggested direction",
    ):
        assert part in text
    for word in ("harness", "reconciles", "A37", "fc-0a1b2c", "fluid-conformance"):
        assert word not in text


def test_defect_that_did_not_show_or_has_no_report_has_no_page() -> None:
    """Only what was seen is reported."""
    assert defect_pages.pages(verdict(seen=False)) == {}
    assert defect_pages.pages(verdict(key="of-another-version")) == {}
