"""Datasets that are created ahead, the scenarios that use them, and the removal of unused ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError, ProductFailureError
from clusters.host.probes import Host
from clusters.system import System
from suites.catalogue.discovery import declared_tests
from suites.catalogue.scenario import DatasetCreator, Scenario
from suites.record.evidence import Evidence
from suites.run import dataset_pool, teardown
from suites.run.dataset_pool import DatasetPool, ReadyDataset, at_once, room
from suites.run.teardown import BackgroundTeardown
from suites.sabotage.cases import CASES
from suites.sabotage.model import Place
from suites.steps.idle_watch import NOT_WATCHED, IdleResult, IdleWatch
from suites.steps.user import User
from workloads.data import one_file

GIBIBYTE = 1024**3


def a_host(available: int) -> Host:
    """A host with as many GiB of memory available."""
    return Host(
        name="host",
        sys_resource=True,
        cgroup_v1=False,
        kernel_nfs=True,
        root=True,
        memory=64 * GIBIBYTE,
        memory_available=available * GIBIBYTE,
        cpus=2,
        cpu_model="",
        kernel="",
        fuse=True,
    )


@pytest.mark.parametrize(("available", "expected"), [(5, 1), (8, 1), (11, 2), (64, 2)])
def test_a_small_host_makes_one_dataset_ahead(available: int, expected: int) -> None:
    """Datasets are created ahead as far as memory allows, one in any case."""
    assert room(a_host(available)) == expected


class Removals(BackgroundTeardown):
    """Only notes what is removed."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[str] = []

    def remove(self, user: User, declared: Scenario | None = None) -> None:
        """Note the namespace."""
        self.gone.append(user.namespace)

    def remove_shared(self, user: User) -> None:
        """Note the namespace."""
        self.gone.append(user.namespace)


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, DatasetCreator]]:
    """The namespaces in which Datasets were created, and in which way."""
    made: list[tuple[str, DatasetCreator]] = []

    def create_bound(
        user: User,
        create: DatasetCreator = User.creates_dataset,
        on_masters_ready: Callable[[], None] = lambda: None,
    ) -> ReadyDataset:
        made.append((user.namespace, create))
        user.sent.append({"kind": "Dataset", "metadata": {"name": "demo", "namespace": user.namespace}})
        if create is broken:
            raise ProductFailureError("no phase Bound")
        return ReadyDataset(user.namespace, cast("Any", None), cast("Any", None), ())

    def start(watch: IdleWatch) -> None:
        """Report at once that it is unused."""
        watch._result = IdleResult(3, 4.0)

    monkeypatch.setattr(IdleWatch, "start", start)

    monkeypatch.setattr(dataset_pool, "create_bound", create_bound)
    return made


def on_demand(user: User) -> None:
    """One way to create a Dataset."""


def of_a_folder(user: User) -> None:
    """Another one."""


def broken(user: User) -> None:
    """One that never becomes Bound."""


def a_pool(*requested: DatasetCreator, slowness: float = 1.0) -> tuple[DatasetPool, Removals]:
    """A pool for scenarios that need these, on a host with room for two."""
    removals = Removals()
    system = cast("System", SimpleNamespace(host=replace(a_host(64), slowness=slowness)))
    return DatasetPool(system, "/export", one_file("data", 1), requested, removals), removals


def all_made(pool: DatasetPool) -> None:
    """Wait until all that were started are created."""
    for prepared in pool._prepared:
        prepared.ready.result()


def test_each_scenario_receives_the_dataset_that_it_declares(
    created: list[tuple[str, DatasetCreator]],
) -> None:
    """Datasets are in the order of the requests, each created in the scenario's own way, none twice."""
    requested = (on_demand, User.creates_dataset, of_a_folder)
    pool, removals = a_pool(*requested)
    acquired = [pool.acquire(Evidence(silent=True), create)[0].namespace for create in requested]
    pool.close(clean=True)
    assert created == list(zip(acquired, requested, strict=True))
    assert not removals.gone


def test_dataset_is_made_while_others_are_still_in_use(created: list[tuple[str, DatasetCreator]]) -> None:
    """As soon as one is acquired the next ones are begun, as many as the host has room for."""
    pool, _ = a_pool(on_demand, of_a_folder, on_demand, of_a_folder)
    pool.acquire(Evidence(silent=True), on_demand)
    all_made(pool)
    pool.close(clean=True)
    assert [create for _, create in created] == [on_demand, of_a_folder, on_demand]


def test_dataset_whose_scenario_never_asked_is_removed(created: list[tuple[str, DatasetCreator]]) -> None:
    """A scenario that failed before its request leaves its Dataset; the next one receives its own kind."""
    pool, removals = a_pool(on_demand, of_a_folder)
    user, _ = pool.acquire(Evidence(silent=True), of_a_folder)
    pool.close(clean=True)
    assert dict(created)[user.namespace] is of_a_folder
    assert [dict(created)[namespace] for namespace in removals.gone] == [on_demand]


def test_dataset_that_was_not_planned_is_created_on_request(
    created: list[tuple[str, DatasetCreator]],
) -> None:
    """A pool without a plan, such as that of a sabotage, still creates what is requested."""
    pool, _ = a_pool()
    user, ready = pool.acquire(Evidence(silent=True))
    assert created == [(user.namespace, User.creates_dataset)]
    assert ready.namespace == user.namespace


def test_dataset_is_acquired_with_the_observations_until_then(
    created: list[tuple[str, DatasetCreator]],
) -> None:
    """A Dataset is watched from the time it is ready until a scenario acquires it."""
    pool, _ = a_pool(on_demand)
    pool.watches = True
    _, ready = pool.acquire(Evidence(silent=True), on_demand)
    assert ready.idle == IdleResult(3, 4.0)


def test_dataset_is_not_watched_if_no_scenario_needs_it(created: list[tuple[str, DatasetCreator]]) -> None:
    """Observations are a load on the API server."""
    pool, _ = a_pool(on_demand)
    _, ready = pool.acquire(Evidence(silent=True), on_demand)
    assert ready.idle == NOT_WATCHED


def test_dataset_that_does_not_become_bound_fails_the_scenario_that_acquires_it(
    created: list[tuple[str, DatasetCreator]],
) -> None:
    """What went wrong ahead of time is the product's failure of the scenario, which knows the namespace."""
    pool, _ = a_pool(broken)
    evidence = Evidence(silent=True)
    with pytest.raises(ProductFailureError, match="no phase Bound"):
        pool.acquire(evidence, broken)
    assert evidence.namespaces == [created[0][0]]


def test_dataset_is_created_although_the_api_server_was_gone_meanwhile(
    monkeypatch: pytest.MonkeyPatch, created: list[tuple[str, DatasetCreator]]
) -> None:
    """A scenario that runs at the same time may have taken it away."""
    attempts: list[str] = []
    create = dataset_pool.create_bound

    def fail_once(user: User, how: DatasetCreator, on_masters_ready: Callable[[], None]) -> ReadyDataset:
        attempts.append(user.namespace)
        if len(attempts) == 1:
            raise InfrastructureError("the API server does not answer")
        return create(user, how, on_masters_ready)

    monkeypatch.setattr(dataset_pool, "create_bound", fail_once)
    monkeypatch.setattr(teardown, "RETRY_DELAY", 0.01)
    pool, _ = a_pool(on_demand)
    user, _ = pool.acquire(Evidence(silent=True), on_demand)
    assert attempts == [user.namespace] * 2
    assert [namespace for namespace, _ in created] == [user.namespace]


def test_what_was_sent_ahead_is_kept_with_the_scenario(created: list[tuple[str, DatasetCreator]]) -> None:
    """The manifests of a Dataset that was created ahead are evidence of the scenario that uses it."""
    pool, _ = a_pool(on_demand)
    evidence = Evidence(silent=True)
    user, _ = pool.acquire(evidence, on_demand)
    (kept,) = evidence.attachments
    assert kept.name == "sent ahead"
    assert user.namespace in kept.text


def test_unused_datasets_and_the_shared_one_are_removed(
    created: list[tuple[str, DatasetCreator]],
) -> None:
    """At the end nothing is left on a cluster that is kept; the shared Dataset is removed once."""
    pool, removals = a_pool(on_demand)
    pool.prepare_ahead()
    all_made(pool)
    shared = pool.share()
    pool.remove_shared()
    pool.remove_shared()
    pool.close(clean=True)
    assert sorted(removals.gone) == sorted(namespace for namespace, _ in created)
    assert removals.gone[0] == shared.namespace


def test_sabotages_use_scenarios_with_the_ordinary_dataset() -> None:
    """The stage of the sabotages creates others only for a target that has one of its own (`Place.OWN`)."""
    used = {
        name
        for one in CASES
        for name in (*(t.scenario for t in one.targets if t.place is not Place.OWN), *one.bystanders)
    }
    assert {name for name in used if declared_tests()[name][0].dataset is not User.creates_dataset} == set()


def test_untouched_dataset_is_not_one_that_was_created_ahead(
    monkeypatch: pytest.MonkeyPatch, created: list[tuple[str, DatasetCreator]]
) -> None:
    """No reconcile is requested for it, while those created ahead stay for their scenarios."""
    pool, removals = a_pool(on_demand, on_demand)
    pool.prepare_ahead()
    all_made(pool)
    user, _ = pool.acquire(Evidence(silent=True), on_demand, untouched=True)
    assert not user.requests_reconciles
    assert len(created) == 3
    usual, _ = pool.acquire(Evidence(silent=True), on_demand)
    assert usual.requests_reconciles
    assert usual.namespace == created[0][0]
    assert not removals.gone


@pytest.mark.parametrize(
    ("slowness", "cpus", "expected"), [(1.0, 2, 2), (1.4, 2, 2), (1.5, 2, 1), (1.0, 1, 1)]
)
def test_slow_host_creates_one_dataset_at_a_time(slowness: float, cpus: int, expected: int) -> None:
    """Start-up probes have a limit of their own, which a slow machine would exceed."""
    assert at_once(replace(a_host(64), slowness=slowness, cpus=cpus)) == expected


class Creations:
    """Creations that go on step by step: each reports that it begins, and waits for its next step."""

    def __init__(self) -> None:
        """Nothing has started."""
        self.started: list[DatasetCreator] = []
        self.begun = threading.Semaphore(0)
        ways: tuple[DatasetCreator, ...] = (on_demand, of_a_folder, broken)
        self.masters_ready = {create: threading.Event() for create in ways}
        self.bound = {create: threading.Event() for create in ways}

    def create_bound(
        self,
        user: User,
        create: DatasetCreator = User.creates_dataset,
        on_masters_ready: Callable[[], None] = lambda: None,
    ) -> ReadyDataset:
        """Wait until the test says so; the shared one is Bound at once, with a ready master before."""
        if create is User.creates_dataset:
            on_masters_ready()
            on_masters_ready()
            assert self.begins()
        else:
            self.started.append(create)
            self.begun.release()
            assert self.masters_ready[create].wait(10)
            on_masters_ready()
            on_masters_ready()
            assert self.bound[create].wait(10)
        return ReadyDataset(user.namespace, cast("Any", None), cast("Any", None), ())

    def begins(self, seconds: float = 10.0) -> bool:
        """Whether one more creation begins within so many seconds."""
        return self.begun.acquire(timeout=seconds)

    def all_become_bound(self) -> None:
        """Let all go on."""
        for event in (*self.masters_ready.values(), *self.bound.values()):
            event.set()


@pytest.fixture
def creations(monkeypatch: pytest.MonkeyPatch) -> Creations:
    """Creations that the test controls."""
    made = Creations()
    monkeypatch.setattr(dataset_pool, "create_bound", made.create_bound)
    return made


def test_next_dataset_begins_when_the_master_of_the_one_before_is_ready(creations: Creations) -> None:
    """Two masters never start at the same time; a ready master does not need the rest of its Dataset."""
    pool, _ = a_pool(on_demand, of_a_folder)
    pool.prepare_ahead()
    assert creations.begins()
    assert not creations.begins(0.2)
    creations.masters_ready[on_demand].set()
    assert creations.begins()
    assert creations.started == [on_demand, of_a_folder]
    creations.all_become_bound()
    all_made(pool)
    pool.close(clean=True)


def test_third_dataset_waits_until_one_of_two_is_bound(creations: Creations) -> None:
    """No more than two are under way, whatever their masters do."""
    pool, _ = a_pool(on_demand, of_a_folder, broken)
    pool.prepare_ahead()
    pool._prepare(broken)
    for event in creations.masters_ready.values():
        event.set()
    assert creations.begins()
    assert creations.begins()
    assert not creations.begins(0.2)
    creations.bound[on_demand].set()
    assert creations.begins()
    creations.all_become_bound()
    all_made(pool)
    pool.close(clean=True)


def test_slow_host_begins_the_next_dataset_when_the_one_before_is_bound(creations: Creations) -> None:
    """A ready master is not enough there."""
    pool, _ = a_pool(on_demand, of_a_folder, slowness=2.0)
    pool.prepare_ahead()
    assert creations.begins()
    creations.masters_ready[on_demand].set()
    assert not creations.begins(0.2)
    creations.bound[on_demand].set()
    assert creations.begins()
    creations.all_become_bound()
    all_made(pool)
    pool.close(clean=True)


def test_datasets_are_created_ahead_while_the_shared_one_becomes_bound(creations: Creations) -> None:
    """Scenarios with a Dataset of their own follow; theirs begins once the shared master is ready."""
    pool, _ = a_pool(on_demand, of_a_folder)
    pool.share()
    assert creations.started == [on_demand]
    creations.all_become_bound()
    all_made(pool)
    pool.close(clean=True)


def test_creation_that_fails_ends_its_turn(created: list[tuple[str, DatasetCreator]]) -> None:
    """A Dataset whose master is never ready does not keep the others from being created."""
    pool, _ = a_pool(broken, on_demand)
    with pytest.raises(ProductFailureError):
        pool.acquire(Evidence(silent=True), broken)
    assert pool.acquire(Evidence(silent=True), on_demand)[1].namespace == created[-1][0]
    pool.close(clean=True)
