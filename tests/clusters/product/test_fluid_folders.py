"""Folders that Fluid leaves on nodes: only empty ones are removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from clusters.product.fluid_folders import of_namespace, remove_empty


def test_folders_are_those_of_all_datasets_of_a_namespace() -> None:
    """Of the memory tier, and of the Fuse mounts."""
    assert of_namespace("fc-1") == ("/dev/shm/fc-1", "/runtime-mnt/alluxio/fc-1")


def test_only_empty_folders_are_removed(tmp_path: Path) -> None:
    """A file keeps the folders above it; a folder that is not there is no error."""
    empty, used = tmp_path / "empty", tmp_path / "used"
    (empty / "demo" / "alluxioworker").mkdir(parents=True)
    (used / "demo").mkdir(parents=True)
    (used / "other").mkdir()
    (used / "demo" / "block").touch()
    subprocess.run(remove_empty([str(empty), str(used), str(tmp_path / "none")]), check=True)
    assert not empty.exists()
    assert (used / "demo" / "block").exists()
    assert not (used / "other").exists()
