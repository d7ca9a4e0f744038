"""The pytest plugin that records a run of the suites and writes its reports."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from reports.recorder.ledger import Ledger
from reports.recorder.recorder import Recorder
from suites.record.run import run_of

#: Options with which pytest runs no body of a test, so that there is nothing to give a verdict on.
INFORMATION_OPTIONS: Final = (
    "help",
    "version",
    "collectonly",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "setuponly",
    "setupplan",
    "dry_run",
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Write the reports of pytest and Allure to the folder of the run, unless the user names another one."""
    if any(getattr(config.option, name, False) for name in INFORMATION_OPTIONS) or _only_own_tests(config):
        return
    run = run_of(config)
    _require_writable(run.out)
    for option, name in (("xmlpath", "junit.xml"), ("allure_report_dir", "allure-results")):
        if hasattr(config.option, option) and not getattr(config.option, option):
            setattr(config.option, option, str(run.out / name))
    config.pluginmanager.register(Recorder(config, Ledger(run)), "conformance-recorder")


def _require_writable(out: Path) -> None:
    """Refuse a folder in which no report can be written, before any test runs."""
    parent = next(folder for folder in out.parents if os.access(folder, os.F_OK))
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        raise pytest.UsageError(
            f"the reports cannot be written: {parent} is not a folder that this user may write to; "
            "name another one with --out"
        )


def _only_own_tests(config: pytest.Config) -> bool:
    """Whether only the harness's own tests are selected; they make no report."""
    own = config.rootpath / "tests"
    given = [Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args]
    return bool(given) and all(path.is_relative_to(own) for path in given)
