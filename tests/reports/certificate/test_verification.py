"""What is refused: each kind of tampering, with a sentence of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import RefusalError
from reports.__main__ import main
from reports.certificate import contents
from reports.certificate.harness import harness_facts
from reports.certificate.issue import issue
from reports.certificate.verification import verify
from reports.verdict.model import ScenarioResult
from tests.reports.certificate.conftest import verdict_of


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two SSH keys without passphrases."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen (Debian package openssh-client)")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(words, check=True)
    return {name: folder / name for name in ("ours", "other")}


@pytest.fixture
def signed(run_folder: Path, keys: dict[str, Path]) -> Path:
    """A signed certificate."""
    return issue(run_folder, run_folder / "signed", key=keys["ours"])


def mend_checksums(folder: Path) -> None:
    """Write the manifest again, as somebody would who edits a file."""
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(contents.FILES)
        if name != contents.MANIFEST and (folder / name).exists()
    ]
    (folder / contents.MANIFEST).write_text("".join(lines))


def edit(folder: Path, change: Callable[[dict[str, Any]], None], name: str = contents.VERDICT) -> None:
    """Change a JSON file and mend its checksum."""
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    mend_checksums(folder)


def test_certificate_verifies(certificate: Path) -> None:
    """It says that nobody has signed it."""
    found = verify(certificate)
    assert found.problems == ()
    assert found.text() == (
        "note: it is not signed, so anybody can have made it\n"
        "VERIFIED: Fluid passed all 12 scenarios (pass)\n"
    )


def test_signed_certificate_verifies(signed: Path, keys: dict[str, Path]) -> None:
    """With and without the key of the signer."""
    assert verify(signed, keys["ours"].with_suffix(".pub")).problems == ()
    found = verify(signed)
    assert found.verified
    assert "name the key that you trust with --signer" in found.notes[0]


@pytest.mark.parametrize("name", contents.FILES)
def test_each_changed_file_is_refused(certificate: Path, name: str) -> None:
    """One more line in it."""
    with (certificate / name).open("a") as file:
        file.write(" \n")
    (problem,) = verify(certificate).problems
    if name == contents.MANIFEST:
        assert problem == "MANIFEST.sha256 has a line that is not a checksum of one file:  "
    else:
        assert problem == f"{name} was changed: its checksum is not that of MANIFEST.sha256"


@pytest.mark.parametrize("name", contents.FILES)
def test_each_removed_file_is_refused(certificate: Path, name: str) -> None:
    """With its name."""
    (certificate / name).unlink()
    assert f"{name} is missing" in verify(certificate).problems
    if name != contents.MANIFEST:
        mend_checksums(certificate)
        assert f"{name} is missing" in verify(certificate).problems


@pytest.mark.parametrize("name", [one for one in contents.FILES if one != contents.MANIFEST])
def test_each_changed_file_is_refused_with_its_checksum_mended(certificate: Path, name: str) -> None:
    """Because it does not follow from the verdict and the harness."""
    text = (certificate / name).read_text()
    if name == contents.VERDICT:
        text = text.replace('"window": "60"', '"window": "61"')  # all files that show it then differ
    elif name == contents.HARNESS:
        text = text.replace('"clusters/errors.py": "', '"clusters/errors.py": "0', 1)
    else:
        text += "# a word\n"
    (certificate / name).write_text(text)
    mend_checksums(certificate)
    problems = verify(certificate).problems
    expected = {
        contents.VERDICT: "README.md does not follow from verdict.json",
        contents.HARNESS: "harness.json lists another code (",
        contents.PINS: "pins.toml is not that of the harness which it names",
    }
    assert problems[0].startswith(expected.get(name, f"{name} does not follow from verdict.json"))


def test_added_file_is_refused(certificate: Path) -> None:
    """Also one that the manifest lists, a folder, and a link in place of a file."""
    (certificate / "notes.txt").write_text("all is well\n")
    assert verify(certificate).problems == ("notes.txt is not part of a certificate",)
    with (certificate / contents.MANIFEST).open("a") as file:
        file.write(f"{'0' * 64}  notes.txt\n")
    assert (
        "MANIFEST.sha256 lists notes.txt, which is not part of a certificate" in verify(certificate).problems
    )


def test_link_is_refused(certificate: Path, tmp_path: Path) -> None:
    """Its target may be changed later."""
    shutil.move(certificate / contents.LOG, tmp_path / "log")
    (certificate / contents.LOG).symlink_to(tmp_path / "log")
    assert verify(certificate).problems == ("e2e.log is not a plain file",)


def test_checksum_that_is_missing_or_doubled_is_refused(certificate: Path) -> None:
    """Each file has exactly one."""
    manifest = certificate / contents.MANIFEST
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if contents.LOG not in line))
    assert verify(certificate).problems == ("MANIFEST.sha256 has no checksum of e2e.log",)
    manifest.write_text("".join([*lines, lines[0]]))
    assert verify(certificate).problems[0].startswith("MANIFEST.sha256 has a line that is not a checksum")


@pytest.fixture
def failed(make: Callable[..., ScenarioResult], smoke_rows: list[ScenarioResult], tmp_path: Path) -> Path:
    """The certificate of a run in which the first row failed."""
    smoke_rows[0] = make(smoke_rows[0].id, "fail")
    (tmp_path / "verdict.json").write_text(verdict_of(smoke_rows).to_json())
    return issue(tmp_path)


def test_edited_outcome_is_refused_although_the_checksum_is_mended(failed: Path) -> None:
    """The edit is refused however far it goes."""

    def outcome(value: dict[str, Any]) -> None:
        value["scenarios"][0]["outcome"] = "pass"

    edit(failed, outcome)
    assert verify(failed).problems[:2] == (
        "row A1 says pass, and its attempts give fail",
        "verdict.json says fail, and its rows give pass",
    )

    def attempts(value: dict[str, Any]) -> None:
        value["scenarios"][0] |= {"class": None, "reason": ""}
        value["scenarios"][0]["attempts"][0] |= {"outcome": "pass", "failures": []}

    edit(failed, attempts)
    assert verify(failed).problems[0] == "verdict.json says fail, and its rows give pass"
    edit(failed, lambda value: value.update(verdict="pass"))
    assert verify(failed).problems[0] == "the reasons of verdict.json are not those that its rows give"


def test_edited_verdict_is_refused_although_the_checksum_is_mended(failed: Path) -> None:
    """Its rows decide."""
    edit(failed, lambda value: value.update(verdict="pass"))
    assert verify(failed).problems[0] == "verdict.json says pass, and its rows give fail"


def test_removed_row_is_refused_although_the_checksum_is_mended(failed: Path) -> None:
    """The failed row is taken out, and the verdict made to fit."""
    edit(failed, lambda value: value["scenarios"].pop(0))
    assert verify(failed).problems[0] == "row A1 of level smoke is missing"


def test_row_turned_into_a_skip_is_refused(failed: Path) -> None:
    """A skip needs a permitted reason."""

    def skip(value: dict[str, Any]) -> None:
        value["scenarios"][0] |= {"outcome": "skipped", "class": None, "reason": "no time", "attempts": []}

    edit(failed, skip)
    assert verify(failed).problems[0] == "row A1 was skipped without a permitted reason: no time"


def test_rewritten_certificate_is_refused_by_its_signature(
    signed: Path, certificate: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    """A certificate that is consistent, with the signature of another one."""
    edit(signed, lambda value: value["run"].update(seconds=1.0))
    assert verify(signed).problems == ("MANIFEST.sha256.sig is not a signature of MANIFEST.sha256 as it is",)
    assert verify(certificate, keys["ours"].with_suffix(".pub")).problems == (
        "MANIFEST.sha256.sig is missing: the certificate is not signed",
    )


def test_signature_of_another_key_or_purpose_is_refused(signed: Path, keys: dict[str, Path]) -> None:
    """The key is named; a signature for another purpose does not count."""
    (problem,) = verify(signed, keys["other"].with_suffix(".pub")).problems
    assert problem.startswith("the signature was made by key SHA256:")
    assert problem.endswith("which is not that of other.pub")
    signature = signed / contents.SIGNATURE
    signature.unlink()
    manifest = str(signed / contents.MANIFEST)
    words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(keys["ours"]), "-n", "file", manifest]
    subprocess.run(words, check=True, capture_output=True)
    assert verify(signed).problems == ("MANIFEST.sha256.sig is not a signature of MANIFEST.sha256 as it is",)
    signature.write_text("no signature\n")
    assert verify(signed).problems == ("MANIFEST.sha256.sig is not a signature of MANIFEST.sha256 as it is",)


def test_unreadable_files_are_refused(certificate: Path) -> None:
    """Also when the checksum fits."""
    for name in (contents.VERDICT, contents.HARNESS):
        (certificate / name).write_text("{}\n")
        mend_checksums(certificate)
        assert verify(certificate).problems == (f"{name} cannot be read",)


def test_certificate_of_another_harness_is_not_judged(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows and texts may differ, so the version that made it has to check it."""
    from reports.certificate import verification  # noqa: PLC0415 - patched in this test only

    other = harness_facts().model_copy(update={"files": {"suites/new.py": "0" * 64}})
    monkeypatch.setattr(verification, "harness_facts", lambda: other)
    (problem,) = verify(certificate).problems
    assert problem.startswith("it was made by another version of the harness (")


def test_keys_and_folders_that_cannot_be_used_are_refused(
    run_folder: Path, certificate: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    """In one sentence; no certificate is left."""
    with pytest.raises(RefusalError, match="there is no such file"):
        issue(run_folder, run_folder / "x", key=tmp_path / "missing")
    (tmp_path / "no-key").write_text("hello\n")
    with pytest.raises(RefusalError, match="ssh-keygen cannot sign with it"):
        issue(run_folder, run_folder / "x", key=tmp_path / "no-key")
    assert sorted(path.name for path in run_folder.iterdir()) == ["certificate", "verdict.json"]
    with pytest.raises(RefusalError, match="is not a folder"):
        verify(tmp_path / "missing")
    signed = issue(run_folder, run_folder / "signed", key=keys["ours"])
    with pytest.raises(RefusalError, match="it is not one public key of SSH"):
        verify(signed, tmp_path / "no-key")
    with pytest.raises(RefusalError, match="it cannot be read"):
        verify(signed, tmp_path / "missing.pub")


def test_commands_report_and_end_with_their_codes(
    run_folder: Path, keys: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """0 verified, 1 refused, 2 not to be checked."""
    folder = run_folder / "certificate"
    assert main(["certificate", str(run_folder), "--sign", str(keys["ours"])]) == 0
    assert capsys.readouterr().out == f"certificate: {folder}\n"
    assert main(["verify", str(folder), "--signer", f"{keys['ours']}.pub"]) == 0
    assert "VERIFIED: Fluid passed all 12 scenarios (pass)" in capsys.readouterr().out
    (folder / contents.LOG).write_text("nothing\n")
    assert main(["verify", str(folder)]) == 1
    assert capsys.readouterr().out.endswith("NOT VERIFIED\n")
    assert main(["verify", str(run_folder / "missing")]) == 2
