"""Measured numbers as people read them: three digits, and the unit that keeps them small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from suites.benchmark.model.rounds import Unit

KIB: Final = 1024
MIB: Final = 1024**2

#: A minute and an hour, in seconds.
MINUTE: Final = 60
HOUR: Final = 3600

#: The sign of multiplication, after a ratio.
TIMES: Final = "\N{MULTIPLICATION SIGN}"

#: Below this a number has two decimals, below ten times it one.
SMALL: Final = 10


def three(value: float) -> str:
    """About three digits: ``4,120``, ``412``, ``41.2``, ``4.12``."""
    if value == 0:
        return "0"
    if abs(value) < SMALL - 0.005:
        return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.2g}"  # noqa: PLR2004 - two decimals hold it
    return f"{value:.1f}" if abs(value) < 10 * SMALL - 0.05 else f"{value:,.0f}"


def rate(bytes_per_second: float) -> str:
    """A throughput, always in MiB/s so that rows can be compared at a glance."""
    return f"{three(bytes_per_second / MIB)} MiB/s"


def size(count: float) -> str:
    """An amount of data, such as ``512 MiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < KIB:
            return f"{value:.0f} B" if unit == "B" else tick(f"{three(value)} {unit}")
        value /= KIB
    return tick(f"{three(value)} TiB")


def nanoseconds(value: float) -> str:
    """A short time, such as ``3.21 ms``."""
    for unit in ("ns", "µs", "ms"):
        if abs(value) < 1000:  # noqa: PLR2004 - the next unit
            return f"{three(value)} {unit}"
        value /= 1000
    return f"{three(value)} s"


def tick(text: str) -> str:
    """A number with its unit as an axis shows it: without the decimals that are zero."""
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}".rstrip()


def duration(seconds: float) -> str:
    """A length of time: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``1 h 02 min``."""
    if seconds < 10:  # noqa: PLR2004 - above this, tenths do not matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"


def times(ratio: float) -> str:
    """A ratio, such as 6.35 followed by the sign of multiplication."""
    return f"{three(ratio)}{TIMES}"


def percent(part: float) -> str:
    """A part of 1, such as ``4.2 %``."""
    value = 100 * part
    return f"{value:.1f} %" if abs(value) < SMALL else f"{value:.0f} %"


def measured(value: float, unit: Unit) -> str:
    """A measured value in the unit that people use for it."""
    return rate(value) if unit is Unit.BYTES_PER_SECOND else f"{three(value)} s"


def figures(data: Mapping[str, object]) -> str:
    """Named figures, such as ``bytes 1,024, files 3``."""
    return ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in data.items())


def _figure(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value)
