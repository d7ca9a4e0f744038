"""The programs that list, stat, open and write files, run here, and what is read from their output."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from suites.benchmark.testbed.fio_run import HungError
from suites.benchmark.testbed.operation_run import (
    PROGRAMS,
    OperationRun,
    metadata_argv,
    parse_operation,
    write_argv,
)
from workloads.pod_commands import Argv

MIB = 1024 * 1024


def run(argv: Argv) -> OperationRun:
    """Run a command here."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return parse_operation(Completed(argv, done.returncode, done.stdout, done.stderr))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 50 small files and a hidden one."""
    for number in range(49):
        (tmp_path / str(number)).write_text("x")
    (tmp_path / ".hidden").write_text("x")
    return tmp_path


@pytest.mark.parametrize(("operation", "count"), [("list", 50), ("stat", 49), ("open", 49)])
def test_operation_says_how_many_files_it_handled(folder: Path, operation: str, count: int) -> None:
    """The listing counts what is there; the others ask for the files by their names."""
    found = run(metadata_argv(operation, str(folder), 49, 10.0))
    assert found.result == count
    assert 0 < found.seconds < 10
    assert found.load >= 0
    assert found.cpu_seconds is not None


@pytest.mark.parametrize("operation", ["stat", "open"])
def test_missing_file_is_an_error(folder: Path, operation: str) -> None:
    """No operation passes over a file."""
    with pytest.raises(InfrastructureError, match="failed with exit code 2") as raised:
        run(metadata_argv(operation, str(folder), 50, 10.0))
    assert "No such file or directory" in str(raised.value)


def test_missing_folder_cannot_be_listed(tmp_path: Path) -> None:
    """As for a missing file."""
    with pytest.raises(InfrastructureError, match="failed with exit code"):
        run(metadata_argv("list", str(tmp_path / "none"), 1, 10.0))


def test_write_is_complete_when_it_ends(tmp_path: Path) -> None:
    """The file has all of its bytes, and the result is its size."""
    file = tmp_path / "written.bin"
    assert run(write_argv(str(file), 3 * MIB, 10.0)).result == 3 * MIB
    assert hashlib.sha256(file.read_bytes()).hexdigest() == hashlib.sha256(bytes(3 * MIB)).hexdigest()


def test_operation_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as hung."""
    monkeypatch.setitem(PROGRAMS, "list", "sleep 60;")
    with pytest.raises(HungError, match="did not end within 1 s"):
        run(metadata_argv("list", str(tmp_path), 1, 1.0))


def test_output_without_an_observation_is_no_result() -> None:
    """The name of what is missing is in the error."""
    argv = metadata_argv("list", "/data", 1, 1.0)
    with pytest.raises(InfrastructureError, match="missing: 'cpu-before'"):
        parse_operation(Completed(argv, 0, "seen load 0.1\nseen result 1\n", ""))
