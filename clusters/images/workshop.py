"""Where things are built: the cache folder, the tools, and artifacts kept by their content.

An artifact is a folder whose name holds a digest of all that decides its content: its
recipe, its versions, and the artifacts that it is made from. It is made beside its place
and moved there when it is complete, so an interrupted build leaves nothing half done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filelock import FileLock

from clusters.commands import Commands
from clusters.errors import RefusalError
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
    make: Callable[[Workshop, Path, RunningStage], None]
    recipe: tuple[Path, ...] = ()
    needs: tuple[Artifact, ...] = ()

    @property
    def key(self) -> str:
        """Digest of all that decides the content."""
        return digest(
            [self.name, *self.inputs, *(need.key for need in self.needs), *(file_digest(p) for p in self.recipe)]
        )


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
class Workshop:
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
        """The artifact's folder, made first where it is not there yet."""
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
            fresh = place.with_suffix(".partial")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            artifact.make(self, fresh, stage)
            fresh.rename(place)
        return place
