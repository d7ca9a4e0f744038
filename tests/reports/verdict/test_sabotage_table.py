"""The report's part on sabotage."""

from __future__ import annotations

from contextlib import nullcontext

from clusters.errors import FailureClass, ProductFailureError
from reports.verdict.model import Verdict
from reports.verdict.page import render_page
from reports.verdict.sabotage_section import sabotage_sections
from suites.mutants.model import Mutant, Part
from suites.mutants.result import Ran, Result
from suites.record.failure_class import failure_class, reason
from suites.sabotage.model import Row, Sabotage, Seen, Tampering, Target


def test_the_section_shows_each_row_escaped(sample: Verdict) -> None:
    """What was broken, what was said, and what became of the bystanders."""
    error = ProductFailureError("<no> Fuse Pod")
    red = Seen("fail", failure_class(error, "call"), reason(error), str(error), 2.0)
    case = Sabotage(
        "no-csi",
        "component missing",
        "the CSI plugin is gone",
        lambda *_: nullcontext(Tampering()),
        (Target("A2", reason="Fuse"),),
        ("B6", "B11"),
    )
    row = Row(
        case, ((case.targets[0], red),), (("B6", "pass", Seen("pass")), ("B11", "pass", Seen("pass"))), 9.0
    )
    verdict = Verdict.model_validate({**sample.model_dump(), "sabotage": [row.as_json()]})
    (section,) = sabotage_sections(verdict)
    for text in ("no-csi", "A2: fail (product): &lt;no&gt; Fuse Pod", "B11: pass → pass", ">yes<"):
        assert text in section.html
    assert section.html in render_page(verdict, (section,))


def test_there_is_no_section_without_sabotage(sample: Verdict) -> None:
    """A normal run says nothing of it."""
    assert sabotage_sections(sample) == ()


def test_the_section_of_mutants_has_their_score_and_what_rows_said(sample: Verdict) -> None:
    """Killed and survived ones, the score by part, and texts escaped."""
    mutants = [
        Mutant("M01", "the <node> is not labelled", Part.CSI_PLUGIN, ("A2",)),
        Mutant("M02", "all is always cached", Part.RUNTIME_CONTROLLER, ("A22",)),
    ]
    red = Seen("fail", FailureClass.PRODUCT, "no Fuse Pod", "no Fuse Pod", 2.0)
    ran = Ran(("process 1 of Pod x on node y has abc",), ("process 1 of Pod x on node y has abc",))
    results = [
        Result(mutants[0], (("A2", red),), Seen("pass"), ran=ran),
        Result(mutants[1], (("A22", Seen("pass")),), Seen("pass"), ran=ran),
    ]
    verdict = Verdict.model_validate({**sample.model_dump(), "mutants": [one.as_json() for one in results]})
    (section,) = sabotage_sections(verdict)
    for text in (
        "M01",
        "the &lt;node&gt; is not labelled",
        "A2: fail (product): no Fuse Pod",
        "survived",
        "1 of 2 killed (50 %)",
        "0 of 1 killed (0 %)",
    ):
        assert text in section.html
    assert section.html in render_page(verdict, (section,))
