"""Finding a container engine, and running its client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import engine
from clusters.host.commands import CommandError
from clusters.host.engine import Engine
from tests.clusters.fakes import FakeCommands, FakeDocker, programs
from tests.clusters.host.engine_fakes import listening

SYSTEM = "unix:///var/run/docker.sock"


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


def test_the_systems_engine_has_priority(commands: FakeCommands) -> None:
    """The harness's engine is used if no other answers, and is marked as managed."""
    listening(commands, SYSTEM, engine.own_address())
    found = engine.find(commands)
    assert found is not None
    assert (found.address, found.managed) == (SYSTEM, False)
    listening(commands, engine.own_address())
    found = engine.find(commands)
    assert found is not None
    assert (found.address, found.managed) == (engine.own_address(), True)


def test_docker_host_is_obeyed(commands: FakeCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that the user names is not replaced by another that happens to answer."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///other.sock")
    listening(commands, SYSTEM)
    assert engine.find(commands) is None
    with pytest.raises(RefusalError, match=r"no container engine answers at DOCKER_HOST=unix:///other\.sock"):
        engine.require(commands)
    listening(commands, "unix:///other.sock", SYSTEM)
    assert [found.address for found in engine.every(commands)] == ["unix:///other.sock", SYSTEM]


def test_the_current_context_of_docker_is_obeyed(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker Desktop and rootless Docker listen elsewhere, and only a context says where."""
    desktop = "unix:///home/user/.docker/desktop/docker.sock"
    commands.on("docker", "context", "inspect", stdout=f"desktop-linux {desktop}\n")
    listening(commands, desktop, SYSTEM)
    assert engine.require(commands).address == desktop
    listening(commands, SYSTEM)
    with pytest.raises(RefusalError, match=rf"answers at the Docker context desktop-linux \({desktop}\)"):
        engine.require(commands)
    commands.on("docker", "context", "inspect", stdout=f"default {SYSTEM}\n")
    assert engine.require(commands).address == SYSTEM
    monkeypatch.setenv("DOCKER_HOST", desktop)
    listening(commands, desktop, SYSTEM)
    assert engine.require(commands).address == desktop


@pytest.mark.parametrize("address", ["tcp://far:2375", "ssh://user@far"])
def test_an_engine_of_another_host_is_refused(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Its cluster would be created, and not be reached; one sentence before anything is created."""
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(RefusalError, match=f"engine at {address} is on another host") as caught:
        engine.require(commands)
    assert "--kubeconfig" in caught.value.advice
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    listening(commands, "tcp://127.0.0.1:2375")
    assert engine.require(commands).address == "tcp://127.0.0.1:2375"


def test_a_hosts_socket_in_a_container_is_refused(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CI jobs often run in a container with the host's socket; an engine in the container is well."""
    docker = FakeDocker(commands)
    listening(commands, SYSTEM)
    mark = tmp_path / "mark"
    monkeypatch.setattr(engine, "_CONTAINER_MARK", mark)
    monkeypatch.setattr("socket.gethostname", lambda: "4f1c")
    docker.containers["4f1c"] = {"Id": "4f1c"}
    assert engine.require(commands).address == SYSTEM
    mark.touch()
    with pytest.raises(RefusalError, match="runs in a container of the engine at unix:///"):
        engine.require(commands)
    del docker.containers["4f1c"]
    assert engine.require(commands).address == SYSTEM


def test_no_engine_is_one_sentence(commands: FakeCommands) -> None:
    """It says what to do, with and without --bootstrap."""
    with pytest.raises(RefusalError, match=r"^no container engine answers on this host\n") as caught:
        engine.require(commands)
    assert "--bootstrap" in caught.value.advice


def test_podman_behind_dockers_api_is_refused(commands: FakeCommands) -> None:
    """Kind's provider for Docker does not work on it; one sentence before anything is created."""
    listening(commands, SYSTEM)
    commands.on(
        "docker", "version", "{{range .Server.Components}}{{.Name}};{{end}}", stdout="Engine;containerd;"
    )
    assert engine.require(commands).address == SYSTEM
    commands.on(
        "docker", "version", "{{range .Server.Components}}{{.Name}};{{end}}", stdout="Podman Engine;Conmon;"
    )
    with pytest.raises(RefusalError, match=rf"at {SYSTEM} is Podman 20\.10\.24; the harness needs Docker"):
        engine.require(commands)


def test_podman_under_the_name_of_dockers_client_is_refused(commands: FakeCommands) -> None:
    """Debian's podman-docker: the user sees a docker command that works."""
    commands.on("docker", "--version", stdout="podman version 5.4.2\n")
    for answers in ((), (SYSTEM,)):
        # Its client has a server's version also where no daemon runs.
        listening(commands, *answers)
        with pytest.raises(
            RefusalError, match=r"docker command of this host is Podman's \(podman version 5\.4\.2\)"
        ):
            engine.require(commands)


def test_a_socket_that_is_not_for_us_is_called_that(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An engine may exist, so the advice is not to start one."""
    socket = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) == socket and mode == os.F_OK)
    with pytest.raises(RefusalError, match="may not be opened by this user: unix:///"):
        engine.require(commands)


def test_the_client_is_pointed_at_the_engine(commands: FakeCommands) -> None:
    """Whatever the environment says, the engine that was found is talked to."""
    Engine("unix:///x.sock", "1", managed=True, commands=commands).exec("node", ["true"])
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
    """Otherwise every image would be built again and every cluster would be foreign."""
    commands.on("docker", "inspect", exit_code=1, stderr="Cannot connect to the Docker daemon at unix:///x.")
    with pytest.raises(CommandError, match="cannot inspect image a:1: the container engine does not answer"):
        Engine("x", "1", managed=False, commands=commands).inspect("image", "a:1")


def test_known_errors_are_reported_in_a_users_words(commands: FakeCommands) -> None:
    """A full disk is called that; other errors keep the engine's own words."""
    running = Engine("x", "1", managed=False, commands=commands)
    commands.on("docker", "import", exit_code=1, stderr="write /a: no space left on device")
    with pytest.raises(CommandError, match=r"^docker import failed: the disk is full\n"):
        running.run("import", "root.tar")
    commands.on("docker", "import", exit_code=1, stderr="strange")
    with pytest.raises(CommandError, match=r"docker import root\.tar failed with exit code 1"):
        running.run("import", "root.tar")
