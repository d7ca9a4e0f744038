"""What a run would find on this host: one line for each requirement, with the remedy if it is not met.

Nothing is created, installed or changed. The requirements are those of a run (`clusters.host.requirements`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusters.errors import HarnessError
from clusters.host import bootstrap, engine, network_settings, probes, requirements
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import Commands
from clusters.images.pull import Registry
from clusters.images.tools import Tools
from clusters.options import Options
from clusters.paths import cache_root
from clusters.progress import Progress
from clusters.providers.kind_nodes import managed_nodes


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
    for requirement in requirements.of_versions(options, host):
        yield _checked(requirement)
    found = engine.find(commands)
    yield from _engine_requirements(options, host, found)
    proxies = network_settings.described()
    if proxies:
        asked = found.run("info", "--format", "{{.HTTPSProxy}}", check=False).stdout.strip() if found else ""
        without = "" if asked else "; the container engine has none of its own, and pulls without"
        yield CheckedRequirement("proxy", proxies + without)
    authorities = network_settings.authorities()
    if authorities is not None:
        yield CheckedRequirement("authorities", str(authorities))
    yield CheckedRequirement("control groups", "version 1" if host.cgroup_v1 else "version 2")
    yield CheckedRequirement("NFS client", "kernel" if host.kernel_nfs else "user space (NFSv3 over FUSE)")
    if found is None or not managed_nodes(found, options.cluster_name):
        for requirement in requirements.of_cluster(options, host):
            yield _checked(requirement)
    pulls = found is not None and options.images != "build" and _registry_answers(options, found, progress)
    tools = Tools(options, host, ArtifactCache(cache_root(), commands, progress))
    disk = probes.DISK_FOR_RUN if pulls else tools.disk_to_build()
    yield _checked(requirements.of_disk(cache_root(), disk))
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


def _checked(requirement: requirements.Requirement) -> CheckedRequirement:
    try:
        requirement.require()
    except HarnessError as error:
        return CheckedRequirement(requirement.name, requirement.found, error.message, error.advice)
    return CheckedRequirement(requirement.name, requirement.found)
