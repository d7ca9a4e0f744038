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


def test_run_records_its_options(pytester: pytest.Pytester) -> None:
    """What decides which scenarios run and on what; not what describes the machine."""
    pytester.makepyfile(
        test_rows="""
        from suites.record.run import run_of

        def test_options(request):
            assert run_of(request.config).options == {
                "level": "conformance", "fluid": "0.9.3", "kubernetes": "1.34.0", "alluxio": "2.9.0",
                "nodes": "3", "images": "auto", "window": "60", "shuffle": "7",
            }
        """
    )
    words = ["--level", "conformance", "--fluid", "0.9.3", "--nodes", "3", "--shuffle", "7"]
    words += ["--registry", "mirror.example:5000"]
    done = pytester.runpytest_inprocess("-p", plugin.__name__, "-p", "no:cacheprovider", *words)
    done.assert_outcomes(passed=1)
