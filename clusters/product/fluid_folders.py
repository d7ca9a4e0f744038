"""Folders that Fluid and Alluxio leave on nodes: empty ones stay when a Dataset is deleted (1.0.8)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from clusters.product import fluid_names


def of_namespace(namespace: str) -> tuple[str, ...]:
    """Folders on a node for all Datasets of a namespace: of cached blocks in memory, and of Fuse mounts."""
    any_name = "x"
    tier = PurePosixPath(fluid_names.tier_folder(namespace, any_name))
    mount = PurePosixPath(fluid_names.host_mount(namespace, any_name))
    return tuple(str(path.parents[1]) for path in (tier, mount))


def remove_empty(folders: Iterable[str]) -> tuple[str, ...]:
    """Command that removes folders of a node and those in them as far as they are empty and not mounted."""
    script = 'for f in "$@"; do if [ -d "$f" ]; then find "$f" -xdev -depth -type d -empty -delete; fi; done'
    return ("sh", "-c", script, "remove", *folders)
