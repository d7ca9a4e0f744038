"""A run that is asked to end tears down what it created."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from suites.run import plugin

pytest_plugins = ("pytester",)

RUN = """
import os, signal
import pytest

@pytest.fixture(scope="session")
def created():
    yield
    open("removed", "w").close()

def test_it_is_asked_to_end(created):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()

def test_that_is_not_reached(created):
    open("reached", "w").close()
"""


def test_sigterm_ends_a_run_as_ctrl_c_does(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fixtures are torn down, no further test runs, and the exit code is that of an interruption."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    pytester.makepyfile(test_rows=RUN)
    done = pytester.runpytest_subprocess("-p", plugin.__name__, "-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert (pytester.path / "removed").exists()
    assert not (pytester.path / "reached").exists()


def test_handler_of_before_is_back_after_the_run(pytester: pytest.Pytester) -> None:
    """A program that calls pytest keeps its own handling of SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    pytester.makepyfile(test_rows="def test_nothing(): pass")
    pytester.runpytest_inprocess("-p", plugin.__name__, "-p", "no:cacheprovider")
    assert signal.getsignal(signal.SIGTERM) is before
