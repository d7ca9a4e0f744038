"""Where things are built: the cache folder, the tools, and artifacts kept by their content.

An artifact is a folder whose name holds a digest of all that decides its content: its
recipe, its versions, and the artifacts that it is made from. It is made beside its place
and moved there when it is complete, so an interrupted build leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filelock import FileLock

from clusters.errors import InfrastructureError, RefusalError
from clusters.host import leftovers
from clusters.host.commands import Commands
from clusters.progress import Progress, RunningStage

RECIPES: Final = Path(__file__).with_name("recipes")
KEY_LENGTH: Final = 12


def cache_root() -> Path:
    """The folder for everything that outlives a run: ``$FLUID_CONFORMANCE_CACHE``, else the user's cache.

    Raises:
        RefusalError: it cannot be made or written to.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluid-conformance"
    root = Path(os.environ.get("FLUID_CONFORMANCE_CACHE") or default).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise RefusalError(
            f"the cache folder {root} cannot be written to: {error.strerror}",
            advice="set FLUID_CONFORMANCE_CACHE to a folder of yours",
        ) from error
    return root


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder of built files.

    Attributes:
        name: such as ``kubernetes-1.33.13``; names the stage too.
        inputs: versions and settings that decide its content.
        make: fills the given empty folder.
        recipe: files of ours that decide its content too.
        needs: artifacts that it is made from.
    """

    name: str
    inputs: tuple[str, ...]
    make: Callable[[ArtifactCache, Path, RunningStage], None]
    recipe: tuple[Path, ...] = ()
    needs: tuple[Artifact, ...] = ()

    @property
    def key(self) -> str:
        """Digest of all that decides the content."""
        needs = (need.key for need in self.needs)
        return digest([self.name, *self.inputs, *needs, *(file_digest(path) for path in self.recipe)])


def digest(parts: Iterable[str]) -> str:
    """Short digest of a list of strings, in their order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part.encode())
    return total.hexdigest()[:KEY_LENGTH]


def file_digest(path: Path) -> str:
    """Digest of a file, or of all files of a folder with their names."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest(f"{file.relative_to(path)}:{file_digest(file)}" for file in files)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class ArtifactCache:
    """The cache folder and what is needed to fill it.

    Attributes:
        root: the cache folder.
        commands: runs programs.
        progress: where stages are told.
        go: the Go program to build with.
    """

    root: Path
    commands: Commands
    progress: Progress
    go: Path = field(default=Path("go"))

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact lies once it is made."""
        return self.root / "artifacts" / f"{artifact.name}-{artifact.key}"

    def obtain(self, artifact: Artifact) -> Path:
        """The artifact's folder, made first where it is not there yet.

        Raises:
            InfrastructureError: it could not be made; nothing half done is left.
        """
        place = self.path(artifact)
        if place.exists():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        for need in artifact.needs:
            self.obtain(need)
        with FileLock(f"{place}.lock"), self.progress.stage(f"build {artifact.name}") as stage:
            if place.exists():
                stage.was_cached()
                return place
            # Of runs that were killed: the lock says that nobody alive makes this artifact.
            for stale in place.parent.glob(f"{place.name}.partial*"):
                leftovers.remove(stale, self.commands)
            # A name of its own, since programs of a killed run may go on writing into theirs.
            fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}.partial-", dir=place.parent))
            try:
                with disk_errors(artifact.name):
                    fresh.chmod(0o755)
                    artifact.make(self, fresh, stage)
                    fresh.rename(place)
            except BaseException:
                with contextlib.suppress(InfrastructureError):
                    leftovers.remove(fresh, self.commands)
                raise
        return place

    def clear_partials(self) -> None:
        """Remove what interrupted runs left half made; call it only while no other run is under way."""
        for pattern in ("artifacts/*.partial*", "archives/*.partial*", "tools/*.partial*", "contexts/*"):
            for stale in self.root.glob(pattern):
                leftovers.remove(stale, self.commands)


@contextlib.contextmanager
def disk_errors(subject: str) -> Iterator[None]:
    """Tell what goes wrong with files as a sentence about ``subject``.

    Raises:
        InfrastructureError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC or "No space left" in str(error)
        raise InfrastructureError(
            f"{subject} could not be made: " + ("the disk is full" if full else str(error)),
            advice="free some disk, or point FLUID_CONFORMANCE_CACHE at a larger one"
            if full
            else "see that the cache folder is whole and may be written to",
        ) from error
