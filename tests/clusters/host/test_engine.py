"""Finding, starting and stopping a container engine, on a folder of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import bootstrap, engine, leftovers
from clusters.host.commands import CommandError, Completed
from clusters.host.engine import Engine
from clusters.progress import Progress
from clusters.waiting import WaitFailedError
from tests.clusters.fakes import HOST, FakeCommands, FakeDocker, Ran, programs

SYSTEM = "unix:///var/run/docker.sock"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """A host with a docker client whose daemons do not answer."""
    programs(monkeypatch, "docker")
    fake = FakeCommands()
    fake.on("docker", "version", exit_code=1, stderr="Cannot connect to the Docker daemon")
    return fake


def listening(commands: FakeCommands, *addresses: str) -> None:
    """Let daemons answer at these addresses only."""

    def answer(ran: Ran) -> Completed:
        found = ran.env["DOCKER_HOST"] in addresses
        return Completed(ran.argv, 0 if found else 1, "20.10.24\n" if found else "", "")

    commands.on("docker", "version", does=answer)


@contextmanager
def process(*argv: str, first: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A process with this command line that does nothing until it is ended."""
    script = ["-c", f"{first} read line", *argv[1:]]
    started = subprocess.Popen([argv[0], *script], executable="/bin/sh", stdin=subprocess.PIPE)
    try:
        # Until the program is loaded, its command line is still ours.
        while argv[0] != engine._words(started.pid)[0]:
            time.sleep(0.005)
        yield started
    finally:
        started.kill()
        started.communicate()


def ends(started: subprocess.Popen[bytes]) -> bool:
    """Whether the process ends by itself within a moment."""
    try:
        started.wait(2)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_a_daemon_is_probed_and_not_the_client(commands: FakeCommands) -> None:
    """A client without a daemon is no engine."""
    assert engine.answering(SYSTEM, commands) is None
    listening(commands, SYSTEM)
    assert engine.answering(SYSTEM, commands) == "20.10.24"
    assert commands.ran[-1].timeout is not None


def test_without_a_client_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is run where there is none to run."""
    programs(monkeypatch)
    commands = FakeCommands()
    assert engine.find(commands) is None
    assert commands.ran == []
    with pytest.raises(RefusalError, match="no docker client") as caught:
        engine.docker_client()
    assert "--bootstrap" in caught.value.advice


def test_the_systems_engine_comes_before_ours(commands: FakeCommands) -> None:
    """Ours is used where nothing else answers, and is known as ours."""
    listening(commands, SYSTEM, engine.own_address())
    found = engine.find(commands)
    assert found is not None
    assert (found.address, found.ours) == (SYSTEM, False)
    listening(commands, engine.own_address())
    found = engine.find(commands)
    assert found is not None
    assert (found.address, found.ours) == (engine.own_address(), True)


def test_docker_host_is_obeyed(commands: FakeCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that the user names is not replaced by another that happens to answer."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2375")
    listening(commands, SYSTEM)
    assert engine.find(commands) is None
    with pytest.raises(RefusalError, match="no container engine answers at DOCKER_HOST=tcp://far:2375"):
        engine.require(commands)
    listening(commands, "tcp://far:2375", SYSTEM)
    assert [found.address for found in engine.every(commands)] == ["tcp://far:2375", SYSTEM]


def test_no_engine_is_one_sentence(commands: FakeCommands) -> None:
    """It says what to do, with and without --bootstrap."""
    with pytest.raises(RefusalError, match=r"^no container engine answers on this host\n") as caught:
        engine.require(commands)
    assert "--bootstrap" in caught.value.advice


def test_a_socket_that_is_not_for_us_is_called_that(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An engine may well be there, so nobody is told to start one."""
    socket = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) == socket and mode == os.F_OK)
    with pytest.raises(RefusalError, match="may not be opened by this user: unix:///"):
        engine.require(commands)


def test_the_client_is_pointed_at_the_engine(commands: FakeCommands) -> None:
    """Whatever the environment says, the engine that was found is talked to."""
    Engine("unix:///x.sock", "1", ours=True, commands=commands).exec("node", ["true"])
    ran = commands.ran[-1]
    assert ran.argv == ("docker", "exec", "node", "true")
    assert ran.env["DOCKER_HOST"] == "unix:///x.sock"


def test_what_the_engine_has_not_is_none(commands: FakeCommands) -> None:
    """Only the engine's own word says that there is no such thing."""
    docker = FakeDocker(commands)
    docker.images["a:1"] = {"Id": "sha256:1"}
    assert docker.engine.inspect("image", "a:1") == {"Id": "sha256:1"}
    assert docker.engine.inspect("image", "b:1") is None
    commands.on("docker", "inspect", exit_code=1, stderr="Error response from daemon: network kind not found")
    assert docker.engine.inspect("network", "kind") is None


def test_an_engine_that_died_is_not_an_absence(commands: FakeCommands) -> None:
    """Else every image would be built again and every cluster be somebody else's."""
    commands.on("docker", "inspect", exit_code=1, stderr="Cannot connect to the Docker daemon at unix:///x.")
    with pytest.raises(CommandError, match="cannot look at image a:1: the container engine does not answer"):
        Engine("x", "1", ours=False, commands=commands).inspect("image", "a:1")


def test_known_errors_are_told_in_a_users_words(commands: FakeCommands) -> None:
    """A full disk is called that; other errors keep the engine's own words."""
    running = Engine("x", "1", ours=False, commands=commands)
    commands.on("docker", "import", exit_code=1, stderr="write /a: no space left on device")
    with pytest.raises(CommandError, match=r"^docker import failed: the disk is full\n"):
        running.run("import", "root.tar")
    commands.on("docker", "import", exit_code=1, stderr="strange")
    with pytest.raises(CommandError, match=r"docker import root\.tar failed with exit code 1"):
        running.run("import", "root.tar")


def test_our_daemon_keeps_to_its_own_folders(tmp_path: Path) -> None:
    """Socket, data, state, pid file and containerd's namespace are apart from a system engine's."""
    config = engine.daemon_config(HOST, tmp_path / "cache", None)
    assert config["hosts"] == [f"unix://{tmp_path}/run/docker.sock"]
    assert config["data-root"] == str(tmp_path / "cache/engine")
    assert {config["pidfile"], config["exec-root"]} == {f"{tmp_path}/run/docker.pid", f"{tmp_path}/run/exec"}
    assert config["containerd-namespace"] == "fluid-conformance"
    assert config["bridge"] == "none"
    assert "default-runtime" not in config
    assert "exec-opts" not in config


def test_our_daemon_works_round_the_hosts_limits(tmp_path: Path) -> None:
    """The wrapper is its default runtime, and cgroup v1 is driven without systemd."""
    config = engine.daemon_config(replace(HOST, cgroup_v1=True), tmp_path, Path("/w/wrapper"))
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


def test_an_engine_starts_and_answers(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is ours, its configuration lies in its folder, and stopping it leaves nothing."""
    daemon(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/run/docker.pid; exec sleep 60")
    config = tmp_path / "run" / "daemon.json"
    commands.on(
        "docker",
        "version",
        does=lambda ran: Completed(ran.argv, 0 if (tmp_path / "pid").exists() else 1, "20.10.24", ""),
    )
    started = engine.start(HOST, tmp_path, None, commands, Progress())
    assert (started.address, started.version, started.ours) == (engine.own_address(), "20.10.24", True)
    assert json.loads(config.read_text())["data-root"] == str(tmp_path / "engine")
    pid = int((tmp_path / "pid").read_text())
    # The stand-in became a sleep, whose command line is not an engine's.
    monkeypatch.setattr(engine, "_own_pid", lambda folder: pid if engine._alive(pid) else None)
    engine.stop(tmp_path, commands, Progress())
    assert not engine._alive(pid)
    assert not (tmp_path / "run").exists()


def test_an_engine_that_ends_at_once_shows_its_log(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody waits a minute for a daemon that is gone."""
    daemon(tmp_path, monkeypatch, "echo something odd; exit 3")
    with pytest.raises(WaitFailedError, match=r"ended with exit code 3:\nsomething odd"):
        engine.start(HOST, tmp_path, None, commands, Progress())


def test_an_engine_that_cannot_start_says_why(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commonest causes are told in a sentence."""
    daemon(tmp_path, monkeypatch, "echo 'failed to start daemon: error: driver not supported'; exit 1")
    with pytest.raises(WaitFailedError, match="cannot keep its layers on the file system"):
        engine.start(HOST, tmp_path, None, commands, Progress())


def test_an_interrupted_start_leaves_no_daemon(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C while the daemon comes up ends it, for nobody else knows of it."""
    file = daemon(tmp_path, monkeypatch, "exec sleep 60")

    def interrupted(ran: Ran) -> None:
        if file.exists() and file.read_text():
            raise KeyboardInterrupt

    commands.on("docker", "version", exit_code=1, does=interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.start(HOST, tmp_path, None, commands, Progress())
    pid = int(file.read_text())
    for _ in range(100):
        if not engine._alive(pid):
            break
        time.sleep(0.02)
    assert not engine._alive(pid)


def test_an_engine_that_is_up_is_used_again(commands: FakeCommands, tmp_path: Path) -> None:
    """Nothing is started or cleared beside a living one."""
    listening(commands, engine.own_address())
    assert engine.start(HOST, tmp_path, None, commands, Progress()).ours
    assert not (tmp_path / "run").exists()


def test_a_slow_engine_of_ours_is_not_taken_for_a_dead_one(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A daemon that lives on a busy machine gets time before it is replaced with all its clusters."""
    programs(monkeypatch, "docker", "dockerd")
    answers = iter([1, 1, 0])
    commands.on("docker", "version", does=lambda ran: Completed(ran.argv, next(answers), "20.10.24", ""))
    with process("dockerd", "--config-file", str(engine.RUN_FOLDER / "daemon.json")) as alive:
        engine.RUN_FOLDER.mkdir()
        (engine.RUN_FOLDER / "docker.pid").write_text(str(alive.pid))
        assert engine.start(HOST, tmp_path, None, commands, Progress()).ours
        assert alive.poll() is None


def test_no_daemon_program_is_a_refusal(commands: FakeCommands, tmp_path: Path) -> None:
    """It is told before a folder is made."""
    with pytest.raises(RefusalError, match="no container engine is installed"):
        engine.start(HOST, tmp_path, None, commands, Progress())
    assert not engine.RUN_FOLDER.exists()


def test_stopping_nothing_does_nothing(commands: FakeCommands, tmp_path: Path) -> None:
    """No stage is told where no engine of ours was."""
    progress = Progress()
    engine.stop(tmp_path, commands, progress)
    assert progress.stages == []


def test_a_pid_file_that_names_another_process_harms_nobody(commands: FakeCommands, tmp_path: Path) -> None:
    """After a reboot the pid may be anybody's, even one that has a file of ours open."""
    engine.RUN_FOLDER.mkdir()
    (engine.RUN_FOLDER / "docker.sock").write_text("")
    with process("editor", str(engine.RUN_FOLDER / "daemon.json")) as other:
        (engine.RUN_FOLDER / "docker.pid").write_text(str(other.pid))
        engine.stop(tmp_path, commands, Progress())
        assert other.poll() is None
    assert not engine.RUN_FOLDER.exists()


@pytest.mark.parametrize("content", ["", "no number", "999999999"])
def test_a_broken_pid_file_is_nobodys(content: str) -> None:
    """It says nothing, and that is no error."""
    engine.RUN_FOLDER.mkdir()
    (engine.RUN_FOLDER / "docker.pid").write_text(content)
    assert engine._own_pid(engine.RUN_FOLDER) is None


def test_a_daemon_that_does_not_listen_is_ended_for_good(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopping is bounded, and what outlives its time is killed."""
    monkeypatch.setattr(engine, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(engine, "CLEAR_SECONDS", 0.1)
    engine.RUN_FOLDER.mkdir()
    argv = ("dockerd", "--config-file", str(engine.RUN_FOLDER / "daemon.json"))
    with process(*argv, first="trap '' TERM;") as stubborn:
        time.sleep(0.05)  # until the trap is set
        (engine.RUN_FOLDER / "docker.pid").write_text(str(stubborn.pid))
        engine.stop(tmp_path, commands, Progress())
        assert ends(stubborn)
    assert not engine.RUN_FOLDER.exists()


def container(pid: int, started: int, cgroup: Path) -> None:
    """Make runc's memory of a container."""
    folder = engine.RUN_FOLDER / "exec" / "runtime-runc" / "moby" / cgroup.name
    folder.mkdir(parents=True)
    told = {
        "init_process_pid": pid,
        "init_process_start": started,
        "cgroup_paths": {"cpu": str(cgroup), "all": "/"},
    }
    (folder / "state.json").write_text(json.dumps(told))


def test_leftovers_of_ours_end_and_those_of_others_stay(commands: FakeCommands, tmp_path: Path) -> None:
    """Only engine programs that work in our folder are ours; a folder that begins alike is another."""
    ours = engine.RUN_FOLDER
    with (
        process("/usr/bin/containerd-shim-runc-v2", "-address", f"{ours}/exec/containerd.sock") as shim,
        process("dockerd", "--config-file", f"{ours}-other/daemon.json") as other,
        process("containerd", "--config", "/etc/containerd/config.toml") as system,
        process("tail", f"{ours}/engine.log") as reader,
        process("containerd-shim-runc-v2", "-namespace", "x", "-id", "abc") as shared,
        process("containerd-shim-runc-v2", "-namespace", "x", "-id", "def") as foreign,
    ):
        container(0, 0, tmp_path / "groups" / "abc")
        engine.clear_leftovers(ours, tmp_path / "data", commands)
        assert ends(shim)
        assert ends(shared)
        assert [one.poll() for one in (other, system, reader, foreign)] == [None] * 4


def test_containers_of_a_dead_engine_end(commands: FakeCommands, tmp_path: Path) -> None:
    """A node whose daemon and shim were killed would run on for ever; its control groups go too."""
    with process("systemd") as node, process("systemd") as reused:
        container(node.pid, engine._start_of(node.pid) or 0, tmp_path / "groups" / "abc")
        container(reused.pid, 1, tmp_path / "groups" / "def")
        (tmp_path / "groups" / "abc" / "kubelet" / "pods").mkdir(parents=True)
        engine.clear_leftovers(engine.RUN_FOLDER, tmp_path / "data", commands)
        assert ends(node)
        assert reused.poll() is None
    assert list((tmp_path / "groups").iterdir()) == []
    assert not (engine.RUN_FOLDER / "exec").exists()


def test_a_container_state_that_is_broken_is_passed_over(commands: FakeCommands, tmp_path: Path) -> None:
    """A half-written file does not stop the cleaning."""
    folder = engine.RUN_FOLDER / "exec" / "runtime-runc" / "moby" / "abc"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    engine.clear_leftovers(engine.RUN_FOLDER, tmp_path / "data", commands)
    assert not (engine.RUN_FOLDER / "exec").exists()


def test_leftover_mounts_are_unmounted(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those in our run folder and in our data; while one stays, nothing below it is deleted."""
    ours, data = engine.RUN_FOLDER, tmp_path / "data"
    (ours / "exec" / "netns").mkdir(parents=True)
    there = {f"{ours}/exec/netns/a", f"{data}/overlay2/x/merged"}

    def mounts_below(folder: Path, table: Path | None = None) -> list[str]:
        return sorted(point for point in there if point.startswith(f"{folder}/"))

    monkeypatch.setattr(leftovers, "mounts_below", mounts_below)
    engine.clear_leftovers(ours, data, commands)
    assert {ran.argv[-1] for ran in commands.asked("umount")} == there
    assert (ours / "exec").exists()


@pytest.mark.parametrize("ours", [True, False])
def test_the_data_folder_is_unmounted_where_the_daemon_had_mounted_it(
    commands: FakeCommands, tmp_path: Path, ours: bool
) -> None:
    """Not where it is a disk of the user's: the daemon's own note tells."""
    (engine.RUN_FOLDER / "exec").mkdir(parents=True)
    if ours:
        (engine.RUN_FOLDER / "exec" / "unmount-on-shutdown").write_text("")
    engine.clear_leftovers(engine.RUN_FOLDER, tmp_path / "data", commands)
    assert [ran.argv[-1] for ran in commands.asked("umount")] == [str(tmp_path / "data")] * ours


def test_another_users_engine_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not end it is told so, rather than a traceback."""

    def denied(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", denied)
    with pytest.raises(RefusalError, match="started by another user") as caught:
        engine._signal(1, signal.SIGTERM)
    assert "root" in caught.value.advice
