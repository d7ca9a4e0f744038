"""Artifacts in the cache folder, named by what decides their content.

An artifact is a folder whose name has a digest of its recipe, its versions and the artifacts that it
is built from. It is built next to its place and moved there when it is complete, so that an interrupted
build leaves no partial artifact.
"""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from clusters.digests import digest, file_digest
from clusters.errors import InfrastructureError
from clusters.host import leftovers
from clusters.host.commands import Commands
from clusters.progress import Progress, RunningStage


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder of built files.

    Attributes:
        name: such as ``kubernetes-1.33.13``; names the stage too.
        inputs: versions and settings that decide its content.
        make: fills the given empty folder.
        recipe: files of the harness that decide its content too.
        needs: artifacts that it is built from.
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


@dataclass
class ArtifactCache:
    """The cache folder and what is needed to fill it.

    Attributes:
        root: the cache folder.
        commands: runs programs.
        progress: shows stages.
        go: the Go program to build with.
    """

    root: Path
    commands: Commands
    progress: Progress
    go: Path = field(default=Path("go"))

    def path(self, artifact: Artifact) -> Path:
        """Path of the artifact once it is built."""
        return self.root / "artifacts" / f"{artifact.name}-{artifact.key}"

    def obtain(self, artifact: Artifact) -> Path:
        """The artifact's folder, made first if it does not exist.

        Raises:
            InfrastructureError: it could not be made; no partial artifact is left.
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
            # Of killed runs: because of the lock no running process makes this artifact.
            for stale in place.parent.glob(f"{place.name}.partial*"):
                leftovers.remove(stale, self.commands)
            # A new name, because programs of a killed run may still write into theirs.
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
        """Remove partial artifacts of interrupted runs; call it only while no other run is active."""
        for pattern in ("artifacts/*.partial*", "archives/*.partial*", "tools/*.partial*", "contexts/*"):
            for stale in self.root.glob(pattern):
                leftovers.remove(stale, self.commands)


@contextlib.contextmanager
def disk_errors(subject: str) -> Iterator[None]:
    """Turn an OSError into a sentence about ``subject``.

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
            else "check that the cache folder can be read and written",
        ) from error
