"""Building the images with the container engine, and packing them for the nodes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from clusters.digests import digest
from clusters.errors import RefusalError
from clusters.host import bootstrap, leftovers, network_settings
from clusters.host.artifact_cache import Artifact, ArtifactCache, disk_errors
from clusters.host.commands import GRACE_SECONDS, CommandError, end_running
from clusters.host.engine import Engine, docker_client
from clusters.host.known_errors import retold
from clusters.images.offline import archive
from clusters.images.offline.definitions import ImageDefinition
from clusters.progress import RunningStage

KEY_LABEL: Final = "fluid-conformance.key"
#: Archives that are kept next to the one in use, 1.4 GB each: those of the steps of a qualification.
OTHER_ARCHIVES: Final = 2
#: Parallel lanes: compiling uses the CPUs, unpacking and downloading wait for disk and network.
_LANES: Final = 2
#: Programs that artifacts are built with in addition to Go, by the first word of their names.
_PROGRAMS: Final = {"debian": ("debootstrap",), "alluxio": ("mvn", "java")}


def build_all(cache: ArtifactCache, engine: Engine, images: Sequence[ImageDefinition]) -> None:
    """Build missing artifacts in parallel, then missing images in order."""
    obtain_all(cache, missing_artifacts(cache, engine, images))
    for image in _expected(engine, images):
        build(cache, engine, image)


def missing_artifacts(
    cache: ArtifactCache, engine: Engine, images: Sequence[ImageDefinition]
) -> list[Artifact]:
    """Artifacts to build for the images that are missing, each once."""
    found = {
        artifact.key: artifact
        for image in _expected(engine, images)
        for artifact in _artifacts(image)
        if not cache.path(artifact).exists()
    }
    return list(found.values())


def _expected(engine: Engine, images: Sequence[ImageDefinition]) -> list[ImageDefinition]:
    """The images that are missing, and their bases, bases first."""
    return [image for image in _closure(images) if image_id(engine, image) is None]


def obtain_all(cache: ArtifactCache, artifacts: Iterable[Artifact]) -> None:
    """Make artifacts in parallel; if one fails, or at Ctrl-C, the programs of the others are ended too."""
    artifacts = list(artifacts)
    _require_programs(artifacts)
    compiled = [artifact for artifact in artifacts if not _waits_for_network(artifact)]
    fetched = [artifact for artifact in artifacts if _waits_for_network(artifact)]
    stop = threading.Event()
    with ThreadPoolExecutor(_LANES) as lanes:
        running = [lanes.submit(_obtain, cache, lane, stop) for lane in (compiled, fetched) if lane]
        try:
            done, _ = wait_for(running, return_when=FIRST_EXCEPTION)
            for lane in done:
                lane.result()
        except BaseException:
            stop.set()
            _end(running)
            raise


def _require_programs(artifacts: Sequence[Artifact]) -> None:
    """Refuse before the first artifact is built if a program for one of them is missing."""
    for artifact in artifacts:
        kind = artifact.name.partition("-")[0]
        lacking = [name for name in _PROGRAMS.get(kind, ()) if bootstrap.find(name) is None]
        if lacking:
            raise RefusalError(
                f"building {artifact.name} needs {' and '.join(lacking)}, which this host lacks",
                advice="install that, or add --bootstrap to have it installed, or use --images=pull",
            )
        if kind == "debian" and os.geteuid() != 0:
            raise RefusalError(
                f"building {artifact.name} needs root (debootstrap creates it)",
                advice="run as root, or use --images=pull",
            )


def _end(running: Sequence[Future[None]]) -> None:
    """End the programs of all lanes: leaving the executor waits for them."""
    end_running()
    while wait_for(running, GRACE_SECONDS).not_done:
        end_running(signal.SIGKILL)


@contextmanager
def _context(cache: ArtifactCache) -> Iterator[Path]:
    """An empty folder for a build context; those of killed runs are removed."""
    contexts = cache.root / "contexts"
    contexts.mkdir(exist_ok=True)
    for stale in contexts.iterdir():
        leftovers.remove(stale, cache.commands)
    with tempfile.TemporaryDirectory(dir=contexts) as folder:
        yield Path(folder)


def build(cache: ArtifactCache, engine: Engine, image: ImageDefinition) -> None:
    """Build one image whose base exists, if it does not exist itself."""
    with (
        FileLock(cache.root / "images.lock"),
        cache.progress.stage(f"image {image.name}") as stage,
        _context(cache) as context,
        disk_errors(image.name),
    ):
        if image_id(engine, image) is not None:
            stage.was_cached()
            return
        _assemble(cache, image, context)
        if (context / "root.tar").exists():
            engine.run("import", context / "root.tar", image.local, timeout=600)
            (context / "root.tar").unlink()
            (context / "Dockerfile").write_text(f"FROM {image.local}\n")
        _docker_build(engine, image, context, stage)


def image_id(engine: Engine, image: ImageDefinition) -> str | None:
    """The engine's id of the image if it was built from these inputs, else None."""
    found = engine.inspect("image", image.local) or {}
    labels = (found.get("Config") or {}).get("Labels") or {}
    return str(found["Id"]) if labels.get(KEY_LABEL) == image.key else None


def pack(
    cache: ArtifactCache, engine: Engine, ids: Sequence[str], names: Mapping[str, Sequence[str]]
) -> Path:
    """One archive of images for the nodes, in a folder of its own; layers that they share once.

    Args:
        cache: the cache folder.
        engine: has the images.
        ids: what decides the content; the same is packed once.
        names: the images' names on the nodes, by their names in the engine.
    """
    folder = cache.root / "archives" / digest(ids)
    if folder.exists():
        # The last use decides which archives are kept.
        os.utime(folder)
        return folder
    with cache.progress.stage("pack images for the nodes"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _forget_archives(folder.parent)
        partial = folder.with_suffix(".partial")
        partial.mkdir()
        saved = partial / "saved.tar"
        engine.run("save", "-o", saved, *names, timeout=900)
        with disk_errors("the archive of images"):
            archive.rename(saved, partial / "images.tar", names)
            saved.unlink()
        partial.rename(folder)
    return folder


def _forget_archives(archives: Path) -> None:
    """Delete incomplete archives, and all but those that were used last."""
    incomplete = list(archives.glob("*.partial"))
    whole = [place for place in archives.iterdir() if place not in incomplete]
    whole.sort(key=lambda place: place.stat().st_mtime, reverse=True)
    for place in (*incomplete, *whole[OTHER_ARCHIVES:]):
        shutil.rmtree(place, ignore_errors=True)


def _closure(images: Sequence[ImageDefinition]) -> list[ImageDefinition]:
    """The images and their bases, each once, bases first."""
    found: dict[str, ImageDefinition] = {}

    def add(image: ImageDefinition) -> None:
        if image.base is not None:
            add(image.base)
        found.setdefault(image.key, image)

    for image in images:
        add(image)
    return list(found.values())


def _artifacts(image: ImageDefinition) -> list[Artifact]:
    return [part.artifact for part in image.parts]


def _waits_for_network(artifact: Artifact) -> bool:
    return artifact.name.startswith(("debian-", "alluxio-"))


def _obtain(cache: ArtifactCache, artifacts: Sequence[Artifact], stop: threading.Event) -> None:
    for artifact in artifacts:
        if stop.is_set():
            return
        cache.obtain(artifact)


def _assemble(cache: ArtifactCache, image: ImageDefinition, context: Path) -> None:
    shutil.copytree(image.recipe, context, dirs_exist_ok=True)
    for folder in image.also:
        shutil.copytree(folder, context / folder.name)
    for part in image.parts:
        source, target = cache.obtain(part.artifact) / part.inside, context / part.to
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


def _docker_build(engine: Engine, image: ImageDefinition, context: Path, stage: RunningStage) -> None:
    # A failed build keeps no container.
    argv: list[str | Path] = [docker_client(), "build", "--force-rm", "--network", "host", "-t", image.local]
    argv += ["--label", f"{KEY_LABEL}={image.key}"]
    # Without values: the client reads them from its environment, and no error shows a password.
    for name in network_settings.build_arguments():
        argv += ["--build-arg", name]
    if image.base is not None:
        argv += ["--build-arg", f"BASE={image.base.local}"]
    for name, value in image.args:
        argv += ["--build-arg", f"{name}={value}"]
    try:
        engine.commands.run([*argv, context], env=engine.env, on_line=stage.says)
    except CommandError as error:
        explained = retold(error, f"image {image.name} was not built")
        explained.advice = explained.advice or "read the end of the build's output above"
        raise explained from error
