"""The outcome of a mutant, the score, and how an interrupted run is continued."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import FailureClass, RefusalError
from suites.mutants import keeping
from suites.mutants.cases import MUTANTS
from suites.mutants.keeping import Kept, drawn
from suites.mutants.model import Mutant, Part
from suites.mutants.result import Ran, Result, Seconds, scores
from suites.sabotage.model import Seen

MUTANT = Mutant("M01", "it is broken", Part.CSI_PLUGIN, ("A2", "C5"), green="B11")
PASS = Seen("pass", seconds=2.0)
RAN = Ran(("process 1 of Pod x on node y has abc",), ("process 1 of Pod x on node y has abc",))
PRODUCT = Seen("fail", FailureClass.PRODUCT, "no Fuse Pod", "no Fuse Pod\nin detail", 3.0)
HARNESS = Seen("fail", FailureClass.HARNESS, "a bug", "a bug")
INFRASTRUCTURE = Seen("fail", FailureClass.INFRASTRUCTURE, "timed out", "timed out")


@pytest.mark.parametrize(
    ("rows", "trouble", "outcome"),
    [
        ((("A2", PRODUCT),), "", "killed"),
        ((("A2", PASS), ("C5", PRODUCT)), "", "killed"),
        ((("A2", PASS), ("C5", PASS)), "", "survived"),
        ((("A2", HARNESS),), "", "misblamed"),
        ((("A2", PASS), ("C5", INFRASTRUCTURE)), "", "misblamed"),
        ((), "does not compile", "not buildable"),
    ],
)
def test_the_outcome_follows_from_what_the_rows_said(
    rows: tuple[tuple[str, Seen], ...], trouble: str, outcome: str
) -> None:
    """Red as the product's fault kills; red as another's is misblamed; all green is survival."""
    result = Result(MUTANT, rows, PASS, trouble, ran=RAN)
    assert result.outcome == outcome
    assert bool(result.wrong) == (outcome != "killed")
    assert result.as_json()["outcome"] == outcome


@pytest.mark.parametrize(
    ("said", "ran", "outcome"),
    [
        (PASS, Ran(), "not run"),
        (PASS, Ran(RAN.before), "not run"),
        (PRODUCT, Ran(), "not run"),
        (PRODUCT, Ran(RAN.before), "killed"),
        (HARNESS, Ran(RAN.before), "misblamed"),
    ],
)
def test_a_row_says_nothing_about_a_change_that_did_not_run(said: Seen, ran: Ran, outcome: str) -> None:
    """A green row needs a proof after it too: the row may have replaced the changed program itself."""
    result = Result(MUTANT, (("A2", said),), PASS, ran=ran)
    assert result.outcome == outcome
    assert bool(result.wrong) == (outcome != "killed")
    if outcome == "not run":
        assert "is not proved to have run when its rows began" in result.wrong or ran.before
    assert result.as_json()["ran"] == {"before": list(ran.before), "after": list(ran.after)}


def test_a_killed_mutant_that_turns_the_green_row_red_is_not_right() -> None:
    """It proves nothing about the row that it was written for."""
    result = Result(MUTANT, (("A2", PRODUCT),), PRODUCT, ran=RAN)
    assert result.outcome == "killed"
    assert "turned B11 red too" in result.wrong


def test_the_score_counts_what_could_be_tried_by_part() -> None:
    """Mutants that could not be built do not count."""
    rows = [
        Result(MUTANT, (("A2", PRODUCT),), PASS, ran=RAN).as_json(),
        Result(MUTANT, (("A2", PASS),), PASS, ran=RAN).as_json(),
        Result(MUTANT, (("A2", PASS),), PASS).as_json(),
        Result(MUTANT, trouble="no").as_json(),
    ]
    found = scores(rows)
    assert str(found["all"]) == str(found["CSI plugin"]) == "1 of 2 killed (50 %)"
    assert set(found) == {"all", "CSI plugin"}
    assert str(scores([])["all"]) == "none tried"


def test_an_interrupted_run_of_the_same_mutants_is_continued(tmp_path: Path) -> None:
    """Results are kept; a complete run, or one of other mutants, starts again."""
    path = tmp_path / "out" / keeping.FILE
    kept = Kept.continued(path, ["M01", "M02"])
    assert kept.results == {}
    row = Result(MUTANT, (("A2", PRODUCT),), PASS, seconds=Seconds(build=1.26)).as_json()
    kept.add(row)
    assert Kept.continued(path, ["M01", "M02"]).results == {"M01": row}
    assert Kept.continued(path, ["M01", "M03"]).results == {}
    kept.add({**row, "id": "M02"})
    assert Kept.continued(path, ["M01", "M02"]).results == {}
    assert keeping.read(path)["results"][0]["seconds"]["build"] == 1.3


def test_a_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    """One sentence, and what to do."""
    path = tmp_path / keeping.FILE
    path.write_text("[]")
    with pytest.raises(RefusalError, match="no file of results"):
        Kept.continued(path, ["M01"])


def test_a_sample_is_drawn_by_lot() -> None:
    """The same seed draws the same ones, in the order of the list."""
    ids = [one.id for one in MUTANTS]
    found = drawn(ids, 5, 7)
    assert found == drawn(ids, 5, 7) != drawn(ids, 5, 8)
    assert [ids.index(one) for one in found] == sorted(ids.index(one) for one in found)
    assert drawn(ids, None, 7) == drawn(ids, 1000, 7) == tuple(ids)


def test_what_was_repaired_at_the_source_is_part_of_the_result(tmp_path: Path) -> None:
    """Before a mutant, and after it; a mutant without a result has nothing to add it to."""
    kept = Kept(tmp_path / "mutants.json", ("M01",))
    kept.note("M01", repaired="unexpected: late")
    assert not kept.path.exists()
    kept.add({"id": "M01", "repaired": ""})
    kept.note("M01", repaired="unexpected: late")
    kept.note("M01", repaired="changed: one")
    assert keeping.read(kept.path)["results"] == [{"id": "M01", "repaired": "unexpected: late; changed: one"}]
