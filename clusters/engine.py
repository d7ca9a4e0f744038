"""The container engine: a system's own where one answers, else one of ours.

Ours has its own socket, data, run folder and pid file, so that a system's engine is never
touched. What a killed run left (a dead pid, a socket nobody listens on, mounts) is
recognised and replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters import bootstrap, mountinfo
from clusters.commands import CommandError, Commands, Completed
from clusters.errors import FailureClass, InfrastructureError, RefusalError
from clusters.host import Host
from clusters.progress import Progress
from clusters.waiting import wait

#: Everything of our engine's that does not outlive it.
RUN_FOLDER: Final = Path("/run/fluid-conformance")
OWNER_LABEL: Final = "fluid-conformance"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
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
        """Run the docker client; ``timeout`` in seconds."""
        return self.commands.run(
            [docker_client(), *args], env=self.env, check=check, timeout=timeout, stdin=stdin
        )

    def exec(
        self, container: str, argv: Sequence[str], *, check: bool = True, timeout: float = 60.0
    ) -> Completed:
        """Run a program in a running container, such as a kind node."""
        return self.run("exec", container, *argv, check=check, timeout=timeout)

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """What the engine says of an image, container or network; None when it has none."""
        done = self.run(kind, "inspect", name, check=False)
        if done.exit_code != 0:
            return None
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
    """An engine that answers: the one that DOCKER_HOST names, the system's, or ours."""
    named = os.environ.get("DOCKER_HOST")
    ours = own_address()
    for address in [named] if named else [_SYSTEM_SOCKET, ours]:
        version = answering(address, commands)
        if version is not None:
            return Engine(address, version, ours=address == ours, commands=commands)
    return None


def own_address(run_folder: Path = RUN_FOLDER) -> str:
    """Where our own engine listens."""
    return f"unix://{run_folder}/docker.sock"


def require(commands: Commands) -> Engine:
    """An engine that answers.

    Raises:
        RefusalError: none does.
    """
    found = find(commands)
    if found is None:
        raise RefusalError(
            "no container engine answers on this host",
            advice="start Docker, or add --bootstrap to have an engine installed and started",
        )
    return found


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
    version = answering(address, commands)
    if version is not None:
        return Engine(address, version, ours=True, commands=commands)
    daemon = bootstrap.find("dockerd")
    if daemon is None:
        raise RefusalError(
            "no container engine is installed", advice="add --bootstrap to have Debian's docker.io installed"
        )
    with progress.stage("start container engine") as stage:
        clear_leftovers(RUN_FOLDER)
        RUN_FOLDER.mkdir(parents=True, exist_ok=True)
        config = RUN_FOLDER / "daemon.json"
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

        def ended(_: str | None) -> str | None:
            code = process.poll()
            return None if code is None else f"the daemon ended with exit code {code}:\n{_tail(log_file)}"

        told = wait(
            lambda: answering(address, commands),
            lambda seen: seen is not None,
            subject="container engine",
            condition="answer",
            timeout=START_SECONDS,
            failed=ended,
            describe=lambda seen: f"version {seen}" if seen else "no answer yet",
            on_change=lambda text, _: stage.says(text),
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"read {log_file}",
        )
    return Engine(address, told or "", ours=True, commands=commands)


def daemon_config(host: Host, cache: Path, wrapper: Path | None) -> dict[str, Any]:
    """The daemon's configuration, as dockerd(8) reads it from its configuration file."""
    config: dict[str, Any] = {
        "hosts": [own_address()],
        "pidfile": str(RUN_FOLDER / "docker.pid"),
        "exec-root": str(RUN_FOLDER / "exec"),
        "data-root": str(cache / "engine"),
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


def stop(commands: Commands, progress: Progress) -> None:
    """End our own engine and remove what it leaves; its images stay in the cache."""
    pid = _own_pid(RUN_FOLDER)
    if pid is None and not RUN_FOLDER.exists():
        return
    with progress.stage("stop container engine"):
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            with contextlib.suppress(InfrastructureError):
                wait(
                    lambda: _own_pid(RUN_FOLDER),
                    lambda seen: seen is None,
                    subject="container engine",
                    condition="end",
                    timeout=STOP_SECONDS,
                    failure_class=FailureClass.INFRASTRUCTURE,
                )
        clear_leftovers(RUN_FOLDER)
        shutil.rmtree(RUN_FOLDER, ignore_errors=True)


def clear_leftovers(run_folder: Path) -> None:
    """End what is left of an engine of ours that is no more, and unmount what it had mounted.

    Only processes whose command line names our run folder, and mounts below it, are touched.
    """
    for pid in _processes_naming(str(run_folder)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for point in _mounts_below(run_folder):
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)
    for stale in ("docker.pid", "docker.sock"):
        (run_folder / stale).unlink(missing_ok=True)
    shutil.rmtree(run_folder / "exec", ignore_errors=True)


def _mounts_below(folder: Path) -> list[str]:
    """Mount points below a folder, the deepest first."""
    mounts = mountinfo.parse(Path("/proc/self/mountinfo").read_text())
    points = [mount.mount_point for mount in mounts if mount.mount_point.startswith(f"{folder}/")]
    return sorted(points, key=len, reverse=True)


def _own_pid(run_folder: Path) -> int | None:
    """The pid of our daemon if it lives: a pid file alone may name somebody else's process by now."""
    try:
        pid = int((run_folder / "docker.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(run_folder).encode() in command else None


def _processes_naming(text: str) -> list[int]:
    """Live engine processes whose command line names ``text``."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        program = Path(os.fsdecode(words[0])).name
        if program in {"dockerd", "containerd", "containerd-shim-runc-v2", "containerd-shim", "docker-proxy"} and any(
            text.encode() in word for word in words
        ):
            found.append(int(folder.name))
    return found


def _tail(path: Path, characters: int = 2_000) -> str:
    try:
        return path.read_text(errors="replace")[-characters:]
    except OSError:
        return ""
