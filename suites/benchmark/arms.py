"""The arms: what is measured side by side, in which order, and what is compared with what.

The arms of Fluid make each other's state: the cold read fills Alluxio, the same client reads again,
then a fresh client, then that one once more out of the page cache. So they are one block; the
folder that it reads is another one in each round, because a cold read happens once.
"""

from __future__ import annotations

import math
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
            itself (seen on two cores: mostly commands in Pods, and a new Fuse Pod).
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
        ArmPlan(RAW_SLOWED, ArmKind.RAW_COLD, "NFS is held back on purpose, to see that it is found", 3.2),
        ArmPlan(RAW_BY_HAND, ArmKind.RAW_COLD, "fio is a Job's own program, nobody looks on", 6.0),
        ArmPlan(FLUID_COLD, ArmKind.FLUID_COLD, seconds=3.0),
        ArmPlan(FLUID_SAME, ArmKind.FLUID_WARM_SAME_CLIENT, seconds=2.5),
        ArmPlan(FLUID_FRESH, ArmKind.FLUID_WARM_FRESH_CLIENT, seconds=10.0),
        ArmPlan(FLUID_CACHED, ArmKind.FLUID_WARM_CACHED, seconds=2.5),
    )
}

#: Bytes/s that were seen on two cores, NFS free, reading from start to end. Plans only need the order.
THOUGHT: Final = {
    ArmKind.RAW_COLD: 900 * MIB,
    ArmKind.RAW_CACHED: 3000 * MIB,
    ArmKind.FLUID_COLD: 30 * MIB,
    ArmKind.FLUID_WARM_SAME_CLIENT: 30 * MIB,
    ArmKind.FLUID_WARM_FRESH_CLIENT: 700 * MIB,
    ArmKind.FLUID_WARM_CACHED: 3000 * MIB,
}

#: A measurement that is over sooner than this, in seconds, is made of several reads: on a busy machine
#: a single short one says more of what else ran just then.
SHORT: Final = 1.0
MOST_READS: Final = 5

#: The same where all comes from the page cache: it is over in a moment, and the kernel may take pages away
#: at any time, which makes the round invalid.
MOST_IN_MEMORY: Final = 2

#: What a further read takes besides the reading: page cache dropped, and a command in the Pod.
AGAIN_SECONDS: Final = 0.6

#: What a Job takes from its making to its end, besides the reading; with Pods that wait for each other.
JOB_SECONDS: Final = 8.0

#: Kinds that a read does not change, so that they can be read again for the same measurement. A first
#: read is one once, and a client that has read its data is another one than before.
_REPEATABLE: Final = frozenset(
    {
        ArmKind.RAW_COLD,
        ArmKind.RAW_CACHED,
        ArmKind.FLUID_WARM_FRESH_CLIENT,
        ArmKind.FLUID_WARM_CACHED,
    }
)

_IN_MEMORY: Final = frozenset({ArmKind.RAW_CACHED, ArmKind.FLUID_WARM_CACHED})

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


def reads(name: str, total_bytes: int, held_to: float | None) -> int:
    """How many times an arm is read for one measurement.

    Args:
        name: of the arm.
        total_bytes: of one read.
        held_to: bytes/s of NFS; None leaves it free.
    """
    if ARMS[name].kind not in _REPEATABLE:
        return 1
    most = MOST_IN_MEMORY if ARMS[name].kind in _IN_MEMORY else MOST_READS
    return min(most, math.ceil(SHORT * _thought(name, held_to) / total_bytes))


def blocks(
    groups: tuple[tuple[str, ...], ...], total_bytes: int, held_to: float | None, pods: int = 1
) -> tuple[Block, ...]:
    """The blocks of a series, with the time that each is thought to take.

    Args:
        groups: names of arms, those of one preparation together.
        total_bytes: read at once, all Pods together.
        held_to: bytes/s of NFS; None leaves it free.
        pods: that read at once.
    """

    def seconds(name: str) -> float:
        once = total_bytes / _thought(name, held_to)
        if pods > 1:
            return JOB_SECONDS + pods + once
        times = reads(name, total_bytes, held_to)
        return ARMS[name].seconds + times * once + (times - 1) * AGAIN_SECONDS

    return tuple(Block(group, sum(map(seconds, group))) for group in groups)


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
