"""The container engine: a system's own where one answers, else one of ours.

Ours has its own socket, data, run folder and pid file, so that a system's engine is never
touched. What a killed run left (a dead pid, a socket nobody listens on, mounts) is
recognised and replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from clusters.errors import FailureClass, RefusalError
from clusters.host import bootstrap, leftovers
from clusters.host.commands import CommandError, Commands, Completed
from clusters.host.known_errors import meaning, retold
from clusters.host.probes import Host
from clusters.progress import Progress, RunningStage
from clusters.waiting import WaitTimeoutError, exists, is_empty, is_gone, wait

#: Everything of our engine's that does not outlive it.
RUN_FOLDER: Final = Path("/run/fluid-conformance")
_CONFIG: Final = "daemon.json"
OWNER_LABEL: Final = "fluid-conformance"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
CLEAR_SECONDS: Final = 10.0
_PROGRAMS: Final = {"dockerd", "containerd", "containerd-shim-runc-v2", "containerd-shim", "docker-proxy"}
_NOT_THERE: Final = re.compile(r"no such|not found", re.IGNORECASE)
_SYSTEM_SOCKET: Final = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answered.

    Attributes:
        address: where its daemon listens, as DOCKER_HOST.
        version: of the daemon.
        ours: it was started by the harness.
        commands: runs programs.
    """

    address: str
    version: str
    ours: bool
    commands: Commands

    @property
    def env(self) -> Mapping[str, str]:
        """Environment that points docker, kind and pytest-kind at this engine."""
        return {"DOCKER_HOST": self.address, "DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"}

    def run(
        self,
        *args: str | Path,
        check: bool = True,
        timeout: float | None = 120.0,
        stdin: str | None = None,
    ) -> Completed:
        """Run the docker client; ``timeout`` in seconds.

        Raises:
            CommandError: it failed; known errors of the engine are told in a user's words.
        """
        try:
            return self.commands.run(
                [docker_client(), *args], env=self.env, check=check, timeout=timeout, stdin=stdin
            )
        except CommandError as error:
            if meaning(error.last_seen) is None:
                raise
            raise retold(error, f"docker {args[0]} failed") from error

    def exec(
        self, container: str, argv: Sequence[str], *, check: bool = True, timeout: float = 60.0
    ) -> Completed:
        """Run a program in a running container, such as a kind node."""
        return self.run("exec", container, *argv, check=check, timeout=timeout)

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """What the engine says of an image, container or network; None when it has none.

        Raises:
            CommandError: the engine did not say.
        """
        done = self.run(kind, "inspect", name, check=False)
        if done.exit_code != 0:
            if _NOT_THERE.search(done.stderr) is not None:
                return None
            raise retold(
                CommandError(f"exit code {done.exit_code}", completed=done), f"cannot look at {kind} {name}"
            )
        told: list[dict[str, Any]] = json.loads(done.stdout)
        return told[0] if told else None


def docker_client() -> Path:
    """The docker client program.

    Raises:
        RefusalError: there is none.
    """
    found = bootstrap.find("docker")
    if found is None:
        raise RefusalError(
            "there is no docker client on this host",
            advice="install one, or add --bootstrap to have Debian's docker.io installed",
        )
    return found


def answering(address: str, commands: Commands) -> str | None:
    """The version of the daemon at ``address``, or None: the daemon is probed, not the client."""
    if bootstrap.find("docker") is None:
        return None
    try:
        done = commands.run(
            [docker_client(), "version", "--format", "{{.Server.Version}}"],
            env={"DOCKER_HOST": address},
            timeout=15.0,
        )
    except CommandError:
        return None
    return done.stdout.strip() or None


def find(commands: Commands) -> Engine | None:
    """An engine that answers: the one that DOCKER_HOST names, else the system's, else ours."""
    named = os.environ.get("DOCKER_HOST")
    return next(_answering([named] if named else [_SYSTEM_SOCKET, own_address()], commands), None)


def every(commands: Commands) -> list[Engine]:
    """All engines that answer on this host and may hold what is ours."""
    named = os.environ.get("DOCKER_HOST")
    addresses = [named, _SYSTEM_SOCKET, own_address()] if named else [_SYSTEM_SOCKET, own_address()]
    return list(_answering(dict.fromkeys(addresses), commands))


def _answering(addresses: Iterable[str], commands: Commands) -> Iterator[Engine]:
    for address in addresses:
        version = answering(address, commands)
        if version is not None:
            yield Engine(address, version, ours=address == own_address(), commands=commands)


def own_address() -> str:
    """Where our own engine listens."""
    return f"unix://{RUN_FOLDER}/docker.sock"


def require(commands: Commands) -> Engine:
    """An engine that answers.

    Raises:
        RefusalError: none does, or this user may not ask it.
    """
    found = find(commands)
    if found is None:
        named = os.environ.get("DOCKER_HOST")
        for address in [named] if named else [_SYSTEM_SOCKET, own_address()]:
            if _closed(address):
                raise RefusalError(
                    f"the container engine's socket may not be opened by this user: {address}",
                    advice="run as root, or join the group that owns the socket",
                )
        where = f"at DOCKER_HOST={named}" if named else "on this host"
        raise RefusalError(
            f"no container engine answers {where}",
            advice="start Docker, or add --bootstrap to have an engine installed and started",
        )
    return found


def _closed(address: str) -> bool:
    """Whether there is a socket at ``address`` that this user may not open."""
    path = address.removeprefix("unix://")
    return path != address and os.access(path, os.F_OK) and not os.access(path, os.R_OK | os.W_OK)


def start(host: Host, cache: Path, wrapper: Path | None, commands: Commands, progress: Progress) -> Engine:
    """Start our own engine, or return it when it is up already.

    Args:
        host: facts of the host.
        cache: folder under which its data is kept.
        wrapper: the OCI runtime wrapper, where the host needs it.
        commands: runs programs.
        progress: where the stage is told.

    Raises:
        RefusalError: no daemon program is installed.
        InfrastructureError: the daemon does not come up; its log's end is shown.
    """
    address = own_address()
    docker_client()
    version = answering(address, commands)
    if version is not None:
        return Engine(address, version, ours=True, commands=commands)
    daemon = bootstrap.find("dockerd")
    if daemon is None:
        raise RefusalError(
            "no container engine is installed", advice="add --bootstrap to have Debian's docker.io installed"
        )
    with progress.stage("start container engine") as stage:
        version = _late_answer(address, commands, stage)
        if version is not None:
            return Engine(address, version, ours=True, commands=commands)
        clear_leftovers(RUN_FOLDER, data_folder(cache), commands)
        RUN_FOLDER.mkdir(parents=True, exist_ok=True)
        config = RUN_FOLDER / _CONFIG
        config.write_text(json.dumps(daemon_config(host, cache, wrapper), indent=2))
        log_file = RUN_FOLDER / "engine.log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [daemon, "--config-file", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Takes the daemon's exit code whenever it ends, so that no zombie is left of it.
        threading.Thread(target=process.wait, daemon=True).start()
        try:
            version = _wait_for_answer(address, process.poll, log_file, commands, stage)
        except BaseException:
            # Nobody else knows of a daemon that did not come up.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            clear_leftovers(RUN_FOLDER, data_folder(cache), commands)
            raise
    return Engine(address, version, ours=True, commands=commands)


def _late_answer(address: str, commands: Commands, stage: RunningStage) -> str | None:
    """The version of a daemon of ours that lives and is slow, on a busy machine; None when it is stale."""
    with contextlib.suppress(WaitTimeoutError):
        return (
            wait(
                lambda: answering(address, commands) if _own_pid(RUN_FOLDER) is not None else "",
                exists,
                subject="container engine",
                condition="an answer",
                timeout=START_SECONDS,
                describe=lambda seen: "it lives and does not answer yet" if seen is None else "",
                on_change=lambda text, _: stage.says(text),
                failure_class=FailureClass.INFRASTRUCTURE,
            )
            or None
        )
    return None


def _wait_for_answer(
    address: str, exit_code: Callable[[], int | None], log_file: Path, commands: Commands, stage: RunningStage
) -> str:
    """The version that a daemon just started answers with."""

    def ended(_: str | None) -> str | None:
        code = exit_code()
        if code is None:
            return None
        log = _tail(log_file)
        known = meaning(log)
        return known.sentence if known else f"the daemon ended with exit code {code}:\n{log}"

    told = wait(
        lambda: answering(address, commands),
        exists,
        subject="container engine",
        condition="an answer",
        timeout=START_SECONDS,
        failed=ended,
        describe=lambda seen: f"version {seen}" if seen else "no answer yet",
        on_change=lambda text, _: stage.says(text),
        failure_class=FailureClass.INFRASTRUCTURE,
        advice=f"read {log_file}",
    )
    return told or ""


def data_folder(cache: Path) -> Path:
    """Where our own engine keeps images and containers."""
    return cache / "engine"


def works_for(cache: Path) -> bool:
    """Whether our engine keeps its data below ``cache``, so that the lock of that cache guards it."""
    try:
        told = json.loads((RUN_FOLDER / _CONFIG).read_text())
    except (OSError, ValueError):
        return False
    return bool(told.get("data-root") == str(data_folder(cache)))


def daemon_config(host: Host, cache: Path, wrapper: Path | None) -> dict[str, Any]:
    """The daemon's configuration, as dockerd(8) reads it from its configuration file."""
    config: dict[str, Any] = {
        "hosts": [own_address()],
        "pidfile": str(RUN_FOLDER / "docker.pid"),
        "exec-root": str(RUN_FOLDER / "exec"),
        "data-root": str(data_folder(cache)),
        # Where a system's containerd runs, the daemon uses it; its containers then stay apart.
        "containerd-namespace": OWNER_LABEL,
        "storage-driver": "overlay2",
        # kind makes a network of its own; a default bridge could clash with a system engine's.
        "bridge": "none",
        "labels": [f"{OWNER_LABEL}=engine"],
        "log-opts": {"max-size": "20m", "max-file": "2"},
    }
    if host.cgroup_v1:
        config["exec-opts"] = ["native.cgroupdriver=cgroupfs"]
    if wrapper is not None:
        config["runtimes"] = {"harness": {"path": str(wrapper)}}
        config["default-runtime"] = "harness"
    return config


def stop(cache: Path, commands: Commands, progress: Progress) -> None:
    """End our own engine and remove what it leaves; its images stay in the cache.

    Raises:
        RefusalError: it is another user's.
    """
    if not RUN_FOLDER.exists():
        return
    if not os.access(RUN_FOLDER, os.W_OK):
        raise _not_yours()
    with progress.stage("stop container engine"):
        pid = _own_pid(RUN_FOLDER)
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            # One that does not end in time is ended for good below.
            with contextlib.suppress(WaitTimeoutError):
                wait(
                    lambda: _own_pid(RUN_FOLDER),
                    is_gone,
                    subject="container engine",
                    condition="the end",
                    timeout=STOP_SECONDS,
                    failure_class=FailureClass.INFRASTRUCTURE,
                )
        clear_leftovers(RUN_FOLDER, data_folder(cache), commands)
        shutil.rmtree(RUN_FOLDER, ignore_errors=True)


def clear_leftovers(run_folder: Path, data: Path, commands: Commands) -> None:
    """End what is left of an engine of ours that is no more, and unmount what it had mounted.

    Only these are touched: containers whose state lies in our run folder, engine programs whose
    command line names that folder or such a container, and mounts below it and below ``data``.
    """
    containers = _containers(run_folder)
    # The daemon first: it would start containers again.
    ended = [
        *_processes_of(run_folder, containers),
        *(container.pid for container in containers if container.lives),
    ]
    for pid in ended:
        _signal(pid, signal.SIGKILL)
    with contextlib.suppress(WaitTimeoutError):
        wait(
            lambda: [pid for pid in ended if _alive(pid)],
            is_empty,
            subject="what is left of the container engine",
            condition="the end",
            timeout=CLEAR_SECONDS,
            delay=0.1,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    for container in containers:
        container.remove_cgroups()
    for folder in (run_folder, data):
        leftovers.unmount_below(folder, commands)
    # The daemon mounts its data on itself, and notes that it is to be undone.
    if (run_folder / "exec" / "unmount-on-shutdown").exists():
        commands.run(["umount", "--lazy", data], check=False, timeout=leftovers.UMOUNT_SECONDS)
    for stale in ("docker.pid", "docker.sock"):
        (run_folder / stale).unlink(missing_ok=True)
    if not leftovers.mounts_below(run_folder):
        shutil.rmtree(run_folder / "exec", ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Container:
    """A container as runc (1.1, libcontainer's state.json) remembers it.

    Attributes:
        id: as the engine calls it.
        pid: of its first process, whose end ends all others.
        started: that process's start in clock ticks, without which a pid proves nothing.
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
    """The containers whose state lies in our run folder."""
    found = []
    for file in run_folder.glob("exec/runtime-*/*/*/state.json"):
        try:
            told = json.loads(file.read_text())
            pid, started = int(told["init_process_pid"]), int(told["init_process_start"])
        except (OSError, ValueError, KeyError):
            continue
        # Only folders of the container's own name: what lies above is shared with others.
        paths = (told.get("cgroup_paths") or {}).values()
        cgroups = tuple(Path(path) for path in paths if Path(path).name == file.parent.name)
        found.append(_Container(file.parent.name, pid, started, cgroups))
    return found


def _start_of(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (proc(5), field 22 of stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold spaces.
    return int(stat.rpartition(")")[2].split()[19])


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise _not_yours() from None


def _not_yours() -> RefusalError:
    return RefusalError(
        "the harness's container engine was started by another user", advice="run this as root"
    )


def _words(pid: int) -> list[str]:
    """A process's command line; empty when it is gone."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return []


def _own_pid(run_folder: Path) -> int | None:
    """The pid of our daemon if it lives: a pid file alone may name somebody else's process by now."""
    try:
        pid = int((run_folder / "docker.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_of(run_folder, _words(pid)) else None


def _processes_of(run_folder: Path, containers: Sequence[_Container] = ()) -> list[int]:
    """Live engine processes of ours, the daemon first: its containerd, shims and proxies."""
    ids = {container.id for container in containers}
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    found = [pid for pid in pids if _is_of(run_folder, _words(pid), ids)]
    return sorted(found, key=lambda pid: Path(_words(pid)[0] or "gone").name != "dockerd")


def _is_of(run_folder: Path, words: list[str], ids: Collection[str] = ()) -> bool:
    """Whether a command line is an engine program's that works in our run folder."""
    if not words or Path(words[0]).name not in _PROGRAMS:
        return False
    # The folder itself or something in it, also in a form such as --root=FOLDER or unix://FOLDER/…
    inside = re.compile(rf"(^|[=:/]){re.escape(str(run_folder))}(/|$)")
    if any(inside.search(word) for word in words[1:]):
        return True
    # A shim of a system's containerd that our daemon used.
    return any(option == "-id" and value in ids for option, value in pairwise(words))


def _tail(path: Path, characters: int = 2_000) -> str:
    try:
        return path.read_text(errors="replace")[-characters:]
    except OSError:
        return ""
