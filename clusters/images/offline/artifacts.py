"""Artifacts that are built on the host for a set of versions: programs, charts, jars, a Debian root."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from clusters.digests import file_digest
from clusters.errors import InfrastructureError
from clusters.fluid_source import FLUID_MODULE, FluidSource
from clusters.host import network_settings
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline import go
from clusters.pins import pins
from clusters.product.fluid_chart import restore_dependencies
from clusters.product.fluid_versions import known_version
from clusters.progress import RunningStage

#: Fluid's commands that the harness runs: folder under cmd/, and the program's name in its image. A later
#: version can have more (`fluid_programs`).
FLUID_PROGRAMS: Final = {
    "alluxio": "alluxioruntime-controller",
    "dataset": "dataset-controller",
    "csi": "fluid-csi",
    "fluidapp": "fluidapp-controller",
    "thin": "thinruntime-controller",
    "webhook": "fluid-webhook",
}

#: Files of the harness that images are built with, a folder for each image or program.
RECIPES: Final = Path(__file__).with_name("recipes")
_KUBERNETES: Final = "k8s.io/kubernetes"

#: Alluxio's modules that hold the processes and tools which Fluid starts; the under-stores are added.
ALLUXIO_MODULES: Final = (
    "alluxio-core-server-master",
    "alluxio-core-server-worker",
    "alluxio-job-server",
    "alluxio-integration-fuse",
    "alluxio-shell",
)


def kubernetes(version: str) -> Artifact:
    """All Kubernetes commands in one program, `kubernetes`."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        module = go.download(cache, _KUBERNETES, version)
        major, minor, _ = version.split(".", 2)
        settings = {"gitVersion": f"v{version}", "gitTreeState": "clean"}
        settings |= {"gitMajor": major, "gitMinor": minor}
        go.build_wrapper(
            cache,
            folder / "kubernetes",
            stage,
            require={_KUBERNETES: version},
            main=RECIPES / "kubernetes" / "main.go",
            replace=go.staging_versions(module.go_mod, version),
            go=go.go_line(module.go_mod),
            # kubeadm refuses to work with a control plane of a version it cannot read.
            variables={f"k8s.io/component-base/version.{name}": value for name, value in settings.items()},
        )

    return Artifact(f"kubernetes-{version}", (version,), make, recipe=(RECIPES / "kubernetes",))


def go_program(name: str, module: str, version: str, package: str = "") -> Artifact:
    """One command of a published module, as program ``name``."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        go.build_wrapper(
            cache, folder / name, stage, require={module: version}, package=module + package, main=None
        )

    return Artifact(f"{name}-{version}", (module, version, package), make)


def own_program(name: str) -> Artifact:
    """A small Go program of the harness, from `recipes/<name>`."""
    recipe = RECIPES / name

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        copy = folder / ".source"
        shutil.copytree(recipe, copy)
        go.build(cache, copy, folder / name, stage)
        shutil.rmtree(copy)

    return Artifact(name, (), make, recipe=(recipe,))


def kind() -> Artifact:
    """The kind program."""
    return go_program("kind", "sigs.k8s.io/kind", pins().build.kind)


def helm(version: str) -> Artifact:
    """The helm program."""
    return go_program("helm", "helm.sh/helm/v3", version, "/cmd/helm")


def etcd(version: str) -> Artifact:
    """The etcd server program."""
    return go_program("etcd", "go.etcd.io/etcd/server/v3", version)


def coredns(version: str) -> Artifact:
    """The CoreDNS program."""
    return go_program("coredns", "github.com/coredns/coredns", version)


def crane() -> Artifact:
    """A registry, and the tool to fill it."""
    return go_program("crane", "github.com/google/go-containerregistry", pins().build.crane, "/cmd/crane")


def toxiproxy() -> Artifact:
    """A proxy that slows connections down."""
    return go_program(
        "toxiproxy-server", "github.com/Shopify/toxiproxy/v2", pins().build.toxiproxy, "/cmd/server"
    )


def fluid_programs(version: str) -> dict[str, str]:
    """As `FLUID_PROGRAMS`, with those that a version adds."""
    return FLUID_PROGRAMS | known_version(version).added_programs


def fluid_source(version: str) -> Artifact:
    """Fluid's Go module, unpacked: a mutant is built from it."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        del stage
        folder.rmdir()
        go.copy_module(go.download(cache, FLUID_MODULE, version), folder)

    return Artifact(f"fluid-source-{version}", (version,), make)


def fluid_program(
    cache: ArtifactCache,
    source: Path,
    version: str,
    stage: RunningStage,
    *,
    program: str,
    out: Path,
    overlay: Path | None = None,
) -> None:
    """Build one of Fluid's programs.

    Args:
        cache: the tools.
        source: folder of Fluid's module, writable.
        version: of Fluid.
        stage: receives what is compiled.
        program: its name in the image.
        out: the file to write.
        overlay: see `clusters.images.offline.go.build`.
    """
    command = next(name for name, built in fluid_programs(version).items() if built == program)
    settings = {"version": f"v{version}", "gitTreeState": "clean"}
    go.build(
        cache,
        source,
        out,
        stage,
        package=f"./cmd/{command}",
        variables={f"{FLUID_MODULE}.{name}": value for name, value in settings.items()},
        overlay=overlay,
    )


def fluid(version: str, checkout: FluidSource | None = None) -> Artifact:
    """Fluid's programs in `bin/`, its charts in `charts/`, its CSI scripts in `shell/`.

    Args:
        version: of Fluid.
        checkout: the local source of that version; by default the published module.
    """
    programs = fluid_programs(version)

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        source = folder / ".source"
        if checkout is None:
            go.copy_module(go.download(cache, FLUID_MODULE, version), source)
        else:
            checkout.copy(source)
        (folder / "bin").mkdir()
        for program in programs.values():
            fluid_program(cache, source, version, stage, program=program, out=folder / "bin" / program)
        shutil.copytree(source / "charts", folder / "charts")
        restore_dependencies(folder / "charts")
        shutil.copytree(source / "csi" / "shell", folder / "shell")
        for script in (folder / "shell").iterdir():
            script.chmod(0o755)
        shutil.rmtree(source)

    if checkout is None:
        return Artifact(f"fluid-{version}", (version, *programs), make)
    return Artifact(f"fluid-source-build-{version}", (version, checkout.digest, *programs), make)


def alluxio(version: str) -> Artifact:
    """Alluxio's jars: all on the class path in `jars/`, the under-stores in `lib/`."""
    under_stores = pins().alluxio[version].under_stores
    # The first dependency on a module decides its version, so modules of other versions are last.
    modules = [(name, version) for name in ALLUXIO_MODULES]
    modules += [(f"alluxio-underfs-{name}", of) for name, of in under_stores.items()]

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        dependencies = "".join(
            f"<dependency><groupId>org.alluxio</groupId><artifactId>{escape(name)}</artifactId>"
            f"<version>{escape(of)}</version></dependency>"
            for name, of in modules
        )
        pom = folder / "pom.xml"
        pom.write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>invalid.harness</groupId><artifactId>alluxio</artifactId><version>1</version>"
            f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
        )
        argv: list[str | Path] = ["mvn", "-B", "-q", "--strict-checksums", "-f", pom]
        argv.append("dependency:copy-dependencies")
        argv += [f"-DoutputDirectory={folder / 'jars'}", "-DincludeScope=runtime"]
        options = network_settings.maven_options()
        cache.commands.run(argv, env={"MAVEN_OPTS": options} if options else None, on_line=stage.says)
        pom.unlink()
        require_pinned_jars(version, folder / "jars")
        (folder / "lib").mkdir()
        # Under-stores are found by file in ${alluxio.home}/lib, each with its own class loader.
        for jar in (folder / "jars").glob("alluxio-underfs-*.jar"):
            shutil.copy(jar, folder / "lib")

    return Artifact(f"alluxio-{version}", tuple(f"{name} {of}" for name, of in modules), make)


def require_pinned_jars(version: str, folder: Path) -> None:
    """Compare the jars of a version of Alluxio with the digest in the pins, if there is one.

    Raises:
        InfrastructureError: they are not those that were pinned.
    """
    pinned = pins().alluxio[version].jars
    listing = "".join(f"{file_digest(jar)}  {jar.name}\n" for jar in sorted(folder.iterdir()))
    found = hashlib.sha256(listing.encode()).hexdigest()
    if pinned and found != pinned:
        raise InfrastructureError(
            f"the jars of Alluxio {version} that Maven fetched are not those that are pinned",
            condition=f"digest {pinned}",
            last_seen=f"digest {found} of {len(listing.splitlines())} jars",
            advice="check the Maven repository, or `jars` in clusters/pins.toml if it is right",
        )


def debian_root(release: str) -> Artifact:
    """A minimal Debian as `root.tar`."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        root = folder / "root"
        argv: list[str | Path] = ["debootstrap", "--variant=minbase", "--merged-usr"]
        argv += ["--include=ca-certificates", release, root]
        cache.commands.run(argv, on_line=stage.says)
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / waste, ignore_errors=True)
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (root / "var/lib/apt/lists/partial").mkdir(parents=True)
        cache.commands.run(["tar", "--numeric-owner", "-C", root, "-cf", folder / "root.tar", "."])
        shutil.rmtree(root)

    return Artifact(f"debian-{release}", (release, "minbase"), make)
