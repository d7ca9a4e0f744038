"""The arms that are measured, which of them need each other, and which are compared.

Each arm of Fluid creates the state that the next one needs: the cold read fills Alluxio, the same client
reads again, then a fresh client, then the fresh client again from the page cache. So they are one block.
The block reads another folder in each round, because a cold read cannot be repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from suites.benchmark.model.judgement import Comparison, Purpose
from suites.benchmark.model.series import ArmKind
from suites.benchmark.run.schedule import Block

MIB: Final = 1024 * 1024

RAW_COLD: Final = "raw NFS, cold"
RAW_CACHED: Final = "raw NFS, page cache"
RAW_REPEATED: Final = "raw NFS, cold, once more"
RAW_SLOWED: Final = "raw NFS, cold, slowed down"
RAW_STANDALONE: Final = "raw NFS, cold, standalone Job"
FLUID_COLD: Final = "Fluid, cold"
FLUID_SAME: Final = "Fluid, warm, same client"
FLUID_FRESH: Final = "Fluid, warm, fresh client"
FLUID_CACHED: Final = "Fluid, warm, page cache"


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """The plan of an arm.

    Attributes:
        name: unique in a series.
        kind: what the evidence of its rounds must show.
        note: difference from other arms of the same kind.
        seconds: time of one measurement without the reading itself (seen on two cores: mostly commands
            in Pods, and a new Fuse Pod).
    """

    name: str
    kind: ArmKind
    note: str = ""
    seconds: float = 1.8


#: All arms by name.
ARMS: Final = {
    arm.name: arm
    for arm in (
        ArmPlan(RAW_COLD, ArmKind.RAW_COLD),
        ArmPlan(RAW_CACHED, ArmKind.RAW_CACHED),
        ArmPlan(RAW_REPEATED, ArmKind.RAW_COLD, "the same again, to show the noise"),
        ArmPlan(RAW_SLOWED, ArmKind.RAW_COLD, "NFS is limited on purpose; the slowdown must be found", 3.2),
        ArmPlan(
            RAW_STANDALONE, ArmKind.RAW_COLD, "fio runs in a Job, without a connection from the harness", 6.0
        ),
        ArmPlan(FLUID_COLD, ArmKind.FLUID_COLD, seconds=3.0),
        ArmPlan(FLUID_SAME, ArmKind.FLUID_WARM_SAME_CLIENT, seconds=2.5),
        ArmPlan(FLUID_FRESH, ArmKind.FLUID_WARM_FRESH_CLIENT, seconds=10.0),
        ArmPlan(FLUID_CACHED, ArmKind.FLUID_WARM_CACHED, seconds=2.5),
    )
}

#: Bytes/s seen on two cores, NFS unlimited, sequential reads. Plans only need the order of magnitude.
EXPECTED_SPEED: Final = {
    ArmKind.RAW_COLD: 900 * MIB,
    ArmKind.RAW_CACHED: 3000 * MIB,
    ArmKind.FLUID_COLD: 30 * MIB,
    ArmKind.FLUID_WARM_SAME_CLIENT: 30 * MIB,
    ArmKind.FLUID_WARM_FRESH_CLIENT: 700 * MIB,
    ArmKind.FLUID_WARM_CACHED: 3000 * MIB,
}

#: A measurement that would be shorter than this, in seconds, consists of several reads: on a busy machine,
#: a short read mostly shows what else was running.
SHORT: Final = 1.5
MOST_READS: Final = 12

#: The same for reads from the page cache: the kernel may drop pages at any time, which makes the round
#: invalid, so that there are fewer reads.
MOST_IN_MEMORY: Final = 2

#: Seconds of a further read without the reading: dropping the page cache, and the start of fio.
REPEAT_SECONDS: Final = 0.35

#: Seconds of a Job without the reading; its Pods wait for each other.
JOB_SECONDS: Final = 8.0

#: Kinds that can be read several times for one measurement, because a read does not change their state. A
#: cold read cannot be repeated, and a client that has read its data is in another state than before.
_REPEATABLE: Final = frozenset(
    {
        ArmKind.RAW_COLD,
        ArmKind.RAW_CACHED,
        ArmKind.FLUID_WARM_FRESH_CLIENT,
        ArmKind.FLUID_WARM_CACHED,
    }
)

_IN_MEMORY: Final = frozenset({ArmKind.RAW_CACHED, ArmKind.FLUID_WARM_CACHED})

#: Comparisons of each series; that of the two page cache arms shows the speed of memory, not of Fluid.
COMPARISONS: Final = (
    Comparison(baseline=RAW_COLD, candidate=FLUID_COLD),
    Comparison(baseline=RAW_COLD, candidate=FLUID_SAME),
    Comparison(baseline=RAW_COLD, candidate=FLUID_FRESH),
    Comparison(baseline=RAW_CACHED, candidate=FLUID_CACHED),
    Comparison(baseline=FLUID_SAME, candidate=FLUID_FRESH),
    Comparison(baseline=RAW_COLD, candidate=RAW_REPEATED, purpose=Purpose.EQUAL),
    Comparison(baseline=RAW_COLD, candidate=RAW_SLOWED, purpose=Purpose.CONTROL),
    Comparison(baseline=RAW_COLD, candidate=RAW_STANDALONE, purpose=Purpose.COST),
)


def reads_per_value(name: str, total_bytes: int, bandwidth: float | None) -> int:
    """Number of reads of one measurement of an arm.

    Args:
        name: of the arm.
        total_bytes: of one read.
        bandwidth: limit of NFS in bytes/s; None is no limit.
    """
    if ARMS[name].kind not in _REPEATABLE:
        return 1
    most = MOST_IN_MEMORY if ARMS[name].kind in _IN_MEMORY else MOST_READS
    return min(most, math.ceil(SHORT * _expected_speed(name, bandwidth) / total_bytes))


def blocks(
    groups: tuple[tuple[str, ...], ...], total_bytes: int, bandwidth: float | None, pods: int = 1
) -> tuple[Block, ...]:
    """The blocks of a series with their expected times.

    Args:
        groups: names of arms; those of a group are measured one after another.
        total_bytes: of one read, all Pods together.
        bandwidth: limit of NFS in bytes/s; None is no limit.
        pods: parallel Pods.
    """

    def seconds(name: str) -> float:
        once = total_bytes / _expected_speed(name, bandwidth)
        if pods > 1:
            return JOB_SECONDS + pods + once
        times = reads_per_value(name, total_bytes, bandwidth)
        return ARMS[name].seconds + times * once + (times - 1) * REPEAT_SECONDS

    return tuple(Block(group, sum(map(seconds, group))) for group in groups)


def comparisons(names: tuple[str, ...]) -> tuple[Comparison, ...]:
    """The comparisons whose two arms are in ``names``."""
    return tuple(one for one in COMPARISONS if {one.baseline, one.candidate} <= set(names))


def _expected_speed(name: str, bandwidth: float | None) -> float:
    """Expected bytes/s of an arm; only the plan uses it."""
    kind = ARMS[name].kind
    speed: float = EXPECTED_SPEED[kind]
    if bandwidth is not None and kind in {ArmKind.RAW_COLD, ArmKind.FLUID_COLD}:
        speed = min(speed, bandwidth)
    return speed / 2 if name == RAW_SLOWED else speed
