"""Values that depend on the version of Fluid."""

from __future__ import annotations

import pytest

from clusters.product.fluid_versions import VERSIONS
from suites.catalogue.discovery import declared
from suites.record.versions import Affected, ByVersion, Since, order

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
    """Parts are numbers, so 1.0.10 is after 1.0.8; older is the oldest, no number the newest."""
    assert SAID.of(version) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v0.9.3", False), ("1.0.0", True), ("v1.0.8-6533239", True), ("2.0", True), ("master-6533239", True)],
)
def test_what_came_with_a_version_is_in_all_later_ones(version: str, expected: bool) -> None:
    """In that one too, and in a build of a branch."""
    assert Since("1.0", "it is new there").covers(version) is expected


@pytest.mark.parametrize(
    ("affected", "version", "expected"),
    [
        (Affected(), "v1.0.8-6533239", True),
        (Affected(), "master-6533239", True),
        (Affected(first="1.0"), "0.9.3", False),
        (Affected(first="1.0"), "1.0.8", True),
        (Affected(last="0.9"), "0.9.3", True),
        (Affected(last="0.9"), "1.0.0", False),
        (Affected(last="1.0.8"), "v1.0.8-6533239", True),
        (Affected(last="1.0.8"), "1.0.9", False),
        (Affected(last="1.0.8"), "master-6533239", False),
        (Affected(first="0.9", last="1.0"), "1.0.12", True),
    ],
)
def test_a_defect_is_known_from_its_first_to_its_last_version(
    affected: Affected, version: str, expected: bool
) -> None:
    """Once it is fixed it is known no more, neither in later versions nor in a build of a branch."""
    assert affected.covers(version) is expected


def test_versions_are_sorted_by_their_numbers() -> None:
    """1.0.10 is after 1.0.8, and a build of a branch after all."""
    versions = ["master", "1.0.10", "0.9.3", "1.0.8"]
    assert sorted(versions, key=order) == ["0.9.3", "1.0.8", "1.0.10", "master"]


def test_boundaries_of_the_catalogue_are_known_versions() -> None:
    """A row or a defect that begins or ends with a version names one of the ordered list."""
    rows = declared()
    named = {one.since.version for one in rows if one.since}
    named |= {defect.affected.first for one in rows for defect in one.defects}
    named |= {defect.affected.last for one in rows for defect in one.defects}
    releases = {one.release for one in VERSIONS}
    assert {".".join(version.split(".")[:2]) for version in named if version} <= releases
