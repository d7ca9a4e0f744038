"""NFS mounts are given up before their node is deleted."""

from __future__ import annotations

import io
import subprocess

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


def test_node_without_such_mounts_is_left_alone() -> None:
    """Its processes end with its container."""
    begin = hung_mounts.GIVE_UP.removeprefix(hung_mounts.POINTS).strip().splitlines()[0]
    assert begin == '[ -n "$(points < /proc/self/mountinfo)" ] || exit 0'


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
