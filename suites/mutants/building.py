"""Building a mutant: Fluid's own source with a few lines changed, or a template of one of its charts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from clusters.digests import file_digest
from clusters.errors import HarnessError
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.commands import CommandError
from clusters.images.offline import artifacts
from clusters.progress import RunningStage
from suites.mutants.model import FLUID, FLUID_CHART, Edit, Mutant, Program


class NotBuildableError(HarnessError):
    """An edit does not fit Fluid's source, or the changed source does not compile."""


@dataclass(frozen=True, slots=True)
class Built:
    """What is put into the containers of one workload, or into the API server.

    Attributes:
        program: whose workload.
        files: path inside the container → the file on this host that is put in its place.
        crds: charts whose CRDs the API server uses: with the changes, and without.
        digests: path inside the container → SHA-256 of that file in hex: by it the file is recognised in the
            container that runs.
    """

    program: Program
    files: Mapping[str, Path]
    crds: tuple[Path, Path] | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_files(cls, program: Program, files: Mapping[str, Path]) -> Self:
        """Files, with their digests."""
        return cls(program, files, digests={target: file_digest(file) for target, file in files.items()})


def build(cache: ArtifactCache, mutant: Mutant, folder: Path) -> Built:
    """Build what a mutant changes, into ``folder``.

    Args:
        cache: the tools and the cache.
        mutant: one with edits.
        folder: empty; the files stay there as long as the mutant is in the cluster.

    Raises:
        NotBuildableError: an edit does not fit, or the result does not compile.
    """
    # Go compares the paths of an overlay with those that it finds itself, without symbolic links.
    source = cache.obtain(artifacts.fluid_source(FLUID)).resolve()
    changed = edited(source, mutant.edits, folder / "changed")
    if mutant.crds:
        return Built(
            mutant.program, {}, (_chart(source / FLUID_CHART, changed, folder), source / FLUID_CHART)
        )
    if mutant.templates:
        return Built.of_files(mutant.program, {f"/{path}": file for path, file in changed.items()})
    overlay = folder / "overlay.json"
    replaced = {str(source / path): str(file) for path, file in changed.items()}
    overlay.write_text(json.dumps({"Replace": replaced}))
    program = folder / mutant.program
    with cache.progress.stage(f"build mutant {mutant.id}") as stage:
        try:
            artifacts.fluid_program(
                cache, source, FLUID, stage, program=mutant.program, out=program, overlay=overlay
            )
        except CommandError as error:
            raise NotBuildableError(
                f"mutant {mutant.id} does not compile", subject=mutant.says, last_seen=error.last_seen
            ) from error
    built = Built.of_files(mutant.program, {mutant.program.path: program})
    if file_digest(cache.obtain(unchanged(mutant.program)) / mutant.program) in built.digests.values():
        raise NotBuildableError(
            f"mutant {mutant.id} is the same program as the unchanged one", subject=mutant.says
        )
    return built


def unchanged(program: Program) -> Artifact:
    """The program as it is without a mutant, built in the same way: builds are reproducible."""
    source = artifacts.fluid_source(FLUID)

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        artifacts.fluid_program(
            cache, cache.obtain(source), FLUID, stage, program=program, out=folder / program
        )

    return Artifact(f"unchanged-{program}", (FLUID, program), make, needs=(source,))


def _chart(original: Path, changed: Mapping[str, Path], folder: Path) -> Path:
    """A chart with the CRDs of another one, some of them changed, and nothing else."""
    chart = folder / "chart"
    shutil.copytree(original / "crds", chart / "crds")
    for path, file in changed.items():
        shutil.copyfile(file, chart / "crds" / Path(path).name)
    return chart


def edited(source: Path, edits: Iterable[Edit], folder: Path) -> dict[str, Path]:
    """Changed copies of the files that the edits name: path inside the module → the copy.

    Raises:
        NotBuildableError: a line does not hold what is to be replaced just once.
    """
    lines: dict[str, list[str]] = {}
    for edit in edits:
        found = lines.setdefault(edit.file, (source / edit.file).read_text().splitlines(keepends=True))
        line = found[edit.line - 1] if edit.line <= len(found) else ""
        if line.count(edit.find) != 1:
            raise NotBuildableError(
                f"line {edit.line} of {edit.file} of Fluid {FLUID} does not hold {edit.find!r} just once",
                last_seen=line.strip(),
            )
        found[edit.line - 1] = line.replace(edit.find, edit.put)
    copies = {}
    for number, (path, changed) in enumerate(lines.items()):
        copy = folder / f"{number}-{Path(path).name}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("".join(changed))
        copies[path] = copy
    return copies
