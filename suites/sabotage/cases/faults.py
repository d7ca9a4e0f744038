"""The Fuse dies while something else is broken: each row about a fault must notice it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from suites.sabotage.breaks import applications
from suites.sabotage.model import Place, Sabotage, Target

#: What the application says from then on, because Fluid does not restore its mount by default.
DEAD: Final = "not yet: .*Transport endpoint is not connected"

#: The rows, and the Dataset that each one needs.
ROWS: Final[Mapping[str, Place]] = {
    **dict.fromkeys(("D9", "D10", "D13", "D14", "D18", "D19", "D20", "D21", "D24"), Place.UNUSED),
    **dict.fromkeys(("D11", "D16", "D17", "D22", "D23", "D25"), Place.OWN),
}

CASES: Final = tuple(
    Sabotage(
        f"fuse-killed-in-{row.lower()}",
        "component crashing or never ready",
        f"the Fuse is killed once the fault of {row} has begun",
        applications.fuses_killed_in_the_fault,
        (Target(row, place, reason=DEAD, timeout_factor=0.5),),
        ("B6", "B11"),
    )
    for row, place in ROWS.items()
)
