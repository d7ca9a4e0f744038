"""The container engine that the harness starts where the host has none.

It has its own socket, data, run folder and pid file, so that the system's engine is never touched.
Leftovers of a killed run (a dead pid, a socket without a listener, mounts) are found and removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from clusters.errors import FailureClass, RefusalError
from clusters.host import bootstrap, engine, network_settings
from clusters.host.commands import Commands
from clusters.host.engine import Engine, answering, docker_client, own_address
from clusters.host.engine_leftovers import clear_leftovers, daemon_pid, other_user, send_signal
from clusters.host.known_errors import meaning
from clusters.host.probes import Host
from clusters.progress import Progress, RunningStage
from clusters.waiting import WaitTimeoutError, exists, is_gone, wait

_CONFIG: Final = "daemon.json"
OWNER_LABEL: Final = "fluid-conformance"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0


def start(host: Host, cache: Path, wrapper: Path | None, commands: Commands, progress: Progress) -> Engine:
    """Start the harness's engine, or return it if it runs already.

    Args:
        host: facts of the host.
        cache: folder under which its data is kept.
        wrapper: the OCI runtime wrapper, where the host needs it.
        commands: runs programs.
        progress: shows the stage.

    Raises:
        RefusalError: no daemon program is installed.
        InfrastructureError: the daemon does not start; the end of its log is shown.
    """
    address = own_address()
    docker_client()
    version = answering(address, commands)
    if version is not None:
        return Engine(address, version, managed=True, commands=commands)
    daemon = bootstrap.find("dockerd")
    if daemon is None:
        raise RefusalError(
            "no container engine is installed", advice="add --bootstrap to have Debian's docker.io installed"
        )
    with progress.stage("start container engine") as stage:
        version = _late_answer(address, commands, stage)
        if version is not None:
            return Engine(address, version, managed=True, commands=commands)
        clear_leftovers(engine.RUN_FOLDER, data_folder(cache), commands)
        engine.RUN_FOLDER.mkdir(parents=True, exist_ok=True)
        config = engine.RUN_FOLDER / _CONFIG
        config.write_text(json.dumps(daemon_config(host, cache, wrapper), indent=2))
        log_file = engine.RUN_FOLDER / "engine.log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [daemon, "--config-file", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **network_settings.completed()},
                start_new_session=True,
            )
        # Reads the daemon's exit code whenever it ends, so that no zombie is left of it.
        threading.Thread(target=process.wait, daemon=True).start()
        try:
            version = _wait_for_answer(address, process.poll, log_file, commands, stage)
        except BaseException:
            # No other code knows of a daemon that did not start.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            clear_leftovers(engine.RUN_FOLDER, data_folder(cache), commands)
            raise
    return Engine(address, version, managed=True, commands=commands)


def _late_answer(address: str, commands: Commands, stage: RunningStage) -> str | None:
    """The version of a daemon of the harness that runs and answers late; None if none runs."""
    with contextlib.suppress(WaitTimeoutError):
        return (
            wait(
                lambda: answering(address, commands) if daemon_pid(engine.RUN_FOLDER) is not None else "",
                exists,
                subject="container engine",
                condition="an answer",
                timeout=START_SECONDS,
                describe=lambda seen: "it runs and does not answer yet" if seen is None else "",
                on_change=lambda text, _: stage.says(text),
                failure_class=FailureClass.INFRASTRUCTURE,
            )
            or None
        )
    return None


def _wait_for_answer(
    address: str, exit_code: Callable[[], int | None], log_file: Path, commands: Commands, stage: RunningStage
) -> str:
    """The version of a daemon that was just started, once it answers."""

    def ended(_: str | None) -> str | None:
        code = exit_code()
        if code is None:
            return None
        log = _tail(log_file)
        known = meaning(log)
        return known.sentence if known else f"the daemon ended with exit code {code}:\n{log}"

    version = wait(
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
    return version or ""


def data_folder(cache: Path) -> Path:
    """Where the harness's engine keeps images and containers."""
    return cache / "engine"


def works_for(cache: Path) -> bool:
    """Whether the harness's engine keeps its data below ``cache``, whose lock then protects it."""
    try:
        settings = json.loads((engine.RUN_FOLDER / _CONFIG).read_text())
    except (OSError, ValueError):
        return False
    return bool(settings.get("data-root") == str(data_folder(cache)))


def daemon_config(host: Host, cache: Path, wrapper: Path | None) -> dict[str, Any]:
    """The daemon's configuration, as dockerd(8) reads it from its configuration file."""
    config: dict[str, Any] = {
        "hosts": [own_address()],
        "pidfile": str(engine.RUN_FOLDER / "docker.pid"),
        "exec-root": str(engine.RUN_FOLDER / "exec"),
        "data-root": str(data_folder(cache)),
        # If the system's containerd runs, the daemon uses it, in a namespace of its own.
        "containerd-namespace": OWNER_LABEL,
        "storage-driver": "overlay2",
        # kind creates its own network; a default bridge could conflict with the system engine's.
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
    """Stop the harness's engine and remove its leftovers; its images stay in the cache.

    Raises:
        RefusalError: another user started it.
    """
    if not engine.RUN_FOLDER.exists():
        return
    if not os.access(engine.RUN_FOLDER, os.W_OK):
        raise other_user()
    with progress.stage("stop container engine"):
        pid = daemon_pid(engine.RUN_FOLDER)
        if pid is not None:
            send_signal(pid, signal.SIGTERM)
            # One that does not end in time is killed below.
            with contextlib.suppress(WaitTimeoutError):
                wait(
                    lambda: daemon_pid(engine.RUN_FOLDER),
                    is_gone,
                    subject="container engine",
                    condition="the end",
                    timeout=STOP_SECONDS,
                    failure_class=FailureClass.INFRASTRUCTURE,
                )
        clear_leftovers(engine.RUN_FOLDER, data_folder(cache), commands)
        shutil.rmtree(engine.RUN_FOLDER, ignore_errors=True)


def _tail(path: Path, characters: int = 2_000) -> str:
    try:
        return path.read_text(errors="replace")[-characters:]
    except OSError:
        return ""
