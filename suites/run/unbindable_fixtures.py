"""What scenarios with a Dataset that cannot become Bound receive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clusters.system import System
from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Scenario
from suites.record.evidence import Evidence
from suites.run.dataset_pool import DatasetPool
from suites.run.disruptive import will_run
from suites.run.unbindable import NotCreated, UnbindableDatasets, WatchResult
from suites.steps.source_files import data_folder
from suites.steps.user import User, unique
from workloads.data import Files


@pytest.fixture(scope="session")
def unbindable_datasets(
    request: pytest.FixtureRequest, system: System, files: Files, pool: DatasetPool
) -> Iterator[UnbindableDatasets]:
    """Datasets that cannot become Bound, all that this run asks for, watched in one shared window."""
    users = {
        declared.id: User(
            system, Evidence(silent=True), unique("fc"), folder=data_folder(system), files=files
        )
        for item in request.session.items
        if _asks_for_unbindable(item) and (declared := scenarios.of(item))
    }
    watched = UnbindableDatasets(users)
    yield watched
    for user in watched.close():
        pool.remove(user)


@pytest.fixture(autouse=True)
def _disturbs_no_watch(request: pytest.FixtureRequest) -> None:
    """A scenario that disturbs the cluster begins when the watch of unbindable Datasets is over."""
    found = scenarios.of(request.node)
    disturbs = found is not None and found.disturbs_others
    if disturbs and any(map(_asks_for_unbindable, request.session.items)):
        unbindable: UnbindableDatasets = request.getfixturevalue("unbindable_datasets")
        unbindable.finish()


def _asks_for_unbindable(item: pytest.Item) -> bool:
    return "unbindable_dataset" in getattr(item, "fixturenames", ()) and will_run(item)


@pytest.fixture
def unbindable_dataset(
    request: pytest.FixtureRequest,
    declared: Scenario,
    unbindable_datasets: UnbindableDatasets,
    pool: DatasetPool,
) -> Iterator[WatchResult]:
    """The Dataset of this scenario that cannot become Bound, already watched over its window."""
    evidence: Evidence = request.getfixturevalue("evidence")
    watched = unbindable_datasets.take(declared.id).with_evidence(evidence)
    evidence.namespaces.append(watched.user.namespace)
    pool.teardown.started(declared, watched.user)
    if isinstance(watched, NotCreated):
        pool.remove(watched.user)
        raise watched.error
    yield watched
    pool.remove(watched.user, declared)
