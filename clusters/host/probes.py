"""What this host can and cannot do, probed rather than guessed."""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError

CAP_SYS_RESOURCE: Final = 24  # capabilities(7)

#: Bytes of free disk that a build from nothing needs (measured: 9 GiB), with some to spare.
DISK_FOR_BUILD: Final = 14 * 1024**3
#: Bytes of free disk for a run whose images are there.
DISK_FOR_RUN: Final = 6 * 1024**3
#: Bytes of memory for one node with Fluid and one Dataset.
MEMORY_FOR_RUN: Final = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class Host:
    """Facts of the machine that a run is made on.

    Attributes:
        name: as the host names itself.
        kernel: release, such as ``6.1.0-13-amd64``.
        cpus: CPUs that this process may use.
        cpu_model: as /proc/cpuinfo names it.
        memory: bytes in all.
        memory_available: bytes free for new work.
        root: this process is root.
        cgroup_v1: the controllers are mounted as version 1 (alone or hybrid).
        sys_resource: CAP_SYS_RESOURCE is in the bounding set (capabilities(7)).
        kernel_nfs: the kernel has an NFS client, or a module of one.
        fuse: /dev/fuse is there.
    """

    name: str
    kernel: str
    cpus: int
    cpu_model: str
    memory: int
    memory_available: int
    root: bool
    cgroup_v1: bool
    sys_resource: bool
    kernel_nfs: bool
    fuse: bool

    def limits(self) -> tuple[str, ...]:
        """The limits that are worked round, each in a sentence for the report."""
        found = []
        if not self.sys_resource:
            found.append("no CAP_SYS_RESOURCE: containers start through an OCI runtime wrapper that drops it")
        if self.cgroup_v1:
            found.append("cgroup v1: kubelet runs with failCgroupV1=false, Kubernetes 1.34 at most")
        if not self.kernel_nfs:
            found.append(
                "no NFS client in the kernel: nodes mount NFS in user space (NFSv3 over FUSE); "
                "the server's NFSv4.1 is not proved here"
            )
        return tuple(found)


def probe(root: Path = Path("/")) -> Host:
    """Read the facts of this host; ``root`` is replaced by tests."""
    memory = _meminfo(root / "proc/meminfo")
    return Host(
        name=platform.node(),
        kernel=os.uname().release,
        cpus=len(os.sched_getaffinity(0)),
        cpu_model=_first(r"^model name\s*:\s*(.+)$", _text(root / "proc/cpuinfo")) or "unknown",
        memory=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", 0),
        root=os.geteuid() == 0,
        cgroup_v1=not (root / "sys/fs/cgroup/cgroup.controllers").exists(),
        sys_resource=_bounding_set(_text(root / "proc/self/status")) >> CAP_SYS_RESOURCE & 1 == 1,
        kernel_nfs=_has_kernel_nfs(root),
        fuse=(root / "dev/fuse").exists(),
    )


def require_disk(folder: Path, needed: int) -> None:
    """Refuse when the file system of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RefusalError(
            f"{folder} has {free / 1024**3:.1f} GiB free; this run needs {needed / 1024**3:.0f} GiB",
            advice="free some disk, or point FLUID_CONFORMANCE_CACHE at a larger one",
        )


def require_memory(host: Host, needed: int = MEMORY_FOR_RUN) -> None:
    """Refuse when less than ``needed`` bytes of memory are available."""
    if host.memory_available < needed:
        raise RefusalError(
            f"{host.memory_available / 1024**3:.1f} GiB of memory are available; "
            f"this run needs {needed / 1024**3:.0f} GiB",
            advice="end other work on this machine",
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else None


def _meminfo(path: Path) -> dict[str, int]:
    """/proc/meminfo in bytes (proc(5): its unit is kB of 1024 bytes)."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", _text(path), re.MULTILINE)
    return {name: int(value) * 1024 for name, value in found}


def _bounding_set(status: str) -> int:
    found = _first(r"^CapBnd:\s*([0-9a-fA-F]+)$", status)
    return int(found, 16) if found else 0


def _has_kernel_nfs(root: Path) -> bool:
    names = _text(root / "proc/filesystems").split()
    if "nfs" in names or "nfs4" in names:
        return True
    modules = root / "lib/modules" / os.uname().release
    listed = _text(modules / "modules.dep") + _text(modules / "modules.builtin")
    return re.search(r"/nfs\.ko", listed) is not None
