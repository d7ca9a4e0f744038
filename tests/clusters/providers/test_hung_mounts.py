"""NFS mounts are given up before their node is deleted."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from clusters.host.commands import CommandError
from clusters.paths import cache_root
from clusters.progress import Progress
from clusters.providers import hung_mounts, reaper
from tests.clusters.fakes import FakeCommands, FakeDocker, programs

MOUNTS = r"""
1 0 8:1 / / rw - ext4 /dev/sda1 rw
50 1 0:43 / /var/lib/kubelet/pods/1/kubernetes.io~nfs/nfs-src rw shared:9 - nfs4 10.96.1.1:/e rw,vers=4.1
51 1 0:44 / /mnt/with\040blanks rw shared:9 master:1 - nfs 10.96.1.1:/e rw,vers=3
52 1 0:45 / /mnt/nfs4 rw - tmpfs nfs4 rw
53 1 0:46 / /mnt/fuse rw - fuse.nfs 10.96.1.1:/e rw
54 1 0:47 / /mnt/* rw - nfsd nfsd rw
"""


def test_mounts_of_the_kernels_client_are_found() -> None:
    """By the type after the separator; a name with blanks is one name."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{hung_mounts.POINTS}\npoints"],
        input=MOUNTS,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.splitlines() == [
        "/var/lib/kubelet/pods/1/kubernetes.io~nfs/nfs-src",
        "/mnt/with blanks",
    ]


#: In place of programs: each writes what it was asked for, and the second umount succeeds.
PROGRAMS = r"""
log=$1 mounts=$2
timeout() { echo "timeout $*" >> "$log"; }
sleep() { command sleep 0.1; }
umount() {
    echo "umount $*" >> "$log"
    [ "$(grep -c '^umount' "$log")" -lt 3 ] || : > "$mounts"
}
"""


def given_up(folder: Path, mounts: str, first_process: str = "same") -> list[str]:
    """What the script does on a node with these mounts; no process is ended."""
    log, table = folder / "log", folder / "mountinfo"
    log.write_text("")
    table.write_text(mounts)
    script = hung_mounts.GIVE_UP
    for text, instead in (
        ("kill -KILL -1", 'echo killed >> "$log"'),
        ("/proc/self/mountinfo", str(table)),
        ("/run/systemd/system", f"{folder}/systemd"),
        ("$(readlink /proc/1/ns/mnt)", first_process),
        ("$(readlink /proc/self/ns/mnt)", "same"),
    ):
        assert text in script
        script = script.replace(text, instead)
    subprocess.run(["/bin/sh", "-c", PROGRAMS + script, "sh", log, table], check=True, timeout=20)
    return log.read_text().splitlines()


def test_processes_are_ended_before_mounts_are_forced(tmp_path: Path) -> None:
    """No service is started again, and unmounting is repeated until nothing is mounted."""
    done = given_up(tmp_path, MOUNTS)
    assert done[:2] == ["timeout 10 systemctl daemon-reload", "killed"]
    force = "umount --internal-only --no-canonicalize --force"
    points = ("/var/lib/kubelet/pods/1/kubernetes.io~nfs/nfs-src", "/mnt/with blanks")
    assert set(done[2:]) == {f"{force} {point}" for point in points}
    assert len(done) > 4
    for unit in ("kubelet", "containerd"):
        file = tmp_path / "systemd" / f"{unit}.service.d" / "deleted.conf"
        assert file.read_text() == "[Service]\nRestart=no\n"


@pytest.mark.parametrize(
    ("mounts", "first_process"), [("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n", "same"), (MOUNTS, "other")]
)
def test_nothing_is_ended_without_such_mounts_or_outside_of_a_node(
    tmp_path: Path, mounts: str, first_process: str
) -> None:
    """Processes end with their container; and those of a host are never ended."""
    assert given_up(tmp_path, mounts, first_process) == []


@pytest.mark.parametrize("problem", [None, CommandError("docker exec did not end within 30 s")])
def test_node_is_deleted_after_its_mounts_were_given_up(
    monkeypatch: pytest.MonkeyPatch, problem: CommandError | None
) -> None:
    """A node that does not answer is deleted all the same."""
    programs(monkeypatch, "docker")
    docker = FakeDocker(FakeCommands())
    docker.node("ours-1", "ours", managed=True, state=cache_root() / "clusters" / "ours")
    docker.commands.on("docker", "exec", raises=problem)
    reaper.remove_orphans(docker.engine, Progress(io.StringIO()))
    assert not docker.containers
    (given_up,) = docker.commands.asked("docker", "exec", "ours-1", hung_mounts.GIVE_UP)
    (removed,) = docker.commands.asked("docker", "rm", "ours-1")
    assert docker.commands.ran.index(given_up) < docker.commands.ran.index(removed)
    assert given_up.timeout == hung_mounts.SECONDS
