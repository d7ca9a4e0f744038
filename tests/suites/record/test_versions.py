"""Values that depend on the version of Fluid."""

from __future__ import annotations

import pytest

from suites.record.versions import ByVersion, Since

SAID = ByVersion({"0.9": "by the controller", "1.0": "by the probe", "1.0.10": "by both"})


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v0.9.3", "by the controller"),
        ("v1.0.8-6533239", "by the probe"),
        ("1.0.10", "by both"),
        ("1.2.0", "by both"),
        ("0.8.7", "by the controller"),
        ("master-6533239", "by both"),
        ("", "by both"),
    ],
)
def test_the_newest_value_that_the_version_has_reached_counts(version: str, expected: str) -> None:
    """Parts are numbers, so 1.0.10 comes after 1.0.8; older is the oldest, no number the newest."""
    assert SAID.of(version) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v0.9.3", False), ("1.0.0", True), ("v1.0.8-6533239", True), ("2.0", True), ("master-6533239", True)],
)
def test_what_came_with_a_version_is_in_all_later_ones(version: str, expected: bool) -> None:
    """In that one too, and in a build of a branch."""
    assert Since("1.0", "it is new there").covers(version) is expected
