"""Writes the certificate of a run."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clusters.errors import HarnessError, RefusalError
from clusters.host.commands import Commands, SystemCommands
from reports.certificate import contents, signature
from reports.certificate.harness import HarnessFacts, harness_facts
from reports.certificate.redaction import Redactor, redacted
from reports.certificate.rows import conclusion, level_of, missing_rows, selected_rows, unpermitted_skips
from reports.verdict import model
from reports.verdict.judgement import judge_run
from reports.verdict.model import Verdict, VerdictWord

#: Name of the folder, in that of the run.
FOLDER: Final = "certificate"


def issue(
    run: Path,
    out: Path | None = None,
    *,
    key: Path | None = None,
    selection: bool = False,
    commands: Commands | None = None,
) -> Path:
    """Write the certificate of a run, completely or not at all.

    Args:
        run: the folder of the run.
        out: where to create the folder; by default in that of the run.
        key: the private SSH key to sign with; without one it is not signed.
        selection: also certify a run of some rows, as a part of something that names them.
        commands: runs ssh-keygen.

    Returns:
        The folder of the certificate.

    Raises:
        RefusalError: the run cannot be certified, the folder exists, or the key cannot be used.
        OSError: it cannot be written.
    """
    verdict = model.load(run / model.FILE)
    harness = harness_facts()
    require_certifiable(verdict, harness, selection=selection)
    target = out or run / FOLDER
    if target.exists():
        raise RefusalError(f"{target} exists", advice="remove it, or name another folder with --out")
    redactor = Redactor.of(verdict, run)
    shown = _judged_again(redacted(verdict, redactor), verdict.verdict)
    texts = contents.all_files(shown, harness)
    _require_redacted(shown, texts, redactor)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".certificate-", dir=target.parent))
    try:
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        manifest = partial / contents.MANIFEST
        manifest.write_text(manifest_text(texts))
        if key is not None:
            signature.sign(manifest, key, commands or SystemCommands())
        partial.chmod(0o755)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def require_certifiable(verdict: Verdict, harness: HarnessFacts, *, selection: bool = False) -> None:
    """Refuse a run that is not a whole level, made by this harness, with a conclusion about Fluid.

    Args:
        verdict: of the run.
        harness: that runs now.
        selection: a run of some rows is accepted, too.

    Raises:
        RefusalError: it says what is missing.
    """
    advice = "run the whole level again with this version, and certify that run"
    run = verdict.run
    if run.harness != harness.code:
        raise RefusalError(
            f"run {run.id} was made by another version of the harness ({run.harness or 'unknown'}), "
            f"and this is {harness.code}",
            advice="certify it with the version that made it, or run the level again with this one",
        )
    if not run.finished:
        raise RefusalError(f"run {run.id} has not finished", advice=advice)
    try:
        level = level_of(verdict)
    except ValueError:
        raise RefusalError(f"run {run.id} is not a run of a level", advice=advice) from None
    if (selected := selected_rows(verdict)) and not selection:
        raise RefusalError(f"run {run.id} is one of some rows: {', '.join(selected)}", advice=advice)
    if missing := missing_rows(verdict):
        names = ", ".join(one.id for one in missing)
        raise RefusalError(f"run {run.id} has not all rows of level {level}: {names}", advice=advice)
    if skipped := unpermitted_skips(verdict):
        names = "; ".join(f"{one.anchor}: {one.reason}" for one in skipped)
        raise RefusalError(f"run {run.id} skipped rows without a permitted reason: {names}", advice=advice)
    if conclusion(verdict) is None:
        raise RefusalError(
            f"run {run.id} is {verdict.verdict}, so it says nothing that could be certified", advice=advice
        )


def manifest_text(texts: Mapping[str, str]) -> str:
    """Checksums of files, as `sha256sum` writes them."""
    return "".join(
        f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(texts.items())
    )


def _require_redacted(shown: Verdict, texts: Mapping[str, str], redactor: Redactor) -> None:
    """Refuse to write what must not leave the machine.

    Raises:
        HarnessError: a text escaped the redaction.
    """
    names = [name for name, text in texts.items() if redactor.without_paths(text) != text]
    if redacted(shown, redactor) != shown:
        names.append(contents.VERDICT)
    if names:
        raise HarnessError(
            f"{', '.join(names)} would still show a name of the machine, a path or a secret",
            advice="report it: it is a defect of the harness",
        )


def _judged_again(verdict: Verdict, word: VerdictWord) -> Verdict:
    """The verdict with the reasons of its redacted rows."""
    judged = judge_run(verdict.scenarios, verdict.problems)
    if judged.word != word:
        raise RefusalError(
            f"run {verdict.run.id} says {word}, and its rows give {judged.word}",
            advice="its verdict.json was changed, or the run was stopped; run the level again",
        )
    return verdict.model_copy(update={"reasons": judged.reasons})
