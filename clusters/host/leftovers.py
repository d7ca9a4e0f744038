"""Folders of the harness that a killed run may have left, with file systems mounted in them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host import mountinfo
from clusters.host.commands import Commands

UMOUNT_SECONDS: Final = 20.0
_MOUNTINFO: Final = Path("/proc/self/mountinfo")


def mounts_below(folder: Path, table: Path = _MOUNTINFO) -> list[str]:
    """Mount points in a folder, the deepest first; the folder itself is not one of them."""
    mounts = mountinfo.parse(table.read_text())
    points = {mount.mount_point for mount in mounts if mount.mount_point.startswith(f"{folder}/")}
    return sorted(points, key=lambda point: (point.count("/"), point), reverse=True)


def unmount_below(folder: Path, commands: Commands, table: Path = _MOUNTINFO) -> None:
    """Unmount all file systems in a folder of the harness; one that cannot be unmounted stays."""
    for point in mounts_below(folder, table):
        commands.run(["umount", "--lazy", point], check=False, timeout=UMOUNT_SECONDS)


def remove(folder: Path, commands: Commands, table: Path = _MOUNTINFO) -> None:
    """Remove a folder of the harness, after its file systems are unmounted.

    Raises:
        InfrastructureError: a file system in it is still mounted; deleting through a mount could reach
            foreign files (an interrupted debootstrap leaves /proc and /dev mounted in its target).
    """
    if not folder.exists():
        return
    unmount_below(folder, commands, table)
    left = mounts_below(folder, table)
    if left:
        raise InfrastructureError(
            f"{left[0]} is mounted in a folder that a killed run left, and cannot be unmounted",
            advice=f"unmount it, and remove {folder}",
        )
    shutil.rmtree(folder, ignore_errors=True)
