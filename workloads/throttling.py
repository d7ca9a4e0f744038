"""Slowing a program down on its node: it is stopped and let go on, many times a second."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass
from clusters.waiting import wait
from workloads.faults import Fault, FaultError, Run, any_stopped, none_stopped, processes

#: Seconds that one command on the node may take.
COMMAND_SECONDS: Final = 30.0
#: Seconds in which a slowed program must be going on for good again.
EFFECT_SECONDS: Final = 20.0
#: Seconds after which it goes on in any case, also when the harness was killed.
LIMIT_SECONDS: Final = 600.0

# It runs by itself on the node, so that the program also goes on when nobody can reach the node any more.
_LOOP: Final = r"""
flag=$1 stop=$2 go=$3 rounds=$4; shift 4
trap 'kill -s CONT "$@" 2>/dev/null; rm -f "$flag"' EXIT
while [ -e "$flag" ] && [ "$rounds" -gt 0 ]; do
  kill -s STOP "$@" 2>/dev/null; sleep "$stop"
  kill -s CONT "$@" 2>/dev/null || exit; sleep "$go"
  rounds=$((rounds - 1))
done
"""
# The flag is there before the loop is, so that taking it away ends a loop that has only just begun, too.
_START: Final = r"""
script=$1; shift
: > "$1"
setsid sh -c "$script" slowness "$@" > /dev/null 2>&1 < /dev/null &
"""


@contextmanager
def slowed(
    run: Run,
    name: str,
    *,
    stopped: float = 0.15,
    going: float = 0.05,
    touches: Literal["pod", "cluster"] = "cluster",
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Fault]:
    """Let every process of that name work only a part of the time while the context lasts.

    Args:
        run: runs commands where the processes are to be seen, such as on a node.
        name: name of the program, or a word of its arguments.
        stopped: seconds for which it is stopped in each round.
        going: seconds for which it works then.
        touches: ``pod`` when nobody outside the Pod uses the program.
        clock: replaced by tests.

    Raises:
        FaultError: no such process, or the node took no command.
        WaitTimeoutError: it is not going on again; an infrastructure failure.
    """
    targets = processes(run, name)
    if not targets:
        raise FaultError(f"no process {name} is running", advice="look whether the node is the right one")
    flag = f"/run/slowed-{secrets.token_hex(4)}"
    rounds = str(int(LIMIT_SECONDS / (stopped + going)))
    pids = [str(process.pid) for process in targets]
    argv = ("sh", "-c", _START, "start", _LOOP, flag, f"{stopped:g}", f"{going:g}", rounds, *pids)
    done = run(argv, timeout=COMMAND_SECONDS)
    if done.exit_code != 0:
        raise FaultError(f"{name} could not be slowed", last_seen=done.stderr.strip())
    share = 100 * going / (stopped + going)
    try:
        wait(
            lambda: processes(run, name),
            any_stopped,
            subject=f"process {name}",
            condition="a temporary stop",
            timeout=EFFECT_SECONDS,
            delay=stopped / 3,
            failure_class=FailureClass.INFRASTRUCTURE,
            clock=clock,
        )
        yield Fault(
            f"{name} works {share:.0f} % of the time, {stopped:g} s late each time", touches, "harness"
        )
    finally:
        run(("rm", "-f", flag), timeout=COMMAND_SECONDS)
        wait(
            lambda: processes(run, name),
            none_stopped,
            subject=f"process {name}",
            condition="resumption",
            timeout=EFFECT_SECONDS,
            successes=3,
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"send SIGCONT to {name} by hand",
            clock=clock,
        )
