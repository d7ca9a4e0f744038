"""The measurements of a qualification in its shared folder, and the comparison that follows from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from reports.certificate.redaction import Redactor
from reports.qualification.judgement import StepResult
from reports.qualification.model import Part, Settings
from reports.verdict import model
from suites.benchmark.model import results
from suites.benchmark.model.results import Benchmark
from suites.record.versions import release

#: Folder of the measurements and of their comparison, in the shared one.
PERFORMANCE: Final = "performance"
#: Steps that measure.
MEASURED: Final = (Part.MEASURE_OLD, Part.MEASURE_NEW)
_DIGEST_SHOWN: Final = 16


def place(folder: Path, step: str) -> Path:
    """The measurements of a step in a shared folder."""
    return folder / PERFORMANCE / step / results.FILE


def share(run: Path, folder: Path, step: str) -> None:
    """Put the measurements of a run into a shared folder, without names and paths of the machine.

    Args:
        run: its folder.
        folder: to share.
        step: that measured.

    Raises:
        RefusalError: the run has none, or they cannot be read.
    """
    redactor = Redactor.of(model.load(run / model.FILE), run)
    shown: Any = redactor.value(results.load(run / results.FILE).as_part())
    target = place(folder, step)
    results.save(target.parent, results.parse(shown, str(target)))


def shown(folder: Path, step: str) -> str:
    """What a step measured, with the digest of its file; empty without measurements.

    Raises:
        RefusalError: they cannot be read.
    """
    file = place(folder, step)
    if not file.is_file():
        return ""
    found = results.load(file)
    rounds = [each for one in found.series for each in one.rounds]
    invalid = sum(not each.valid for each in rounds)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGEST_SHOWN]
    several = "" if len(found.series) == 1 else "s"
    text = f"run {found.id}: {len(rounds)} measurements in {len(found.series)} case{several}"
    text += f", {invalid} of them invalid" if invalid else ""
    text += "" if found.finished else ", not finished"
    return f"{text}; sha256 {digest}…"


def comparison(folder: Path, settings: Settings, steps: Sequence[StepResult]) -> str:
    """The comparison of the measurements in a shared folder, as the command `compare` prints it.

    Args:
        folder: the shared one.
        settings: of the qualification.
        steps: all of its steps.

    Raises:
        RefusalError: a file cannot be read.
    """
    from reports.performance import compare, compare_text  # noqa: PLC0415 - the judge loads numpy

    sides: dict[Part, list[Benchmark]] = {part: [] for part in MEASURED}
    obstacles: list[str] = []
    for step in steps:
        if step.part not in MEASURED:
            continue
        file = place(folder, step.id)
        if not file.is_file():
            obstacles.append(f"step {step.id} left no measurements")
            continue
        found = results.load(file)
        obstacles += _of_another_version(step, found, settings)
        sides[step.part].append(found)
    if obstacles:
        return "\n".join(["NOT COMPARABLE", *(f"  {reason}" for reason in obstacles)]) + "\n"
    (old, *more_old), (new, *more_new) = sides.values()
    return compare_text.render(compare.compare(old, new, repeats=(tuple(more_old), tuple(more_new))))


def _of_another_version(step: StepResult, found: Benchmark, settings: Settings) -> list[str]:
    """Why measurements are not of the version that their step has to measure."""
    new = step.part is Part.MEASURE_NEW
    asked, seen = settings.new if new else settings.old, found.environment.versions.get("fluid", "")
    if release(seen) != asked:
        return [f"step {step.id} measured Fluid {seen or 'of an unknown version'}, not {asked}"]
    if new and settings.source and not seen.endswith(settings.source):
        return [f"step {step.id} measured Fluid {seen}, not the checkout {settings.source}"]
    return []
