"""pytest plugin of the benchmark: options, what is collected, and what pytest-benchmark is told.

Benchmarks run only where ``-m`` asks for them (``-m benchmark``), and are no scenarios: they take no
part in the verdict on conformance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from clusters.errors import RefusalError
from clusters.progress import Progress
from clusters.system import System
from suites.record.run import run_of

if TYPE_CHECKING:
    from suites.benchmark.profile import Settings
    from suites.benchmark.results import Benchmark
    from suites.benchmark.session import BenchmarkSession

MARKER: Final = "benchmark"

#: What was measured so far; set after each round. Reports read it.
MEASURED: Final = pytest.StashKey["Benchmark"]()
_MEASURING: Final = pytest.StashKey["BenchmarkSession"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the benchmark's options beside those of pytest-benchmark."""
    group = parser.getgroup("fluid-conformance")
    group.addoption("--benchmark-profile", default="default", help="quick, default, full or scale")
    group.addoption("--benchmark-rounds", type=int, default=None, help="rounds of each series at least")
    group.addoption(
        "--benchmark-bandwidth", type=float, default=None, help="MiB/s of a narrow NFS (default 100)"
    )
    group.addoption(
        "--benchmark-shaping",
        default=None,
        help="what holds NFS back: tbf, proxy, or auto (tbf where the kernel has it)",
    )
    group.addoption(
        "--benchmark-minutes",
        type=float,
        default=None,
        help="minutes in which all ends (default 25)",
    )
    group.addoption(
        "--benchmark-most-jobs",
        type=int,
        default=None,
        help="most parallel readers (default 16)",
    )
    group.addoption(
        "--benchmark-pods",
        type=int,
        default=None,
        help="read from so many Pods at once, too, on as many nodes as there are",
    )


def settings_of(config: pytest.Config) -> Settings:
    """What was asked for.

    Raises:
        pytest.UsageError: it cannot be.
    """
    from suites.benchmark.profile import Settings  # noqa: PLC0415 - numpy is only for those who measure

    try:
        return Settings.of(
            config.getoption("benchmark_profile"),
            rounds=config.getoption("benchmark_rounds"),
            bandwidth=config.getoption("benchmark_bandwidth"),
            minutes=config.getoption("benchmark_minutes"),
            most_jobs=config.getoption("benchmark_most_jobs"),
            pods=config.getoption("benchmark_pods"),
            shaping=config.getoption("benchmark_shaping") or "auto",
        )
    except RefusalError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave benchmarks out unless they were asked for by their mark."""
    if config.getoption("markexpr"):
        return
    kept = [item for item in items if item.get_closest_marker(MARKER) is None]
    left = [item for item in items if item.get_closest_marker(MARKER) is not None]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture(scope="session")
def measuring(
    request: pytest.FixtureRequest, system: System, progress: Progress
) -> Iterator[BenchmarkSession]:
    """Data, Dataset and readers, and who measures with them."""
    from suites.benchmark.session import BenchmarkSession  # noqa: PLC0415 - numpy is only for those who measure

    config, run = request.config, run_of(request.config)

    def keep(benchmark: Benchmark) -> None:
        config.stash[MEASURED] = benchmark

    made = BenchmarkSession(
        system=system,
        progress=progress,
        settings=settings_of(config),
        out=run.out,
        run_id=run.id,
        command=run.command,
        started=run.started,
        on_write=keep,
    )
    config.stash[_MEASURING] = made
    try:
        made.prepare()
        yield made
    finally:
        made.close(clean=system.options.keep_cluster or system.cluster.provider == "existing")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """A benchmark that was stopped did not do what it was asked for, whatever it kept."""
    made = session.config.stash.get(_MEASURING, None)
    if made is not None and made.stopped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERRUPTED
    yield


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add what was measured on, so that pytest-benchmark's own comparison notices another machine.

    Only what must be the same for two runs to be comparable: versions may differ, they are compared.
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
