"""Starting and stopping the harness's container engine, in a folder of the test."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import bootstrap, engine, engine_leftovers, own_engine
from clusters.host.commands import Completed
from clusters.progress import Progress
from clusters.waiting import WaitFailedError
from tests.clusters.fakes import HOST, FakeCommands, Ran, programs
from tests.clusters.host.engine_fakes import ends, listening, process


def test_our_daemon_keeps_to_its_own_folders(tmp_path: Path) -> None:
    """Socket, data, state, pid file and containerd's namespace are apart from a system engine's."""
    config = own_engine.daemon_config(HOST, tmp_path / "cache", None)
    assert config["hosts"] == [f"unix://{tmp_path}/run/docker.sock"]
    assert config["data-root"] == str(tmp_path / "cache/engine")
    assert {config["pidfile"], config["exec-root"]} == {f"{tmp_path}/run/docker.pid", f"{tmp_path}/run/exec"}
    assert config["containerd-namespace"] == "fluid-conformance"
    assert config["bridge"] == "none"
    assert "default-runtime" not in config
    assert "exec-opts" not in config


def test_our_daemon_works_round_the_hosts_limits(tmp_path: Path) -> None:
    """The wrapper is its default runtime, and cgroup v1 is driven without systemd."""
    config = own_engine.daemon_config(replace(HOST, cgroup_v1=True), tmp_path, Path("/w/wrapper"))
    assert config["runtimes"] == {"harness": {"path": "/w/wrapper"}}
    assert config["default-runtime"] == "harness"
    assert config["exec-opts"] == ["native.cgroupdriver=cgroupfs"]


def daemon(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A dockerd of this script, besides a docker client."""
    program = folder / "dockerd"
    program.write_text(f"#!/bin/sh\necho $$ > {folder}/pid\n{script}\n")
    program.chmod(0o755)
    known = {"dockerd": program, "docker": Path("/usr/bin/docker")}
    monkeypatch.setattr(bootstrap, "find", known.get)
    return folder / "pid"


def started_daemon(folder: Path) -> bool:
    """The daemon's script runs and has written its pid."""
    file = folder / "pid"
    return file.exists() and bool(file.read_text())


def test_an_engine_starts_and_answers(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is managed, its configuration is in its folder, and stopping it leaves nothing."""
    daemon(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/run/docker.pid; exec sleep 60")
    config = tmp_path / "run" / "daemon.json"
    commands.on(
        "docker",
        "version",
        does=lambda ran: Completed(ran.argv, 0 if started_daemon(tmp_path) else 1, "20.10.24", ""),
    )
    started = own_engine.start(HOST, tmp_path, None, commands, Progress())
    assert (started.address, started.version, started.managed) == (engine.own_address(), "20.10.24", True)
    assert json.loads(config.read_text())["data-root"] == str(tmp_path / "engine")
    pid = int((tmp_path / "pid").read_text())
    # The fake daemon became a sleep, whose command line is not that of an engine.
    monkeypatch.setattr(
        own_engine, "daemon_pid", lambda folder: pid if engine_leftovers._alive(pid) else None
    )
    own_engine.stop(tmp_path, commands, Progress())
    assert not engine_leftovers._alive(pid)
    assert not (tmp_path / "run").exists()


def test_an_engine_that_ends_at_once_shows_its_log(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A daemon that has ended is not waited for."""
    daemon(tmp_path, monkeypatch, "echo something odd; exit 3")
    with pytest.raises(WaitFailedError, match=r"ended with exit code 3:\nsomething odd"):
        own_engine.start(HOST, tmp_path, None, commands, Progress())


def test_an_engine_that_cannot_start_says_why(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The most common causes are reported in a sentence."""
    daemon(tmp_path, monkeypatch, "echo 'failed to start daemon: error: driver not supported'; exit 1")
    with pytest.raises(WaitFailedError, match="cannot keep its layers on the file system"):
        own_engine.start(HOST, tmp_path, None, commands, Progress())


def test_an_interrupted_start_leaves_no_daemon(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C while the daemon starts ends it, because nothing else would."""
    file = daemon(tmp_path, monkeypatch, "exec sleep 60")

    def interrupted(ran: Ran) -> None:
        if file.exists() and file.read_text():
            raise KeyboardInterrupt

    commands.on("docker", "version", exit_code=1, does=interrupted)
    with pytest.raises(KeyboardInterrupt):
        own_engine.start(HOST, tmp_path, None, commands, Progress())
    pid = int(file.read_text())
    for _ in range(100):
        if not engine_leftovers._alive(pid):
            break
        time.sleep(0.02)
    assert not engine_leftovers._alive(pid)


def test_an_engine_that_is_up_is_used_again(commands: FakeCommands, tmp_path: Path) -> None:
    """Nothing is started or cleared while another one runs."""
    listening(commands, engine.own_address())
    assert own_engine.start(HOST, tmp_path, None, commands, Progress()).managed
    assert not (tmp_path / "run").exists()


def test_a_slow_engine_does_not_count_as_dead(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A running daemon on a busy machine has time to answer before it is replaced with all its clusters."""
    programs(monkeypatch, "docker", "dockerd")
    answers = iter([1, 1, 0])
    commands.on("docker", "version", does=lambda ran: Completed(ran.argv, next(answers), "20.10.24", ""))
    with process("dockerd", "--config-file", str(engine.RUN_FOLDER / "daemon.json")) as alive:
        engine.RUN_FOLDER.mkdir()
        (engine.RUN_FOLDER / "docker.pid").write_text(str(alive.pid))
        assert own_engine.start(HOST, tmp_path, None, commands, Progress()).managed
        assert alive.poll() is None


def test_no_daemon_program_is_a_refusal(commands: FakeCommands, tmp_path: Path) -> None:
    """It is reported before a folder is created."""
    with pytest.raises(RefusalError, match="no container engine is installed"):
        own_engine.start(HOST, tmp_path, None, commands, Progress())
    assert not engine.RUN_FOLDER.exists()


def test_stopping_nothing_does_nothing(commands: FakeCommands, tmp_path: Path) -> None:
    """No stage is shown if there was no engine of the harness."""
    progress = Progress()
    own_engine.stop(tmp_path, commands, progress)
    assert progress.stages == []


def test_a_pid_file_that_names_another_process_harms_nobody(commands: FakeCommands, tmp_path: Path) -> None:
    """After a reboot the pid may be that of any process, even one that has a file of the harness open."""
    engine.RUN_FOLDER.mkdir()
    (engine.RUN_FOLDER / "docker.sock").write_text("")
    with process("editor", str(engine.RUN_FOLDER / "daemon.json")) as other:
        (engine.RUN_FOLDER / "docker.pid").write_text(str(other.pid))
        own_engine.stop(tmp_path, commands, Progress())
        assert other.poll() is None
    assert not engine.RUN_FOLDER.exists()


def test_a_daemon_that_does_not_listen_is_ended_for_good(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopping is bounded, and what outlives its time is killed."""
    monkeypatch.setattr(own_engine, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(engine_leftovers, "CLEAR_SECONDS", 0.1)
    engine.RUN_FOLDER.mkdir()
    argv = ("dockerd", "--config-file", str(engine.RUN_FOLDER / "daemon.json"))
    with process(*argv, first="trap '' TERM;") as stubborn:
        time.sleep(0.05)  # until the trap is set
        (engine.RUN_FOLDER / "docker.pid").write_text(str(stubborn.pid))
        own_engine.stop(tmp_path, commands, Progress())
        assert ends(stubborn)
    assert not engine.RUN_FOLDER.exists()
