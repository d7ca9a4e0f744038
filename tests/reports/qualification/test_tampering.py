"""Every file of a qualification is changed in turn, and so are its contents with mended checksums."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.certificate import contents
from reports.qualification.folder import CERTIFICATES, FOLDER
from reports.qualification.judgement import Result
from tests.reports.qualification import tampering
from tests.reports.qualification.tampering import Change, changes, main, refusal

Qualify = Callable[..., Result]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An SSH key without a passphrase."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen (Debian package openssh-client)")
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


def test_every_changed_copy_is_refused(
    qualify: Qualify, out: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file, each file with mended checksums, and each kind of change of the contents."""
    qualify(key)
    assert main([str(out / FOLDER), "--signer", str(key.with_suffix(".pub"))]) == 0
    said = capsys.readouterr().out
    assert "ACCEPTED" not in said
    files = [path for path in (out / FOLDER).rglob("*") if path.is_file()]
    for file in files:
        name = file.relative_to(out / FOLDER).as_posix()
        assert said.count(f"  {name}: changed") == (
            1 if file.name in {contents.MANIFEST, contents.SIGNATURE, contents.VERDICT} else 2
        )
        assert f"  {name}: removed" in said
    assert "signed by another key" in said
    assert said.endswith(" changed copies, 0 accepted\n")


def test_accepted_copy_is_reported(
    qualify: Qualify, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that nobody notices fails the command."""
    qualify()
    monkeypatch.setattr(tampering, "changes", lambda folder: [Change("nothing", lambda copy: None)])
    assert main([str(out / FOLDER)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("ACCEPTED  as is   nothing")
    assert said.endswith("1 changed copies, 1 accepted\n")


def test_folder_that_does_not_verify_is_not_tried(
    qualify: Qualify, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its copies would all be refused for that reason."""
    qualify()
    (out / FOLDER / "more.txt").write_text("x")
    assert main([str(out / FOLDER)]) == 2
    assert "more.txt is not part of the qualification" in capsys.readouterr().err


def test_real_folder_stays_as_it_is(qualify: Qualify, out: Path) -> None:
    """Only copies are changed."""
    qualify()
    folder = out / FOLDER
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    removed = next(one for one in changes(folder) if one.name.startswith("certificate "))
    assert removed.mended
    assert "has no certificate" in (refusal(folder, removed, None) or "")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert (folder / CERTIFICATES).is_dir()
