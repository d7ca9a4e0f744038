"""Progress of a run: stage, elapsed time, current wait.

On a terminal, one live line shows all running stages. Otherwise (CI) each stage has a line at its start and
at its end, and a heartbeat once a minute between them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from clusters.clock import SYSTEM_CLOCK, Clock

HEARTBEAT_SECONDS: Final = 60.0
REFRESHES_PER_SECOND: Final = 4.0
#: Separates two stages on the live line.
_GAP: Final = "  |  "


@dataclass(frozen=True, slots=True)
class Stage:
    """A finished stage, as `verdict.json` lists it.

    Attributes:
        name: such as ``image kindest/node``.
        seconds: its duration.
        cached: nothing had to be done.
    """

    name: str
    seconds: float
    cached: bool = False


@dataclass(eq=False)
class RunningStage:
    """A running stage, with the current wait as its detail."""

    name: str
    started: float
    cached: bool = False
    detail: str = ""

    def says(self, detail: str) -> None:
        """Set the current detail, such as the last observed state."""
        self.detail = detail.strip().splitlines()[-1][:120] if detail.strip() else ""

    def was_cached(self) -> None:
        """Mark that nothing had to be done."""
        self.cached = True


@dataclass
class Progress:
    """Shows stages and keeps them for the report; stages may run in parallel threads."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Clock = SYSTEM_CLOCK
    stages: list[Stage] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _console: Console = field(init=False, repr=False)
    _running: list[RunningStage] = field(default_factory=list, init=False, repr=False)
    _live: Live | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._console = Console(file=self.stream, highlight=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[RunningStage]:
        """Show and time one stage; the time is kept also if it fails."""
        running = RunningStage(name, self.clock.now())
        ended = self._show(running) if self._terminal else self._beat(running)
        mark = "✗"
        try:
            yield running
            mark = "✓"
        finally:
            ended()
            seconds = self.clock.now() - running.started
            with self._lock:
                self.stages.append(Stage(name, seconds, running.cached))
            self._line(f"{mark} {name} ({'cached, ' if running.cached else ''}{seconds:.1f} s)")

    def note(self, text: str) -> None:
        """Show a line that is not a stage, such as a host limit with a workaround."""
        self._line(f"· {text}")

    @property
    def _terminal(self) -> bool:
        """The stream is a real terminal; FORCE_COLOR alone does not make one."""
        return self.stream.isatty() and self._console.is_terminal and not self._console.is_dumb_terminal

    def _line(self, text: str) -> None:
        with self._lock:
            if self._live is None:
                print(text, file=self.stream, flush=True)
            else:  # above the live line
                self._console.print(Text(text), soft_wrap=True)

    def _shown(self, running: RunningStage) -> str:
        elapsed = self.clock.now() - running.started
        detail = f": {running.detail}" if running.detail else ""
        return f"{running.name} [{elapsed:.0f} s]{detail}"

    def _show(self, running: RunningStage) -> Callable[[], None]:
        """Add a stage to the live line; return a function that removes it."""
        with self._lock:
            self._running.append(running)
            if self._live is None:
                # Live displays cannot be nested, so that one shows all stages.
                self._live = Live(
                    console=self._console,
                    get_renderable=self._live_line,
                    refresh_per_second=REFRESHES_PER_SECOND,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=self.stream is sys.stderr,
                )
                self._live.start()

        def ended() -> None:
            with self._lock:
                self._running.remove(running)
                if not self._running and self._live is not None:
                    self._live.stop()
                    self._live = None

        return ended

    def _live_line(self) -> Text:
        """All running stages in one line of equal shares.

        The display calls this under its own lock, so this uses none.
        """
        running = tuple(self._running)
        share = (self._console.width - len(_GAP) * (len(running) - 1)) // max(1, len(running))
        return Text(
            _GAP.join(_cut(self._shown(stage), share) for stage in running), no_wrap=True, overflow="ellipsis"
        )

    def _beat(self, running: RunningStage) -> Callable[[], None]:
        """Print heartbeat lines of a stage; return a function that ends them."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(HEARTBEAT_SECONDS):
                self._line(f"  {self._shown(running)}")

        self._line(f"… {running.name}")
        printer = threading.Thread(target=beat, daemon=True)
        printer.start()

        def ended() -> None:
            stop.set()
            printer.join()

        return ended


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
