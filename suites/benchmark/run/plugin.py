"""pytest plugin of the benchmark: options, selection of the tests, and the output of pytest-benchmark.

Benchmarks run only if ``-m`` selects them (``-m benchmark``). They are not scenarios and do not affect the
verdict on conformance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from clusters.errors import RefusalError
from clusters.progress import Progress
from clusters.system import System
from suites.benchmark.model.results import Benchmark
from suites.benchmark.run.profile import Settings
from suites.record.run import run_of

if TYPE_CHECKING:
    from suites.benchmark.run.base_session import Session

MARKER: Final = "benchmark"

#: The results so far; set after each round. Reports read it.
MEASURED: Final = pytest.StashKey[Benchmark]()
_SESSION: Final = pytest.StashKey["Session[Any]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the benchmark to those of pytest-benchmark."""
    group = parser.getgroup("fluid-conformance")
    group.addoption("--benchmark-profile", default="default", help="quick, default, full or scale")
    group.addoption(
        "--benchmark-case",
        default=None,
        help="in place of a profile: all, or some of list, stat, open, remote and write (list,stat)",
    )
    group.addoption(
        "--benchmark-rounds",
        type=int,
        default=None,
        help="least number of rounds of each series (default 10)",
    )
    group.addoption(
        "--benchmark-bandwidth",
        type=float,
        default=None,
        help="MiB/s of NFS in the series with limited NFS (default 100)",
    )
    group.addoption(
        "--benchmark-shaping",
        default=None,
        help="what limits NFS: tbf, proxy, or auto (tbf if the kernel has it)",
    )
    group.addoption(
        "--benchmark-minutes",
        type=float,
        default=None,
        help="minutes for the whole benchmark (default 25)",
    )
    group.addoption(
        "--benchmark-most-jobs",
        type=int,
        default=None,
        help="largest number of parallel processes (default 16)",
    )
    group.addoption(
        "--benchmark-pods",
        type=int,
        default=None,
        help="also read in so many parallel Pods, on as many nodes as there are",
    )


def settings_of(config: pytest.Config) -> Settings:
    """The settings from the options.

    Raises:
        pytest.UsageError: an option has no valid value.
    """
    try:
        return Settings.of(
            config.getoption("benchmark_profile"),
            rounds=config.getoption("benchmark_rounds"),
            bandwidth=config.getoption("benchmark_bandwidth"),
            minutes=config.getoption("benchmark_minutes"),
            most_jobs=config.getoption("benchmark_most_jobs"),
            pods=config.getoption("benchmark_pods"),
            shaping=config.getoption("benchmark_shaping") or "auto",
            cases=config.getoption("benchmark_case"),
        )
    except RefusalError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect benchmarks unless there is a mark expression."""
    if config.getoption("markexpr"):
        return
    kept = [item for item in items if item.get_closest_marker(MARKER) is None]
    left = [item for item in items if item.get_closest_marker(MARKER) is not None]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture(scope="session")
def benchmark_session(
    request: pytest.FixtureRequest, system: System, progress: Progress
) -> Iterator[Session[Any]]:
    """The benchmark session, with data, Dataset and readers."""
    from suites.benchmark.run.case_session import CaseSession  # noqa: PLC0415 - numpy loads only for a benchmark
    from suites.benchmark.run.session import BenchmarkSession  # noqa: PLC0415 - the same

    config, run = request.config, run_of(request.config)
    settings = settings_of(config)

    def keep(benchmark: Benchmark) -> None:
        config.stash[MEASURED] = benchmark

    kind: type[Session[Any]] = CaseSession if settings.cases else BenchmarkSession
    session = kind(
        system=system,
        progress=progress,
        settings=settings,
        out=run.out,
        run_id=run.id,
        command=run.command,
        started=run.started,
        on_write=keep,
    )
    config.stash[_SESSION] = session
    try:
        session.prepare()
        yield session
    finally:
        session.close(clean=system.options.keep_cluster or system.cluster.provider == "existing")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """End with the code of an interruption if a benchmark was stopped."""
    benchmark = session.config.stash.get(_SESSION, None)
    if benchmark is not None and benchmark.stopped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERRUPTED
    yield


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add the machine, so that the comparison of pytest-benchmark notices another machine.

    Only facts that must be the same in two comparable runs: versions may differ.
    """
    benchmark = config.stash.get(MEASURED, None)
    if benchmark is not None:
        environment = benchmark.environment
        machine_info["nodes"] = environment.nodes
        machine_info["machine_of_the_nodes"] = environment.machine.model_dump(mode="json")
        machine_info["nfs_client"] = environment.nfs.client


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the system: versions, images, mounts, heaps."""
    benchmark = config.stash.get(MEASURED, None)
    if benchmark is not None:
        output_json["system"] = benchmark.environment.model_dump(mode="json")
        output_json["run"] = benchmark.id
