"""What a run would find on this host: one line for each requirement, with the remedy if it is not met.

Nothing is created, installed or changed. The rules are those that a run itself applies.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clusters.errors import HarnessError
from clusters.host import bootstrap, engine, probes
from clusters.host.commands import Commands
from clusters.images.pull import Registry
from clusters.options import Options
from clusters.paths import cache_root
from clusters.pins import require_runs_on
from clusters.progress import Progress

#: The machines for which Alluxio's images are published (its 2.9 images are for this one only).
ARCHITECTURE = "x86_64"
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class CheckedRequirement:
    """One requirement.

    Attributes:
        name: what is checked, such as ``memory``.
        found: what this host has.
        problem: why a run would be refused; empty if it would not be.
        remedy: what to do about the problem.
    """

    name: str
    found: str
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        mark = "no" if self.problem else "ok"
        line = f"{mark:<3} {self.name:<18} {self.found}"
        return f"{line}\n    {self.problem}: {self.remedy}" if self.problem else line


def check_host(options: Options, commands: Commands, progress: Progress) -> tuple[CheckedRequirement, ...]:
    """Check this host against the options of a run on a kind cluster."""
    return tuple(_requirements(options, probes.probe(), commands, progress))


def _requirements(
    options: Options, host: probes.Host, commands: Commands, progress: Progress
) -> Iterator[CheckedRequirement]:
    machine = platform.machine()
    yield CheckedRequirement(
        "architecture",
        machine,
        "" if machine == ARCHITECTURE else f"Alluxio's images are published for {ARCHITECTURE} only",
        f"use a machine of {ARCHITECTURE}",
    )
    found = engine.find(commands)
    yield from _engine_requirements(options, host, found)
    yield CheckedRequirement("control groups", "version 1" if host.cgroup_v1 else "version 2")
    yield _checked(
        "Kubernetes",
        options.versions.kubernetes,
        lambda: require_runs_on(options.versions, cgroup_v1=host.cgroup_v1),
    )
    yield CheckedRequirement("NFS client", "kernel" if host.kernel_nfs else "user space (NFSv3 over FUSE)")
    yield _checked(
        "memory", f"{host.memory_available / _GIB:.1f} GiB available", lambda: probes.require_memory(host)
    )
    yield _checked(
        "inotify instances",
        str(host.inotify_instances or "not known"),
        lambda: probes.require_inotify(host, options.nodes),
    )
    cache = cache_root()
    pulls = found is not None and options.images != "build" and _registry_answers(options, found, progress)
    needed = probes.DISK_FOR_RUN if pulls else probes.DISK_FOR_BUILD
    yield _checked(
        "disk",
        f"{probes.free_disk(cache) / _GIB:.1f} GiB free for {cache}",
        lambda: probes.require_disk(cache, needed),
    )
    source = "pulled" if pulls else "built from package registries"
    unreached = options.images == "pull" and not pulls
    yield CheckedRequirement(
        "images",
        source,
        f"{options.registry or 'the registry'} does not answer" if unreached else "",
        "check the network, or name a mirror with --registry",
    )
    for limit in host.limits():
        yield CheckedRequirement("worked round", limit)


def _engine_requirements(
    options: Options, host: probes.Host, found: engine.Engine | None
) -> Iterator[CheckedRequirement]:
    if found is not None:
        facts = found.run("info", "--format", "{{.Driver}}, {{.CgroupDriver}} cgroup driver", check=False)
        yield CheckedRequirement(
            "container engine", f"{found.version} at {found.address} ({facts.stdout.strip()})"
        )
        return
    may_start = options.bootstrap and host.root
    yield CheckedRequirement(
        "container engine",
        "none answers; --bootstrap starts one" if may_start else "none answers",
        "" if may_start else "a kind cluster needs a container engine",
        "start Docker, or add --bootstrap as root",
    )
    packages = bootstrap.missing(bootstrap.ENGINE_PACKAGES | bootstrap.CLIENT_PACKAGES)
    if packages and may_start:
        yield CheckedRequirement("packages", f"--bootstrap would install {', '.join(packages)}")


def _registry_answers(options: Options, running: engine.Engine, progress: Progress) -> bool:
    return not Registry(running, options.registry, progress).answers()


def _checked(name: str, found: str, require: Callable[[], None]) -> CheckedRequirement:
    """A requirement that a run checks by raising an error."""
    try:
        require()
    except HarnessError as error:
        return CheckedRequirement(name, found, error.message, error.advice)
    return CheckedRequirement(name, found)
