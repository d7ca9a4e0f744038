"""Mounts, from /proc/<pid>/mountinfo (proc(5)): they prove who serves a folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from clusters.errors import HarnessError

#: The only type that Fluid's Alluxio mounts have (Fluid 1.0.8, csi/shell/check_mount.sh searches for it).
FLUID_TYPE: Final = "fuse.alluxio-fuse"
#: Mounts of the kernel's NFS client.
KERNEL_NFS_TYPES: Final = frozenset({"nfs", "nfs4"})
#: Kernel clients, and a user-space client that names itself so.
NFS_TYPES: Final = KERNEL_NFS_TYPES | {"fuse.nfs"}

Server = Literal["fluid", "nfs", "other"]

_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_BEFORE: Final = 6  # fields before the optional ones
_AFTER: Final = 3  # fields after the separator


class MountInfoError(HarnessError):
    """A text that is not mountinfo."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo.

    Attributes:
        mount_id: unique while it lasts.
        parent: id of the mount that it is on.
        device: ``major:minor``.
        root: the folder of the file system that is mounted.
        mount_point: where, as the process sees it.
        options: of this mount, such as ``ro``.
        optional: such as ``shared:1``.
        fs_type: such as ``nfs4`` or ``fuse.alluxio-fuse``.
        source: such as ``server:/export``.
        super_options: of the file system.
    """

    mount_id: int
    parent: int
    device: str
    root: str
    mount_point: str
    options: tuple[str, ...]
    optional: tuple[str, ...]
    fs_type: str
    source: str
    super_options: tuple[str, ...]

    @property
    def serves(self) -> Server:
        """Who serves what is read here, judged by the file system's type alone."""
        if self.fs_type == FLUID_TYPE:
            return "fluid"
        return "nfs" if self.fs_type in NFS_TYPES else "other"

    @property
    def read_only(self) -> bool:
        """Writing is refused, by this mount or by its file system."""
        return "ro" in self.options or "ro" in self.super_options

    def __str__(self) -> str:
        return f"{self.fs_type} {self.source} on {self.mount_point} ({','.join(self.options)})"


def parse(text: str) -> tuple[Mount, ...]:
    """The mounts in a text of /proc/<pid>/mountinfo, in its order.

    Raises:
        MountInfoError: a line is not of that format.
    """
    return tuple(_mount(line) for line in text.splitlines() if line.strip())


def mount_at(mounts: Iterable[Mount], path: str) -> Mount:
    """The mount that serves a path: the deepest mount point above it, and of several the newest.

    Raises:
        MountInfoError: the path is not absolute, or nothing serves it.
    """
    if not path.startswith("/"):
        raise MountInfoError(f"{path!r} is no absolute path")
    searched = posixpath.normpath(path).replace("//", "/", 1)
    best: Mount | None = None
    for mount in mounts:
        point = mount.mount_point.rstrip("/")
        if (searched == point or searched.startswith(point + "/")) and (
            best is None or len(mount.mount_point) >= len(best.mount_point)
        ):
            best = mount
    if best is None:
        raise MountInfoError(f"no mount serves {path}")
    return best


def _mount(line: str) -> Mount:
    fields = line.rstrip("\n").split(" ")
    try:
        separator = fields.index("-", _BEFORE)
        mount_id, parent, device, root, point, options = fields[:_BEFORE]
        fs_type, source, super_options = fields[separator + 1 : separator + 1 + _AFTER]
        return Mount(
            mount_id=int(mount_id),
            parent=int(parent),
            device=device,
            root=_plain(root),
            mount_point=_plain(point),
            options=tuple(options.split(",")),
            optional=tuple(fields[_BEFORE:separator]),
            fs_type=_plain(fs_type),
            source=_plain(source),
            super_options=tuple(super_options.split(",")),
        )
    except ValueError as error:
        raise MountInfoError("a line is not of the format of mountinfo", last_seen=line) from error


def _plain(field: str) -> str:
    """A field with its octal escapes undone; the kernel writes bytes, so they are joined as UTF-8."""
    raw = _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
    if raw == field:
        return field
    pieces = b"".join(
        char.encode("latin-1") if escaped else char.encode(errors="surrogateescape")
        for char, escaped in _marked(field)
    )
    return pieces.decode(errors="surrogateescape")


def _marked(field: str) -> Iterable[tuple[str, bool]]:
    """Each character of a field, and whether it stood there as an octal escape."""
    position = 0
    for match in _OCTAL.finditer(field):
        yield from ((char, False) for char in field[position : match.start()])
        yield chr(int(match[1], 8)), True
        position = match.end()
    yield from ((char, False) for char in field[position:])
