"""Break the real product, one way after another, and see that the right scenarios say so."""

from __future__ import annotations

import pytest

from clusters.errors import HarnessError
from suites.record.run import Run
from suites.sabotage.cases import CASES
from suites.sabotage.model import Sabotage
from suites.sabotage.runner import ScenarioRunner


@pytest.mark.sabotage
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_right_scenarios_notice(case: Sabotage, runner: ScenarioRunner, run: Run) -> None:
    """The targets turn red for the right reason, and the bystanders stay as they were."""
    row = runner.play(case)
    run.sabotage.append(row.as_json())
    if row.wrong:
        raise HarnessError(
            f"sabotage {case.id}: {row.wrong[0].splitlines()[0]}",
            subject=case.says,
            last_seen="\n".join(row.wrong),
            advice="mend the check that did not notice, or say why it cannot",
        )
