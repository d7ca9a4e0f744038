"""The images that the stand-in registries serve: those that the harness builds, under published names.

A store is a folder: layers and configurations in ``sha256/``, manifests in ``manifests/``, and
``images.json`` with the manifest of each name. It is filled by pushing to a registry of
`clusters.registry`, so that it contains what a push produces, and is kept in the cache.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clusters.host import engine, own_engine, probes
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.machine_lock import machine_lock
from clusters.image_names import reference, split_host
from clusters.images.offline import artifacts, definitions
from clusters.images.offline.definitions import ImageDefinition
from clusters.images.tools import Tools
from clusters.options import Options
from clusters.progress import RunningStage
from clusters.providers import reaper
from clusters.registry import Entry, build_missing, harness_entries, published_images, push, serving
from tests.ordinary.names import HUB

#: Of the registry through which the store is filled; not the one that a user's registry may have.
FILL_PORT: Final = 5017
_MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_REQUEST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as bytes, with its media type."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """``sha256:…`` of the bytes."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Store:
    """A filled folder.

    Attributes:
        folder: see the module.
        images: manifest by full name, such as ``docker.io/library/debian:bookworm-slim``.
    """

    folder: Path
    images: Mapping[str, Manifest]

    @classmethod
    def read(cls, folder: Path) -> Store:
        """The store in a folder that `fill` wrote."""
        entries: dict[str, list[str]] = json.loads((folder / "images.json").read_text())
        read = {
            name: Manifest((folder / "manifests" / file).read_bytes(), kind)
            for name, (file, kind) in entries.items()
        }
        return cls(folder, read)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest in a repository, both in full."""
        if not reference.startswith("sha256:"):
            return self.images.get(f"{repository}:{reference}")
        found = (made for name, made in self.images.items() if name.rpartition(":")[0] == repository)
        return next((made for made in found if made.digest == reference), None)

    def has_repository(self, repository: str) -> bool:
        """Whether any tag of it is there."""
        return any(name.rpartition(":")[0] == repository for name in self.images)

    def has(self, name: str) -> bool:
        """Whether an image is there, by its published name."""
        return full_name(name) in self.images

    def blob(self, digest: str) -> Path | None:
        """The file of a layer or configuration."""
        algorithm, _, value = digest.partition(":")
        path = self.folder / "sha256" / value
        return path if algorithm == "sha256" and value.isalnum() and path.is_file() else None

    def digest(self, name: str) -> str:
        """``sha256:…`` of an image by its published name."""
        return self.images[full_name(name)].digest


def full_name(name: str) -> str:
    """A published name with its registry, and ``library/`` where the hub's own images have it."""
    registry, path = split_host(name)
    return f"{registry}/{path if registry != HUB or '/' in path else 'library/' + path}"


def filled(own: ArtifactCache, images: ArtifactCache, options: Options) -> Store:
    """The store with a whole system as a registry would publish it for an ordinary machine.

    A store that is complete needs neither the engine nor the lock of the harness's cache, so that another
    run may be under way.

    Args:
        own: the cache of this check.
        images: the harness's cache, in which images are built.
        options: whose versions decide on the images.

    Raises:
        HarnessError: the images cannot be built here.
    """
    # What is published has no work-around for the limits of the machine that builds it here.
    ordinary = replace(probes.probe(), cgroup_v1=False, sys_resource=True, kernel_nfs=True, fuse=True)
    tools = Tools(options, ordinary, images)
    needed, entries = _images(tools)

    def make(cache: ArtifactCache, folder: Path, _: RunningStage) -> None:
        with machine_lock(images.root), _engine(images) as running:
            build_missing(tools, running, needed)
            crane = tools.obtain(artifacts.crane()) / "crane"
            with serving(crane, folder, FILL_PORT) as address:
                push(running, address, entries, cache.progress)
                _write(folder, address, entries)
        (folder / "registry.log").unlink(missing_ok=True)

    keys = [image.key for image in needed]
    names = [entry.published for entry in entries]
    return Store.read(own.obtain(Artifact("published-images", (*keys, *names), make)))


@contextmanager
def _engine(images: ArtifactCache) -> Iterator[engine.Engine]:
    """The engine that answers, or the harness's own for as long as it is needed."""
    found = engine.find(images.commands)
    if found is not None or not own_engine.data_folder(images.root).is_dir():
        yield engine.require(images.commands)
        return
    # Without the wrapper that nodes may need to run: images are only built and pushed.
    started = own_engine.start(probes.probe(), images.root, None, images.commands, images.progress)
    try:
        yield started
    finally:
        reaper.end_engine(started, images.commands, images.progress)


def _images(tools: Tools) -> tuple[list[ImageDefinition], list[Entry]]:
    """The images to build, and those that are published; the harness's own are published nowhere."""
    system = definitions.system(tools.options.versions, wrapped=False, user_space_nfs=False)
    # The host's own runs may use another node of the same name, which stays in the engine.
    node = replace(
        system.node, names=(f"fluid-conformance/ordinary-node:{system.node.name.rpartition(':')[2]}",)
    )
    needed, entries = published_images(tools, system)
    unpublished = {entry.published for entry in harness_entries()}
    needed = [node if image is system.node else image for image in needed if image.name not in unpublished]
    entries = [
        replace(entry, local=node.local) if entry.local == system.node.local else entry
        for entry in entries
        if entry.published not in unpublished
    ]
    return needed, entries


def _write(folder: Path, address: str, entries: list[Entry]) -> None:
    """Keep the manifests of the pushed images, which the registry has in memory alone."""
    (folder / "manifests").mkdir()
    index = {}
    for entry in entries:
        repository, _, tag = reference(entry.published, address).removeprefix(f"{address}/").rpartition(":")
        request = urllib.request.Request(
            f"http://{address}/v2/{repository}/manifests/{tag}",
            headers={"Accept": ", ".join(_MANIFEST_TYPES)},
        )
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:  # noqa: S310 - http above
            found = Manifest(answer.read(), answer.headers["Content-Type"])
        file = found.digest.partition(":")[2]
        (folder / "manifests" / file).write_bytes(found.content)
        index[full_name(entry.published)] = (file, found.media_type)
    (folder / "images.json").write_text(json.dumps(index, indent=1))
