"""The command that drops the page cache of single files, run on files of this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from clusters.host.commands import Completed
from workloads.page_cache import bytes_left, drop_argv
from workloads.pod_commands import OutputError


def run(folder: Path) -> Completed:
    """Run the command here."""
    argv = drop_argv(str(folder))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return Completed(argv, done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(shutil.which("fincore") is None, reason="fincore (util-linux) counts the pages")
def test_pages_of_a_folder_are_dropped(tmp_path: Path) -> None:
    """A file that was just read is in memory; afterwards it is not."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file with a blank").write_bytes(b"x" * (4 << 20))
    left = bytes_left(run(tmp_path))
    assert left is not None
    assert left < 1 << 20


def test_bytes_left_are_the_sum_over_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in subfolders and with blanks in their names are counted."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    one_page_each = "for f; do case $f in -*|RES) ;; *) echo 4096;; esac; done"
    (bin_folder / "fincore").write_text(f"#!/bin/bash\n{one_page_each}\n")
    (bin_folder / "fincore").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "one").write_bytes(b"x" * 5000)
    (tmp_path / "data" / "sub" / "two words").write_bytes(b"x" * 5000)
    assert bytes_left(run(tmp_path / "data")) == 2 * 4096


def test_file_whose_pages_cannot_be_dropped_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dd without ``iflag=nocache`` fails for each file, which find alone would not report."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "dd").write_text("#!/bin/sh\nexit 1\n")
    (bin_folder / "dd").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(b"x")
    with pytest.raises(OutputError, match="cannot drop the pages of"):
        bytes_left(run(tmp_path / "data"))


def test_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    """An error is not reported as an empty page cache."""
    with pytest.raises(OutputError):
        bytes_left(run(tmp_path / "missing"))


def test_image_without_fincore_cannot_count() -> None:
    """The pages were dropped, and how many are left is not known."""
    assert bytes_left(Completed(("x",), 0, "-\n", "")) is None
