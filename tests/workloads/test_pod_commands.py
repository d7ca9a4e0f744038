import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import FailureClass
from clusters.host.commands import Completed
from workloads.pod_commands import (
    FileStat,
    OutputError,
    ReadResult,
    UnreadableFileError,
    checksums_argv,
    file_stat,
    mounts_argv,
    read_argv,
    read_result,
    stat_argv,
    transfer,
    write_argv,
    write_result,
)


def run(argv: Sequence[str]) -> Completed:
    """Run a command here as it would be run in a Pod."""
    done = subprocess.run(argv, capture_output=True, check=False, timeout=10)
    return Completed(tuple(argv), done.returncode, done.stdout.decode(), done.stderr.decode())


def said(exit_code: int = 0, stdout: str = "", stderr: str = "") -> Completed:
    """A finished command."""
    return Completed(("cmd",), exit_code, stdout, stderr)


def sha(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def test_checksums_are_reported_for_any_name(tmp_path: Path) -> None:
    """Every file below the folder is read, whatever its name, and folders are left out."""
    names = ["a", "b/with blanks", "b/größe", "b/new\nline", "b/back\\slash", "-rf", "b/*"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "b/empty").touch()
    (tmp_path / "none").mkdir()
    result = read_result(run(checksums_argv(str(tmp_path))))
    assert result.complete
    assert result.checksums == {name: sha(name.encode()) for name in names} | {"b/empty": sha(b"")}


def test_an_empty_folder_has_no_checksums(tmp_path: Path) -> None:
    """Nothing to read is a complete read of nothing."""
    assert read_result(run(checksums_argv(str(tmp_path)))) == ReadResult({})


def test_a_folder_that_is_not_there_is_no_complete_read(tmp_path: Path) -> None:
    """Reading a missing folder is an error and never counts as an empty folder."""
    result = read_result(run(checksums_argv(str(tmp_path / "gone"))))
    assert not result.complete
    assert "No such file or directory" in result.message


def test_a_file_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    """Files that can be read are listed also if one cannot."""
    lost = "/data/lost: Input/output error"
    result = read_result(said(123, f"{sha(b'x')}  kept\0", f"sha256sum: {lost}\n"))
    assert result == ReadResult({"kept": sha(b"x")}, f"sha256sum: {lost}")


def test_a_folder_that_cannot_be_listed_is_no_complete_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When only a part of the files could be found, the read is not complete."""
    (tmp_path / "a").touch()
    find = tmp_path / "tools" / "find"
    find.parent.mkdir()
    find.write_text("#!/bin/sh\nprintf 'a\\0'; echo 'find: b: Input/output error' >&2; exit 1\n")
    find.chmod(0o755)
    monkeypatch.setenv("PATH", str(find.parent), prepend=":")
    result = read_result(run(checksums_argv(str(tmp_path))))
    assert result == ReadResult({"a": sha(b"")}, "find: b: Input/output error")


@pytest.mark.parametrize(
    "stdout",
    [
        f"{sha(b'')}  cut o",
        f"{sha(b'')[:-1]}  short\0",
        f"{sha(b'')}  twice\0{sha(b'')}  twice\0",
        "\0",
        f"{sha(b'')}  \0",
    ],
)
def test_what_is_no_checksum_is_refused(stdout: str) -> None:
    """Output that was cut off, doubled or mangled is an error of the harness, not a finding."""
    with pytest.raises(OutputError):
        read_result(said(0, stdout))


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0"), min_size=1), st.binary(max_size=4)))
def test_checksums_read_back(files: dict[str, bytes]) -> None:
    """Names are returned as they were printed, whatever they contain."""
    stdout = "".join(f"{sha(content)}  {name}\0" for name, content in files.items())
    assert read_result(said(0, stdout)).checksums == {name: sha(content) for name, content in files.items()}


@given(st.text())
def test_any_output_is_parsed_or_refused(stdout: str) -> None:
    """Any output is parsed, or refused with an error of the parser."""
    try:
        result = read_result(said(0, stdout))
    except OutputError:
        return
    assert "".join(f"{digest}  {name}\0" for name, digest in result.checksums.items()).replace(
        " *", "  "
    ) == stdout.replace(" *", "  ")


def test_a_read_reports_its_bytes(tmp_path: Path) -> None:
    """Reading a file to its end returns the number of bytes."""
    path = tmp_path / "a file"
    path.write_bytes(b"x" * 3_000_000)
    result = transfer(run(read_argv(str(path))))
    assert result.bytes == 3_000_000
    assert result.seconds > 0
    path.write_bytes(b"")
    assert transfer(run(read_argv(str(path)))).bytes == 0


def test_a_failed_read_is_no_transfer(tmp_path: Path) -> None:
    """A read that ended early is not a read of fewer bytes: the file system's error makes it a finding."""
    with pytest.raises(UnreadableFileError, match="No such file or directory") as caught:
        transfer(run(read_argv(str(tmp_path / "gone"))))
    assert caught.value.failure_class is FailureClass.PRODUCT
    with pytest.raises(UnreadableFileError, match="Input/output error"):
        transfer(
            said(
                1,
                "",
                "dd: error reading 'a': Input/output error\n"
                "1048576 bytes (1.0 MB, 1.0 MiB) copied, 1e-05 s, 1 GB/s",
            )
        )
    with pytest.raises(OutputError, match="bytes were copied"):
        transfer(said(127, "", "env: 'dd': No such file or directory"))


def test_stat_on_a_dead_mount_is_a_finding() -> None:
    """A mount without a Fuse behind it is the product's, a missing tool is not."""
    dead = "stat: cannot statx '/data/a': Transport endpoint is not connected"
    with pytest.raises(UnreadableFileError, match="Transport endpoint"):
        file_stat(said(1, "", dead))
    with pytest.raises(OutputError):
        file_stat(said(126, "", "env: 'stat': Permission denied"))


def test_direct_reads_pass_the_page_cache_by() -> None:
    """A direct read uses O_DIRECT."""
    assert "iflag=direct" in read_argv("/data/a", direct=True)
    assert "iflag=direct" not in read_argv("/data/a")


def test_a_write_that_works_is_seen(tmp_path: Path) -> None:
    """Where writing is allowed the file is there with its text."""
    path = tmp_path / "new $file"
    result = write_result(run(write_argv(str(path), "text 'in' it\n")))
    assert result.written
    assert not result.refused
    assert path.read_text() == "text 'in' it\n"


def test_a_read_only_mount_refuses_a_write() -> None:
    """A read-only file system is distinguished from other refusals."""
    words = "dd: failed to open '/data/x': Read-only file system"
    result = write_result(said(1, "", words + "\n"))
    assert (result.written, result.refused, result.read_only) == (False, True, True)
    assert result.message == words


@pytest.mark.skipif(not Path("/sys/kernel/profiling").exists(), reason="needs a file that nobody may make")
def test_a_real_refusal_is_understood() -> None:
    """The system's message when a file may not be created counts as a refusal."""
    result = write_result(run(write_argv("/sys/kernel/conformance-probe")))
    assert not result.written
    assert result.refused
    assert not result.read_only or "Read-only" in result.message


@pytest.mark.parametrize("words", ["Transport endpoint is not connected", "No space left on device"])
def test_a_broken_write_is_no_refusal(words: str) -> None:
    """A dead mount or a full disk does not pass for a read-only Dataset."""
    result = write_result(said(1, "", f"dd: failed to open '/data/x': {words}"))
    assert not result.written
    assert not result.refused
    assert words in result.message


def test_a_missing_tool_is_no_refusal() -> None:
    """When dd itself is not there, nothing is said about the file system."""
    with pytest.raises(OutputError):
        write_result(said(127, "", "write: line 1: dd: command not found"))
    with pytest.raises(OutputError):
        write_result(said(1))


def test_a_path_s_facts_are_reported(tmp_path: Path) -> None:
    """Kind, size, mode and owner of a path are typed, and None if it does not exist."""
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    path.chmod(0o640)
    found = path.stat()
    stat = FileStat("regular file", 5, "640", os.getuid(), found.st_gid, int(found.st_mtime))
    assert file_stat(run(stat_argv(str(path)))) == stat
    assert file_stat(run(stat_argv(str(tmp_path / "gone")))) is None


def test_mounts_are_the_reader_s_own() -> None:
    """The mounts are read by the program itself, so they are those of its container."""
    assert run(mounts_argv()).stdout == Path("/proc/self/mountinfo").read_text()
