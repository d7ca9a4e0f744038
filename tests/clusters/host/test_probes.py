"""Facts of a host, read from copies of its folders."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import probes
from tests.clusters.fakes import HOST

GIB = 1024**3
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - replaces that of shutil


def machine(root: Path, files: dict[str, str]) -> Path:
    """A root folder with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_full_host_is_read(tmp_path: Path) -> None:
    """A host with cgroup v2, all capabilities and a kernel NFS client has no limits to work round."""
    root = machine(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\n",
            "proc/cpuinfo": "processor : 0\nmodel name\t: Fast CPU 3000\n",
            "proc/self/status": "Name:\tpython\nCapBnd:\t000001ffffffffff\n",
            "proc/filesystems": "nodev\tsysfs\nnodev\tnfs4\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "dev/fuse": "",
        },
    )
    found = probes.probe(root)
    assert (found.memory, found.memory_available) == (16_000_000 * 1024, 12_000_000 * 1024)
    assert found.cpu_model == "Fast CPU 3000"
    assert found.cpus == len(os.sched_getaffinity(0))
    assert (found.cgroup_v1, found.sys_resource, found.kernel_nfs, found.fuse) == (False, True, True, True)
    assert found.limits() == ()


def test_a_poor_host_is_read_and_its_limits_reported(tmp_path: Path) -> None:
    """What a host lacks is a sentence each, never silent."""
    root = machine(tmp_path, {"proc/self/status": "CapBnd:\t000001fffeffffff\n"})
    found = probes.probe(root)
    assert (found.cgroup_v1, found.sys_resource, found.kernel_nfs, found.fuse) == (True, False, False, False)
    limits = "\n".join(found.limits())
    assert all(word in limits for word in ("CAP_SYS_RESOURCE", "cgroup v1", "NFS"))
    assert len(found.limits()) == 3


@pytest.mark.parametrize("name", ["modules.dep", "modules.builtin"])
def test_an_nfs_client_may_be_a_module(name: str, tmp_path: Path) -> None:
    """A client that the kernel can load counts as one."""
    line = "kernel/fs/nfs/nfs.ko.xz: kernel/net/sunrpc/sunrpc.ko.xz\n"
    root = machine(tmp_path, {f"lib/modules/{os.uname().release}/{name}": line})
    assert probes.probe(root).kernel_nfs


def test_a_server_is_no_client(tmp_path: Path) -> None:
    """The kernel's NFS server does not let nodes mount anything."""
    files = {
        f"lib/modules/{os.uname().release}/modules.dep": "kernel/fs/nfsd/nfsd.ko:\n",
        "proc/filesystems": "nodev\tnfsd\n",
    }
    assert not probes.probe(machine(tmp_path, files)).kernel_nfs


def test_too_little_disk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error names the folder, its free space, the space needed, and how to choose another one."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * GIB, 97 * GIB, 3 * GIB))
    with pytest.raises(RefusalError, match=r"has 3\.0 GiB free; this run needs 6 GiB") as caught:
        probes.require_disk(tmp_path, probes.DISK_FOR_RUN)
    assert str(tmp_path) in caught.value.message
    assert "FLUID_CONFORMANCE_CACHE" in caught.value.advice
    probes.require_disk(tmp_path, 2 * GIB)


def test_too_little_memory_is_refused() -> None:
    """What is available counts, not what is built in."""
    with pytest.raises(RefusalError, match=r"2\.0 GiB of memory are available; this run needs 5 GiB"):
        probes.require_memory(replace(HOST, memory_available=2 * GIB))
    probes.require_memory(HOST)


def test_a_single_cpu_is_refused() -> None:
    """On one CPU a second Dataset would stay pending, and Fluid would be blamed."""
    with pytest.raises(RefusalError, match=r"may use 1 CPU; a run needs 2"):
        probes.require_cpus(replace(HOST, cpus=1))
    probes.require_cpus(replace(HOST, cpus=2))


MEMINFO = f"MemTotal: {16 * 1024**2} kB\nMemAvailable: {12 * 1024**2} kB\n"


@pytest.mark.parametrize(
    ("files", "total", "available"),
    [
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": str(4 * GIB),
                "sys/fs/cgroup/memory.current": str(3 * GIB),
                "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {2 * GIB}\n",
            },
            4,
            3,
        ),
        (
            {
                "proc/self/cgroup": "0::/ci/job\n",
                "sys/fs/cgroup/ci/memory.max": str(6 * GIB),
                "sys/fs/cgroup/ci/memory.current": str(GIB),
                "sys/fs/cgroup/ci/job/memory.max": "max",
            },
            6,
            5,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/docker/abc\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(8 * GIB),
                "sys/fs/cgroup/memory/memory.usage_in_bytes": str(GIB),
            },
            8,
            7,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
            },
            16,
            12,
        ),
    ],
)
def test_memory_is_limited_by_the_control_group(
    files: dict[str, str], total: int, available: int, tmp_path: Path
) -> None:
    """A container has the memory of its group, without page cache that the kernel can reclaim."""
    found = probes.probe(machine(tmp_path, {**files, "proc/meminfo": MEMINFO}))
    assert (found.memory, found.memory_available) == (total * GIB, available * GIB)


def test_too_few_inotify_instances_are_refused(tmp_path: Path) -> None:
    """The message has the command that raises the limit; an unknown limit is no reason to refuse."""
    found = probes.probe(machine(tmp_path, {"proc/sys/fs/inotify/max_user_instances": "128\n"}))
    assert found.inotify_instances == 128
    probes.require_inotify(found, 3)
    with pytest.raises(RefusalError, match="128 inotify instances for each user; 4 nodes need 140") as caught:
        probes.require_inotify(found, 4)
    assert "sysctl -w fs.inotify.max_user_instances" in caught.value.advice
    probes.require_inotify(HOST, 8)
