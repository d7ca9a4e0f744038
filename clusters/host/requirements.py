"""What a run on a kind cluster requires of this host: one list, for a run and for `cluster check`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.host import probes
from clusters.options import Options
from clusters.pins import require_buildable, require_runs_on

#: The machines for which Alluxio's images are published (its 2.9 images are for this one only).
ARCHITECTURE: Final = "x86_64"
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement.

    Attributes:
        name: such as ``memory``.
        found: what this host has.
        require: raises RefusalError where that is not enough.
    """

    name: str
    found: str
    require: Callable[[], None]


def of_versions(options: Options, host: probes.Host) -> tuple[Requirement, ...]:
    """What the versions of the options require, whatever else is on the host."""
    versions = options.versions
    found = [
        Requirement("architecture", platform.machine(), _require_architecture),
        Requirement(
            "Kubernetes",
            versions.kubernetes,
            partial(require_runs_on, versions, cgroup_v1=host.cgroup_v1),
        ),
    ]
    if options.nfs_version is not None:
        found.append(
            Requirement(
                "NFS version", options.nfs_version, partial(_require_kernel_nfs, options.nfs_version, host)
            )
        )
    if options.images == "build" and options.fluid_source is None:
        text = f"Kubernetes {versions.kubernetes}, Fluid {versions.fluid}, Alluxio {versions.alluxio}"
        found.append(Requirement("versions to build", text, partial(require_buildable, versions)))
    return tuple(found)


def of_cluster(options: Options, host: probes.Host) -> tuple[Requirement, ...]:
    """What the nodes of a new cluster require."""
    return (
        Requirement(
            "memory",
            f"{host.memory_available / _GIB:.1f} GiB available",
            partial(probes.require_memory, host),
        ),
        Requirement("CPUs", str(host.cpus), partial(probes.require_cpus, host)),
        Requirement(
            "inotify instances",
            str(host.inotify_instances or "not known"),
            partial(probes.require_inotify, host, options.nodes),
        ),
    )


def of_disk(folder: Path, needed: int) -> Requirement:
    """The disk of the cache: ``needed`` bytes."""
    free = probes.free_disk(folder)
    return Requirement(
        "disk", f"{free / _GIB:.1f} GiB free for {folder}", partial(probes.require_disk, folder, needed)
    )


def require(requirements: Iterable[Requirement]) -> None:
    """Refuse a host that does not meet one of them.

    Raises:
        RefusalError: the first that is not met.
    """
    for requirement in requirements:
        requirement.require()


def _require_kernel_nfs(version: str, host: probes.Host) -> None:
    if not host.kernel_nfs:
        raise RefusalError(
            f"--nfs-version {version} needs the kernel's NFS client, which this host lacks: "
            "the client in user space speaks NFSv3",
            advice="omit --nfs-version, or use a host whose kernel has the module nfs",
        )


def _require_architecture() -> None:
    machine = platform.machine()
    if machine != ARCHITECTURE:
        raise RefusalError(
            f"this machine is {machine}, and Alluxio's images are published for {ARCHITECTURE} only",
            advice=f"use a machine of {ARCHITECTURE}",
        )
