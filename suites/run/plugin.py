"""pytest plugin of the suites: options, the system under test, and what scenarios are given."""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator, Mapping
from typing import Final, TextIO

import pytest

from clusters.errors import HarnessError, RefusalError
from clusters.facts import SystemFacts
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.options import DEFAULT_NAME, OWN_OPTIONS, Options, options_of
from clusters.paths import cache_root
from clusters.progress import Progress
from clusters.system import System, SystemBuilder, machine_lock
from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Level, Scenario
from suites.record.evidence import EVIDENCE, Evidence
from suites.record.run import Run, cannot_run_here, run_of
from suites.record.versions import release
from suites.run import unbindable as unbindable_cases
from suites.run.bundle_collectors import takers
from suites.run.dataset_pool import DatasetPool, ReadyDataset
from suites.run.teardown import LAST_LOOKS_SECONDS
from suites.run.unbindable import WatchResult
from suites.steps.idle_watch import Untouched
from suites.steps.user import User, unique
from workloads.data import Files, smoke

#: pytest-kind's own default name; ours is told apart from what its users may have running.
_PYTEST_KIND_NAME: Final = "pytest-kind"
#: Levels of their own, and the markers of their tests: they break, or change, the product on purpose.
SPECIAL_LEVELS: Final = ("sabotage", "mutants")
OPTIONS: Final = pytest.StashKey[Options]()
TERMINAL: Final = pytest.StashKey[TextIO]()
DEFAULT_WINDOW: Final = 60.0
#: Folder of the export with the data that scenarios read; nobody writes there.
READ_ONLY_FOLDER: Final = "/export/smoke"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the harness's options to those of pytest-kind."""
    group = parser.getgroup("fluid-conformance")
    for name, settings in OWN_OPTIONS:
        group.addoption(name, **settings)
    group.addoption(
        "--level",
        default="smoke",
        help="smoke, conformance or full (default smoke); sabotage and mutants break the product on purpose",
    )
    for name in SPECIAL_LEVELS:
        group.addoption(f"--{name}", default=None, metavar="IDS", help=f"only these of level {name}")
    group.addoption("--scenario", default=None, metavar="IDS", help="only these rows, such as A2,B1")
    group.addoption(
        "--window", type=_seconds, default=DEFAULT_WINDOW, help="seconds over which an absence is held"
    )
    group.addoption(
        "--shuffle", type=int, default=None, metavar="SEED", help="run scenarios in a random order"
    )
    group.addoption("--out", default=None, help="folder for the folders of runs (default out)")


def _seconds(text: str) -> float:
    """A positive number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return seconds


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and refuse options that cannot be right."""
    # Output is not captured yet, so this is the terminal itself, which long stages tell their progress on.
    config.stash[TERMINAL] = os.fdopen(os.dup(2), "w", buffering=1)
    config.add_cleanup(config.stash[TERMINAL].close)
    config.addinivalue_line("markers", "scenario(declared): a row of the catalogue, with its level")
    config.addinivalue_line("markers", "sabotage: breaks the product on purpose; a level of its own")
    config.addinivalue_line("markers", "mutants: changes the product's source; a level of its own")
    try:
        given = dict(vars(config.option))
        if given.get("cluster_name") == _PYTEST_KIND_NAME:
            given["cluster_name"] = DEFAULT_NAME
        config.stash[OPTIONS] = options_of(given)
        if _special_level(config) is None:
            Level.of(config.getoption("level"))
    except (RefusalError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the scenarios of the level (or just those asked for), in an order that needs little waiting."""
    special = _special_level(config)
    if special is not None:
        _keep_marked(config, items, special)
        return
    level = Level.of(config.getoption("level"))
    named: str | None = config.getoption("scenario")
    asked = {word.strip().upper() for word in named.split(",")} if named else None
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    known: set[str] = set()
    for item in items:
        declared = scenarios.of(item)
        if declared is not None:
            known.add(declared.id)
        if any(item.get_closest_marker(name) is not None for name in SPECIAL_LEVELS):
            left.append(item)
            continue
        wanted = declared is None or (declared.id in asked if asked else declared.level <= level)
        (kept if wanted else left).append(item)
    if asked and (unknown := sorted(asked - known)):
        items.clear()  # nothing is to be run, so there is nothing to give a verdict on
        raise pytest.UsageError(f"no scenario {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    seed = config.getoption("shuffle")
    if seed is not None:
        random.Random(seed).shuffle(kept)  # noqa: S311 - an order, not a secret
    elif kept:
        kept.sort(key=_cost)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)


def _special_level(config: pytest.Config) -> str | None:
    level: str = config.getoption("level")
    return level if level in SPECIAL_LEVELS else None


def _keep_marked(config: pytest.Config, items: list[pytest.Item], level: str) -> None:
    """Only the tests of a special level, in the order in which they are listed; scenarios run inside them."""
    named: str | None = config.getoption(level)
    asked = {word.strip() for word in named.split(",")} if named else set()
    callspecs = {item: getattr(item, "callspec", None) for item in items}
    marked = [item for item in items if item.get_closest_marker(level) is not None]
    known = {callspec.id for item in marked if (callspec := callspecs[item]) is not None}
    if unknown := sorted(asked - known):
        items.clear()
        raise pytest.UsageError(f"no {level} {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    kept = [item for item in marked if not asked or callspecs[item].id in asked]  # type: ignore[union-attr] # all have one
    left = [item for item in items if item not in kept]
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)


def _cost(item: pytest.Item) -> tuple[bool, bool, bool, bool]:
    """Those first that share a Dataset, so that fresh ones get made meanwhile; those alone last.

    Of those with a fresh one, those that hold a window come first: the next one gets made in it. What is
    left of that window then counts for those whose Dataset only has to be left alone.
    """
    declared = scenarios.of(item)
    names = getattr(item, "fixturenames", ())
    return (
        declared is not None and declared.alone,
        "dataset_owner" in names,
        "window" not in names,
        "idle_watch" in names,
    )


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """The run as a whole."""
    return run_of(request.config)


@pytest.fixture(scope="session")
def progress(request: pytest.FixtureRequest) -> Progress:
    """Where stages are told; the report lists them."""
    return Progress(stream=request.config.stash[TERMINAL], stages=run_of(request.config).stages)


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest, progress: Progress) -> Iterator[System]:
    """The system under test: host, engine, images, cluster, NFS server, Fluid."""
    config = request.config
    run = run_of(config)
    try:
        with (
            machine_lock(cache_root()),
            SystemBuilder(config.stash[OPTIONS], run.id, progress).standing() as made,
        ):
            run.system = _facts(made)
            run.bundle_takers.extend(takers(made))
            yield made
    except RefusalError as error:
        told = [str(error), *getattr(error, "__notes__", ())]
        pytest.exit("\n".join(told), returncode=int(pytest.ExitCode.USAGE_ERROR))


def _facts(system: System) -> SystemFacts:
    return SystemFacts(
        kubernetes=system.kubernetes,
        fluid=system.fluid.version,
        alluxio=system.options.versions.alluxio,
        cluster=system.cluster.provider,
        nodes=len(system.nodes),
        nfs_client=system.nfs_client,
        images=system.images,
        host_limits=system.limits,
    )


@pytest.fixture(scope="session")
def window(request: pytest.FixtureRequest) -> float:
    """Seconds over which an absence is held."""
    return float(request.config.getoption("window"))


@pytest.fixture(scope="session")
def files(system: System, progress: Progress) -> Files:
    """The data that scenarios read, made on the NFS server."""
    wanted = smoke()
    with progress.stage("data on the NFS server"):
        system.kube.exec(
            "fluid-conformance",
            "nfs-server",
            "ganesha",
            ["bash", "-s"],
            stdin=wanted.shell(READ_ONLY_FOLDER).encode(),
            timeout=300.0,
        )
    return wanted


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """What this scenario saw."""
    declared = scenarios.of(request.node)
    affected = {defect.key: defect.affected for defect in declared.defects} if declared else {}

    def is_known(key: str) -> bool:
        system = run_of(request.config).system
        return system is None or key not in affected or affected[key].covers(system.fluid)

    collected = Evidence(is_known=is_known)
    request.node.stash[EVIDENCE] = collected
    return collected


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
    """Before anything is made for a scenario: see that the cluster has what it needs."""
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
def ready_dataset(progress: Progress, pool: DatasetPool) -> ReadyDataset:
    """The Dataset that reading scenarios share, looked at just when it got Bound."""
    with progress.stage("shared Dataset gets Bound"):
        return pool.share()


@pytest.fixture(autouse=True)
def _shared_goes_with_its_last_user(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the shared Dataset once nobody will ask for it, so that it is looked at while others run.

    What it leaves behind is told at the last scenario that used it.
    """
    items = request.session.items
    last = _uses_shared(request.node) and not any(map(_uses_shared, items[items.index(request.node) + 1 :]))
    pool: DatasetPool | None = request.getfixturevalue("pool") if last else None
    yield
    if pool is not None:
        pool.remove_shared()


def _uses_shared(item: pytest.Item) -> bool:
    return "ready_dataset" in getattr(item, "fixturenames", ())


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
    evidence.namespaces.append(ready_dataset.namespace)
    pool.look_ahead()
    user = User(system, evidence, ready_dataset.namespace, folder=READ_ONLY_FOLDER, files=files)
    pool.teardown.begins(scenarios.of(request.node), user, sharing=True)
    yield user
    _stop_applications(user)


@pytest.fixture(scope="session")
def pool(
    request: pytest.FixtureRequest, system: System, files: Files, progress: Progress
) -> Iterator[DatasetPool]:
    """Fresh Datasets, made ahead."""
    asking = [item for item in request.session.items if "dataset_owner" in getattr(item, "fixturenames", ())]
    found = [declared for item in asking if (declared := scenarios.of(item)) is not None]
    wanted = [one.dataset for one in found if not _lacks(system, one)]
    watches = any("idle_watch" in getattr(item, "fixturenames", ()) for item in asking)
    made = DatasetPool(system, READ_ONLY_FOLDER, files, wanted, watches=watches)
    yield made
    interrupted = request.session.exitstatus == pytest.ExitCode.INTERRUPTED
    with progress.stage("last Datasets go, and are looked for"):
        troubles = made.close(
            clean=cluster_stays(system), last_check_timeout=0.0 if interrupted else LAST_LOOKS_SECONDS
        )
    if troubles:
        raise HarnessError(
            f"not all could be removed: {'; '.join(troubles)}", advice="run `python -m clusters reap`"
        )
    if made.teardown.told:
        raise ExceptionGroup("found when scenarios had ended", made.teardown.told)


@pytest.fixture
def acquired(evidence: Evidence, declared: Scenario, pool: DatasetPool) -> tuple[User, ReadyDataset]:
    """A Dataset of the scenario's own, as it comes out of the pool."""
    return pool.take(evidence, declared.dataset)


@pytest.fixture
def idle_watch(acquired: tuple[User, ReadyDataset]) -> Untouched:
    """How the scenario's own Dataset was between getting Bound and being given to the scenario."""
    return acquired[1].untouched


@pytest.fixture
def dataset_owner(
    acquired: tuple[User, ReadyDataset], declared: Scenario, pool: DatasetPool
) -> Iterator[User]:
    """A user with a Dataset of their own that nobody used yet, made in the scenario's own way."""
    user, _ = acquired
    pool.teardown.begins(declared, user)
    yield user
    pool.remove(user, declared)


@pytest.fixture
def user(request: pytest.FixtureRequest, system: System, files: Files, pool: DatasetPool) -> Iterator[User]:
    """A user with a namespace and a source claim of their own, and no Dataset yet."""
    evidence: Evidence = request.getfixturevalue("evidence")
    made = User(system, evidence, unique("fc"), folder=READ_ONLY_FOLDER, files=files)
    evidence.namespaces.append(made.namespace)
    made.makes_namespace()
    made.makes_source()
    declared = scenarios.of(request.node)
    pool.teardown.begins(declared, made)
    yield made
    pool.remove(made, declared)


@pytest.fixture(scope="session")
def unbindable_datasets(
    request: pytest.FixtureRequest, system: System, files: Files
) -> Mapping[str, WatchResult]:
    """Datasets that cannot get Bound, all that this run asks for, watched over one window together."""
    ids = [
        declared.id
        for item in request.session.items
        if "unbindable_dataset" in getattr(item, "fixturenames", ()) and (declared := scenarios.of(item))
    ]
    return unbindable_cases.watch(
        ids,
        lambda: User(system, Evidence(silent=True), unique("fc"), folder=READ_ONLY_FOLDER, files=files),
    )


@pytest.fixture
def unbindable_dataset(
    request: pytest.FixtureRequest,
    declared: Scenario,
    unbindable_datasets: Mapping[str, WatchResult],
    pool: DatasetPool,
) -> Iterator[WatchResult]:
    """The Dataset of this scenario that cannot get Bound, already watched over its window."""
    evidence: Evidence = request.getfixturevalue("evidence")
    watched = unbindable_datasets[declared.id].told_by(evidence)
    evidence.namespaces.append(watched.user.namespace)
    pool.teardown.begins(declared, watched.user)
    yield watched
    pool.remove(watched.user, declared)


def _stop_applications(user: User) -> None:
    for manifest in user.sent:
        if manifest["kind"] == "Pod":
            pod = user.observer.objects.get(
                PodSnapshot, manifest["metadata"]["name"], manifest["metadata"]["namespace"]
            )
            if pod is not None:
                user.stops(pod)


def cluster_stays(system: System) -> bool:
    """The cluster outlives the run, so what was made on it has to go one by one."""
    return system.options.keep_cluster or system.cluster.provider == "existing"
