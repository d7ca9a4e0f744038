"""What scenarios with an application that stays Pending receive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clusters.kubernetes import kinds
from clusters.system import System
from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Scenario
from suites.record.evidence import Evidence
from suites.run.dataset_pool import DatasetPool
from suites.run.disruptive import will_run
from suites.run.pending_applications import PendingApplication, PendingApplications
from suites.steps.source_files import data_folder
from suites.steps.user import User
from workloads.data import Files


@pytest.fixture(scope="session")
def pending_applications(
    request: pytest.FixtureRequest, system: System, files: Files, pool: DatasetPool
) -> Iterator[PendingApplications]:
    """Applications that stay Pending, all that this run asks for, watched in one window."""
    asking = filter(_asks_for_pending, request.session.items)
    ids = dict.fromkeys(declared.id for item in asking if (declared := scenarios.of(item)))

    def new_user(namespace: str) -> User:
        return User(
            system,
            Evidence(silent=True),
            namespace,
            folder=data_folder(system),
            files=files,
            timeout_factor=system.host.slowness,
            requests_reconciles=not pool.untouched,
        )

    watched = PendingApplications(tuple(ids), new_user)
    yield watched
    for left in watched.close():
        # The Pod of another is deleted with the namespace of its Dataset.
        if left.case.elsewhere:
            system.kube.delete(kinds.NAMESPACE, left.namespace)


@pytest.fixture(autouse=True)
def _watches_pending_applications(request: pytest.FixtureRequest) -> None:
    """The common window is held while scenarios run that do not affect it."""
    _watch_pending(request)


def _watch_pending(request: pytest.FixtureRequest) -> None:
    """Begin the common window with a scenario that does not affect it; end it before one that does.

    A scenario affects it that uses the shared Dataset, because it may start Fuse Pods, or disturbs others.
    """
    item = request.node
    found = scenarios.of(item)
    if found is None or _asks_for_pending(item) or not any(map(_asks_for_pending, request.session.items)):
        return
    names = getattr(item, "fixturenames", ())
    applications: PendingApplications = request.getfixturevalue("pending_applications")
    if found.disturbs_others or "ready_dataset" in names:
        applications.finish()
        return
    pool: DatasetPool = request.getfixturevalue("pool")
    if "dataset_owner" in names and pool.shared is not None:
        applications.begin(pool.shared.namespace)


def _asks_for_pending(item: pytest.Item) -> bool:
    return "pending_application" in getattr(item, "fixturenames", ()) and will_run(item)


@pytest.fixture
def pending_application(
    declared: Scenario, shared_user: User, pending_applications: PendingApplications
) -> PendingApplication:
    """The application of this scenario, already watched over its window; it stops with the shared user's."""
    watched = pending_applications.take(declared.id, shared_user.namespace)
    _hand_over(watched, shared_user)
    return watched


def _hand_over(watched: PendingApplication, user: User) -> None:
    """Let what was sent and seen for an application be the scenario's, whose user stops it in the end."""
    seen, evidence = watched.user.evidence, user.evidence
    user.sent.extend(watched.user.sent)
    evidence.namespaces.extend(seen.namespaces)
    evidence.phases.extend(seen.phases)
    for one in seen.attachments:
        evidence.attach(one.name, one.text, one.suffix)
