"""A process is killed by the kernel because its container is out of memory."""

from __future__ import annotations

from functools import partial
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError
from clusters.waiting import wait
from workloads.faults.base import Fault, FaultError, Run
from workloads.faults.processes import Process, processes

#: Seconds until the kernel has killed the process: as long as a shell needs to fill the container's memory.
KILLED_SECONDS: Final = 120.0

# The kernel kills what has the highest score: a process's own memory, and its adjustment as a share of the
# limit. Raising the adjustment needs no right, lowering it does. So the memory is filled by many processes,
# each smaller than the one that is meant: `tail` keeps a line of any length in memory until its input ends.
# They are bounded, so that a container without a limit does not use up the memory of its node.
_FILL: Final = """
for process in "$@"; do echo 1000 > "/proc/$process/oom_score_adj" || exit 1; done
for part in $(seq 96); do
  { head -c 32M /dev/zero; while kill -0 "$@"; do sleep 0.2; done; } 2> /dev/null | tail -n 1 > /dev/null &
done
while kill -0 "$@" 2> /dev/null; do sleep 0.2; done
"""


def exhaust_memory(run: Run, name: str, *, clock: Clock = SYSTEM_CLOCK) -> Fault:
    """Use up the memory of a container until the kernel kills a process in it; Kubernetes restarts it.

    The container needs a limit of memory, of less than 3 GiB.

    Args:
        run: runs commands in the container.
        name: name of the program, or a word of its arguments such as a Java class.
        clock: replaced by tests.

    Raises:
        FaultError: no such process.
        WaitTimeoutError: it was not killed; an infrastructure failure.
    """
    before = processes(run, name)
    if not before:
        raise FaultError(f"no process {name} is running", advice="check that it is the right Pod")
    keys = {process.key for process in before}
    pids = [str(process.pid) for process in before]
    said = ""
    try:
        done = run(("sh", "-c", _FILL, "fill", *pids), timeout=KILLED_SECONDS)
        said = (done.stdout + done.stderr).strip()
    except HarnessError as error:  # the end of the first process ends the command, too
        said = error.message
    wait(
        partial(_left, run, name, keys),
        lambda left: not left,
        subject=f"process {name}",
        condition="its end by the kernel",
        timeout=KILLED_SECONDS,
        delay=0.5,
        describe=lambda left: f"{len(left)} of {len(keys)} run; the command said: {said or 'nothing'}",
        failure_class=FailureClass.INFRASTRUCTURE,
        advice="the container needs a limit of memory",
        clock=clock,
    )
    return Fault(f"{name} was killed because its container was out of memory")


def _left(run: Run, name: str, keys: set[tuple[int, int]]) -> tuple[Process, ...]:
    """Those of the processes that still run; none if the container runs no commands at this moment."""
    try:
        return tuple(process for process in processes(run, name) if process.key in keys)
    except HarnessError:
        return ()
