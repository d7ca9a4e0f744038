"""The images of one system, pulled or built: from here on there is no difference.

Whichever way an image came, the nodes know it by the name that the manifests use, and the
nodes receive all of them in one archive. With ``auto`` each part is pulled if a registry answers
and has it, and built otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from clusters.errors import RefusalError
from clusters.facts import Image, NfsClient, Origin
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.engine import Engine
from clusters.host.probes import Host
from clusters.images import fluid_images
from clusters.images.fluid_images import FluidImages, FluidRelease, Piece
from clusters.images.offline import build, definitions
from clusters.images.offline.artifacts import RECIPES
from clusters.images.offline.definitions import ImageDefinition
from clusters.images.pull import NotPublishedError, Pulled, Registry, unreached_advice
from clusters.images.tools import Tools
from clusters.options import Options
from clusters.pins import PRODUCTS, Versions, pins, published_nodes, require_buildable
from clusters.progress import Progress

T = TypeVar("T")

#: Labels of the harness's own node image (recipes/node): the host that it is built for.
NETWORK_LABEL: Final = "fluid-conformance.network"
WRAPPED_LABEL: Final = "fluid-conformance.wrapped"
NFS_LABEL: Final = "fluid-conformance.nfs-client"
#: Parts of a built node that are not kind's own, because no package registry has those.
SUBSTITUTES: Final = (
    "the node image is built from kind's recipe with Debian's containerd and runc; a bridge of the harness "
    "replaces kindnetd, and there is no local-path-provisioner"
)
#: Added to the tag of an image of the harness that is based on Debian's published image.
SLIM: Final = "-slim"


@dataclass(frozen=True, slots=True)
class ResolvedImages:
    """The parts of a kind cluster with Fluid.

    Attributes:
        node: node image.
        own_network: the node image has no kindnetd, so that the harness connects the nodes.
        archive: folder with the archive of all images that the nodes need.
        fluid: the version of Fluid under test.
        earlier: the version to upgrade from; None if there is none.
        nfs_server: image of the NFS server.
        toolbox: image of application Pods.
        nfs_client: how the nodes mount NFS.
        facts: every image with its origin.
        limits: of this host or of the registry, and how they were met; one sentence each.
    """

    node: str
    own_network: bool
    archive: Path
    fluid: FluidRelease
    earlier: FluidRelease | None
    nfs_server: str
    toolbox: str
    nfs_client: NfsClient
    facts: tuple[Image, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """The node image, and the images of the control plane where it carries none."""

    piece: Piece
    control_plane: Piece
    own_network: bool
    nfs_client: NfsClient
    limits: tuple[str, ...] = ()


@dataclass
class ImageResolver:
    """Chooses the images of a system, and pulls or builds them.

    Attributes:
        tools: programs, with the options and the facts of the host that they depend on.
        engine: has the images.
    """

    tools: Tools
    engine: Engine

    @property
    def options(self) -> Options:
        """Of the run."""
        return self.tools.options

    @property
    def cache(self) -> ArtifactCache:
        """Builds."""
        return self.tools.cache

    @property
    def progress(self) -> Progress:
        """Shows stages."""
        return self.tools.cache.progress

    def resolved(self) -> ResolvedImages:
        """Pull or build all images, and pack those that the nodes need.

        Raises:
            RefusalError: an image can neither be pulled nor built with these options.
            InfrastructureError: a build or a download broke.
        """
        chosen = self.options.versions
        registry = Registry(self.engine, self.options.registry, self.progress)
        checkout, before = self.options.fluid_source, self.options.upgrade_from
        pulls = self._pulls(registry)
        if not pulls:
            require_buildable(chosen, *(("kubernetes", "alluxio") if checkout else PRODUCTS))
            node = self._node_built()
            alluxio = self._alluxio_built()
            own = [Piece.built(definitions.nfs_server()), Piece.built(definitions.toolbox())]
        else:
            node = self._node(registry)
            alluxio = self._either(
                lambda: Piece.taken(registry.pull(_alluxio(chosen.alluxio))),
                self._alluxio_built,
            )
            own = self._own(registry)
        origin = registry if pulls else None
        product = fluid_images.built(chosen, checkout) if checkout else self._fluid(origin, chosen)
        earlier = self._fluid(origin, chosen.model_copy(update={"fluid": before})) if before else None
        old = (earlier.piece,) if earlier else ()
        loaded = (node.control_plane, product.piece, *old, alluxio, *own)
        pieces = (node.piece, *loaded)
        self._build([image for piece in pieces for image in piece.build])
        names = {local: found for piece in loaded for local, found in piece.local.items()}
        return ResolvedImages(
            node=next(iter(node.piece.local)),
            own_network=node.own_network,
            archive=build.pack(self.cache, self.engine, self._ids(loaded), names),
            fluid=product.release(self.tools, alluxio.names[0]),
            earlier=earlier.release(self.tools, alluxio.names[0]) if earlier else None,
            nfs_server=own[0].names[0],
            toolbox=own[1].names[0],
            nfs_client=node.nfs_client,
            # Two versions of Fluid may share an image, such as the registrar of the CSI plugin.
            facts=tuple(dict.fromkeys(fact for piece in pieces for fact in self._facts(piece))),
            limits=(*node.limits, *_built_by_us(registry, pieces)),
        )

    def on_own_base(self, image: ImageDefinition) -> ImageDefinition:
        """An image of the harness on the published Debian where a registry answers, else on a built one."""
        registry = Registry(self.engine, self.options.registry, self.progress)
        return on(self._base(registry), image) if self._pulls(registry) else image

    def _pulls(self, registry: Registry) -> bool:
        if self.options.images == "build":
            return False
        said = registry.answers()
        if not said:
            return True
        if self.options.images == "pull":
            raise RefusalError(
                f"--images=pull, and {registry} does not answer",
                last_seen=said,
                advice=unreached_advice(said),
            )
        self.progress.note(f"{registry} does not answer: building the images ({said})")
        return False

    def _either(self, pull: Callable[[], T], built: Callable[[], T]) -> T:
        """Pull; with ``auto``, what is not published is built."""
        try:
            return pull()
        except NotPublishedError as error:
            if self.options.images == "pull":
                raise
            self.progress.note(f"{error.message}: building it")
            return built()

    def _build(self, images: Sequence[ImageDefinition]) -> None:
        if build.missing_artifacts(self.cache, self.engine, images):
            self.tools.ready_to_build()
        build.build_all(self.cache, self.engine, images)

    def _node(self, registry: Registry) -> _Node:
        if self.options.kind_image is not None:
            return self._node_given(self.options.kind_image)
        hindrance = unfit({}, self.tools.host)
        if hindrance and registry.mirror is None:
            return self._node_instead(hindrance)
        return self._either(lambda: self._node_pulled(registry), self._node_built)

    def _node_pulled(self, registry: Registry) -> _Node:
        version = self.options.versions.kubernetes
        published = published_nodes().get(version, "")
        pulled = registry.pull(f"kindest/node:v{version}", published)
        hindrance = unfit(pulled.labels, self.tools.host)
        if hindrance:
            return self._node_instead(hindrance)
        node = self._node_by_labels(Piece.taken(pulled), pulled.labels)
        if node.own_network:
            images = definitions.control_plane(version)
            names = [name for image in images for name in image.names]
            node = replace(node, control_plane=Piece.taken(*map(registry.pull, names)))
        if published and pulled.digest != published:
            limit = f"{pulled.name} of {registry} is not the published image: its digest is {pulled.digest}"
            node = replace(node, limits=(limit,))
        return node

    def _node_given(self, name: str) -> _Node:
        """The node image of --kind-image, pulled if the engine does not have it."""
        if self.engine.inspect("image", name) is None:
            Registry(self.engine, None, self.progress).pull(name)
        return self._node_by_labels(Piece((name,)), self._labels(name))

    def _node_by_labels(self, piece: Piece, labels: Mapping[str, str]) -> _Node:
        """A node image of the harness has neither network nor control plane; kind's own has both."""
        own, plane = labels.get(NETWORK_LABEL) == "bridge", Piece(())
        if own:
            require_buildable(self.options.versions, "kubernetes")
            plane = Piece.built(*definitions.control_plane(self.options.versions.kubernetes))
        client: NfsClient = "user-space" if labels.get(NFS_LABEL) == "user-space" else "kernel"
        return _Node(piece, plane, own, client)

    def _node_instead(self, hindrance: str) -> _Node:
        """A node image of the harness, because the other one cannot work on this host."""
        limit = f"the published node image cannot work here ({hindrance}): node and Kubernetes are built"
        self.progress.note(limit)
        built = self._node_built()
        return replace(built, limits=(limit, *built.limits))

    def _node_built(self) -> _Node:
        if self.options.kind_image is not None:
            return self._node_given(self.options.kind_image)
        version, host = self.options.versions.kubernetes, self.tools.host
        require_buildable(self.options.versions, "kubernetes")
        node = definitions.node(version, wrapped=not host.sys_resource, user_space_nfs=not host.kernel_nfs)
        plane = Piece.built(*definitions.control_plane(version))
        client: NfsClient = "kernel" if host.kernel_nfs else "user-space"
        return _Node(Piece.built(node), plane, own_network=True, nfs_client=client, limits=(SUBSTITUTES,))

    def _fluid(self, registry: Registry | None, versions: Versions) -> FluidImages:
        """A version of Fluid; without a registry it is built."""
        if registry is None:
            return fluid_images.built(versions)
        return self._either(
            lambda: fluid_images.pulled(self.tools, registry, versions), lambda: fluid_images.built(versions)
        )

    def _alluxio_built(self) -> Piece:
        require_buildable(self.options.versions, "alluxio")
        return Piece.built(definitions.alluxio(self.options.versions.alluxio))

    def _own(self, registry: Registry) -> list[Piece]:
        """The NFS server and the toolbox: not published, so pulled from a mirror that has them, or built."""
        found = []
        base: ImageDefinition | None = None
        for image in (definitions.nfs_server(), definitions.toolbox()):
            if registry.mirror is not None:
                try:
                    found.append(Piece.taken(registry.pull(image.name)))
                except NotPublishedError:
                    self.progress.note(f"{registry} has no {image.name}: building it")
                else:
                    continue
            base = base or self._base(registry)
            found.append(Piece.built(on(base, image)))
        return found

    def _base(self, registry: Registry) -> ImageDefinition:
        """The base of the harness's own images: Debian's published image, else a Debian that is built."""
        try:
            return slim_base(registry.pull(f"debian:{pins().build.debian}-slim"))
        except NotPublishedError:
            return definitions.base()

    def _facts(self, piece: Piece) -> list[Image]:
        facts = [Image(name=image.name, digest=image.digest, origin=Origin.PULLED) for image in piece.pulled]
        for image in piece.build:
            digest = self._id(image.local)
            facts += [Image(name=name, digest=digest, origin=image.origin) for name in image.names]
        known = {fact.name for fact in facts}
        # Named by --kind-image: only its labels show whether the harness built it.
        for name in piece.names:
            if name not in known:
                origin = Origin.BUILT if build.KEY_LABEL in self._labels(name) else Origin.PULLED
                facts.append(Image(name=name, digest=self._id(name), origin=origin))
        return facts

    def _ids(self, pieces: Sequence[Piece]) -> list[str]:
        """What decides an archive: the images and their names on the nodes."""
        built = [f"{self._id(image.local)} {image.names}" for piece in pieces for image in piece.build]
        return built + [f"{image.id} {image.name}" for piece in pieces for image in piece.pulled]

    def _labels(self, name: str) -> Mapping[str, str]:
        found = self.engine.inspect("image", name) or {}
        return (found.get("Config") or {}).get("Labels") or {}

    def _id(self, name: str) -> str:
        found = self.engine.inspect("image", name) or {}
        return str(found.get("Id", ""))


def unfit(labels: Mapping[str, str], host: Host) -> str:
    """Why a node image with these labels cannot work on this host; empty if it can."""
    lacks = []
    if not host.sys_resource and labels.get(WRAPPED_LABEL) != "yes":
        lacks.append("it starts containers with CAP_SYS_RESOURCE, which this host lacks")
    if not host.kernel_nfs and labels.get(NFS_LABEL) != "user-space":
        lacks.append("it mounts NFS through the kernel, and this host's has no NFS client")
    return "; ".join(lacks)


def slim_base(debian: Pulled) -> ImageDefinition:
    """The base of the harness's own images on Debian's published image."""
    args = (("BASE", debian.source),)
    return ImageDefinition(
        (f"fluid-conformance/base:published{SLIM}",), RECIPES / "base", Origin.SUBSTITUTE, args=args
    )


def on(base: ImageDefinition, image: ImageDefinition) -> ImageDefinition:
    """The image on another base; on Debian's published one it has a tag of its own."""
    if base.name == definitions.base().name:
        return image
    return replace(image, names=tuple(name + SLIM for name in image.names), base=base)


def _alluxio(version: str) -> str:
    return definitions.alluxio(version).name


def _built_by_us(registry: Registry, pieces: Sequence[Piece]) -> tuple[str, ...]:
    """Pulled images with the harness's label: a registry of the harness serves what it built."""
    names = [image.name for piece in pieces for image in piece.pulled if build.KEY_LABEL in image.labels]
    if not names:
        return ()
    return (
        f"{registry} serves images that the harness built, under their published names: {', '.join(names)}",
    )
