"""The versions of Fluid in order, and what is known of each."""

from __future__ import annotations

import pytest
from packaging.version import Version

from clusters.product.fluid_versions import VERSIONS, changes_between, doubt, known_version


def test_versions_are_in_order() -> None:
    """Each is later than the one before, and says what it changed."""
    releases = [Version(one.release) for one in VERSIONS]
    assert releases == sorted(set(releases))
    assert all(one.changes for one in VERSIONS[1:])


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v0.8.7", "0.9"),
        ("0.9.3", "0.9"),
        ("v1.0.8-6533239", "1.0"),
        ("1.0.10", "1.0"),
        ("v1.1.0-36f0467", "1.1"),
        ("2.0.0", "1.1"),
        ("master", "1.1"),
    ],
)
def test_version_is_known_by_the_last_one_before_it(version: str, expected: str) -> None:
    """A build of a branch is the newest."""
    assert known_version(version).release == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v0.9.3", {}),
        (
            "v1.0.8-6533239",
            {"container-dataset-mapping.sidecar.fluid.io/fluid-fuse-0": "demo_imagenet"},
        ),
        (
            "v1.1.0",
            {
                "dataset-namespace.sidecar.fluid.io/fluid-fuse-0": "demo",
                "dataset-name.sidecar.fluid.io/fluid-fuse-0": "imagenet",
            },
        ),
    ],
)
def test_labels_of_a_sidecar(version: str, expected: dict[str, str]) -> None:
    """None, one, and two of them."""
    assert known_version(version).labels_of_sidecar("fluid-fuse-0", "demo", "imagenet") == expected


def test_changes_of_all_versions_between_two() -> None:
    """An upgrade over several versions has the changes of each; a patch release has none."""
    assert changes_between("1.0.7", "1.0.8") == ()
    assert changes_between("0.9.3", "1.0.8") == VERSIONS[1].changes
    assert changes_between("0.9.3", "1.1.0") == (*VERSIONS[1].changes, *VERSIONS[2].changes)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("v1.0.8-6533239", ""),
        ("0.9.3", ""),
        ("v0.8.7", "Fluid v0.8.7 is older than 0.9, the first version that the harness knows"),
        (
            "1.1.0",
            f"Fluid 1.1 was read in source ({VERSIONS[-1].read_in}), and rows were never run on it",
        ),
        ("1.2.0", "Fluid 1.2.0 is newer than 1.1, the last version that the harness knows"),
        ("master", "Fluid master is no release: rows judge it as 1.1"),
    ],
)
def test_doubt_about_a_version(version: str, says: str) -> None:
    """Only a version on which rows were run is beyond doubt."""
    assert doubt(version) == says
