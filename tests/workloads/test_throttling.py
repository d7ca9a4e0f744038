"""A program that is slowed is stopped repeatedly, and continues afterwards whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clusters.host.commands import Completed
from tests.clusters.stored_objects import StoredObjects
from workloads.faults import FaultError, processes
from workloads.throttling import slowed

NAME = "cf.slowed"


def here(argv: Sequence[str], /, *, timeout: float) -> Completed:
    """Run a command here as it would be run on a node."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of its own name that waits."""
    file = tmp_path / NAME
    shutil.copy(shutil.which("sleep") or "/bin/sleep", file)
    with subprocess.Popen([file, "1000"]) as process:
        try:
            yield process
        finally:
            process.kill()


def states(seconds: float) -> set[str]:
    """The states that the program was seen in."""
    seen = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen |= {process.state for process in processes(here, NAME)}
    return seen


@pytest.mark.usefixtures("program")
def test_a_slowed_program_stops_and_continues_and_runs_normally_afterwards() -> None:
    """It is seen stopped and working while the context lasts, and only working after it."""
    with slowed(StoredObjects().journal(here), "n1", NAME, stopped=0.05, going=0.05) as fault:
        assert "T" in states(1.5)
        assert "50 %" in fault.says
    assert "T" not in states(0.5)


@pytest.mark.usefixtures("program")
def test_a_slowed_program_continues_also_after_an_error() -> None:
    """An error inside leaves nothing stopped."""
    with pytest.raises(KeyError), slowed(StoredObjects().journal(here), "n1", NAME, stopped=0.05, going=0.01):
        raise KeyError
    assert "T" not in states(0.5)


def test_a_program_that_is_not_there_cannot_be_slowed() -> None:
    """Nothing to slow is a fault that did not take."""
    with (
        pytest.raises(FaultError, match="no process"),
        slowed(StoredObjects().journal(here), "n1", "cf.not-there"),
    ):
        pass
