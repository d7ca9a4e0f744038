"""Digests that name things by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

#: Hexadecimal digits of a short digest.
LENGTH: Final = 12


def digest(parts: Iterable[str]) -> str:
    """Short digest (12 hexadecimal digits of SHA-256) of strings in their order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part.encode())
    return total.hexdigest()[:LENGTH]


def file_digest(path: Path) -> str:
    """Digest of a file, or of all files of a folder with their names."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest(f"{file.relative_to(path)}:{file_digest(file)}" for file in files)
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
