"""How names, lists, sizes and times are written in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class _Named(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


def shown(name: str) -> str:
    """A name in a sentence: in backquotes."""
    return f"`{name}`"


def namespaced(obj: _Named) -> str:
    """``namespace/name`` of an object."""
    return f"{obj.namespace}/{obj.name}"


def quoted_list(names: Sequence[str]) -> str:
    """Names in a sentence: ``a``, ``b`` and ``c``."""
    parts = [shown(name) for name in names]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "none"


def mebibytes(size: float) -> str:
    """A number of bytes as a user writes it: ``512 MiB``, ``1.5 GiB``."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def clock_time(when: datetime) -> str:
    """A time of day in UTC, such as ``10:31:07``."""
    return f"{when:%H:%M:%S}"
