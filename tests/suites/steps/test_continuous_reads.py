"""Reads in the background: each one counts, and none that fails is overlooked."""

from __future__ import annotations

import threading

import pytest

from clusters.errors import ProductFailureError
from suites.steps.continuous_reads import ContinuousReads


def test_reads_go_on_until_the_context_ends() -> None:
    """Each application in a thread of its own."""
    many = threading.Event()
    done = {"a": 0, "b": 0}

    def reader(name: str) -> None:
        done[name] += 1
        if min(done.values()) > 3:
            many.set()

    with ContinuousReads({"a": lambda: reader("a"), "b": lambda: reader("b")}) as reads:
        assert many.wait(20)
        reads.check()
    assert reads.counts == done
    assert all(0 <= seconds < 20 for seconds in reads.longest.values())
    assert not any(thread.name.startswith("read ") for thread in threading.enumerate())


def test_read_that_fails_fails_the_scenario() -> None:
    """The others go on; the error is raised at the next check, and at the end."""
    failed, went_on = threading.Event(), threading.Event()

    def broken() -> None:
        failed.set()
        raise ProductFailureError("Pod a did not read the files at the source")

    def right() -> None:
        if failed.is_set():
            went_on.set()

    reads = ContinuousReads({"a": broken, "b": right})
    reads.__enter__()
    assert went_on.wait(20)
    with pytest.raises(ProductFailureError, match="did not read the files"):
        reads.check()
    with pytest.raises(ProductFailureError, match="did not read the files"):
        reads.__exit__(None, None, None)
    assert reads.counts["a"] == 0


def test_error_of_the_body_is_not_hidden() -> None:
    """What broke first is reported."""

    def broken() -> None:
        raise ProductFailureError("a read failed")

    with pytest.raises(ValueError, match="helm"), ContinuousReads({"a": broken}):
        raise ValueError("helm")
