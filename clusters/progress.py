"""Telling how far the work is: stage, elapsed, what it waits for.

On a terminal the current stage is one live line; without one (CI) each stage is a line at
its start and at its end, with a heartbeat at most once a minute while it lasts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TextIO

from rich.console import Console

from clusters.clock import SYSTEM_CLOCK, Clock

HEARTBEAT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A finished stage, as `verdict.json` lists it.

    Attributes:
        name: such as ``image kindest/node``.
        seconds: how long it took.
        cached: the work was found done already.
    """

    name: str
    seconds: float
    cached: bool = False


@dataclass
class RunningStage:
    """A stage under way; say with it what is being waited for."""

    name: str
    started: float
    cached: bool = False
    detail: str = ""

    def says(self, detail: str) -> None:
        """Set the current detail, such as the state seen last."""
        self.detail = detail.strip().splitlines()[-1][:120] if detail.strip() else ""

    def was_cached(self) -> None:
        """Mark that nothing had to be done."""
        self.cached = True


@dataclass
class Progress:
    """Where stages are told, and kept for the report."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Clock = SYSTEM_CLOCK
    stages: list[Stage] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[RunningStage]:
        """Tell and time one stage; the time is kept also when it fails."""
        running = RunningStage(name, self.clock.now())
        stop = threading.Event()
        console = Console(file=self.stream, highlight=False)
        if console.is_terminal:
            teller = threading.Thread(target=self._live, args=(console, running, stop), daemon=True)
        else:
            self._line(f"… {name}")
            teller = threading.Thread(target=self._heartbeat, args=(running, stop), daemon=True)
        teller.start()
        mark = "✗"
        try:
            yield running
            mark = "✓"
        finally:
            stop.set()
            teller.join()
            seconds = self.clock.now() - running.started
            with self._lock:
                self.stages.append(Stage(name, seconds, running.cached))
            self._line(f"{mark} {name} ({'cached, ' if running.cached else ''}{seconds:.1f} s)")

    def note(self, text: str) -> None:
        """Tell something that is not a stage, such as a host limit that was worked round."""
        self._line(f"· {text}")

    def _line(self, text: str) -> None:
        with self._lock:
            print(text, file=self.stream, flush=True)

    def _shown(self, running: RunningStage) -> str:
        elapsed = self.clock.now() - running.started
        detail = f": {running.detail}" if running.detail else ""
        return f"{running.name} [{elapsed:.0f} s]{detail}"

    def _live(self, console: Console, running: RunningStage, stop: threading.Event) -> None:
        with console.status(self._shown(running)) as status:
            while not stop.wait(0.5):
                status.update(self._shown(running))

    def _heartbeat(self, running: RunningStage, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            self._line(f"  {self._shown(running)}")
