"""Writes the files of a run so that a reader never sees an incomplete one."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

#: Bytes of a file's name; far below what a file system accepts.
NAME_LENGTH: Final = 120


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file completely or not at all; its folder is created.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", errors="replace") if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def create_private(folder: Path) -> None:
    """Create a folder, and missing ones above it, for its owner alone (mode 0700).

    Raises:
        OSError: it cannot be created.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in {folder, *missing}:
        one.chmod(0o700)


def point_latest(run: Path) -> None:
    """Point the link ``latest`` next to the folder of the run to it; a file or folder of that name stays."""
    link = run.parent / "latest"
    if link.exists() and not link.is_symlink():
        return
    partial = link.with_name(f".latest.{os.getpid()}")
    partial.unlink(missing_ok=True)
    partial.symlink_to(run.name)
    partial.replace(link)


def safe_path(name: str) -> PurePosixPath:
    """A name given by a collector as a path that stays in its folder and has no odd characters."""
    parts = [re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-")[:NAME_LENGTH] for part in name.split("/")]
    kept = [part for part in parts if part.strip(".")]
    return PurePosixPath(*kept) if kept else PurePosixPath("unnamed")


def clipped(data: bytes, limit: int) -> bytes:
    """``data`` in at most ``limit`` bytes: its head and its tail, with a mark where the rest was."""
    if len(data) <= limit:
        return data
    mark = f"\n\n[… {len(data):,} bytes in all; the middle is left out …]\n\n".encode()
    room = max(limit - len(mark), 0)
    head = room // 2
    return data[:head] + mark + data[len(data) - (room - head) :]
