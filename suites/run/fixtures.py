"""What scenarios receive: the system under test, users with and without a Dataset, evidence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import pytest

from clusters.errors import HarnessError, RefusalError
from clusters.facts import SystemFacts
from clusters.host.machine_lock import machine_lock
from clusters.kubernetes.client import Kube
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.paths import cache_root
from clusters.progress import Progress
from clusters.system import System, SystemBuilder
from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Scenario
from suites.record.evidence import EVIDENCE, Evidence
from suites.record.run import Run, cannot_run_here, run_of
from suites.record.versions import release
from suites.run import used_rights
from suites.run.bundle_collectors import collectors
from suites.run.dataset_pool import DatasetPool, ReadyDataset
from suites.run.disruptive import will_run
from suites.run.nfs_mounts import NFS, NfsMounts
from suites.run.options import BUNDLE_SCOPES, GUARD, OPTIONS, TERMINAL
from suites.run.running_images import RunningImages
from suites.run.selection import is_untouched
from suites.run.teardown import LAST_CHECKS_SECONDS
from suites.run.unbindable import UnbindableDatasets
from suites.steps import source_files
from suites.steps.idle_watch import IdleResult
from suites.steps.source_files import data_folder
from suites.steps.user import User, unique
from workloads.data import Files, smoke

log = logging.getLogger(__name__)

#: Where the images that really ran are collected.
RUNNING: Final = pytest.StashKey[RunningImages]()


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """The run as a whole."""
    return run_of(request.config)


@pytest.fixture(scope="session")
def progress(request: pytest.FixtureRequest) -> Progress:
    """Where stages are reported; the report lists them."""
    return Progress(stream=request.config.stash[TERMINAL], stages=run_of(request.config).stages)


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest, progress: Progress) -> Iterator[System]:
    """The system under test: host, engine, images, cluster, NFS server, Fluid."""
    config = request.config
    run = run_of(config)
    try:
        with (
            machine_lock(cache_root()),
            SystemBuilder(
                config.stash[OPTIONS], run.id, progress, guard=config.stash[GUARD]
            ).running() as made,
        ):
            config.stash[RUNNING] = RunningImages()
            config.stash[NFS] = NfsMounts(made)
            run.system = _facts(made)
            _observe_images(run, config.stash[RUNNING], made.kube)
            run.bundle_collectors.extend(collectors(made, config.stash[BUNDLE_SCOPES]))
            yield made
        used_rights.report(request.session, made, progress)
    except RefusalError as error:
        lines = [str(error), *getattr(error, "__notes__", ())]
        pytest.exit("\n".join(lines), returncode=int(pytest.ExitCode.USAGE_ERROR))


def _facts(system: System) -> SystemFacts:
    return SystemFacts(
        kubernetes=system.kubernetes,
        fluid=system.fluid.version,
        alluxio=system.options.versions.alluxio,
        cluster=system.cluster.provider,
        nodes=len(system.nodes),
        node_names=system.nodes,
        nfs_client=system.nfs_client,
        fluid_source=system.fluid_source,
        images=system.images,
        host_limits=system.limits,
    )


def _observe_images(run: Run, running: RunningImages, kube: Kube) -> None:
    """Keep with the facts of the system which images run now."""
    try:
        found = running.observe(kube)
    except HarnessError as error:
        log.info("the images of the running Pods cannot be read now: %s", error.message)
        return
    if run.system is not None:
        run.system = run.system.model_copy(update={"running": found})


@pytest.fixture(autouse=True)
def _what_ran(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each scenario: read which images ran and how NFS is mounted, while its Dataset's Pods run."""
    yield
    config = request.config
    if RUNNING in config.stash and scenarios.of(request.node) is not None:
        _observe_images(run_of(config), config.stash[RUNNING], request.getfixturevalue("system").kube)
        config.stash[NFS].keep(run_of(config))


@pytest.fixture(scope="session")
def window(request: pytest.FixtureRequest) -> float:
    """Seconds over which an absence is held."""
    return float(request.config.getoption("window"))


@pytest.fixture(scope="session")
def files(system: System, progress: Progress) -> Files:
    """The data that scenarios read, on the NFS server; what an earlier run left there is repaired."""
    # Alluxio's published image has no locale: it does not show names that are not ASCII, which A50 judges.
    expected = smoke(unicode_names=False)
    with progress.stage("data on the NFS server"):
        repaired = source_files.ensure(system, expected, data_folder(system))
    if repaired:
        with progress.stage(f"source export repaired ({repaired})"):
            pass
    return expected


@pytest.fixture
def untouched(request: pytest.FixtureRequest) -> bool:
    """Whether the harness leaves Fluid's controllers alone in this test."""
    return is_untouched(request.node)


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Iterator[Evidence]:
    """What this scenario saw."""
    declared = scenarios.of(request.node)
    affected = {defect.key: defect.affected for defect in declared.defects} if declared else {}

    def is_known(key: str) -> bool:
        system = run_of(request.config).system
        return system is None or key not in affected or affected[key].covers(system.fluid)

    collected = Evidence(is_known=is_known)
    request.node.stash[EVIDENCE] = collected
    yield collected
    number = collected.reconcile_requests
    collected.fact(
        "harness",
        f"requested {number} reconciles, so that controllers reconciled sooner than by themselves"
        if number
        else "requested no reconcile: all times are Fluid's own",
        reconcile_requests=number,
    )


def _lacks(system: System, declared: Scenario | None) -> str:
    """What this cluster or this Fluid lacks for a scenario, or nothing."""
    if declared is None:
        return ""
    if declared.nodes > len(system.nodes):
        return f"needs {declared.nodes} nodes that take Pods; run with --nodes {declared.nodes + 1}"
    version = release(system.fluid.version)
    since = declared.since
    if since and not since.covers(version):
        return f"it is for Fluid {since.version} and later, and this is {version}: {since.why}"
    return ""


@pytest.fixture(autouse=True)
def _has_what_it_needs(request: pytest.FixtureRequest) -> None:
    """Before anything is created for a scenario: check that the cluster has what it needs."""
    found = scenarios.of(request.node)
    if found is not None and (found.nodes > 1 or found.since):
        lacks = _lacks(request.getfixturevalue("system"), found)
        if lacks:
            cannot_run_here(lacks)


@pytest.fixture
def declared(request: pytest.FixtureRequest) -> Scenario:
    """The scenario that is running."""
    found = scenarios.of(request.node)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def shared_dataset(progress: Progress, pool: DatasetPool) -> ReadyDataset:
    """The Dataset that reading scenarios share, as it was when it became Bound."""
    with progress.stage("shared Dataset becomes Bound"):
        return pool.share()


@pytest.fixture
def ready_dataset(
    request: pytest.FixtureRequest, pool: DatasetPool, untouched: bool
) -> Iterator[ReadyDataset]:
    """The Dataset that a reading scenario uses, as it was when it became Bound.

    It is the shared one. The form of a row in which nothing is touched has one of its own.
    """
    if not untouched or request.config.getoption("untouched"):
        shared: ReadyDataset = request.getfixturevalue("shared_dataset")
        yield shared
        return
    evidence: Evidence = request.getfixturevalue("evidence")
    owner, ready = pool.acquire(evidence, untouched=True)
    yield ready
    pool.remove(owner, scenarios.of(request.node))


@pytest.fixture(autouse=True)
def _shared_goes_with_its_last_user(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the shared Dataset once no scenario will ask for it, so that it is checked while others run.

    What it leaves behind is reported at the last scenario that used it.
    """
    items = request.session.items
    last = _uses_shared(request.node) and not any(map(_uses_shared, items[items.index(request.node) + 1 :]))
    pool: DatasetPool | None = request.getfixturevalue("pool") if last else None
    yield
    if pool is not None:
        pool.remove_shared()


def _uses_shared(item: pytest.Item) -> bool:
    own = is_untouched(item) and not item.config.getoption("untouched")
    return "ready_dataset" in getattr(item, "fixturenames", ()) and not own and will_run(item)


@pytest.fixture
def shared_user(
    request: pytest.FixtureRequest,
    system: System,
    files: Files,
    ready_dataset: ReadyDataset,
    pool: DatasetPool,
) -> Iterator[User]:
    """A user of the shared Dataset; applications that the scenario starts are stopped after it."""
    evidence: Evidence = request.getfixturevalue("evidence")
    unbindable: UnbindableDatasets = request.getfixturevalue("unbindable_datasets")
    evidence.namespaces.append(ready_dataset.namespace)
    evidence.reconcile_requests += ready_dataset.reconcile_requests
    pool.prepare_ahead()
    declared = scenarios.of(request.node)
    if declared is not None and not declared.disturbs_others:
        unbindable.begin()
    user = User(
        system,
        evidence,
        ready_dataset.namespace,
        folder=data_folder(system),
        files=files,
        timeout_factor=system.host.slowness,
        requests_reconciles=not is_untouched(request.node),
    )
    pool.teardown.started(scenarios.of(request.node), user, sharing=_uses_shared(request.node))
    yield user
    _stop_applications(user)


@pytest.fixture(scope="session")
def pool(
    request: pytest.FixtureRequest, system: System, files: Files, progress: Progress
) -> Iterator[DatasetPool]:
    """Fresh Datasets, made ahead."""
    every_one: bool = request.config.getoption("untouched")
    asking = [
        item
        for item in request.session.items
        if "dataset_owner" in getattr(item, "fixturenames", ()) and will_run(item)
    ]
    found = [
        declared
        for item in asking
        if (declared := scenarios.of(item)) is not None and is_untouched(item) == every_one
    ]
    requested = [one.dataset for one in found if not _lacks(system, one)]
    watches = any("idle_watch" in getattr(item, "fixturenames", ()) for item in asking)
    made = DatasetPool(system, data_folder(system), files, requested, watches=watches, untouched=every_one)
    yield made
    interrupted = request.session.exitstatus == pytest.ExitCode.INTERRUPTED
    with progress.stage("last Datasets are deleted and checked"):
        errors = made.close(
            clean=cluster_stays(system), last_check_timeout=0.0 if interrupted else LAST_CHECKS_SECONDS
        )
    if errors:
        raise HarnessError(
            f"not all could be removed: {'; '.join(errors)}", advice="run `python -m clusters reap`"
        )
    if made.teardown.reported:
        raise ExceptionGroup("found when scenarios had ended", made.teardown.reported)


@pytest.fixture
def acquired(
    evidence: Evidence, declared: Scenario, pool: DatasetPool, untouched: bool
) -> tuple[User, ReadyDataset]:
    """A Dataset of the scenario's own, as the pool created it."""
    return pool.acquire(evidence, declared.dataset, untouched=untouched)


@pytest.fixture
def idle_watch(acquired: tuple[User, ReadyDataset]) -> IdleResult:
    """What was observed of the scenario's own Dataset from phase Bound until the scenario began."""
    return acquired[1].idle


@pytest.fixture
def dataset_owner(
    acquired: tuple[User, ReadyDataset], declared: Scenario, pool: DatasetPool
) -> Iterator[User]:
    """A user with their own unused Dataset, created in the scenario's own way."""
    user, _ = acquired
    pool.teardown.started(declared, user)
    yield user
    pool.remove(user, declared)


@pytest.fixture
def user(
    request: pytest.FixtureRequest, system: System, files: Files, pool: DatasetPool, untouched: bool
) -> Iterator[User]:
    """A user with a namespace and a source claim of their own, and no Dataset yet."""
    evidence: Evidence = request.getfixturevalue("evidence")
    made = User(
        system,
        evidence,
        unique("fc"),
        folder=data_folder(system),
        files=files,
        timeout_factor=system.host.slowness,
        requests_reconciles=not untouched,
    )
    evidence.namespaces.append(made.namespace)
    made.creates_namespace()
    made.creates_source()
    declared = scenarios.of(request.node)
    pool.teardown.started(declared, made)
    yield made
    pool.remove(made, declared)


def _stop_applications(user: User) -> None:
    for manifest in user.sent:
        if manifest["kind"] == "Pod":
            metadata = manifest["metadata"]
            pod = user.observer.objects.get(PodSnapshot, metadata["name"], metadata["namespace"])
            if pod is not None:
                user.stops(pod)


def cluster_stays(system: System) -> bool:
    """The cluster outlives the run, so everything that was created on it is deleted one by one."""
    return system.options.keep_cluster or system.cluster.provider == "existing"
