"""Measured numbers as people read them: three digits, and the unit that keeps them small."""

from __future__ import annotations

from typing import Final

from suites.benchmark.model.rounds import Unit

KIB: Final = 1024
MIB: Final = 1024**2

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
