"""What holds for all tests of the harness itself."""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Final

import pytest
from hypothesis import settings

# A busy machine makes a single example slow, which says nothing of the code.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

# A shell starts what it puts in the background with Ctrl-C ignored; some tests are about Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Reasons for which a test may be skipped in CI: facts about the kernel that no package can change.
PERMITTED_SKIPS: Final = ("needs a file that nobody may make",)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that makes CI fail if a test is skipped unnoticed."""
    parser.addoption(
        "--permitted-skips-only",
        action="store_true",
        help="a skipped test fails, unless its reason is in PERMITTED_SKIPS of tests/conftest.py",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped for a reason that is not permitted."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("permitted_skips_only"):
        reason = str(call.excinfo.value) if call.excinfo is not None else "unknown"
        if reason.removeprefix("Skipped: ") not in PERMITTED_SKIPS:
            report.outcome = "failed"
            report.longrepr = f"skipped without a permitted reason: {reason}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Turn warnings into errors in the tests of the harness, but those that pyproject.toml ignores."""
    ignored = list(config.getini("filterwarnings"))
    for line in ("error", *ignored):
        config.addinivalue_line("filterwarnings", line)
