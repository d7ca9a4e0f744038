"""pytest plugin of the suites: its hooks. What scenarios receive is in the modules of fixtures."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator

import pytest

from suites.record.run import run_of
from suites.run.disruptive import disturbed_by, leave_out_disruptive
from suites.run.dry_run import print_plan
from suites.run.options import GUARD, add_options, read_options, selection_options
from suites.run.selection import add_untouched_form, select

pytest_plugins = (
    "suites.run.undeclared_writes",
    "suites.run.fixtures",
    "suites.run.unbindable_fixtures",
    "suites.run.pending_fixtures",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the harness's options to those of pytest-kind."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and refuse options that cannot be right."""
    config.addinivalue_line("markers", "scenario(declared): a row of the catalogue, with its level")
    config.addinivalue_line("markers", "sabotage: breaks the product on purpose; a level of its own")
    config.addinivalue_line("markers", "mutants: changes the product's source; a level of its own")
    read_options(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Record the options of the run.

    Let SIGTERM, with which CI systems end a job, end the run as Ctrl-C does: with its teardown.
    """
    run_of(session.config).options |= selection_options(session.config)
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)

        def restore() -> None:
            signal.signal(signal.SIGTERM, before)

        session.config.add_cleanup(restore)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Add the forms of a scenario."""
    add_untouched_form(metafunc)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """While a test runs, permit the writes that it declares, and refuse others that disturb anybody."""
    with item.config.stash[GUARD].permitting(disturbed_by(item)):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """With --dry-run, run nothing, and print what would be done."""
    if not session.config.getoption("dry_run") or session.config.option.collectonly:
        return None
    code = print_plan(session.config, session.items)
    if code != pytest.ExitCode.OK:
        pytest.exit("the run would be refused: see the lines with no", returncode=int(code))
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the scenarios of the run and put them in order."""
    select(config, items)
    leave_out_disruptive(config, items)
