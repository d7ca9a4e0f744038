"""Runs the steps of a qualification, each in a process of its own, and remembers how far it came."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from reports.certificate.harness import HOUSE
from reports.certificate.rows import conclusion
from reports.qualification.model import JUDGED, RUN, RUNS, Part, State, Step, StepState
from reports.qualification.plan import remaining, removal
from reports.verdict import model

#: Exit codes of an interrupted run (pytest), and of one that was refused.
INTERRUPTED: Final = 2
REFUSED: Final = 4
#: Exit codes of a run that says something: passed, and failed.
WITH_RESULT: Final = (0, 1)
_INTERRUPTED: Final = ("interrupted; the same command continues, and runs nothing again that ended",)


class StepInterruptedError(HarnessError):
    """A person or a CI system ended the qualification; it can be continued."""


class StepRefusedError(HarnessError):
    """A step was refused by this host, so that no later one could run either."""


class Program(Protocol):
    """Runs the harness."""

    def __call__(self, arguments: Sequence[str], log: Path) -> int:
        """Run `fluid-conformance` with these arguments; the exit code. The output is also kept in ``log``."""
        ...


@dataclass
class Runner:
    """Runs what is left of a qualification.

    Attributes:
        folder: of the qualification.
        program: runs one command of the harness.
        say: prints a line.
    """

    folder: Path
    program: Program
    say: Callable[[str], None]
    clock: Clock = SYSTEM_CLOCK

    def run(self, planned: Sequence[Step], state: State) -> State:
        """Run the steps that did not end, and save the state after each.

        Raises:
            StepInterruptedError: the state up to there is saved.
            StepRefusedError: the same.
        """
        state.save(self.folder)
        left = remaining(planned, state)
        for number, step in enumerate(left, 1):
            self.say(f"step {number} of {len(left)}: {step.title}")
            start, before = self.clock.now(), self._newest(step)
            try:
                if step.part is Part.UPGRADE:
                    # A group that is repeated must not find the cluster that it left upgraded.
                    self.program(removal(), self._log(f"{step.id}-before"))
                code = self.program(step.arguments, self._log(step.id))
            except KeyboardInterrupt:
                self._ended(step, state, INTERRUPTED, self.clock.now() - start, done=False)
                raise StepInterruptedError(*_INTERRUPTED) from None
            # A run without a result is run again by the same command.
            done = code in WITH_RESULT or step.part not in RUN or self._concluded(step, before)
            state = self._ended(step, state, code, self.clock.now() - start, done=done)
            if step.part in RUN and code == INTERRUPTED:
                raise StepInterruptedError(*_INTERRUPTED)
            if step.part in RUN and code == REFUSED:
                raise StepRefusedError(f"step {step.id} was refused; the same command continues")
        return state

    def _ended(self, step: Step, state: State, code: int, seconds: float, *, done: bool) -> State:
        """Save how a step ended."""
        run = self._newest(step) if step.part in RUN else ""
        step_state = StepState(run=run, exit_code=code, seconds=round(seconds, 1), finished=done)
        ended = state.ended(step.id, step_state)
        ended.save(self.folder)
        return ended

    def _concluded(self, step: Step, before: str) -> bool:
        """Whether a judged step made a run that says something, whatever its exit code."""
        run = self._newest(step)
        if step.part not in JUDGED or run == before:
            return False
        return conclusion(model.load(self.folder / run / model.FILE)) is not None

    def _log(self, step: str) -> Path:
        return self.folder / RUNS / f"{step}.log"

    def _newest(self, step: Step) -> str:
        """The folder of the last run of a step, below that of the qualification; empty if there is none."""
        runs = [path.parent for path in (self.folder / RUNS / step.id).glob(f"*/{model.FILE}")]
        runs = [path for path in runs if not path.is_symlink()]
        return str(max(runs).relative_to(self.folder)) if runs else ""


def run_harness(arguments: Sequence[str], log: Path) -> int:
    """Run the harness in a process of its own, with its output on this terminal and in ``log``.

    SIGTERM is passed on, so that the run is torn down.

    Raises:
        KeyboardInterrupt: Ctrl-C, once the run has ended with its teardown.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(filter(None, (str(HOUSE), os.environ.get("PYTHONPATH", ""))))
    with (
        log.open("w", encoding="utf-8", errors="replace") as file,
        subprocess.Popen(
            [sys.executable, "-m", "fluid_conformance", *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        before = signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
        try:
            return _follow(process, lambda line: (sys.stdout.write(line), file.write(line)))
        finally:
            signal.signal(signal.SIGTERM, before)


def _follow(process: subprocess.Popen[str], show: Callable[[str], object]) -> int:
    """Show the output until the process ends; Ctrl-C reaches it too, and its teardown is waited for."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    interrupted = False
    while True:
        try:
            for line in process.stdout:
                show(line)
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            continue
        if interrupted:
            raise KeyboardInterrupt
        return code
