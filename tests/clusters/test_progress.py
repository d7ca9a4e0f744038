"""Progress without a terminal, as CI sees it, and on one."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from clusters import progress as module
from clusters.progress import Progress, Stage

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeClock


def test_a_stage_is_reported_at_both_ends_and_kept(clock: FakeClock) -> None:
    """Without a terminal a stage is one line at its start and one at its end, with its time."""
    stream, clock.time = io.StringIO(), 0
    progress = Progress(stream, clock)
    with progress.stage("cluster up"):
        clock.time = 12.34
    assert stream.getvalue().splitlines() == ["… cluster up", "✓ cluster up (12.3 s)"]
    assert progress.stages == [Stage("cluster up", 12.34)]


def test_work_found_done_is_reported_as_cached(clock: FakeClock) -> None:
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


def test_a_long_stage_shows_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """A running stage has heartbeats with its newest detail."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    shown = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "worker 0/1" in text:
                shown.set()
            return super().write(text)

    with Progress(Stream(), clock).stage("Dataset") as stage:
        stage.says("master 1/1\nworker 0/1")
        assert shown.wait(5)


def test_a_note_is_a_line_of_its_own() -> None:
    """A note is shown, and is not kept as a stage."""
    stream = io.StringIO()
    progress = Progress(stream)
    progress.note("no CAP_SYS_RESOURCE: runc is wrapped")
    assert stream.getvalue() == "· no CAP_SYS_RESOURCE: runc is wrapped\n"
    assert progress.stages == []


class Terminal(io.StringIO):
    """A terminal that records its output."""

    def isatty(self) -> bool:
        """A terminal."""
        return True

    def seen(self) -> str:
        """What was written, without the moves of the cursor."""
        return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 100 columns that is redrawn quickly."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(module, "REFRESHES_PER_SECOND", 100)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def becomes_true(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true within a moment."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_stages_side_by_side_share_one_live_line(terminal: Terminal, clock: FakeClock) -> None:
    """Two lanes of work are one line on a terminal, each with its newest detail."""
    progress = Progress(terminal, clock)
    with progress.stage("build a") as first, progress.stage("build b") as second:
        first.says("compiling")
        second.says("downloading")
        together = "build a [0 s]: compiling  |  build b [0 s]: downloading"
        assert becomes_true(lambda: together in terminal.seen())
    lines = [line.strip() for line in re.split(r"[\r\n]+", terminal.seen())]
    assert [line for line in lines if line.startswith("✓")] == ["✓ build b (0.0 s)", "✓ build a (0.0 s)"]


def test_stages_on_two_threads_end_in_any_order(terminal: Terminal) -> None:
    """The first to end leaves the line to the other, and nothing breaks."""
    progress = Progress(terminal)
    begun, go_on = threading.Barrier(3), threading.Event()

    def lane(name: str, wait: threading.Event | None) -> None:
        with progress.stage(name):
            begun.wait()
            if wait is not None:
                wait.wait()

    lanes = [
        threading.Thread(target=lane, args=("short", None)),
        threading.Thread(target=lane, args=("long", go_on)),
    ]
    for thread in lanes:
        thread.start()
    begun.wait()
    lanes[0].join()
    assert becomes_true(lambda: "✓ short" in terminal.seen())
    written = len(terminal.getvalue())
    assert becomes_true(lambda: "long [0 s]" in terminal.getvalue()[written:])
    go_on.set()
    lanes[1].join()
    assert [stage.name for stage in progress.stages] == ["short", "long"]
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_a_note_is_above_the_live_line(terminal: Terminal) -> None:
    """It is a line of its own, whole, with brackets as they are."""
    progress = Progress(terminal)
    with progress.stage("build"):
        progress.note("[bold]" + "x" * 150)
    assert "· [bold]" + "x" * 150 + "\n" in terminal.seen().replace("\r", "")


def test_the_live_line_never_wraps(terminal: Terminal, clock: FakeClock) -> None:
    """Each stage has its share of the width."""
    progress = Progress(terminal, clock)
    with progress.stage("a" * 200), progress.stage("b" * 200), progress.stage("c" * 200):
        line = progress._live_line().plain
    assert len(line) <= 100
    assert all(letter * 20 in line for letter in "abc")


def test_a_failure_gives_the_terminal_back(terminal: Terminal) -> None:
    """The cursor is shown again, and the stage is marked."""
    progress = Progress(terminal)
    with pytest.raises(KeyboardInterrupt), progress.stage("build"):
        raise KeyboardInterrupt
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")
    assert "✗ build" in terminal.seen()


def test_colour_by_force_makes_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI systems set FORCE_COLOR although there is no terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    with Progress(stream).stage("build"):
        pass
    assert "\x1b" not in stream.getvalue()
