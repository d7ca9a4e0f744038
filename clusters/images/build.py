"""Building the images with the container engine, and packing them for the nodes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from filelock import FileLock

from clusters.commands import CommandError
from clusters.engine import Engine, docker_client
from clusters.images.definitions import Image
from clusters.images.workshop import Artifact, Workshop, digest
from clusters.progress import RunningStage

KEY_LABEL: Final = "fluid-conformance.key"
#: Lanes of work: compiling fills the CPUs, unpacking and downloading wait for disk and network.
_LANES: Final = 2


def build_all(workshop: Workshop, engine: Engine, images: Sequence[Image]) -> None:
    """Build what is not there yet: artifacts first, side by side, then the images in order."""
    wanted = [image for image in _closure(images) if image_id(engine, image) is None]
    missing = {
        artifact.key: artifact
        for image in wanted
        for artifact in _artifacts(image)
        if not workshop.path(artifact).exists()
    }
    with ThreadPoolExecutor(_LANES) as lanes:
        compiled = [artifact for artifact in missing.values() if not _waits_for_network(artifact)]
        fetched = [artifact for artifact in missing.values() if _waits_for_network(artifact)]
        for done in [lanes.submit(_obtain_all, workshop, lane) for lane in (compiled, fetched) if lane]:
            done.result()
    for image in wanted:
        build(workshop, engine, image)


def build(workshop: Workshop, engine: Engine, image: Image) -> None:
    """Build one image whose base is there; nothing is done when it is there already."""
    with (
        FileLock(workshop.root / "images.lock"),
        workshop.progress.stage(f"image {image.name}") as stage,
        tempfile.TemporaryDirectory(dir=workshop.root) as folder,
    ):
        if image_id(engine, image) is not None:
            stage.was_cached()
            return
        context = Path(folder)
        _assemble(workshop, image, context)
        if (context / "root.tar").exists():
            engine.run("import", context / "root.tar", image.name, timeout=600)
            (context / "root.tar").unlink()
            (context / "Dockerfile").write_text(f"FROM {image.name}\n")
        _docker_build(engine, image, context, stage)
        for name in image.names[1:]:
            engine.run("tag", image.name, name)


def image_id(engine: Engine, image: Image) -> str | None:
    """The engine's id of the image when it was built from just these inputs, else None."""
    ids = set()
    for name in image.names:
        told = engine.inspect("image", name)
        labels = (told or {}).get("Config", {}).get("Labels") or {}
        if told is None or labels.get(KEY_LABEL) != image.key:
            return None
        ids.add(str(told["Id"]))
    return ids.pop() if len(ids) == 1 else None


def pack(workshop: Workshop, engine: Engine, images: Sequence[Image]) -> Path:
    """One archive of the images for the nodes, in a folder of its own; layers that they share once."""
    ids = [image_id(engine, image) or "" for image in images]
    folder = workshop.root / "archives" / digest(ids)
    if folder.exists():
        return folder
    with workshop.progress.stage("pack images for the nodes"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for old in folder.parent.iterdir():
            shutil.rmtree(old, ignore_errors=True)
        partial = folder.with_suffix(".partial")
        partial.mkdir()
        names = [name for image in images for name in image.names]
        engine.run("save", "-o", partial / "images.tar", *names, timeout=900)
        partial.rename(folder)
    return folder


def _closure(images: Sequence[Image]) -> list[Image]:
    """The images and what they stand on, each once, bases first."""
    found: dict[str, Image] = {}

    def add(image: Image) -> None:
        if image.base is not None:
            add(image.base)
        found.setdefault(image.key, image)

    for image in images:
        add(image)
    return list(found.values())


def _artifacts(image: Image) -> list[Artifact]:
    return [part.artifact for part in image.parts]


def _waits_for_network(artifact: Artifact) -> bool:
    return artifact.name.startswith(("debian-", "alluxio-"))


def _obtain_all(workshop: Workshop, artifacts: Sequence[Artifact]) -> None:
    for artifact in artifacts:
        workshop.obtain(artifact)


def _assemble(workshop: Workshop, image: Image, context: Path) -> None:
    shutil.copytree(image.recipe, context, dirs_exist_ok=True)
    for folder in image.also:
        shutil.copytree(folder, context / folder.name)
    for part in image.parts:
        source, target = workshop.obtain(part.artifact) / part.inside, context / part.to
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link_or_copy)
        else:
            _link_or_copy(source, target)
    if image.link:
        (context / "root" / image.link).symlink_to("program")


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _docker_build(engine: Engine, image: Image, context: Path, stage: RunningStage) -> None:
    argv: list[str | Path] = [docker_client(), "build", "--network", "host", "-t", image.name]
    argv += ["--label", f"{KEY_LABEL}={image.key}"]
    if image.base is not None:
        argv += ["--build-arg", f"BASE={image.base.name}"]
    for name, value in image.args:
        argv += ["--build-arg", f"{name}={value}"]
    try:
        engine.commands.run([*argv, context], env=engine.env, on_line=stage.says)
    except CommandError as error:
        error.advice = error.advice or "read the end of the build's output above"
        raise
