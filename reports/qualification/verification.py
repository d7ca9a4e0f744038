"""Checks the shared folder of a qualification: its checksums, its certificates, and its result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from clusters.errors import HarnessError
from clusters.host.commands import Commands, SystemCommands
from reports.certificate import contents, signature
from reports.certificate.rows import Conclusion
from reports.certificate.verification import verify as verify_certificate
from reports.qualification import folder as shared
from reports.qualification import measurements
from reports.qualification.judgement import Result, judge
from reports.qualification.measurements import MEASURED
from reports.qualification.model import JUDGED, Part
from reports.qualification.page import headline
from reports.qualification.plan import Machine, steps


def verify(folder: Path, signer: Path | None = None, commands: Commands | None = None) -> tuple[bool, str]:
    """Check a shared folder.

    Args:
        folder: with `qualification.json`.
        signer: the public key that must have signed it, and each certificate in it.
        commands: runs ssh-keygen.

    Returns:
        Whether it verifies, and the result as lines for a terminal.

    Raises:
        RefusalError: the public key cannot be read.
    """
    run = commands or SystemCommands()
    notes: list[str] = []
    problems = [*_checksums(folder), *_signature(folder, signer, run, notes)]
    result = None
    if not problems:
        problems += _certificates(folder, signer, run)
    if not problems:
        try:
            result = Result.model_validate_json((folder / shared.RESULT).read_bytes())
            problems += [*_unknown_files(folder, result), *_result(folder, result)]
        except ValidationError:
            problems.append(f"{shared.RESULT} cannot be read")
    lines = [f"refused: {problem}" for problem in problems] + [f"note: {note}" for note in notes]
    good = not problems and result is not None
    lines.append(f"VERIFIED: {headline(result)}" if good and result else "NOT VERIFIED")
    return good, "\n".join(lines) + "\n"


def _checksums(folder: Path) -> Iterator[str]:
    manifest = folder / contents.MANIFEST
    if not manifest.is_file():
        yield f"{contents.MANIFEST} is missing"
        return
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    yield from (f"{path.relative_to(folder)} is not a plain file" for path in links)
    listed = _lines(manifest.read_text(errors="replace"))
    found = _lines(shared.manifest_text(folder))
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in listed:
            yield f"{name} is not part of the qualification"
        elif listed[name] != found[name]:
            yield f"{name} was changed: its checksum is not that of {contents.MANIFEST}"


def _unknown_files(folder: Path, result: Result) -> Iterator[str]:
    """Files that no qualification with this result has; those of a certificate are its own matter."""
    compared = {shared.COMPARISON for step in result.steps if step.part is Part.COMPARE}
    measured = {
        measurements.place(folder, step.id).relative_to(folder).as_posix()
        for step in result.steps
        if step.part in MEASURED
    }
    known = {*shared.derived_files(result), *compared, *measured}
    certificates = tuple(f"{shared.CERTIFICATES}/{step.id}/" for step in result.steps)
    for name in sorted(_lines(shared.manifest_text(folder))):
        if name not in known and not name.startswith(certificates):
            yield f"{name} is not part of the qualification"


def _lines(text: str) -> dict[str, str]:
    pairs = (line.partition("  ") for line in text.splitlines())
    return {name: checksum for checksum, _, name in pairs}


def _signature(folder: Path, signer: Path | None, commands: Commands, notes: list[str]) -> Iterator[str]:
    file, manifest = folder / contents.SIGNATURE, folder / contents.MANIFEST
    if not manifest.is_file():
        return
    if not file.is_file():
        if signer is not None:
            yield f"{contents.SIGNATURE} is missing: the qualification is not signed"
        notes.append("it is not signed, so anybody can have made it")
        return
    text = manifest.read_text(errors="replace")
    key = signature.signer_of(text, file, commands)
    if key is None:
        yield f"{contents.SIGNATURE} is not a signature of {contents.MANIFEST} as it is"
    elif signer is not None and not signature.is_signed_by(text, file, signer, commands):
        yield f"the signature was made by key {key}, which is not that of {signer.name}"
    else:
        notes.append(f"signed by key {key}")


def _certificates(folder: Path, signer: Path | None, commands: Commands) -> Iterator[str]:
    for place in sorted((folder / shared.CERTIFICATES).glob("*")):
        found = verify_certificate(place, signer, selection=True, commands=commands)
        yield from (f"certificate {place.name}: {problem}" for problem in found.problems)


def _result(folder: Path, result: Result) -> Iterator[str]:
    """The result is what certificates and measurements give, and the texts are those of the result."""
    planned = steps(result.settings, Machine(folder))
    if [(one.id, one.part, one.title) for one in result.steps] != [
        (one.id, one.part, one.title) for one in planned
    ]:
        yield f"{shared.RESULT} has not the steps of a qualification of {result.settings}"
        return
    try:
        verdicts = shared.certified(folder)
        found = [shared.step_result(step, verdicts, folder) for step in result.steps]
        yield from _measurements(folder, result)
    except HarnessError as error:
        yield error.message
        return
    for step in result.steps:
        if step.part in JUDGED and step.id not in verdicts and step.result in get_args(Conclusion):
            yield f"step {step.id} says {step.result}, and has no certificate"
    if unknown := sorted(verdicts.keys() - {step.id for step in found}):
        yield f"certificates of no step: {', '.join(unknown)}"
    expected = judge(result.settings, result.harness, found, verdicts, shared.performance_text(folder))
    if expected.word != result.word:
        yield f"{shared.RESULT} says {result.word}, and its certificates give {expected.word}"
    elif expected != result:
        yield f"{shared.RESULT} is not what its certificates give"
    for name, text in shared.derived_files(expected).items():
        if (folder / name).read_bytes() != text.encode():
            yield f"{name} does not follow from the certificates"


def _measurements(folder: Path, result: Result) -> Iterator[str]:
    """The output of the comparison is what the recorded measurements give."""
    if not any(step.part is Part.COMPARE for step in result.steps):
        return
    if not (folder / shared.COMPARISON).is_file():
        yield f"{shared.COMPARISON} is missing"
    elif shared.performance_text(folder) != measurements.comparison(folder, result.settings, result.steps):
        yield f"{shared.COMPARISON} does not follow from the measurements"
