"""How fast this machine is, for limits in seconds that would be too short on a slow one."""

from __future__ import annotations

import statistics
import sys
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.host.commands import Commands

#: Seconds for one start of Python on the machine for which the limits were chosen: two cores of an AMD EPYC
#: under the load of a run (8 ms when idle). It consists of what a cluster's own starts consist of: a new
#: process, its page faults, reading files, computing.
REFERENCE: Final = 0.02
#: Starts that are measured; their median counts.
STARTS: Final = 9
#: Limits are not stretched further: a machine that is slower than this cannot run a cluster.
MOST: Final = 4.0
_START_SECONDS: Final = 30.0


def slowness(commands: Commands, clock: Clock = SYSTEM_CLOCK) -> float:
    """How many times slower this machine starts programs than the reference: 1 to 4, with one decimal.

    Raises:
        CommandError: Python does not start.
    """
    seconds = []
    for _ in range(STARTS):
        start = clock.now()
        commands.run([sys.executable, "-I", "-S", "-c", "pass"], timeout=_START_SECONDS)
        seconds.append(clock.now() - start)
    return round(min(MOST, max(1.0, statistics.median(seconds) / REFERENCE)), 1)
