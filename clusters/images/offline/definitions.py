"""The images of a system, under their published names, and how each is built."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from clusters.digests import digest, file_digest
from clusters.facts import Origin
from clusters.fluid_source import FluidSource
from clusters.host.artifact_cache import Artifact
from clusters.image_names import private_name
from clusters.images.offline import artifacts
from clusters.images.offline.artifacts import RECIPES
from clusters.images.offline.kind_recipe import kind_recipe
from clusters.pins import Versions, fluid_pin, kubernetes_parts, pins
from clusters.product.fluid_versions import known_version


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an artifact in an image's build context.

    Attributes:
        artifact: what it is taken from.
        inside: path within the artifact.
        to: path within the context.
    """

    artifact: Artifact
    inside: str
    to: str


@dataclass(frozen=True, slots=True)
class ImageDefinition:
    """An image and how it is built.

    Attributes:
        names: repository and tag, as published; all name the same image.
        recipe: folder with its Dockerfile.
        origin: `built` when the product's own code is inside, else `substitute`.
        base: image that it is built on.
        parts: built files that go into it.
        also: further recipe folders copied into the context under their own names.
        args: build arguments.
        link: second name of the program in a `program` image.
    """

    names: tuple[str, ...]
    recipe: Path
    origin: Origin
    base: ImageDefinition | None = None
    parts: tuple[Part, ...] = ()
    also: tuple[Path, ...] = ()
    args: tuple[tuple[str, str], ...] = ()
    link: str = ""

    @property
    def name(self) -> str:
        """Its first published name."""
        return self.names[0]

    @property
    def local(self) -> str:
        """Its name in the engine."""
        return private_name(self.name)

    @property
    def key(self) -> str:
        """Digest of all that decides the content."""
        return digest(
            [
                *self.names,
                file_digest(self.recipe),
                self.base.key if self.base else "",
                *(f"{part.artifact.key} {part.inside} {part.to}" for part in self.parts),
                *(file_digest(path) for path in self.also),
                *(f"{name}={value}" for name, value in self.args),
                self.link,
            ]
        )


@dataclass(frozen=True, slots=True)
class SystemImages:
    """The images of one system under test.

    Attributes:
        node: the kind node.
        control_plane: images that kubeadm starts, for a node without images of its own.
        fluid: Fluid's own, by the name that its chart knows.
        alluxio: the Alluxio runtime and Fuse.
        nfs_server: NFS-Ganesha.
        toolbox: what application Pods run.
    """

    node: ImageDefinition
    control_plane: tuple[ImageDefinition, ...]
    fluid: dict[str, ImageDefinition] = field(hash=False)
    alluxio: ImageDefinition
    nfs_server: ImageDefinition
    toolbox: ImageDefinition

    @property
    def loaded(self) -> tuple[ImageDefinition, ...]:
        """All images that the nodes need before Pods start."""
        return (*self.control_plane, *self.fluid.values(), self.alluxio, self.nfs_server, self.toolbox)

    @property
    def all(self) -> tuple[ImageDefinition, ...]:
        """Every image, the node's included."""
        return (self.node, *self.loaded)


def debian() -> ImageDefinition:
    """A bare Debian, imported rather than built."""
    root = artifacts.debian_root(pins().build.debian)
    return ImageDefinition(
        (f"fluid-conformance/debian:{root.key}",),
        RECIPES / "base",
        Origin.SUBSTITUTE,
        parts=(Part(root, "root.tar", "root.tar"),),
    )


def base() -> ImageDefinition:
    """Debian with what all images on it share."""
    return ImageDefinition(
        ("fluid-conformance/base:latest",), RECIPES / "base", Origin.SUBSTITUTE, base=debian()
    )


def _program(names: tuple[str, ...], artifact: Artifact, program: str, origin: Origin) -> ImageDefinition:
    part = Part(artifact, program, "root/program")
    return ImageDefinition(names, RECIPES / "program", origin, parts=(part,), link=program)


def nfs_server() -> ImageDefinition:
    """NFS-Ganesha as Debian packages it."""
    recipe = RECIPES / "nfs-server"
    return ImageDefinition(
        (f"fluid-conformance/nfs-server:{_tag(recipe)}",), recipe, Origin.BUILT, base=base()
    )


def toolbox() -> ImageDefinition:
    """Shell, checksums and fio for application Pods."""
    recipe = RECIPES / "toolbox"
    return ImageDefinition((f"fluid-conformance/toolbox:{_tag(recipe)}",), recipe, Origin.BUILT, base=base())


def alluxio(version: str) -> ImageDefinition:
    """Alluxio under the contract that Fluid's chart has with its image."""
    jars = artifacts.alluxio(version)
    return ImageDefinition(
        (f"alluxio/alluxio-dev:{version}",),
        RECIPES / "alluxio",
        Origin.BUILT,
        base=base(),
        parts=(Part(jars, "jars", "jars"), Part(jars, "lib", "lib")),
        args=(("ALLUXIO_VERSION", version),),
    )


def fluid(chosen: Versions, checkout: FluidSource | None = None) -> dict[str, ImageDefinition]:
    """Fluid's images by the chart's name for each, and the CSI registrar.

    Those of a Fluid that calls kubectl have the one of the run's Kubernetes.

    Args:
        chosen: the versions.
        checkout: the local source to build from; by default the published module.
    """
    version, tag = chosen.fluid, checkout.tag if checkout else f"v{chosen.fluid}"
    built, pin = artifacts.fluid(version, checkout), fluid_pin(version)
    tools = [Part(artifacts.helm(pin.helm), "helm", "tools/ddc-helm")]
    if pin.kubectl:
        tools.append(Part(artifacts.kubernetes(chosen.kubernetes), "kubernetes", "tools/kubectl"))
    parts = (
        *tools,
        Part(built, "charts", "charts"),
        Part(built, "shell", "shell"),
        Part(built, "bin", "programs"),
    )
    repositories = {
        "alluxioruntime-controller": "alluxioruntime-controller",
        "dataset-controller": "dataset-controller",
        "fluid-csi": "fluid-csi",
        "application-controller": "fluidapp-controller",
        "fluid-webhook": "fluid-webhook",
        "thinruntime-controller": "thinruntime-controller",
    } | {program: program for program in known_version(version).added_programs.values()}
    images = {
        repository: ImageDefinition(
            (f"fluidcloudnative/{repository}:{tag}",),
            RECIPES / "fluid",
            Origin.BUILT,
            base=base(),
            parts=parts,
            args=(("PROGRAM", program),),
        )
        for repository, program in repositories.items()
    }
    registrar = artifacts.own_program("registrar")
    images["csi-node-driver-registrar"] = _program(
        (f"fluidcloudnative/csi-node-driver-registrar:substitute-{registrar.key}",),
        registrar,
        "registrar",
        Origin.SUBSTITUTE,
    )
    return images


def control_plane(version: str) -> tuple[ImageDefinition, ...]:
    """What kubeadm of that version starts, under the names that it asks for."""
    pin = kubernetes_parts(version)
    programs = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    return (
        _program(
            (f"registry.k8s.io/pause:{pin.pause}",),
            artifacts.own_program("pause"),
            "pause",
            Origin.SUBSTITUTE,
        ),
        ImageDefinition(
            tuple(f"registry.k8s.io/{program}:v{version}" for program in programs),
            RECIPES / "control-plane",
            Origin.BUILT,
            base=base(),
            parts=(Part(artifacts.kubernetes(version), "kubernetes", "kubernetes"),),
        ),
        _program((f"registry.k8s.io/etcd:{pin.etcd_tag}",), artifacts.etcd(pin.etcd), "etcd", Origin.BUILT),
        _program(
            (f"registry.k8s.io/coredns/coredns:v{pin.coredns}",),
            artifacts.coredns(pin.coredns),
            "coredns",
            Origin.BUILT,
        ),
    )


def kind_base() -> ImageDefinition:
    """The base of kind's node images, from kind's own recipe."""
    recipe = kind_recipe()
    return ImageDefinition(
        (f"fluid-conformance/kind-base:{pins().build.kind}",),
        RECIPES / "kind-base",
        Origin.SUBSTITUTE,
        base=base(),
        parts=(Part(recipe, "files", "files"), Part(recipe, "Dockerfile", "Dockerfile")),
    )


def node(version: str, *, wrapped: bool, user_space_nfs: bool) -> ImageDefinition:
    """A kind node, with a layer for each limit of the host.

    Args:
        version: of Kubernetes.
        wrapped: containers start through the runtime wrapper.
        user_space_nfs: NFS is mounted in user space.
    """
    image = ImageDefinition(
        (f"kindest/node:v{version}",),
        RECIPES / "node",
        Origin.BUILT,
        base=kind_base(),
        parts=(Part(artifacts.kubernetes(version), "kubernetes", "kubernetes"),),
        args=(
            ("KUBERNETES", version),
            ("PAUSE", f"registry.k8s.io/pause:{kubernetes_parts(version).pause}"),
        ),
    )
    if wrapped:
        wrapper = artifacts.own_program("runtime-wrapper")
        part = Part(wrapper, "runtime-wrapper", "runtime-wrapper")
        image = _on_node(image, "node-runtime-wrapper", parts=(part,))
    if user_space_nfs:
        image = _on_node(image, "node-user-space-nfs", also=(RECIPES / "mount-nfs",))
    return image


def _on_node(
    node: ImageDefinition, recipe: str, *, parts: tuple[Part, ...] = (), also: tuple[Path, ...] = ()
) -> ImageDefinition:
    """A layer on a node image; it has the node's name, and the node below it a private one."""
    tag = node.name.rpartition(":")[2]
    below = replace(node, names=(f"fluid-conformance/below-{recipe}:{tag}",))
    return ImageDefinition(node.names, RECIPES / recipe, Origin.BUILT, base=below, parts=parts, also=also)


def system(chosen: Versions, *, wrapped: bool, user_space_nfs: bool) -> SystemImages:
    """All images of a system that is built here."""
    return SystemImages(
        node=node(chosen.kubernetes, wrapped=wrapped, user_space_nfs=user_space_nfs),
        control_plane=control_plane(chosen.kubernetes),
        fluid=fluid(chosen),
        alluxio=alluxio(chosen.alluxio),
        nfs_server=nfs_server(),
        toolbox=toolbox(),
    )


def _tag(recipe: Path) -> str:
    return file_digest(recipe)[:12]
