"""Facts and limits of a host: memory, disk, capabilities, control groups, NFS client, inotify."""

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
#: cgroup v1 reports no limit as the greatest number of pages.
UNLIMITED: Final = 1 << 60

#: Bytes of free disk that a build from nothing needs (measured: 9 GiB), with some to spare.
DISK_FOR_BUILD: Final = 14 * 1024**3
#: Bytes of free disk for a run whose images are there, before their sizes are known
#: (then: `clusters.images.node_disk`). Measured with one node and images that were built.
DISK_FOR_RUN: Final = 6 * 1024**3
#: inotify instances of one node with Fluid (measured: 30), and of the host's own services.
INOTIFY_OF_NODE: Final = 30
INOTIFY_OF_HOST: Final = 20
#: Bytes of memory for one node with Fluid and one Dataset.
MEMORY_FOR_RUN: Final = 5 * 1024**3
#: With one, the requests of Kubernetes' own Pods (850m) leave room for a single Dataset.
CPUS_FOR_RUN: Final = 2


@dataclass(frozen=True, slots=True)
class Host:
    """Facts of the machine of a run.

    Attributes:
        name: as the host names itself.
        kernel: release, such as ``6.1.0-13-amd64``.
        cpus: CPUs that this process may use.
        cpu_model: as /proc/cpuinfo names it.
        memory: bytes in all, or those that the control group of this process may use.
        memory_available: bytes of it that are free for new work.
        root: this process is root.
        cgroup_v1: the controllers are mounted as version 1 (alone or hybrid).
        sys_resource: CAP_SYS_RESOURCE is in the bounding set (capabilities(7)).
        kernel_nfs: the kernel has an NFS client, or a module of one.
        fuse: /dev/fuse exists.
        inotify_instances: inotify instances that one user may have; 0 if not known.
        slowness: factor on limits in seconds, 1 or more, see `clusters.host.speed`.
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
    inotify_instances: int = 0
    slowness: float = 1.0

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
        if self.slowness > 1:
            found.append(
                f"programs start {self.slowness:g} times as slowly as where the time limits were chosen: "
                "they are stretched by that factor"
            )
        return tuple(found)


def probe(root: Path = Path("/")) -> Host:
    """Read the facts of this host; ``root`` is replaced by tests."""
    memory = _meminfo(root / "proc/meminfo")
    total, available = memory.get("MemTotal", 0), memory.get("MemAvailable", 0)
    for limit, used in _memory_limits(root):
        total, available = min(total, limit), min(available, max(0, limit - used))
    instances = _text(root / "proc/sys/fs/inotify/max_user_instances").strip()
    return Host(
        name=platform.node(),
        kernel=os.uname().release,
        cpus=len(os.sched_getaffinity(0)),
        cpu_model=_first(r"^model name\s*:\s*(.+)$", _text(root / "proc/cpuinfo")) or "unknown",
        memory=total,
        memory_available=available,
        root=os.geteuid() == 0,
        cgroup_v1=not (root / "sys/fs/cgroup/cgroup.controllers").exists(),
        sys_resource=_bounding_set(_text(root / "proc/self/status")) >> CAP_SYS_RESOURCE & 1 == 1,
        kernel_nfs=_has_kernel_nfs(root),
        fuse=(root / "dev/fuse").exists(),
        inotify_instances=int(instances) if instances.isdecimal() else 0,
    )


def free_disk(folder: Path) -> int:
    """Bytes that are free on the file system of a folder."""
    return shutil.disk_usage(folder).free


def require_disk(folder: Path, needed: int) -> None:
    """Refuse when the file system of ``folder`` has less than ``needed`` bytes free."""
    free = free_disk(folder)
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
            advice="end other work on this machine, or raise the memory limit of this container",
        )


def require_cpus(host: Host) -> None:
    """Refuse when a node would not have the CPUs that its Pods request."""
    if host.cpus < CPUS_FOR_RUN:
        raise RefusalError(
            f"this process may use {host.cpus} CPU; a run needs {CPUS_FOR_RUN}",
            advice="give this machine or container more CPUs",
        )


def require_inotify(host: Host, nodes: int) -> None:
    """Refuse more nodes than the host's limit of inotify instances allows."""
    needed = INOTIFY_OF_HOST + nodes * INOTIFY_OF_NODE
    if 0 < host.inotify_instances < needed:
        raise RefusalError(
            f"this host allows {host.inotify_instances} inotify instances for each user; "
            f"{nodes} nodes need {needed}",
            advice="raise the limit: sysctl -w fs.inotify.max_user_instances=512",
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


def _memory_limits(root: Path) -> list[tuple[int, int]]:
    """Limits of the control groups above this process, in bytes, each with the bytes that are used of it.

    Used are those that the kernel cannot reclaim: page cache that is not active is left out
    (Documentation/admin-guide/cgroup-v2.rst, memory.stat).
    """
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = top / path.lstrip("/")
        # In a container the path may be that of the host, and its own group is the top.
        for folder in (group, *group.parents) if group.exists() else (top,):
            limit, used = _text(folder / names[0]).strip(), _text(folder / names[1]).strip()
            if limit.isdecimal() and used.isdecimal() and int(limit) < UNLIMITED:
                reclaimable = _first(rf"^{names[2]} (\d+)$", _text(folder / "memory.stat"))
                found.append((int(limit), int(used) - int(reclaimable or 0)))
            if folder == top:
                break
    return found


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
