"""The stage on which mutants are tried, and the table of what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clusters.errors import HarnessError
from clusters.host import leftovers
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.tools import Tools
from clusters.paths import cache_root
from clusters.progress import Progress
from clusters.system import System
from suites.mutants import placing
from suites.mutants.cases import MUTANTS
from suites.mutants.keeping import Kept
from suites.mutants.placing import Placement
from suites.mutants.plugin import KEPT
from suites.mutants.result import scores
from suites.mutants.trial import PREFIX, Trials
from suites.record.run import run_of
from suites.run.dataset_pool import DatasetPool
from suites.run.fixtures import cluster_stays
from suites.sabotage.runner import ScenarioRunner
from suites.steps import source_files
from workloads.data import Files


@pytest.fixture(scope="session")
def kept(request: pytest.FixtureRequest) -> Kept:
    """The results of the run, and of the one that it continues."""
    return request.config.stash[KEPT]


@pytest.fixture(scope="session")
def artifact_cache(system: System, progress: Progress) -> ArtifactCache:
    """Where mutants are built, with a compiler."""
    made = ArtifactCache(cache_root(), SystemCommands(), progress)
    Tools(system.options, system.host, made).ready_to_build()
    for stale in made.root.glob(f"{PREFIX}*"):  # of runs that were killed
        leftovers.remove(stale, made.commands)
    return made


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest, system: System, progress: Progress) -> Iterator[ScenarioRunner]:
    """The whole system with the Dataset that rows share which have to stay green."""
    placing.require_own_cluster(system)
    files: Files = request.getfixturevalue("files")
    pool = DatasetPool(system, source_files.data_folder(system), files)
    made = ScenarioRunner(system, files, pool.folder, request.getfixturevalue("shared_dataset"), pool)
    yield made
    with progress.stage("what mutants left is removed"):
        errors = made.close(clean=cluster_stays(system))
    if errors:
        raise HarnessError(
            f"not all could be removed: {'; '.join(errors)}", advice="run `python -m clusters reap`"
        )


@pytest.fixture(scope="session")
def trials(
    request: pytest.FixtureRequest,
    stage: ScenarioRunner,
    artifact_cache: ArtifactCache,
    progress: Progress,
) -> Iterator[Trials]:
    """Tries the mutants of this run, in their order."""
    by_id = {one.id: one for one in MUTANTS}
    found: list[Any] = request.session.items  # each has a callspec, which the type does not show
    order = tuple(by_id[item.callspec.id] for item in found if hasattr(item, "callspec"))
    made = Trials(stage, artifact_cache, order, Placement(stage.system))
    yield made
    with progress.stage("the last mutant is taken out"):
        errors = made.close(clean=cluster_stays(stage.system))
    if errors:
        raise HarnessError(f"what rows created could not be removed: {'; '.join(errors)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table: each mutant with its outcome, and the score by part."""
    rows = run_of(config).mutants
    if not rows:
        return
    terminalreporter.section("mutants")
    for row in rows:
        killed = row["outcome"] == "killed"
        outcome = row["outcome"] if killed else row["outcome"].upper()
        terminalreporter.write_line(
            f"{outcome}: {row['id']} ({row['part']}): {row['says']}",
            green=killed,
            red=not killed,
        )
        for one in row["rows"]:
            said = "pass" if one["outcome"] == "pass" else f"{one['class']}: {one['reason']}"
            terminalreporter.write_line(f"    {one['row']} ({one['seconds']} s): {said}")
        terminalreporter.write_line(f"    seconds: {row['seconds']}")
        for proof in row.get("ran", {}).get("before", ()):
            terminalreporter.write_line(f"    ran: {proof}")
        if row["trouble"]:
            terminalreporter.write_line(f"    {row['trouble'].splitlines()[0]}")
    for part, score in scores(rows).items():
        terminalreporter.write_line(f"{part}: {score}")
