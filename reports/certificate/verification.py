"""Checks a certificate: complete, unchanged, signed, and a verdict that follows from its rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from clusters.errors import HarnessError, RefusalError
from clusters.host.commands import Commands, SystemCommands
from clusters.pins import PINS_FILE
from reports.certificate import contents, signature
from reports.certificate.harness import HarnessFacts, harness_facts
from reports.certificate.rows import level_of, missing_rows, selected_rows, unpermitted_skips
from reports.verdict import model
from reports.verdict.judgement import judge_run
from reports.verdict.model import ScenarioResult, Verdict
from reports.verdict.phrases import headline

_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Verification:
    """What the check of a certificate found.

    Attributes:
        problems: why it is refused, a sentence each; empty for one that verifies.
        notes: what the reader must know although it verifies, such as a missing signature.
        verdict: what it certifies; None if that could not be read.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None

    @property
    def verified(self) -> bool:
        """Whether it is complete, unchanged and consistent."""
        return not self.problems

    def text(self) -> str:
        """The result as lines for a terminal."""
        lines = [f"refused: {problem}" for problem in self.problems]
        lines += [f"note: {note}" for note in self.notes]
        if self.verified and self.verdict is not None:
            lines.append(f"VERIFIED: {headline(self.verdict)} ({self.verdict.verdict})")
        else:
            lines.append("NOT VERIFIED")
        return "\n".join(lines) + "\n"


def verify(
    folder: Path,
    signer: Path | None = None,
    *,
    selection: bool = False,
    commands: Commands | None = None,
) -> Verification:
    """Check a certificate.

    Files are compared with their checksums first. Only where these hold is the content read: the verdict is
    judged again from its rows, and every file that follows from it is made again and compared.

    Args:
        folder: of the certificate.
        signer: the public key that must have signed it.
        selection: it may be about some rows, because what it is a part of names them.
        commands: runs ssh-keygen.

    Raises:
        RefusalError: there is no such folder, or the public key cannot be read.
    """
    if not folder.is_dir():
        raise RefusalError(f"{folder} is not a folder", advice="name the folder of a certificate")
    check = _Check(folder, commands or SystemCommands())
    problems = [*check.files(), *check.signature(signer)]
    if problems:
        return Verification(tuple(problems), tuple(check.notes))
    problems += check.content()
    if check.verdict is not None and (rows := selected_rows(check.verdict)) and not selection:
        problems.append(f"it is about rows {', '.join(rows)} alone, and not about a level")
    return Verification(tuple(problems), tuple(check.notes), check.verdict)


@dataclass
class _Check:
    folder: Path
    commands: Commands
    notes: list[str] = field(default_factory=list)
    verdict: Verdict | None = None

    def files(self) -> Iterator[str]:
        """The right files, with the checksums of the manifest."""
        expected = {*contents.FILES, contents.SIGNATURE}
        for path in sorted(self.folder.iterdir()):
            if path.name not in expected:
                yield f"{path.name} is not part of a certificate"
            elif path.is_symlink() or not path.is_file():
                yield f"{path.name} is not a plain file"
        missing = [name for name in contents.FILES if not (self.folder / name).is_file()]
        yield from (f"{name} is missing" for name in missing)
        if contents.MANIFEST in missing:
            return
        listed: dict[str, str] = {}
        for line in self._read(contents.MANIFEST).decode(errors="replace").splitlines():
            found = _LINE.fullmatch(line)
            if found is None or found[2] in listed:
                yield f"{contents.MANIFEST} has a line that is not a checksum of one file: {line[:100]}"
            else:
                listed[found[2]] = found[1]
        due = {*contents.FILES} - {contents.MANIFEST}
        yield from (f"{contents.MANIFEST} has no checksum of {name}" for name in sorted(due - listed.keys()))
        yield from (
            f"{contents.MANIFEST} lists {name}, which is not part of a certificate"
            for name in sorted(listed.keys() - due)
        )
        for name in sorted(due & listed.keys() - {*missing}):
            if hashlib.sha256(self._read(name)).hexdigest() != listed[name]:
                yield f"{name} was changed: its checksum is not that of {contents.MANIFEST}"

    def signature(self, signer: Path | None) -> Iterator[str]:
        """A signature of the manifest as it is, by the expected key."""
        file = self.folder / contents.SIGNATURE
        if not (self.folder / contents.MANIFEST).is_file():
            return
        if not file.is_file():
            if signer is not None:
                yield f"{contents.SIGNATURE} is missing: the certificate is not signed"
            else:
                self.notes.append("it is not signed, so anybody can have made it")
            return
        manifest = self._read(contents.MANIFEST).decode(errors="replace")
        key = signature.signer_of(manifest, file, self.commands)
        if key is None:
            yield f"{contents.SIGNATURE} is not a signature of {contents.MANIFEST} as it is"
        elif signer is None:
            self.notes.append(f"signed by key {key}; name the key that you trust with --signer")
        elif not signature.is_signed_by(manifest, file, signer, self.commands):
            yield f"the signature was made by key {key}, which is not that of {signer.name}"
        else:
            self.notes.append(f"signed by key {key}, which is that of {signer.name}")

    def content(self) -> Iterator[str]:
        """The verdict follows from its rows, and all other files follow from the verdict."""
        try:
            harness = HarnessFacts.model_validate_json(self._read(contents.HARNESS))
            verdict = self.verdict = model.load(self.folder / contents.VERDICT)
        except ValidationError:
            yield f"{contents.HARNESS} cannot be read"
            return
        except HarnessError:
            yield f"{contents.VERDICT} cannot be read"
            return
        if harness.code != verdict.run.harness:
            yield (
                f"{contents.HARNESS} lists another code ({harness.code}) than the run used "
                f"({verdict.run.harness})"
            )
            return
        yield from _verdict_problems(verdict)
        if harness.files != harness_facts().files:
            yield (
                f"it was made by another version of the harness ({harness.code}, version "
                f"{harness.version or 'unknown'}) than this one ({harness_facts().code}): check it with that"
            )
            return
        if self._read(contents.PINS) != PINS_FILE.read_bytes():
            yield f"{contents.PINS} is not that of the harness which it names"
        for name, text in contents.derived_files(verdict, harness).items():
            if self._read(name) != text.encode():
                yield f"{name} does not follow from {contents.VERDICT}"

    def _read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def _verdict_problems(verdict: Verdict) -> Iterator[str]:
    """Why a verdict is not the one that its rows give."""
    if not verdict.run.finished:
        yield "the run had not finished"
    try:
        level = level_of(verdict)
    except ValueError:
        yield f"{contents.VERDICT} names no level"
        return
    yield from (f"row {one.id} of level {level} is missing" for one in missing_rows(verdict))
    for one in unpermitted_skips(verdict):
        yield f"row {one.anchor} was skipped without a permitted reason: {one.reason}"
    for one in verdict.scenarios:
        if (given := _outcome(one)) != one.outcome:
            yield f"row {one.anchor} says {one.outcome}, and its attempts give {given}"
    judged = judge_run(verdict.scenarios, verdict.problems)
    if judged.word != verdict.verdict:
        yield f"{contents.VERDICT} says {verdict.verdict}, and its rows give {judged.word}"
    elif judged.reasons != verdict.reasons:
        yield f"the reasons of {contents.VERDICT} are not those that its rows give"


def _outcome(one: ScenarioResult) -> str:
    """The outcome that the attempts of a row give, as the recorder decides it."""
    failed = [attempt for attempt in one.attempts if attempt.failures]
    if failed:
        return "fail"
    if not one.attempts or one.attempts[-1].outcome == "skipped":
        return "skipped"
    return "known-defect" if any(defect.seen for defect in one.defects) else "pass"
