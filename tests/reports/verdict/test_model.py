"""Verdicts: the word, its reasons, the exit code, the schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.errors import FailureClass, RefusalError
from reports.verdict.judgement import decisive, exit_status, judge_run
from reports.verdict.model import (
    SCHEMA_PATH,
    Failure,
    ScenarioResult,
    Verdict,
    VerdictWord,
    load,
    schema_text,
)
from suites.record.run import CANNOT_RUN_HERE, NOT_RUN_DISRUPTIVE

Make = Callable[..., ScenarioResult]

LIMIT = CANNOT_RUN_HERE + "one node only"


def failure(kind: FailureClass, at: float = 0.0) -> Failure:
    """A failure of that kind, at that moment."""
    return Failure(failure_class=kind, reason=f"{kind} broke", phase="call", at=at)


class TestWord:
    """The verdict of a run."""

    def test_all_passed_is_a_pass(self, make: Make) -> None:
        """A run in which everything passed is a pass."""
        assert judge_run([make("A1"), make("A2")]).word == "pass"

    def test_product_failure(self, make: Make) -> None:
        """One product failure makes the run a fail, and names the scenario and its reason."""
        judged = judge_run([make("A1"), make("B1", "fail")])
        assert judged.word == "fail"
        assert any("B1" in reason and "it broke" in reason for reason in judged.reasons)

    @pytest.mark.parametrize("kind", [FailureClass.HARNESS, FailureClass.INFRASTRUCTURE])
    def test_other_failure(self, make: Make, kind: FailureClass) -> None:
        """A failure that is not the product's leaves nothing to be said of it, however much passed."""
        judged = judge_run([make("A1"), make("B1", "fail", failures=(failure(kind),))])
        assert judged.word == "invalid"
        assert any("B1" in reason for reason in judged.reasons)

    def test_product_failure_before_the_system_broke(self, make: Make) -> None:
        """A product failure that was seen on a whole system stays one when the system breaks later."""
        early = make("B1", "fail", at=10.0, failures=(failure(FailureClass.PRODUCT, 15.0),))
        late = make("A2", "fail", at=20.0, failures=(failure(FailureClass.INFRASTRUCTURE, 25.0),))
        assert judge_run([late, early]).word == "fail"

    def test_one_broken_scenario_hides_no_later_product_failure(self, make: Make) -> None:
        """A single infrastructure failure does not devalue later failures."""
        early = make("A2", "fail", failures=(failure(FailureClass.INFRASTRUCTURE, 5.0),))
        late = make("B1", "fail", failures=(failure(FailureClass.PRODUCT, 25.0),))
        judged = judge_run([early, late])
        assert judged.word == "fail"
        assert any("B1" in reason for reason in judged.reasons)
        assert any("A2" in reason for reason in judged.reasons)

    def test_product_failure_after_the_system_broke(self, make: Make) -> None:
        """A product failure on a system that was broken already is not held against the product."""
        early = [make(s, "fail", failures=(failure(FailureClass.INFRASTRUCTURE, 5.0),)) for s in ("A2", "A3")]
        late = make("B1", "fail", failures=(failure(FailureClass.PRODUCT, 25.0),))
        judged = judge_run([*early, late])
        assert judged.word == "invalid"
        assert any("B1" in reason and "not to blame" in reason for reason in judged.reasons)

    def test_system_that_worked_again_hides_no_product_failure(self, make: Make) -> None:
        """A scenario that passes after the break shows that the system works."""
        early = [make(s, "fail", failures=(failure(FailureClass.INFRASTRUCTURE, 5.0),)) for s in ("A2", "A3")]
        late = make("B1", "fail", failures=(failure(FailureClass.PRODUCT, 25.0),))
        assert judge_run([*early, late, make("A4", at=2.0)]).word == "invalid"
        assert judge_run([*early, late, make("A4", at=40.0)]).word == "fail"

    def test_product_failure_after_the_run_itself_broke(self, make: Make) -> None:
        """A break outside of any scenario counts just the same."""
        late = make("B1", "fail", failures=(failure(FailureClass.PRODUCT, 25.0),))
        assert judge_run([late], [failure(FailureClass.INFRASTRUCTURE, 5.0)]).word == "invalid"

    def test_harness_failure_removes_no_finding(self, make: Make) -> None:
        """A defect of the harness in one scenario leaves the product failure of another as it is."""
        early = make("A2", "fail", failures=(failure(FailureClass.HARNESS, 5.0),))
        late = make("B1", "fail", failures=(failure(FailureClass.PRODUCT, 25.0),))
        assert judge_run([early, late]).word == "fail"

    def test_teardown_failure_does_not_hide_the_finding(self, make: Make) -> None:
        """A scenario that fails as the product's and then cannot be torn down stays the product's."""
        both = (failure(FailureClass.PRODUCT, 5.0), failure(FailureClass.INFRASTRUCTURE, 9.0))
        assert judge_run([make("B1", "fail", failures=both)]).word == "fail"

    def test_harness_failure_does_not_hide_a_later_finding_of_its_scenario(self, make: Make) -> None:
        """What is left behind counts, also where the harness failed in the body of the test."""
        both = (failure(FailureClass.HARNESS, 5.0), failure(FailureClass.PRODUCT, 9.0))
        assert decisive(both).failure_class is FailureClass.PRODUCT
        assert decisive(both[:1]).failure_class is FailureClass.HARNESS
        doubtful = (failure(FailureClass.INFRASTRUCTURE, 5.0), failure(FailureClass.PRODUCT, 9.0))
        assert decisive(doubtful).failure_class is FailureClass.INFRASTRUCTURE

    def test_finding_counts_from_its_own_time(self, make: Make) -> None:
        """A product failure after the system broke is doubtful, also behind an early harness failure."""
        broken = [
            make(s, "fail", failures=(failure(FailureClass.INFRASTRUCTURE, 7.0),)) for s in ("A2", "A3")
        ]
        both = (failure(FailureClass.HARNESS, 5.0), failure(FailureClass.PRODUCT, 9.0))
        late = make("B1", "fail", failures=both, **{"class": "product"})
        assert judge_run([*broken, late]).word == "invalid"

    def test_wrong_diagnosis_is_no_part_of_the_verdict(self, make: Make) -> None:
        """It is named, and the word is what Fluid did."""
        said = make("B1", wrong_diagnoses=("the diagnosis does not say what is wrong",))
        judged = judge_run([make("A1"), said])
        assert judged.word == "pass"
        assert any("wrong in B1" in reason for reason in judged.reasons)
        assert judge_run([said, make("A2", "fail")]).word == "fail"

    def test_row_of_the_doctor_changes_no_word(self, make: Make) -> None:
        """One that fails as the harness's is named; by itself it proves nothing about Fluid."""
        doctor = make("DOC1", "fail", failures=(failure(FailureClass.HARNESS),))
        judged = judge_run([make("A1"), doctor])
        assert judged.word == "pass"
        assert any("DOC1, no part of this verdict: harness broke" in reason for reason in judged.reasons)
        assert judge_run([doctor]).word == "inconclusive"
        assert judge_run([make("A1", "fail"), doctor]).word == "fail"
        product = make("DOC1", "fail", failures=(failure(FailureClass.PRODUCT),))
        assert judge_run([make("A1"), product]).word == "fail"

    def test_problem_outside_of_scenarios(self, make: Make) -> None:
        """A run that broke outside of its scenarios is invalid, although they passed."""
        assert judge_run([make("A1")], [failure(FailureClass.HARNESS)]).word == "invalid"

    def test_skip_is_never_a_pass(self, make: Make) -> None:
        """A skip for whatever reason of its own leaves the run inconclusive."""
        assert judge_run([make("A1"), make("A4", "skipped", reason="no time")]).word == "inconclusive"

    def test_allowed_skip(self, make: Make) -> None:
        """What cannot run on this host does not change the verdict, and is named."""
        judged = judge_run([make("A1"), make("A4", "skipped", reason=LIMIT)])
        assert judged.word == "pass"
        assert any("A4" in reason for reason in judged.reasons)

    def test_too_many_allowed_skips(self, make: Make) -> None:
        """A run of which most could not run here says too little."""
        skips = [make(f"A{n}", "skipped", reason=LIMIT) for n in (4, 5)]
        assert judge_run([make("A1"), *skips]).word == "inconclusive"

    def test_disruptive_rows_that_did_not_run_are_named(self, make: Make) -> None:
        """They do not change the verdict unless they are most of the run, and are always named."""
        left = [make(f"B{n}", "skipped", reason=NOT_RUN_DISRUPTIVE + "it restarts Fluid") for n in (24, 37)]
        says = "B24, B37 would disturb others on this cluster, and did not run."
        passed = judge_run([make("A1"), make("A2"), *left])
        assert (passed.word, passed.reasons[-1]) == ("pass", says)
        most = judge_run([make("A1"), *left])
        assert (most.word, most.reasons[-1]) == ("inconclusive", says)

    def test_not_run(self, make: Make) -> None:
        """A scenario that was not started is named, and makes the run inconclusive."""
        judged = judge_run(
            [make("A1"), make("E1", "skipped", reason="not run", attempts=())], stopped="Ctrl-C"
        )
        assert judged.word == "inconclusive"
        assert judged.reasons == ("The run was stopped: Ctrl-C.", "E1: not run.")

    def test_known_defect_is_neither_red_nor_green(self, make: Make) -> None:
        """A known defect changes nothing in a run with a pass, and is no pass by itself."""
        assert judge_run([make("A1"), make("B2", "known-defect")]).word == "pass"
        assert judge_run([make("B2", "known-defect")]).word == "inconclusive"

    def test_nothing_selected(self) -> None:
        """A run without scenarios proves nothing."""
        assert judge_run([]).word == "inconclusive"

    def test_one_cause_is_reported_once(self, make: Make) -> None:
        """Scenarios that broke for the same reason share a line."""
        broken = [make(f"A{n}", "fail", failures=(failure(FailureClass.INFRASTRUCTURE),)) for n in (1, 2)]
        assert judge_run(broken).reasons == ("A1, A2 (infrastructure): infrastructure broke",)


class TestExitStatus:
    """Which code a run ends with."""

    @pytest.mark.parametrize(
        ("word", "status", "expected"),
        [
            ("pass", 0, 0),
            ("pass", 1, 1),  # an ordinary test in the same run failed
            ("fail", 1, 1),
            ("fail", 0, 1),
            ("invalid", 1, 3),
            ("invalid", 0, 3),
            ("inconclusive", 0, 5),
            ("inconclusive", 5, 5),
            ("inconclusive", 2, 2),
            ("fail", 2, 2),
            ("invalid", 4, 4),
            ("invalid", 3, 3),
            ("inconclusive", 77, 77),  # pytest.exit() with a code of its own
        ],
    )
    def test_codes(self, word: VerdictWord, status: int, expected: int) -> None:
        """The exit code is one of pytest's, and 0 only for a pass."""
        assert exit_status(word, status) == expected


class TestFile:
    """The content of `verdict.json`."""

    def test_keys(self, sample: Verdict) -> None:
        """The file has the agreed keys, under the agreed names."""
        data = json.loads(sample.to_json())
        assert data["schema"] == 1
        assert {"verdict", "system", "scenarios", "stages"} < data.keys()
        assert "sabotage" not in data
        assert set(data["system"]) == {
            "kubernetes", "fluid", "alluxio", "cluster", "nodes", "node_names", "nfs_client",
            "nfs_versions", "fluid_source", "images", "running", "host_limits",
        }  # fmt: skip
        row = data["scenarios"][2]
        assert (row["id"], row["outcome"], row["class"]) == ("B1", "fail", "product")
        assert {"title", "level", "reason", "seconds", "evidence"} < row.keys()
        assert data["scenarios"][0]["class"] is None
        assert set(data["stages"][0]) == {"name", "seconds", "cached"}

    def test_round_trip(self, sample: Verdict, tmp_path: Path) -> None:
        """What is written is read back the same, with later parts in their places."""
        whole = sample.model_copy(update={"sabotage": [{"name": "no CSI"}], "benchmark": {"rounds": 3}})
        (tmp_path / "verdict.json").write_text(whole.to_json())
        assert load(tmp_path / "verdict.json") == whole

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2}', '{"schema": 1}'])
    def test_refused(self, tmp_path: Path, text: str) -> None:
        """A file that is no verdict of this schema is refused with its name."""
        path = tmp_path / "verdict.json"
        path.write_text(text)
        with pytest.raises(RefusalError, match=r"verdict\.json is not a verdict of schema 1"):
            load(path)

    def test_missing(self, tmp_path: Path) -> None:
        """A folder without a verdict is refused."""
        with pytest.raises(RefusalError, match="cannot read"):
            load(tmp_path / "verdict.json")

    def test_schema_is_current(self) -> None:
        """The committed schema is that of the model (``python -m reports schema`` prints it)."""
        assert SCHEMA_PATH.read_text() == schema_text()

    def test_frozen(self, sample: Verdict) -> None:
        """A verdict cannot be changed."""
        with pytest.raises(ValueError, match="frozen"):
            sample.verdict = "pass"  # type: ignore[misc]  # that it is refused is the point
