"""Which Datasets are made ahead, for whom, and what becomes of those that nobody takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import ProductFailureError
from clusters.host.probes import Host
from clusters.system import System
from suites.catalogue.discovery import declared_tests
from suites.catalogue.scenario import MakesDataset, Scenario
from suites.record.evidence import Evidence
from suites.run import dataset_pool
from suites.run.dataset_pool import DatasetPool, ReadyDataset, ahead
from suites.run.teardown import BackgroundTeardown
from suites.sabotage.cases import CASES
from suites.steps.idle_watch import NOT_WATCHED, Untouched, Watch
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
    """Datasets are made ahead as far as memory allows, one in any case."""
    assert ahead(a_host(available)) == expected


class Removals(BackgroundTeardown):
    """Only notes who leaves."""

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
def born(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, MakesDataset]]:
    """The namespaces in which Datasets were made, and in which way."""
    made: list[tuple[str, MakesDataset]] = []

    def create_bound(user: User, makes: MakesDataset = User.makes_dataset) -> ReadyDataset:
        made.append((user.namespace, makes))
        user.sent.append({"kind": "Dataset", "metadata": {"name": "demo", "namespace": user.namespace}})
        if makes is broken:
            raise ProductFailureError("no phase Bound")
        return ReadyDataset(user.namespace, cast("Any", None), cast("Any", None), ())

    def begin(watch: Watch) -> None:
        """See at once that nobody uses it."""
        watch._seen = Untouched(3, 4.0)

    monkeypatch.setattr(Watch, "begin", begin)

    monkeypatch.setattr(dataset_pool, "create_bound", create_bound)
    return made


def on_demand(user: User) -> None:
    """One way to make a Dataset."""


def of_a_folder(user: User) -> None:
    """Another one."""


def broken(user: User) -> None:
    """One that never gets Bound."""


def a_pool(*wanted: MakesDataset) -> tuple[DatasetPool, Removals]:
    """A pool for scenarios that want these, on a host with room for two."""
    removals = Removals()
    system = cast("System", SimpleNamespace(host=a_host(64)))
    return DatasetPool(system, "/export", one_file("data", 1), wanted, removals), removals


def all_made(pool: DatasetPool) -> None:
    """Wait until all that was begun is made."""
    for coming in pool._coming:
        coming.birth.result()


def test_each_scenario_gets_the_dataset_that_it_declares(born: list[tuple[str, MakesDataset]]) -> None:
    """Datasets come in the order in which scenarios ask, each made in the scenario's own way, none twice."""
    wanted = (on_demand, User.makes_dataset, of_a_folder)
    pool, removals = a_pool(*wanted)
    taken = [pool.take(Evidence(silent=True), makes)[0].namespace for makes in wanted]
    pool.close(clean=True)
    assert born == list(zip(taken, wanted, strict=True))
    assert not removals.gone


def test_dataset_is_made_while_others_are_still_in_use(born: list[tuple[str, MakesDataset]]) -> None:
    """As soon as one is taken the next ones are begun, as many as the host has room for."""
    pool, _ = a_pool(on_demand, of_a_folder, on_demand, of_a_folder)
    pool.take(Evidence(silent=True), on_demand)
    all_made(pool)
    pool.close(clean=True)
    assert [makes for _, makes in born] == [on_demand, of_a_folder, on_demand]


def test_dataset_whose_scenario_never_asked_is_removed(born: list[tuple[str, MakesDataset]]) -> None:
    """A scenario that failed before it asked leaves its Dataset; the next one still gets its own kind."""
    pool, removals = a_pool(on_demand, of_a_folder)
    user, _ = pool.take(Evidence(silent=True), of_a_folder)
    pool.close(clean=True)
    assert dict(born)[user.namespace] is of_a_folder
    assert [dict(born)[namespace] for namespace in removals.gone] == [on_demand]


def test_dataset_that_nobody_planned_is_made_when_it_is_asked_for(
    born: list[tuple[str, MakesDataset]],
) -> None:
    """A pool without a plan, as a sabotage's, still gives what is asked for."""
    pool, _ = a_pool()
    user, birth = pool.take(Evidence(silent=True))
    assert born == [(user.namespace, User.makes_dataset)]
    assert birth.namespace == user.namespace


def test_dataset_comes_with_what_was_seen_of_it_until_then(born: list[tuple[str, MakesDataset]]) -> None:
    """A Dataset is watched from its birth until a scenario takes it."""
    pool, _ = a_pool(on_demand)
    pool.watches = True
    _, birth = pool.take(Evidence(silent=True), on_demand)
    assert birth.untouched == Untouched(3, 4.0)


def test_dataset_is_not_watched_where_nobody_will_ask(born: list[tuple[str, MakesDataset]]) -> None:
    """Looks cost the API server something."""
    pool, _ = a_pool(on_demand)
    _, birth = pool.take(Evidence(silent=True), on_demand)
    assert birth.untouched == NOT_WATCHED


def test_dataset_that_does_not_get_bound_fails_the_scenario_that_takes_it(
    born: list[tuple[str, MakesDataset]],
) -> None:
    """What went wrong ahead of time is the product's failure of the scenario, which knows the namespace."""
    pool, _ = a_pool(broken)
    evidence = Evidence(silent=True)
    with pytest.raises(ProductFailureError, match="no phase Bound"):
        pool.take(evidence, broken)
    assert evidence.namespaces == [born[0][0]]


def test_what_was_sent_ahead_is_kept_with_the_scenario(born: list[tuple[str, MakesDataset]]) -> None:
    """The manifests of a Dataset that was made ahead are evidence of the scenario that uses it."""
    pool, _ = a_pool(on_demand)
    evidence = Evidence(silent=True)
    user, _ = pool.take(evidence, on_demand)
    (kept,) = evidence.attachments
    assert kept.name == "sent ahead"
    assert user.namespace in kept.text


def test_datasets_that_nobody_took_and_the_shared_one_are_removed(
    born: list[tuple[str, MakesDataset]],
) -> None:
    """At the end nothing stays on a cluster that stays; the shared Dataset goes once."""
    pool, removals = a_pool(on_demand)
    pool.look_ahead()
    all_made(pool)
    shared = pool.share()
    pool.remove_shared()
    pool.remove_shared()
    pool.close(clean=True)
    assert sorted(removals.gone) == sorted(namespace for namespace, _ in born)
    assert removals.gone[0] == shared.namespace


def test_sabotages_use_scenarios_with_the_ordinary_dataset() -> None:
    """The stage of the sabotages makes no other Datasets, so no target may declare one of its own."""
    used = {name for one in CASES for name in (*(t.scenario for t in one.targets), *one.bystanders)}
    assert {name for name in used if declared_tests()[name][0].dataset is not User.makes_dataset} == set()
