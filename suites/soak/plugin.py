"""pytest plugin of the soak: its options, and its selection, because it is neither a row nor a level."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

import pytest

from clusters.disruption import ALL
from clusters.errors import HarnessError, RefusalError
from clusters.progress import Progress
from clusters.system import System
from suites.record.run import run_of
from suites.run.dataset_pool import DatasetPool
from suites.run.fixtures import cluster_stays
from suites.run.options import PERMITTED
from suites.sabotage.runner import ScenarioRunner
from suites.soak import sampling
from suites.soak.model import Soak
from suites.soak.plan import seconds_of, sequence
from suites.soak.session import SoakSession
from suites.steps import source_files
from workloads.data import Files

MARKER: Final = "soak"
DEFAULT_SEED: Final = 1
#: Name of the file in the folder of the run, which is written after each step.
FILE: Final = "soak.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the soak."""
    group = parser.getgroup("fluid-conformance")
    group.addoption(
        "--soak",
        type=float,
        default=None,
        metavar="HOURS",
        help="instead of scenarios: run rows of correct use, deletion and faults at random for so many hours",
    )
    group.addoption(
        "--seed",
        type=int,
        default=DEFAULT_SEED,
        metavar="SEED",
        help=f"of the sequence of --soak (default {DEFAULT_SEED})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse a time that is none."""
    config.addinivalue_line("markers", f"{MARKER}: rows at random for hours; runs only with --soak")
    hours = config.getoption("soak")
    if hours is None:
        return
    try:
        seconds_of(hours)
    except RefusalError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Record the options of the soak with those of the run."""
    config = session.config
    if config.getoption("soak") is not None:
        run_of(config).options |= {
            "soak": f"{config.getoption('soak'):g}",
            "seed": str(config.getoption("seed")),
        }


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the soak alone, or everything but the soak.

    Raises:
        pytest.UsageError: it is not permitted on this cluster.
    """
    wanted = config.getoption("soak") is not None
    if wanted and config.stash[PERMITTED] < ALL:
        items.clear()
        raise pytest.UsageError(
            "--soak breaks nodes and the network on purpose, and the harness did not create this cluster; "
            "run it without --kubeconfig, or permit all kinds with --allow-disruptive"
        )
    kept = [item for item in items if (item.get_closest_marker(MARKER) is not None) is wanted]
    left = [item for item in items if item not in kept]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture(scope="session")
def soak_session(
    request: pytest.FixtureRequest, system: System, files: Files, progress: Progress
) -> Iterator[SoakSession]:
    """The soak of this run, with the Dataset that lives through it."""
    config, run = request.config, run_of(request.config)
    nodes = sampling.nodes_of(system)
    seed: int = config.getoption("seed")
    soak = Soak(seed, config.getoption("soak"))

    def keep(now: Soak) -> None:
        run.soak = now.as_json()
        now.save(run.out / FILE)

    def samples(now: sampling.Now) -> AbstractContextManager[object]:
        return sampling.Sampler(partial(sampling.observe, system, nodes), now, soak.samples.append)

    pool = DatasetPool(system, source_files.data_folder(system), files)
    with progress.stage("Dataset that lives through the soak becomes Bound"):
        shared = pool.share()
    runner = ScenarioRunner(system, files, pool.folder, shared, pool)
    yield SoakSession(
        soak,
        runner,
        sequence(seed, len(system.nodes)),
        progress.note,
        keep,
        samples,
        partial(sampling.fuse_mounts, system, nodes),
    )
    with progress.stage("what the soak left is removed"):
        errors = runner.close(clean=cluster_stays(system))
    if errors:
        raise HarnessError(
            f"not everything could be removed: {'; '.join(errors)}", advice="run `python -m clusters reap`"
        )
