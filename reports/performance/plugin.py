"""The pytest plugin that writes what a benchmark measured, and tells it in the terminal.

Load it beside the plugin of the benchmark (``suites.benchmark.plugin``), which leaves the results.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from reports.files import point_latest
from suites.benchmark.run.plugin import MEASURED
from suites.record.run import run_of

_UNWRITTEN: Final = pytest.StashKey[str]()
_VERDICT: Final = "verdict.json"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Write JSON, CSV, Markdown and, where there is no verdict whose page has it, a page."""
    result = yield
    benchmark = session.config.stash.get(MEASURED, None)
    if benchmark is not None:
        from reports.performance.report import render_markdown, write  # noqa: PLC0415 - numpy is only for those who measure

        out = run_of(session.config).out
        try:
            write(out, benchmark, page=not (out / _VERDICT).exists())
            point_latest(out)
            if path := os.environ.get("GITHUB_STEP_SUMMARY"):
                with Path(path).open("a", encoding="utf-8") as file:
                    file.write(render_markdown(benchmark))
        except OSError as error:
            session.config.stash[_UNWRITTEN] = f"the performance report could not be written: {error}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell each arm's median and each comparison's verdict."""
    benchmark = config.stash.get(MEASURED, None)
    if benchmark is None:
        return
    from reports.performance.lines import lines  # noqa: PLC0415 - the same
    from reports.performance.report import PAGE_FILE  # noqa: PLC0415 - numpy is only for those who measure

    terminalreporter.section("read performance")
    for line in lines(benchmark):
        terminalreporter.write_line(line)
    if told := config.stash.get(_UNWRITTEN, ""):
        terminalreporter.write_line(told, red=True)
    else:
        terminalreporter.write_line(f"report: {run_of(config).out / PAGE_FILE}")
