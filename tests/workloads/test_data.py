import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import RefusalError
from workloads import data
from workloads.data import MIB, PIECE, DataFile, Files, many_files, one_file, smoke

FILES = Files(
    (
        DataFile("a.bin", 70_001, "s-1"),
        DataFile("dir/with blanks/größe '$x'.bin", 33, "s-2"),
        DataFile(" lead and trail ", 5, "s-3"),
        DataFile("-n", 1, "s-4"),
        DataFile("dir/empty", 0, "s-5"),
    )
)


def make(files: Files, root: Path, shell: str = "bash") -> subprocess.CompletedProcess[str]:
    """Run the script as it is run in a Pod: on a shell's standard input."""
    return subprocess.run(
        [shell, "-s"], input=files.shell(str(root)), text=True, capture_output=True, check=False, timeout=60
    )


def read(root: Path) -> dict[str, str]:
    """SHA-256 of each file, by this program's own eyes."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("shell", [name for name in ("bash", "dash") if shutil.which(name)])
def test_openssl_makes_the_bytes_that_python_expects(tmp_path: Path, shell: str) -> None:
    """The script creates exactly the files whose checksums are known beforehand."""
    root = tmp_path / "with blanks"
    done = make(FILES, root, shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert not FILES.difference(read(root))
    assert (root / "a.bin").stat().st_size == 70_001


def test_a_file_of_several_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file longer than one piece is the pieces one after another, in the script and in Python."""
    monkeypatch.setattr(data, "PIECE", 1000)
    files = Files((DataFile("long", 2500, "several-pieces"),))
    content = b"".join(files.files[0].pieces())
    assert len(content) == 2500
    assert content[1000:1004] == hashlib.shake_128(b"several-pieces/1").digest(4)
    assert make(files, tmp_path).returncode == 0
    assert (tmp_path / "long").read_bytes() == content


def test_files_that_are_there_are_left_alone(tmp_path: Path) -> None:
    """A second run creates only what is missing or has the wrong size."""
    make(FILES, tmp_path)
    kept = (tmp_path / "a.bin").stat()
    (tmp_path / "dir/empty").unlink()
    (tmp_path / "-n").write_bytes(b"too long")
    (tmp_path / f"a.bin{data.PART}").write_bytes(b"left by a killed run")
    assert make(FILES, tmp_path).returncode == 0
    (tmp_path / f"a.bin{data.PART}").unlink()
    assert not FILES.difference(read(tmp_path))
    now = (tmp_path / "a.bin").stat()
    assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


def test_a_file_that_is_too_short_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When openssl writes too little, the script fails and the file never receives its name."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "openssl").write_text("#!/bin/sh\nprintf short\n")
    (tools / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    done = make(Files((DataFile("a", 100, "s"),)), tmp_path / "root")
    assert done.returncode != 0
    assert "only 5 of 100 bytes" in done.stderr
    assert not (tmp_path / "root/a").exists()


def test_differences_are_named() -> None:
    """Missing, changed and additional files are reported by path."""
    files = Files((DataFile("a", 1, "s"), DataFile("b", 1, "s")))
    difference = files.difference({"b": "0" * 64, "c": "1" * 64})
    assert difference
    assert str(difference) == "missing: a; changed: b; unexpected: c"
    assert not files.difference(files.checksums())
    assert str(files.difference(files.checksums())) == "no difference"


@pytest.mark.parametrize(
    "path", ["", "/abs", "../up", "a/../b", "a\nb", "a\tb", "a\0b", "a//b", "a/", ".", "./a", "x.part"]
)
def test_paths_that_could_do_harm_are_refused(path: str) -> None:
    """A path must stay in its folder and be one line of plain text."""
    with pytest.raises(RefusalError):
        DataFile(path, 1, "seed")


@pytest.mark.parametrize(
    ("size", "seed"), [(-1, "s"), (1, ""), (1, "a b"), (1, "a/b"), (1, "$(x)"), (1, "-n")]
)
def test_sizes_and_seeds_are_checked(size: int, seed: str) -> None:
    """A negative size or a seed that a shell could read otherwise is refused."""
    with pytest.raises(RefusalError):
        DataFile("a", size, seed)


def test_two_files_cannot_have_one_path() -> None:
    """A path is one file, and no file is the folder of another."""
    with pytest.raises(RefusalError, match="called a"):
        Files((DataFile("a", 1, "s"), DataFile("a", 2, "t")))
    with pytest.raises(RefusalError, match="called a"):
        Files((DataFile("a", 1, "s"), DataFile("a/b", 2, "t")))


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_equal_seeds_share_their_beginning(one: int, other: int) -> None:
    """The content depends on the seed alone, so a shorter file is the start of a longer one."""
    contents = [b"".join(DataFile("x", size, "seed").pieces()) for size in sorted((one, other))]
    assert contents[1].startswith(contents[0])
    assert [len(content) for content in contents] == sorted((one, other))


def test_the_presets_are_what_they_say() -> None:
    """The presets have the sizes and odd names that the scenarios count on."""
    files = smoke()
    assert 64 * MIB <= files.total_bytes < 65 * MIB
    paths = [file.path for file in files.files]
    assert any(" " in path for path in paths)
    assert any(not path.isascii() for path in paths)
    assert all(file.path.isascii() for file in smoke(unicode_names=False).files)
    assert 0 in [file.size for file in files.files]
    assert len({file.seed for file in files.files}) == len(files.files)
    assert one_file("big", 3 * PIECE).total_bytes == 3 * PIECE
    many = many_files(250, 4096)
    assert many.total_bytes == 250 * 4096
    assert len({file.path.rpartition("/")[0] for file in many.files}) == 3
    assert {file.path for file in (many.under("x") + one_file("y", 1)).files} >= {"y.bin"}
