"""The fixture that runs sabotages, and the table of their results in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from clusters.errors import HarnessError
from clusters.progress import Progress
from clusters.system import System
from suites.record.run import run_of
from suites.run.dataset_pool import DatasetPool, ReadyDataset
from suites.run.fixtures import cluster_stays
from suites.sabotage.model import Place
from suites.sabotage.runner import ScenarioRunner
from suites.steps import source_files
from suites.steps.user import User
from workloads.data import Files


@pytest.fixture(scope="session")
def runner(
    request: pytest.FixtureRequest,
    system: System,
    files: Files,
    shared_dataset: ReadyDataset,
    progress: Progress,
) -> Iterator[ScenarioRunner]:
    """Runs scenarios while the product is broken."""
    cases = [item.callspec.params["case"] for item in request.session.items if hasattr(item, "callspec")]
    places = [{target.place for target in case.targets} for case in cases]
    pool = DatasetPool(
        system, source_files.data_folder(system), files, [User.creates_dataset] * datasets_needed(places)
    )
    made = ScenarioRunner(system, files, pool.folder, shared_dataset, pool)
    pool.prepare_ahead()
    yield made
    with progress.stage("remove the Datasets of the sabotages"):
        errors = made.close(clean=cluster_stays(system))
    if errors:
        raise HarnessError(
            f"not everything could be removed: {'; '.join(errors)}", advice="run `python -m clusters reap`"
        )


def datasets_needed(places: list[set[Place]]) -> int:
    """Number of Datasets that the sabotages need: one is used until a case deletes it.

    Args:
        places: those of each case, in the order of the cases.
    """
    count, exists, deleted = 0, False, False
    for found in places:
        deletes = Place.TO_DELETE in found or (Place.DELETED in found and not deleted)
        if not exists and (Place.UNUSED in found or deletes):
            count, exists = count + 1, True
        if deletes:
            exists, deleted = False, True
    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print each sabotage, its targets and bystanders, and their verdicts."""
    rows = run_of(config).sabotage
    if not rows:
        return
    terminalreporter.section("sabotage")
    for row in rows:
        noticed = bool(row["noticed"])
        terminalreporter.write_line(
            f"{'noticed' if noticed else 'NOT NOTICED'}: {row['id']} ({row['kind']}, {row['seconds']} s): "
            f"{row['says']}",
            green=noticed,
            red=not noticed,
        )
        for target in cast("list[dict[str, dict[str, str] | str]]", row["targets"]):
            seen = cast("dict[str, str]", target["seen"])
            verdict = seen["outcome"] if seen["outcome"] == "pass" else f"{seen['class']}: {seen['reason']}"
            terminalreporter.write_line(f"    {target['scenario']} on {target['on']}: {verdict}")
        bystanders = [
            f"{one['scenario']} {one['before']} → {one['during']}"
            for one in cast("list[dict[str, str]]", row["bystanders"])
        ]
        terminalreporter.write_line(f"    bystanders: {', '.join(bystanders)}")
