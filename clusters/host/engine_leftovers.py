"""Processes, containers and mounts that an engine of the harness left when it was killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import psutil

from clusters.errors import FailureClass, RefusalError
from clusters.host import leftovers
from clusters.host.commands import Commands
from clusters.waiting import WaitTimeoutError, is_empty, wait

CLEAR_SECONDS: Final = 10.0
_PROGRAMS: Final = {"dockerd", "containerd", "containerd-shim-runc-v2", "containerd-shim", "docker-proxy"}


def clear_leftovers(run_folder: Path, data: Path, commands: Commands) -> None:
    """Kill leftovers of an engine of the harness that has ended, and unmount what it had mounted.

    Only these are touched: containers whose state is in the run folder, engine programs whose command
    line has that folder or such a container, and mounts below that folder and below ``data``.
    """
    containers = _containers(run_folder)
    # The daemon first: it would start containers again.
    ended = [
        *_processes_of(run_folder, containers),
        *(container.pid for container in containers if container.lives),
    ]
    for pid in ended:
        send_signal(pid, signal.SIGKILL)
    with contextlib.suppress(WaitTimeoutError):
        wait(
            lambda: [pid for pid in ended if _alive(pid)],
            is_empty,
            subject="leftovers of the container engine",
            condition="the end",
            timeout=CLEAR_SECONDS,
            delay=0.1,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    for container in containers:
        container.remove_cgroups()
    for folder in (run_folder, data):
        leftovers.unmount_below(folder, commands)
    # The daemon mounts its data folder on itself, and marks that this is to be undone.
    if (run_folder / "exec" / "unmount-on-shutdown").exists():
        commands.run(["umount", "--lazy", data], check=False, timeout=leftovers.UMOUNT_SECONDS)
    for stale in ("docker.pid", "docker.sock"):
        (run_folder / stale).unlink(missing_ok=True)
    if not leftovers.mounts_below(run_folder):
        shutil.rmtree(run_folder / "exec", ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Container:
    """A container as runc 1.1 records it (libcontainer's state.json).

    Attributes:
        id: the engine's.
        pid: of its first process; the others end with it.
        started: start of that process in clock ticks, because a pid may have been used again.
        cgroups: its folders.
    """

    id: str
    pid: int
    started: int
    cgroups: tuple[Path, ...]

    @property
    def lives(self) -> bool:
        return _alive(self.pid) and _start_of(self.pid) == self.started

    def remove_cgroups(self) -> None:
        for top in self.cgroups:
            for folder in sorted(top.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()


def _containers(run_folder: Path) -> list[_Container]:
    """The containers whose state is in the run folder."""
    found = []
    for file in run_folder.glob("exec/runtime-*/*/*/state.json"):
        try:
            state = json.loads(file.read_text())
            pid, started = int(state["init_process_pid"]), int(state["init_process_start"])
        except (OSError, ValueError, KeyError):
            continue
        # Only folders with the container's name: their parents are shared with other containers.
        paths = (state.get("cgroup_paths") or {}).values()
        cgroups = tuple(Path(path) for path in paths if Path(path).name == file.parent.name)
        found.append(_Container(file.parent.name, pid, started, cgroups))
    return found


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that has ended already is fine.

    Raises:
        RefusalError: another user's process.
    """
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise other_user() from None


def other_user() -> RefusalError:
    """The engine belongs to another user."""
    return RefusalError(
        "the harness's container engine was started by another user", advice="run this as root"
    )


def _start_of(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (proc(5), field 22 of stat).

    Not by psutil, which gives seconds since the epoch: runc remembers ticks.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may contain spaces.
    return int(stat.rpartition(")")[2].split()[19])


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def _words(pid: int) -> list[str]:
    """A process's command line; empty when the process has ended."""
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def daemon_pid(run_folder: Path) -> int | None:
    """The pid of the harness's daemon if it runs; a pid file alone may name another process by now."""
    try:
        pid = int((run_folder / "docker.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_of(run_folder, _words(pid)) else None


def _processes_of(run_folder: Path, containers: Sequence[_Container] = ()) -> list[int]:
    """Processes of the harness's engine, the daemon first: its containerd, shims and proxies."""
    ids = {container.id for container in containers}
    found = {
        process.pid: words
        for process in psutil.process_iter(["cmdline"])
        if _is_of(run_folder, words := process.info["cmdline"] or [], ids)
    }
    return sorted(found, key=lambda pid: Path(found[pid][0]).name != "dockerd")


def _is_of(run_folder: Path, words: list[str], ids: Collection[str] = ()) -> bool:
    """Whether a command line is that of an engine program that works in the run folder."""
    if not words or Path(words[0]).name not in _PROGRAMS:
        return False
    # The folder or a path in it, also in a form such as --root=FOLDER or unix://FOLDER/…
    inside = re.compile(rf"(^|[=:/]){re.escape(str(run_folder))}(/|$)")
    if any(inside.search(word) for word in words[1:]):
        return True
    # A shim of the system's containerd that the harness's daemon used.
    return any(option == "-id" and value in ids for option, value in pairwise(words))
