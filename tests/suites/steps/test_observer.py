"""What the observer reads on nodes, and what it refuses to conclude from."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.product.alluxio.output import Listing
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.system import System
from suites.steps import checks
from suites.steps.observer import Cached, Observer


def an_observer(exit_code: int, stdout: str = "", stderr: str = "") -> Observer:
    """An observer of a node on which find ends like this."""

    def node_exec(node: str, argv: Sequence[str]) -> Completed:
        assert node == "n1"
        return Completed(tuple(argv), exit_code, stdout, stderr)

    provider = SimpleNamespace(node_exec=node_exec)
    return Observer(cast("System", SimpleNamespace(provider=provider, nodes=("n1",))))


def test_a_folder_that_is_missing_holds_no_blocks() -> None:
    """Find ends with 1 then, and says so of every folder."""
    missing = "find: '/dev/shm/fc-1/demo': No such file or directory\n"
    assert an_observer(1, stderr=missing).blocks("fc-1", "demo") == ()


@pytest.mark.parametrize(
    ("exit_code", "stderr"),
    [
        (1, "find: unrecognized: -printf\n"),
        (1, "find: '/a': No such file or directory\nfind: '/b': Input/output error\n"),
        (127, ""),
    ],
)
def test_a_find_that_fails_does_not_show_an_empty_cache(exit_code: int, stderr: str) -> None:
    """A node without GNU find, or with a broken disk, is an error and not 'nothing is left'."""
    with pytest.raises(InfrastructureError, match="on node n1 cannot be listed"):
        an_observer(exit_code, stderr=stderr).blocks("fc-1", "demo")


def test_a_listing_without_files_does_not_show_that_nothing_is_cached() -> None:
    """Alluxio has to list the files of the source before their share in the cache means anything."""
    cached = Cached(Listing(()), (), DatasetSnapshot.of({}))
    assert "no file at all" in (checks.why_cached(cached) or "")
