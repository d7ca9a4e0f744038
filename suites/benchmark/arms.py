"""The arms: what is measured side by side, in which order, and what is compared with what.

The arms of Fluid make each other's state: the cold read fills Alluxio, the same client reads again,
then a fresh client, then that one once more out of the page cache. So they are one block; the
folder that it reads is another one in each round, because a cold read happens once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suites.benchmark.results import ArmKind, Comparison, Purpose
from suites.benchmark.schedule import Block

MIB: Final = 1024 * 1024

RAW_COLD: Final = "raw NFS, cold"
RAW_CACHED: Final = "raw NFS, page cache"
RAW_AGAIN: Final = "raw NFS, cold, once more"
RAW_SLOWED: Final = "raw NFS, cold, slowed down"
RAW_BY_HAND: Final = "raw NFS, cold, by hand"
FLUID_COLD: Final = "Fluid, cold"
FLUID_SAME: Final = "Fluid, warm, same client"
FLUID_FRESH: Final = "Fluid, warm, fresh client"
FLUID_CACHED: Final = "Fluid, warm, page cache"


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """An arm as it is planned.

    Attributes:
        name: unique in a series.
        kind: what it must be proved to be.
        note: what sets it apart from others of its kind.
        seconds: how long one measurement takes with all that belongs to it, without the reading
            itself (seen on two cores: mostly Alluxio's command line, and a new Fuse Pod).
    """

    name: str
    kind: ArmKind
    note: str = ""
    seconds: float = 1.8

    @property
    def of_fluid(self) -> bool:
        """Whether it reads through Fluid's claim."""
        return self.kind.value.startswith("fluid")


#: All arms, by their names.
ARMS: Final = {
    arm.name: arm
    for arm in (
        ArmPlan(RAW_COLD, ArmKind.RAW_COLD),
        ArmPlan(RAW_CACHED, ArmKind.RAW_CACHED),
        ArmPlan(RAW_AGAIN, ArmKind.RAW_COLD, "the same as before, to see the noise"),
        ArmPlan(RAW_SLOWED, ArmKind.RAW_COLD, "NFS is held back on purpose, to see that it is found"),
        ArmPlan(RAW_BY_HAND, ArmKind.RAW_COLD, "fio is a Job's own program, nobody looks on", 5.0),
        ArmPlan(FLUID_COLD, ArmKind.FLUID_COLD, seconds=3.0),
        ArmPlan(FLUID_SAME, ArmKind.FLUID_WARM_SAME_CLIENT, seconds=3.0),
        ArmPlan(FLUID_FRESH, ArmKind.FLUID_WARM_FRESH_CLIENT, seconds=16.0),
        ArmPlan(FLUID_CACHED, ArmKind.FLUID_WARM_CACHED, seconds=2.5),
    )
}

#: Bytes/s that were seen on two cores, NFS free, reading from start to end. Plans only need the order.
THOUGHT: Final = {
    ArmKind.RAW_COLD: 400 * MIB,
    ArmKind.RAW_CACHED: 3000 * MIB,
    ArmKind.FLUID_COLD: 15 * MIB,
    ArmKind.FLUID_WARM_SAME_CLIENT: 30 * MIB,
    ArmKind.FLUID_WARM_FRESH_CLIENT: 400 * MIB,
    ArmKind.FLUID_WARM_CACHED: 3000 * MIB,
}

#: Arms that one preparation serves, in their order.
GROUPS: Final[tuple[tuple[str, ...], ...]] = (
    (RAW_COLD, RAW_CACHED),
    (FLUID_COLD, FLUID_SAME, FLUID_FRESH, FLUID_CACHED),
    (RAW_AGAIN,),
    (RAW_SLOWED,),
)

#: What each series compares; the two that read the page cache say what memory does, not what Fluid does.
COMPARISONS: Final = (
    Comparison(baseline=RAW_COLD, candidate=FLUID_COLD),
    Comparison(baseline=RAW_COLD, candidate=FLUID_SAME),
    Comparison(baseline=RAW_COLD, candidate=FLUID_FRESH),
    Comparison(baseline=RAW_CACHED, candidate=FLUID_CACHED),
    Comparison(baseline=FLUID_SAME, candidate=FLUID_FRESH),
    Comparison(baseline=RAW_COLD, candidate=RAW_AGAIN, purpose=Purpose.EQUAL),
    Comparison(baseline=RAW_COLD, candidate=RAW_SLOWED, purpose=Purpose.CONTROL),
    Comparison(baseline=RAW_COLD, candidate=RAW_BY_HAND, purpose=Purpose.COST),
)


def blocks(groups: tuple[tuple[str, ...], ...], total_bytes: int, held_to: float | None) -> tuple[Block, ...]:
    """The blocks of a series, with the time that each is thought to take.

    Args:
        groups: names of arms, those of one preparation together.
        total_bytes: read in one round.
        held_to: bytes/s of NFS; None leaves it free.
    """
    return tuple(
        Block(group, sum(ARMS[name].seconds + total_bytes / _thought(name, held_to) for name in group))
        for group in groups
    )


def comparisons(names: tuple[str, ...]) -> tuple[Comparison, ...]:
    """The comparisons whose arms are both there."""
    return tuple(one for one in COMPARISONS if {one.baseline, one.candidate} <= set(names))


def _thought(name: str, held_to: float | None) -> float:
    """The bytes/s that an arm is thought to reach, for the plan alone."""
    kind = ARMS[name].kind
    speed: float = THOUGHT[kind]
    if held_to is not None and kind in {ArmKind.RAW_COLD, ArmKind.FLUID_COLD}:
        speed = min(speed, held_to)
    return speed / 2 if name == RAW_SLOWED else speed
