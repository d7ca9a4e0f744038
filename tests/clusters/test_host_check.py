"""`cluster check`: what a run would find on this host, with the remedy of what it would refuse."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters import __main__ as command
from clusters import host_check
from clusters.host import probes
from clusters.host.artifact_cache import ArtifactCache
from clusters.host_check import CheckedRequirement, check_host
from clusters.images.offline.artifacts import kubernetes
from clusters.options import Options
from clusters.progress import Progress
from tests.clusters.fakes import HOST, FakeCommands, programs

GIB = 1024**3


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCommands:
    """A host with an engine, a registry that answers, and enough of everything."""
    monkeypatch.setenv("FLUID_CONFORMANCE_CACHE", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, inotify_instances=512))
    monkeypatch.setattr(probes, "free_disk", lambda _: 100 * GIB)
    programs(monkeypatch, "docker")
    fake = FakeCommands()
    fake.on("docker", "version", stdout="28.2.2\n")
    fake.on("docker", "info", stdout="overlay2, systemd cgroup driver\n")
    fake.on("docker", "pull", exit_code=1, stderr="manifest unknown")
    return fake


def checked(commands: FakeCommands, **options: Any) -> dict[str, CheckedRequirement]:
    """What was checked, by name."""
    found = check_host(Options(**options), commands, Progress())
    return {one.name: one for one in found}


def test_ordinary_host_is_fit(commands: FakeCommands) -> None:
    """Docker, control groups version 2 and the kernel's NFS client: images are pulled, nothing is missing."""
    found = checked(commands)
    assert [one.name for one in found.values() if one.problem] == []
    assert "28.2.2 at unix:///var/run/docker.sock (overlay2" in found["container engine"].found
    assert found["control groups"].found == "version 2"
    assert found["NFS client"].found == "kernel"
    assert found["images"].found == "pulled"


def test_proxy_and_authorities_are_shown_without_a_password(
    commands: FakeCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine pulls with settings of its own."""
    assert not {"proxy", "authorities"} & checked(commands).keys()
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    commands.on("docker", "info", "{{.HTTPSProxy}}")
    found = checked(commands)
    assert found["authorities"].found == str(bundle)
    begin = "https through proxy.example:3128"
    assert found["proxy"].found == f"{begin}; the container engine has none of its own, and pulls without"
    commands.on("docker", "info", "{{.HTTPSProxy}}", stdout="http://other:1")
    assert checked(commands)["proxy"].found == begin


@pytest.mark.parametrize(
    ("name", "facts", "remedy"),
    [
        ("memory", {"memory_available": 2 * GIB}, "raise the memory limit"),
        ("inotify instances", {"inotify_instances": 40}, "sysctl -w fs.inotify.max_user_instances"),
    ],
)
def test_limit_of_the_host_is_named_with_its_remedy(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, name: str, facts: dict[str, Any], remedy: str
) -> None:
    """The line has what a run would say."""
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, **{"inotify_instances": 512, **facts}))
    line = checked(commands)[name]
    assert line.problem
    assert remedy in line.remedy
    assert str(line).startswith("no ")


def test_disk_that_a_build_needs_is_asked_for_where_no_registry_answers(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten GiB are enough to pull and too few to build."""
    monkeypatch.setattr(probes, "free_disk", lambda _: 10 * GIB)
    assert not checked(commands)["disk"].problem
    assert "10.0 GiB free" in checked(commands, images="build")["disk"].problem


def test_disk_of_a_build_that_compiled_kubernetes_before_is_that_of_a_run(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a run does: most of a build's disk is for the compilation."""
    options = Options(images="build")
    (ArtifactCache(tmp_path, commands, Progress()).path(kubernetes(options.versions.kubernetes))).mkdir(
        parents=True
    )
    monkeypatch.setattr(probes, "free_disk", lambda _: 10 * GIB)
    assert not checked(commands, images="build")["disk"].problem


def test_a_cluster_that_is_there_needs_no_memory_for_a_new_one(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept cluster holds its memory already, and a run on it is not refused."""
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, memory_available=GIB))
    assert checked(commands)["memory"].problem
    monkeypatch.setattr(host_check, "managed_nodes", lambda _, name: [name])
    assert "memory" not in checked(commands)


def test_missing_engine_is_a_problem_without_leave_to_start_one(commands: FakeCommands) -> None:
    """With --bootstrap as root one would be started."""
    fake = FakeCommands()
    fake.on("docker", "version", exit_code=1)
    assert "--bootstrap" in checked(fake)["container engine"].remedy
    assert not checked(fake, bootstrap=True)["container engine"].problem


def test_other_architecture_is_refused(commands: FakeCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alluxio's images are published for one."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "x86_64 only" in checked(commands)["architecture"].problem


def test_registry_that_must_answer_and_does_not_is_a_problem(commands: FakeCommands) -> None:
    """`--images=pull` leaves no other way."""
    fake = FakeCommands()
    fake.on("docker", "version", stdout="28.2.2")
    fake.on("docker", "pull", exit_code=1, stderr="dial tcp: lookup registry: no such host")
    assert checked(fake)["images"].found == "built from package registries"
    assert checked(fake, images="pull")["images"].problem == "the registry does not answer"


def test_command_prints_all_lines_and_fails_on_a_problem(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m clusters check` ends with 0 when a run could start, else with 2."""
    monkeypatch.setattr(command, "SystemCommands", lambda: commands)
    assert command.main(["check"]) == 0
    assert "ok  memory" in capsys.readouterr().out
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert command.main(["check"]) == 2
    printed = capsys.readouterr()
    assert "ok  memory" in printed.out
    assert "1 requirement is not met" in printed.err
