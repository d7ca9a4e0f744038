"""The export of an NFS server (NFS-Ganesha) is withdrawn for a while: handles of its clients are stale."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.disruption import Disruption
from clusters.errors import FailureClass
from clusters.host.commands import Completed
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.undo import NodeCommand
from clusters.waiting import wait
from workloads.faults.base import COMMAND_SECONDS, Fault, FaultError
from workloads.faults.processes import for_each

#: Name of the server's program.
PROGRAM: Final = "ganesha.nfsd"
#: Seconds until an export is there, or not there any more.
EFFECT_SECONDS: Final = 30.0

#: Ganesha's management interface (Ganesha 4.3, org.ganesha.nfsd.exportmgr).
_DBUS: Final = "dbus-send --system --print-reply --dest=org.ganesha.nfsd /org/ganesha/nfsd/ExportMgr"
_METHODS: Final = "org.ganesha.nfsd.exportmgr"


@contextmanager
def withdrawn(
    journal: Journal,
    node: str,
    within: str,
    *,
    export: int,
    config: str,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Fault]:
    """An export is removed from the running server while the context lasts, and then added again.

    Args:
        journal: adds it again, also if this process is killed.
        node: where the server runs.
        within: its namespace of process ids, so that no foreign server is touched.
        export: number of the export.
        config: file of the server's configuration with it, inside its container.
        clock: replaced by tests.

    Raises:
        FaultError: the server does not run.
        WaitTimeoutError: the export is not removed, or not added again; an infrastructure failure.
    """
    add = f"{_DBUS} {_METHODS}.AddExport string:{shlex.quote(config)} string:'EXPORT(Export_Id={export})'"
    remove = f"{_DBUS} {_METHODS}.RemoveExport uint16:{export}"
    undo = NodeCommand(node, _in_server(f"{add} > /dev/null 2>&1 || true", within))

    def run(command: str) -> Completed:
        argv: Sequence[str] = _in_server(command, within)
        return journal.node_exec(node, argv, timeout=COMMAND_SECONDS, changes=Disruption.NOTHING)

    def listed() -> bool:
        done = run(f"{_DBUS} {_METHODS}.ShowExports")
        if "method return" not in done.stdout:
            raise FaultError(
                f"the NFS server on node {node} does not list its exports",
                last_seen=(done.stdout + done.stderr).strip()[-500:],
            )
        return f"uint16 {export}\n" in done.stdout

    if not listed():
        raise FaultError(f"the NFS server on node {node} has no export {export}")
    try:
        with journal.undoing(f"export {export} of the NFS server is withdrawn", undo):
            run(remove)
            _await(listed, there=False, clock=clock)
            yield Fault(f"export {export} of the NFS server is withdrawn")
    finally:
        _await(listed, there=True, clock=clock)


def _in_server(command: str, within: str) -> tuple[str, ...]:
    """Run a shell command in the file system of the server's container."""
    inside = f'nsenter --target "${{process#/proc/}}" --mount sh -c {shlex.quote(command)}'
    return for_each(inside, PROGRAM, within)


def _await(listed: Callable[[], bool], *, there: bool, clock: Clock) -> None:
    wait(
        listed,
        lambda seen: seen is there,
        subject="export of the NFS server",
        condition="its presence" if there else "its removal",
        timeout=EFFECT_SECONDS,
        delay=0.5,
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=clock,
    )
