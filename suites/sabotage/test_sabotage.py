"""Break the real product in one way at a time; the scenarios that guard this must fail."""

from __future__ import annotations

import pytest

from clusters.errors import HarnessError
from suites.catalogue.discovery import declared_tests
from suites.record.run import Run, cannot_run_here
from suites.sabotage.cases import CASES
from suites.sabotage.model import Sabotage
from suites.sabotage.runner import ScenarioRunner


@pytest.mark.sabotage
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_right_scenarios_notice(case: Sabotage, runner: ScenarioRunner, run: Run) -> None:
    """The targets fail for the right reason, and the verdicts of the bystanders do not change."""
    needed = max(declared_tests()[target.scenario][0].nodes for target in case.targets)
    if needed > len(runner.system.nodes):
        cannot_run_here(f"it needs {needed} nodes that take Pods")
    runner.repair_source()
    row = runner.run_case(case)
    runner.repair_source()
    run.sabotage.append(row.as_json())
    if row.wrong:
        raise HarnessError(
            f"sabotage {case.id}: {row.wrong[0].splitlines()[0]}",
            subject=case.says,
            last_seen="\n".join(row.wrong),
            advice="correct the check that did not notice, or explain why it cannot",
        )
