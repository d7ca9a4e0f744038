"""Progress without a terminal, as CI sees it."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest

from clusters import progress as module
from clusters.progress import Progress, Stage

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeClock


def test_a_stage_is_told_at_both_ends_and_kept(clock: FakeClock) -> None:
    """Without a terminal a stage is one line at its start and one at its end, with its time."""
    stream, clock.time = io.StringIO(), 0
    progress = Progress(stream, clock)
    with progress.stage("cluster up"):
        clock.time = 12.34
    assert stream.getvalue().splitlines() == ["… cluster up", "✓ cluster up (12.3 s)"]
    assert progress.stages == [Stage("cluster up", 12.34)]


def test_work_found_done_is_told_as_cached(clock: FakeClock) -> None:
    """A stage that had nothing to do says so, to the reader and to the report."""
    stream = io.StringIO()
    progress = Progress(stream, clock)
    with progress.stage("image a") as stage:
        stage.was_cached()
    assert stream.getvalue().splitlines()[-1] == "✓ image a (cached, 0.0 s)"
    assert progress.stages[0].cached


def test_a_failed_stage_is_kept_with_its_time(clock: FakeClock) -> None:
    """A failure passes through; its stage is marked and its time is not lost."""
    stream, clock.time = io.StringIO(), 0
    progress = Progress(stream, clock)

    def break_down() -> None:
        clock.time = 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), progress.stage("build"):
        break_down()
    assert stream.getvalue().splitlines()[-1] == "✗ build (3.0 s)"
    assert progress.stages == [Stage("build", 3)]


def test_a_long_stage_tells_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """While a stage lasts its newest detail is told from time to time."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    told = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "worker 0/1" in text:
                told.set()
            return super().write(text)

    with Progress(Stream(), clock).stage("Dataset") as stage:
        stage.says("master 1/1\nworker 0/1")
        assert told.wait(5)


def test_a_note_is_a_line_of_its_own() -> None:
    """What is not a stage is told too, and not kept as one."""
    stream = io.StringIO()
    progress = Progress(stream)
    progress.note("no CAP_SYS_RESOURCE: runc is wrapped")
    assert stream.getvalue() == "· no CAP_SYS_RESOURCE: runc is wrapped\n"
    assert progress.stages == []
