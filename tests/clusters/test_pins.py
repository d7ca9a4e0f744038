"""The pins file and the versions taken from it."""

from __future__ import annotations

import re

import pytest

from clusters.errors import RefusalError
from clusters.pins import (
    NEEDS_CGROUP_V2,
    at_least,
    fluid_pin,
    go_least,
    pins,
    require_buildable,
    require_runs_on,
    versions,
)


def test_the_defaults_can_be_built() -> None:
    """All parts of the default versions are pinned."""
    require_buildable(versions())
    assert pins().default == versions()


def test_all_pinned_versions_are_versions() -> None:
    """No pin is a range or a tag."""
    known = pins()
    for version in (*known.kubernetes, *known.fluid, *known.alluxio):
        assert versions(kubernetes=version).kubernetes == version
    for kubernetes in known.kubernetes:
        pin = known.kubernetes[kubernetes]
        assert (1 in pin.cgroups) is not at_least(kubernetes, NEEDS_CGROUP_V2)
        assert pin.node or pin.build
        assert re.fullmatch(r"(sha256:[0-9a-f]{64})?", pin.node)


def test_a_version_may_begin_with_v() -> None:
    """v1.33.13 and 1.33.13 are the same version."""
    assert versions(kubernetes="v1.33.13", fluid=" 1.0.2 ").kubernetes == "1.33.13"
    assert versions(fluid="1.1.0-rc.1").fluid == "1.1.0-rc.1"


@pytest.mark.parametrize("wrong", ["latest", "1.33", ">=1.33.0", "1.33.x", "1.33.1; rm", "../1.33.1"])
def test_an_invalid_version_is_refused(wrong: str) -> None:
    """The error names the product, the text and the right form."""
    with pytest.raises(RefusalError, match="is not a version of Kubernetes") as caught:
        versions(kubernetes=wrong)
    assert repr(wrong) in caught.value.message
    assert "1.2.3" in caught.value.advice


def test_a_version_that_cannot_be_built_is_refused() -> None:
    """Fluid 1.0.2 of the original report is published only as images."""
    with pytest.raises(RefusalError, match=r"Fluid 1\.0\.2 cannot be built here; 1\.0\.8.* can") as caught:
        require_buildable(versions(fluid="1.0.2"))
    assert "--images=pull" in caught.value.advice


def test_kubernetes_without_cgroup_v1_is_refused_on_it() -> None:
    """A kubelet that would not start is refused before anything is created."""
    with pytest.raises(RefusalError, match=r"Kubernetes 1\.35\.0 cannot run on this host"):
        require_runs_on(versions(kubernetes="1.35.0"), cgroup_v1=True)
    require_runs_on(versions(kubernetes="1.34.9"), cgroup_v1=True)
    require_runs_on(versions(kubernetes="1.36.0"), cgroup_v1=False)


@pytest.mark.parametrize(
    ("version", "least", "expected"),
    [
        ("1.24.0", "1.24.0", True),
        ("1.9.9", "1.24.0", False),
        ("go1.26.8", "1.24.0", True),
        ("1.25", "1.24.0", True),
        ("1.25", "1.25.0", True),
        ("1.35.0-rc.1", "1.35.0", True),
        ("0", "1.24.0", False),
        ("", "1.24.0", False),
    ],
)
def test_versions_compare_by_their_numbers(version: str, least: str, expected: bool) -> None:
    """1.24 is newer than 1.9, and a missing version is the oldest."""
    assert at_least(version, least) is expected


def test_version_that_is_not_published_cannot_be_built_from_modules() -> None:
    """Fluid 1.1.0 has pins for a local checkout; the proxy does not have it."""
    with pytest.raises(RefusalError, match=r"Fluid 1\.1\.0 cannot be built here; 1\.0\.8, 0\.9\.3 can"):
        require_buildable(versions(fluid="1.1.0"))


def test_pins_of_a_version_are_those_of_the_last_pinned_one_before_it() -> None:
    """A checkout of any commit is built with them."""
    assert fluid_pin("1.0.9") == pins().fluid["1.0.8"]
    assert fluid_pin("1.1.3").helm == "3.19.5"
    assert fluid_pin("0.9.5").kubectl
    assert fluid_pin("0.8.0") == pins().fluid["0.9.3"]


def test_each_version_is_built_with_a_go_that_is_new_enough() -> None:
    """Fluid 1.1 needs 1.24.12; what other programs need is enough for the others."""
    assert go_least("1.0.8") == pins().build.go_least
    assert go_least("1.1.0") == "1.24.12"
