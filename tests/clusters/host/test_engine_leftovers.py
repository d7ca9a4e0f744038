"""Leftovers of a killed engine: what is ended, and what is not touched."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import engine, engine_leftovers, leftovers
from tests.clusters.fakes import FakeCommands
from tests.clusters.host.engine_fakes import ends, process


@pytest.mark.parametrize("content", ["", "no number", "999999999"])
def test_a_broken_pid_file_is_nobodys(content: str) -> None:
    """It says nothing, and that is no error."""
    engine.RUN_FOLDER.mkdir()
    (engine.RUN_FOLDER / "docker.pid").write_text(content)
    assert engine_leftovers.daemon_pid(engine.RUN_FOLDER) is None


def container(pid: int, started: int, cgroup: Path) -> None:
    """Create runc's state of a container."""
    folder = engine.RUN_FOLDER / "exec" / "runtime-runc" / "moby" / cgroup.name
    folder.mkdir(parents=True)
    state = {
        "init_process_pid": pid,
        "init_process_start": started,
        "cgroup_paths": {"cpu": str(cgroup), "all": "/"},
    }
    (folder / "state.json").write_text(json.dumps(state))


def test_leftovers_of_the_harness_are_removed_and_foreign_ones_stay(
    commands: FakeCommands, tmp_path: Path
) -> None:
    """Only engine programs in the harness's folder are ended; a folder with the same prefix stays."""
    run_folder = engine.RUN_FOLDER
    with (
        process("/usr/bin/containerd-shim-runc-v2", "-address", f"{run_folder}/exec/containerd.sock") as shim,
        process("dockerd", "--config-file", f"{run_folder}-other/daemon.json") as other,
        process("containerd", "--config", "/etc/containerd/config.toml") as system,
        process("tail", f"{run_folder}/engine.log") as reader,
        process("containerd-shim-runc-v2", "-namespace", "x", "-id", "abc") as shared,
        process("containerd-shim-runc-v2", "-namespace", "x", "-id", "def") as foreign,
    ):
        container(0, 0, tmp_path / "groups" / "abc")
        engine_leftovers.clear_leftovers(run_folder, tmp_path / "data", commands)
        assert ends(shim)
        assert ends(shared)
        assert [one.poll() for one in (other, system, reader, foreign)] == [None] * 4


def test_containers_of_a_dead_engine_end(commands: FakeCommands, tmp_path: Path) -> None:
    """A node whose daemon and shim were killed would run on for ever; its control groups go too."""
    with process("systemd") as node, process("systemd") as reused:
        container(node.pid, engine_leftovers._start_of(node.pid) or 0, tmp_path / "groups" / "abc")
        container(reused.pid, 1, tmp_path / "groups" / "def")
        (tmp_path / "groups" / "abc" / "kubelet" / "pods").mkdir(parents=True)
        engine_leftovers.clear_leftovers(engine.RUN_FOLDER, tmp_path / "data", commands)
        assert ends(node)
        assert reused.poll() is None
    assert list((tmp_path / "groups").iterdir()) == []
    assert not (engine.RUN_FOLDER / "exec").exists()


def test_a_container_state_that_is_broken_is_passed_over(commands: FakeCommands, tmp_path: Path) -> None:
    """A half-written file does not stop the cleaning."""
    folder = engine.RUN_FOLDER / "exec" / "runtime-runc" / "moby" / "abc"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    engine_leftovers.clear_leftovers(engine.RUN_FOLDER, tmp_path / "data", commands)
    assert not (engine.RUN_FOLDER / "exec").exists()


def test_leftover_mounts_are_unmounted(
    commands: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those in our run folder and in our data; while one stays, nothing below it is deleted."""
    run_folder, data = engine.RUN_FOLDER, tmp_path / "data"
    (run_folder / "exec" / "netns").mkdir(parents=True)
    there = {f"{run_folder}/exec/netns/a", f"{data}/overlay2/x/merged"}

    def mounts_below(folder: Path, table: Path | None = None) -> list[str]:
        return sorted(point for point in there if point.startswith(f"{folder}/"))

    monkeypatch.setattr(leftovers, "mounts_below", mounts_below)
    engine_leftovers.clear_leftovers(run_folder, data, commands)
    assert {ran.argv[-1] for ran in commands.asked("umount")} == there
    assert (run_folder / "exec").exists()


@pytest.mark.parametrize("managed", [True, False])
def test_the_data_folder_is_unmounted_where_the_daemon_had_mounted_it(
    commands: FakeCommands, tmp_path: Path, managed: bool
) -> None:
    """A disk of the user stays mounted: the daemon's own note says which it is."""
    (engine.RUN_FOLDER / "exec").mkdir(parents=True)
    if managed:
        (engine.RUN_FOLDER / "exec" / "unmount-on-shutdown").write_text("")
    engine_leftovers.clear_leftovers(engine.RUN_FOLDER, tmp_path / "data", commands)
    assert [ran.argv[-1] for ran in commands.asked("umount")] == [str(tmp_path / "data")] * managed


def test_another_users_engine_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not end it sees that, not a traceback."""

    def denied(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", denied)
    with pytest.raises(RefusalError, match="started by another user") as caught:
        engine_leftovers.send_signal(1, signal.SIGTERM)
    assert "root" in caught.value.advice
