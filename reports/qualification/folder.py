"""The folder that a qualification leaves to be shared, and its files."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from functools import partial as partial_of
from pathlib import Path
from typing import Final

from clusters.errors import HarnessError
from clusters.host.commands import Commands, SystemCommands
from reports.certificate import contents, signature
from reports.certificate.harness import harness_facts
from reports.certificate.issue import issue
from reports.certificate.rows import conclusion
from reports.qualification import measurements
from reports.qualification.judgement import NO_REGRESSION, REGRESSION, Result, StepResult, judge
from reports.qualification.measurements import MEASURED, PERFORMANCE
from reports.qualification.model import JUDGED, Part, Settings, State, Step
from reports.qualification.page import render_page, render_text
from reports.verdict import model, phrases
from reports.verdict.model import Verdict

#: Name of the folder, in that of the qualification.
FOLDER: Final = "qualification"
RESULT: Final = "qualification.json"
README: Final = "README.md"
PAGE: Final = "qualification.html"
CERTIFICATES: Final = "certificates"
#: The output of the comparison, as the command `compare` prints it.
COMPARISON: Final = f"{PERFORMANCE}/{Part.COMPARE}.txt"
#: How the conclusion of a comparison begins.
_CONCLUSIONS: Final = (REGRESSION, NO_REGRESSION, "NOT COMPARABLE")


def write(
    folder: Path,
    state: State,
    planned: tuple[Step, ...],
    *,
    key: Path | None = None,
    commands: Commands | None = None,
) -> Result:
    """Write the folder to share from the runs of all steps, completely or not at all.

    Args:
        folder: of the qualification.
        state: how its steps ended.
        planned: the steps.
        key: the private SSH key to sign with; without one nothing is signed.
        commands: runs ssh-keygen.

    Raises:
        RefusalError: the key cannot be used.
        OSError: it cannot be written.
    """
    target, partial = folder / FOLDER, folder / f".{FOLDER}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    put = partial_of(_shared, folder, partial, state=state, key=key, commands=commands)
    ended = _compare(partial, state.settings, [put(step) for step in planned])
    verdicts = certified(partial)
    result = judge(state.settings, harness_facts().code, ended, verdicts, performance_text(partial))
    for name, text in derived_files(result).items():
        (partial / name).write_text(text, encoding="utf-8")
    manifest = partial / contents.MANIFEST
    manifest.write_text(manifest_text(partial))
    if key is not None:
        signature.sign(manifest, key, commands or SystemCommands())
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return result


def derived_files(result: Result) -> dict[str, str]:
    """The texts that follow from the result, by name."""
    return {
        RESULT: result.model_dump_json(indent=2, by_alias=True) + "\n",
        README: render_text(result),
        PAGE: render_page(result),
    }


def certified(folder: Path) -> dict[str, Verdict]:
    """The verdicts in a shared folder, by step."""
    found = sorted((folder / CERTIFICATES).glob(f"*/{contents.VERDICT}"))
    return {file.parent.name: model.load(file) for file in found}


def performance_text(folder: Path) -> str:
    """The output of the comparison in a shared folder; empty if nothing was measured."""
    file = folder / COMPARISON
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def compared(text: str) -> str:
    """The conclusion in the output of a comparison; empty if it has none."""
    return next((line for line in text.splitlines() if line.startswith(_CONCLUSIONS)), "")


def step_result(step: StepResult, verdicts: Mapping[str, Verdict], folder: Path) -> StepResult:
    """What a step came to, by the certificate, measurements or comparison in a shared folder, if it has them.

    Raises:
        RefusalError: the measurements cannot be read.
    """
    if step.id in verdicts:
        verdict = verdicts[step.id]
        result = conclusion(verdict) or verdict.verdict
        return step.model_copy(update={"result": result, "rows": phrases.counts(verdict)})
    if step.part in MEASURED:
        return step.model_copy(update={"result": measurements.shown(folder, step.id) or step.result})
    if step.part is Part.COMPARE and (folder / COMPARISON).is_file():
        return step.model_copy(update={"result": compared(performance_text(folder))})
    return step


def manifest_text(folder: Path) -> str:
    """Checksums of all files of a folder except its own manifest and signature (`sha256sum`)."""
    own = {contents.MANIFEST, contents.SIGNATURE}
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
        for name, path in sorted(files.items())
        if name not in own
    )


def _compare(folder: Path, settings: Settings, ended: Sequence[StepResult]) -> list[StepResult]:
    """Write the comparison of the measurements in a shared folder; the steps with what it came to."""
    if not any(step.part is Part.COMPARE for step in ended):
        return list(ended)
    file = folder / COMPARISON
    file.parent.mkdir(exist_ok=True)
    file.write_text(measurements.comparison(folder, settings, ended), encoding="utf-8")
    return [step_result(step, {}, folder) if step.part is Part.COMPARE else step for step in ended]


def _shared(
    folder: Path,
    shared: Path,
    step: Step,
    *,
    state: State,
    key: Path | None,
    commands: Commands | None,
) -> StepResult:
    """Put what belongs to a step into the folder to share; returns what it came to."""
    ended = state.steps.get(step.id)
    if ended is None:
        return StepResult(id=step.id, part=step.part, title=step.title, result="it did not run", seconds=0.0)
    result = f"it ended with exit code {ended.exit_code}" if ended.exit_code else "done"
    if step.part in JUDGED and ended.run:
        run = folder / ended.run
        try:
            issue(run, shared / CERTIFICATES / step.id, key=key, selection=True, commands=commands)
        except HarnessError as error:
            result = f"it is not certified: {error.message}"
    elif step.part in MEASURED and ended.run:
        try:
            measurements.share(folder / ended.run, shared, step.id)
        except HarnessError as error:
            result = f"its measurements are not shared: {error.message}"
    made = StepResult(id=step.id, part=step.part, title=step.title, result=result, seconds=ended.seconds)
    return step_result(made, certified(shared), shared)
