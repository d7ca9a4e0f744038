"""Values of an API object whose fields may be missing or of another type."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

Json = Mapping[str, Any]

_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|[KMGTPE]i|[kMGTPE]|)")
_FACTORS: Final[Mapping[str, Decimal]] = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(10**3),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", start=2)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def at(obj: object, *path: str) -> Any:
    """The value at a path, or None if a part of it is missing."""
    for key in path:
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(key)
    return obj


def text(obj: object, *path: str) -> str:
    """The text at a path, or an empty one."""
    value = at(obj, *path)
    return value if isinstance(value, str) else "" if value is None else str(value)


def number(obj: object, *path: str) -> int:
    """The integer at a path, or 0."""
    value = at(obj, *path)
    return value if isinstance(value, int) else 0


def flag(obj: object, *path: str) -> bool:
    """Whether the value at a path is true."""
    return at(obj, *path) is True


def items(obj: object, *path: str) -> list[Json]:
    """The objects of the list at a path, or none."""
    value = at(obj, *path)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def texts(obj: object, *path: str) -> tuple[str, ...]:
    """The texts of the list at a path, or none."""
    value = at(obj, *path)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def table(obj: object, *path: str) -> dict[str, str]:
    """The texts by name at a path, or none."""
    value = at(obj, *path)
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


def moment(obj: object, *path: str) -> datetime | None:
    """The time at a path (RFC 3339), or None."""
    value = at(obj, *path)
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def quantity(value: object) -> float:
    """A Kubernetes quantity as a number: ``512Mi`` is 536870912.0, ``250m`` is 0.25.

    Raises:
        ValueError: it is not a quantity.
    """
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} is not a Kubernetes quantity")
    return float(Decimal(match[1]) * _FACTORS[match[2]])


def quantity_at(obj: object, *path: str) -> float:
    """The quantity at a path, or 0."""
    value = at(obj, *path)
    return quantity(value) if value not in (None, "") else 0.0


def percentage(value: str) -> float | None:
    """``99.5%`` as 99.5; None for an empty text and for ``NaN%``."""
    try:
        found = float(value.strip().removesuffix("%"))
    except ValueError:
        return None
    return found if math.isfinite(found) else None
