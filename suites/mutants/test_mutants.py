"""Change Fluid's own source, one place at a time, and see that the right rows say so."""

from __future__ import annotations

import pytest

from clusters.errors import HarnessError
from suites.mutants.cases import MUTANTS
from suites.mutants.keeping import Kept
from suites.mutants.model import Mutant
from suites.mutants.trial import Trials, rows_here
from suites.record.run import Run, cannot_run_here
from suites.sabotage.runner import ScenarioRunner


@pytest.mark.mutants
@pytest.mark.parametrize("mutant", MUTANTS, ids=[one.id for one in MUTANTS])
def test_its_rows_turn_red(
    mutant: Mutant, stage: ScenarioRunner, trials: Trials, kept: Kept, run: Run
) -> None:
    """A row turns red and calls it the product's fault; the control row stays green."""
    if not rows_here(mutant, len(stage.system.nodes)):
        cannot_run_here(f"its rows {', '.join(mutant.rows)} need more nodes; run with --nodes 3")
    before = stage.repair_source()
    try:
        result = trials.attempt(mutant)
        row = result.as_json() | {"repaired": before}
        kept.add(row)
        run.mutants.append(row)
    finally:
        if left := stage.repair_source():
            kept.note(mutant.id, repaired=left)
    if result.wrong:
        raise HarnessError(
            result.wrong,
            subject=mutant.says,
            last_seen="\n\n".join(f"{name}: {seen.detail or seen.outcome}" for name, seen in result.rows),
            advice="write the check that is missing, or correct the classification",
        )
