"""Throttles a program on its node: it is stopped and continued several times a second."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.disruption import Disruption
from clusters.errors import FailureClass
from clusters.host.commands import Completed
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.undo import NodeCommand
from clusters.waiting import wait
from workloads.faults import Fault, FaultError, any_stopped, none_stopped, processes
from workloads.faults.base import COMMAND_SECONDS
from workloads.faults.processes import EFFECT_SECONDS

#: Seconds after which the program runs again in any case, also if the harness was killed.
LIMIT_SECONDS: Final = 600.0

# It runs on the node, so that the program is continued even if the node cannot be reached.
_LOOP: Final = r"""
flag=$1 stop=$2 go=$3 rounds=$4; shift 4
trap 'kill -s CONT "$@" 2>/dev/null; rm -f "$flag"' EXIT
while [ -e "$flag" ] && [ "$rounds" -gt 0 ]; do
  kill -s STOP "$@" 2>/dev/null; sleep "$stop"
  kill -s CONT "$@" 2>/dev/null || exit; sleep "$go"
  rounds=$((rounds - 1))
done
"""
# The flag exists before the loop, so that removing it also ends a loop that has just started.
_START: Final = r"""
script=$1; shift
: > "$1"
setsid sh -c "$script" slowness "$@" > /dev/null 2>&1 < /dev/null &
"""


@contextmanager
def slowed(
    journal: Journal,
    node: str,
    name: str,
    *,
    within: str = "",
    changes: Disruption = Disruption.NODE,
    stopped: float = 0.15,
    going: float = 0.05,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Fault]:
    """Let every process of that name run only a part of the time while the context lasts.

    Args:
        journal: ends it, also if this process is killed.
        node: where the processes run.
        name: name of the program, or a word of its arguments.
        within: only those of this namespace of process ids; empty for all on the node.
        changes: whose processes they are; `Disruption.NOTHING` for those of the harness.
        stopped: seconds without running in each round.
        going: seconds of running after that.
        clock: replaced by tests.

    Raises:
        FaultError: no such process, or the node runs no commands.
        WaitTimeoutError: it did not continue; an infrastructure failure.
    """

    def run(argv: Sequence[str], /, *, timeout: float) -> Completed:
        return journal.node_exec(node, argv, timeout=timeout, changes=changes)

    targets = processes(run, name, within)
    if not targets:
        raise FaultError(f"no process {name} is running", advice="check that it is the right node")
    flag = f"/run/slowed-{secrets.token_hex(4)}"
    rounds = str(int(LIMIT_SECONDS / (stopped + going)))
    pids = [str(process.pid) for process in targets]
    argv = ("sh", "-c", _START, "start", _LOOP, flag, f"{stopped:g}", f"{going:g}", rounds, *pids)
    share = 100 * going / (stopped + going)
    undo = NodeCommand(node, ("rm", "-f", flag))
    try:
        with journal.undoing(f"{name} on node {node} is throttled", undo):
            done = run(argv, timeout=COMMAND_SECONDS)
            if done.exit_code != 0:
                raise FaultError(f"{name} could not be throttled", last_seen=done.stderr.strip())
            wait(
                lambda: processes(run, name, within),
                any_stopped,
                subject=f"process {name}",
                condition="a temporary stop",
                timeout=EFFECT_SECONDS,
                delay=stopped / 3,
                failure_class=FailureClass.INFRASTRUCTURE,
                clock=clock,
            )
            yield Fault(f"{name} runs {share:.0f} % of the time, with pauses of {stopped:g} s")
    finally:
        wait(
            lambda: processes(run, name, within),
            none_stopped,
            subject=f"process {name}",
            condition="resumption",
            timeout=EFFECT_SECONDS,
            successes=3,
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"send SIGCONT to {name}",
            clock=clock,
        )
