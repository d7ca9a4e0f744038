"""Faults of processes: stopped, or killed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.disruption import Disruption
from clusters.errors import FailureClass, HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.undo import NodeCommand
from clusters.waiting import wait
from workloads.faults.base import COMMAND_SECONDS, Fault, FaultError, Run

log = logging.getLogger(__name__)

#: Seconds until a fault must have its effect, or be undone.
EFFECT_SECONDS: Final = 20.0

#: Seconds between two lists of processes: each is a command in a container.
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Process:
    """A process as its ``/proc`` shows it.

    Attributes:
        pid: in the process namespace of the container or node.
        started: clock ticks since boot; pid and start identify a process.
        state: one letter; ``T`` is stopped, ``Z`` is a zombie.
    """

    pid: int
    started: int
    state: str

    @property
    def key(self) -> tuple[int, int]:
        """Identifies the process."""
        return self.pid, self.started


# The name is passed in the environment and through a pipe, so that the arguments of the shell and of grep
# never match. A process matches by its name or by a whole argument, such as a Java class.
_FIND: Final = r"""
command -v grep > /dev/null || { echo "there is no grep" >&2; exit 127; }
for file in $(printf %s "$WANTED" | grep -lzxF -f - /proc/[0-9]*/cmdline 2>/dev/null) \
            $(printf %s "$WANTED" | grep -lxF -f - /proc/[0-9]*/comm 2>/dev/null)
do
  process=${file%/*}
  if [ -z "$WITHIN" ] || [ "$(readlink "$process/ns/pid")" = "$WITHIN" ]; then
    eval "$EACH"
  fi
done
"""
_SHOW: Final = 'cat "$process/stat" 2>/dev/null || true'
_CONTINUE: Final = 'kill -s CONT "${process#/proc/}" 2>/dev/null || true'
_STAT: Final = re.compile(r"^(?P<pid>\d+) \(.*\) (?P<state>\S)(?: \S+){18} (?P<started>\d+) ", re.MULTILINE)

# The kill of the shell, because an image may have no procps. It signals all, even if one has ended.
_KILL: Final = 's=$1; shift; for p in "$@"; do kill -s "$s" "$p" || f=1; done; exit ${f:-0}'

_AS_FIRST: Final = (
    "the first process of a container ignores this signal from inside; "
    "run the command on the node, or start the program under an init process"
)


def processes(run: Run, name: str, within: str = "") -> tuple[Process, ...]:
    """The running processes with that name, or with that word as an argument.

    Args:
        run: runs commands in the container or on the node.
        name: such as ``ganesha.nfsd`` or ``alluxio.fuse.AlluxioFuse``.
        within: only those of this namespace of process ids, such as ``pid:[4026532201]``; empty for all.

    Raises:
        FaultError: the processes could not be listed.
    """
    done = run(for_each(_SHOW, name, within), timeout=COMMAND_SECONDS)
    if done.exit_code != 0:
        raise FaultError(f"cannot list the processes {name}", last_seen=done.stderr.strip())
    seen: dict[int, Process] = {}  # a process that matches twice is listed twice
    for match in _STAT.finditer(done.stdout):
        pid = int(match["pid"])
        seen[pid] = Process(pid, int(match["started"]), match["state"])
    return tuple(process for process in seen.values() if process.state not in "ZX")


def for_each(command: str, name: str, within: str) -> tuple[str, ...]:
    """Run a shell command for each process of that name, with its folder in ``$process``."""
    variables = (f"WANTED={name}", f"WITHIN={within}", f"EACH={command}")
    return ("env", *variables, "sh", "-c", _FIND)


@contextmanager
def stopped(
    journal: Journal,
    node: str,
    name: str,
    *,
    within: str = "",
    changes: Disruption = Disruption.NODE,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Fault]:
    """Stop every process of that name (SIGSTOP) while the context lasts, and continue them afterwards.

    It affects every user of the program: a stopped NFS server hangs each mount of its exports, and also the
    deletion of a Pod with such a mount. So the context must end before the teardown.

    Args:
        journal: continues them, also if this process is killed.
        node: where they run.
        name: name of the program, or a word of its arguments.
        within: only those of this namespace of process ids; empty for all on the node.
        changes: whose processes they are; `Disruption.NOTHING` for those of the harness.
        clock: replaced by tests.

    Raises:
        FaultError: no such process.
        WaitTimeoutError: it did not stop, or could not be continued; an infrastructure failure.
    """

    def run(argv: Sequence[str], /, *, timeout: float) -> Completed:
        return journal.node_exec(node, argv, timeout=timeout, changes=changes)

    before = processes(run, name, within)
    if not before:
        raise FaultError(f"no process {name} is running", advice="check that it is the right Pod")
    keys = {process.key for process in before}
    undo = NodeCommand(node, for_each(_CONTINUE, name, within))
    try:
        with journal.undoing(f"{name} on node {node} is stopped", undo):
            _signal(run, name, before, "STOP")
            _await(
                run,
                name,
                partial(_all_stopped, keys),
                condition="state T (stopped)",
                advice=_AS_FIRST,
                clock=clock,
            )
            yield Fault(f"{name} is stopped")
    finally:
        _wait_until_continued(run, name, within, clock)


def _wait_until_continued(run: Run, name: str, within: str, clock: Clock) -> None:
    """Wait until none is stopped; one that has ended is not started again here."""

    def observe() -> tuple[Process, ...] | None:
        try:
            return processes(run, name, within)
        except HarnessError as error:
            log.warning("%s: cannot be listed yet: %s", name, error.message)
            return None

    wait(
        observe,
        partial(_seen, none_stopped),
        subject=f"process {name}",
        condition="resumption",
        timeout=EFFECT_SECONDS,
        delay=POLL_SECONDS,
        describe=_shown,
        failure_class=FailureClass.INFRASTRUCTURE,
        advice=f"send SIGCONT to {name}: it is stopped, and its users hang",
        clock=clock,
    )


def kill_process(run: Run, name: str, *, signal: str = "KILL", clock: Clock = SYSTEM_CLOCK) -> Fault:
    """Kill every process of that name and wait until they have ended; Kubernetes restarts the container.

    Args:
        run: runs commands in the container or on the node of the processes.
        name: name of the program, or a word of its arguments such as a Java class.
        signal: without ``SIG``.
        clock: replaced by tests.

    Raises:
        FaultError: no such process.
        WaitTimeoutError: it did not end.
    """
    before = processes(run, name)
    if not before:
        raise FaultError(f"no process {name} is running", advice="check that it is the right Pod")
    keys = {process.key for process in before}
    try:
        _signal(run, name, before, signal)
    except HarnessError as error:
        # Killing the first process of a container also kills the shell: the check below decides.
        log.info("%s: the command that killed it was killed, too: %s", name, error.message)
    _await(
        run,
        name,
        lambda now: not keys & {p.key for p in now},
        condition="the end",
        advice=_AS_FIRST,
        clock=clock,
    )
    return Fault(f"{name} was killed")


def _signal(run: Run, name: str, targets: Sequence[Process], signal: str, *, check: bool = True) -> None:
    pids = [str(process.pid) for process in targets]
    done = run(
        ("sh", "-c", _KILL, "kill", signal, *pids),
        timeout=COMMAND_SECONDS,
    )
    if check and done.exit_code != 0:
        raise FaultError(f"SIG{signal} could not be sent to {name}", last_seen=done.stderr.strip())


def _await(
    run: Run,
    name: str,
    ready: Callable[[tuple[Process, ...]], bool],
    *,
    condition: str,
    advice: str,
    clock: Clock,
) -> None:
    def observe() -> tuple[Process, ...] | None:
        try:
            return processes(run, name)
        except HarnessError as error:  # a container that restarts runs no commands
            log.info("%s: cannot be listed now: %s", name, error.message)
            return None

    wait(
        observe,
        partial(_seen, ready),
        subject=f"process {name}",
        condition=condition,
        timeout=EFFECT_SECONDS,
        delay=POLL_SECONDS,
        describe=_shown,
        failure_class=FailureClass.INFRASTRUCTURE,
        advice=advice,
        clock=clock,
    )


def none_stopped(now: tuple[Process, ...]) -> bool:
    """No process is in state T (stopped)."""
    return all(process.state != "T" for process in now)


def any_stopped(now: tuple[Process, ...]) -> bool:
    """A process is in state T (stopped)."""
    return any(process.state == "T" for process in now)


def _all_stopped(keys: set[tuple[int, int]], now: tuple[Process, ...]) -> bool:
    return {process.key for process in now} >= keys and all(process.state == "T" for process in now)


def _seen(ready: Callable[[tuple[Process, ...]], bool], now: tuple[Process, ...] | None) -> bool:
    return now is not None and ready(now)


def _shown(now: tuple[Process, ...] | None) -> str:
    if now is None:
        return "not listed"
    return ", ".join(f"{process.pid} in state {process.state}" for process in now) or "none"
