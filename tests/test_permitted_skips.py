"""In CI a skipped test fails, unless its reason is permitted."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SKIPS = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="a program is missing")
def test_unnoticed():
    pass

@pytest.mark.skipif(True, reason="needs a file that nobody may make")
def test_permitted():
    pass

@pytest.mark.xfail(reason="a known defect")
def test_expected_failure():
    assert False
"""


@pytest.mark.parametrize(
    ("option", "outcomes"),
    [
        ((), {"passed": 1, "skipped": 2, "xfailed": 1}),
        (("--permitted-skips-only",), {"passed": 1, "errors": 1, "skipped": 1, "xfailed": 1}),
    ],
)
def test_skip_without_a_permitted_reason_fails(
    pytester: pytest.Pytester, option: tuple[str, ...], outcomes: dict[str, int]
) -> None:
    """Only the option makes a difference; a permitted skip and an expected failure stay as they are."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makepyfile(SKIPS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *option)
    result.assert_outcomes(**outcomes)
    if option:
        result.stdout.fnmatch_lines(["*skipped without a permitted reason: *a program is missing*"])
