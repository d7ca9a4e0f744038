"""Many runs in one table: each row of the catalogue by version of Fluid, and each sabotage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from reports.runs import overview
from reports.verdict.model import ScenarioResult, Verdict
from suites.catalogue.scenario import Level, Scenario
from suites.catalogue.unwritten import UNWRITTEN_ROWS
from suites.record.versions import Since

Make = Callable[..., ScenarioResult]

SCENARIOS = (
    Scenario("A1", Level.SMOKE, title="a Dataset gets Bound"),
    Scenario("A23", Level.FULL, title="a DataLoad with a schedule", since=Since("1.0", "it has no schedule")),
    Scenario("B1", Level.SMOKE, title="an application on the original claim"),
)


@pytest.fixture
def run(sample: Verdict) -> Callable[..., Verdict]:
    """Creates a run of a version, so many hours after the first."""

    def made(hour: int, *scenarios: ScenarioResult, fluid: str = "1.0.8", **more: Any) -> Verdict:
        assert sample.system is not None
        facts = {"id": f"run-{hour}", "started": sample.run.started + timedelta(hours=hour)}
        return sample.model_copy(
            update={
                "run": sample.run.model_copy(update=facts),
                "system": sample.system.model_copy(update={"fluid": fluid}),
                "scenarios": scenarios,
                **more,
            }
        )

    return made


def test_each_row_has_each_version(run: Callable[..., Verdict], make: Make) -> None:
    """The latest outcome counts, earlier ones are listed, and a row that never ran is marked."""
    seen = overview.gather(
        [
            run(2, make("A1")),
            run(1, make("A1", "fail")),
            run(3, make("A1"), fluid="v0.9.3-5f7d24e"),
        ],
        SCENARIOS,
    )
    assert seen.versions == ("1.0.8", "0.9.3")
    cells = {one.id: [seen.cell(one, version) for version in seen.versions] for one in SCENARIOS}
    assert cells == {
        "A1": ["pass 1 (before: fail 1)", "pass"],
        "A23": ["not run", "not for it"],
        "B1": ["not run", "not run"],
    }
    assert "Fluid 1.0.8: 1 pass; 2 did not run to an end." in overview.render(seen)


def test_a_skip_is_no_end(run: Callable[..., Verdict], make: Make) -> None:
    """A scenario that was skipped in one run and passed in another has passed."""
    seen = overview.gather([run(1, make("B1")), run(2, make("B1", "skipped"))], SCENARIOS)
    assert seen.cell(SCENARIOS[2], "1.0.8") == "pass"


def test_a_sabotage_has_its_latest_outcome(run: Callable[..., Verdict]) -> None:
    """A sabotage that was unnoticed once and is noticed now counts as noticed."""

    def row(noticed: bool, outcome: str) -> dict[str, object]:
        seen = {"outcome": outcome, "class": "product" if outcome == "fail" else None, "reason": "no label"}
        return {
            "id": "no-csi",
            "says": "…",
            "noticed": noticed,
            "targets": [{"scenario": "A2", "seen": seen}],
        }

    seen = overview.gather(
        [run(2, sabotage=[row(True, "fail")]), run(1, sabotage=[row(False, "pass")])], SCENARIOS
    )
    (one,) = seen.sabotage
    assert (one.noticed, one.seen, one.times) == (True, "A2 product: no label", 2)
    assert "| no-csi | … | yes (of 2 runs the latest) | A2 product: no label |" in overview.render(seen)


def test_rows_that_are_left_out_keep_their_reason(run: Callable[..., Verdict], make: Make) -> None:
    """None disappears silently."""
    text = overview.render(overview.gather([run(1, make("A1"))], SCENARIOS))
    assert UNWRITTEN_ROWS
    assert all(f"| {row.id} | {row.why}: {row.reason} |" in text for row in UNWRITTEN_ROWS)
