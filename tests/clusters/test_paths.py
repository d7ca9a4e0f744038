"""The cache folder, and client certificates in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.paths import cache_root, credentials_folder, remove_stale_credentials


def test_cache_folder_that_cannot_be_written_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One sentence with the variable that names another folder."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLUID_CONFORMANCE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(RefusalError, match="cannot be written to") as caught:
        cache_root()
    assert "FLUID_CONFORMANCE_CACHE" in caught.value.advice
    assert credentials_folder() is None


SCRIPT = """
import os, signal
from clusters.paths import credentials_folder
(credentials_folder() / "key").write_text("secret")
if {killed}:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("killed", [True, False])
def test_certificates_of_a_killed_process_are_removed(killed: bool) -> None:
    """A process deletes its own at its end; what a killed one leaves is deleted later."""
    place = cache_root() / "credentials"
    own = credentials_folder()
    assert own is not None
    assert own.stat().st_mode & 0o077 == 0
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(killed=killed)], check=False)
    assert (done.returncode != 0) is killed
    assert len(list(place.iterdir())) == 1 + killed
    remove_stale_credentials(cache_root())
    assert list(place.iterdir()) == [own]
