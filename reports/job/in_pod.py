"""What runs in the two containers of the Pod: the suite, and what keeps its results for `job retrieve`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from reports.job.manifests import RESULTS_FOLDER, SIGNALS_FOLDER
from reports.verdict import model, phrases

#: Files by which the containers and `retrieve` tell each other: the run ended, its results were retrieved.
ENDED: Final = ".ended"
RETRIEVED: Final = ".retrieved"
#: What Kubernetes shows as the message of a container that ended; 4,096 bytes at most.
TERMINATION_LOG: Final = Path("/dev/termination-log")
_POLL_SECONDS: Final = 1.0


def run(
    arguments: Sequence[str],
    folder: Path = Path(RESULTS_FOLDER),
    signals: Path = Path(SIGNALS_FOLDER),
    message: Path = TERMINATION_LOG,
    program: Sequence[str] = (sys.executable, "-m", "fluid_conformance", "run"),
) -> int:
    """Run the suite, and leave its exit code and its verdict in short where they are looked for.

    SIGTERM, with which kubelet ends a Pod, is passed on: the run then ends with its teardown.

    Args:
        arguments: of ``fluid-conformance run``.
        folder: of the results.
        signals: folder of the files by which the containers tell each other.
        message: the file of the message with which the container ends.
        program: that runs the suite.

    Returns:
        The exit code of the run.
    """
    process = subprocess.Popen([*program, *arguments])

    def end(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    message.write_text(headline(folder))
    (signals / ENDED).touch()
    return code


def headline(folder: Path) -> str:
    """The verdict of the last run in a folder in one line; empty if there is none."""
    try:
        verdict = model.load(folder / "latest" / model.FILE)
    except (HarnessError, OSError):
        return ""
    reasons = f" ({'; '.join(verdict.reasons)})" if verdict.reasons else ""
    return f"{phrases.headline(verdict)}: {phrases.counts(verdict)}{reasons}"[:2_000]


def hold(keep: float, signals: Path = Path(SIGNALS_FOLDER), clock: Clock = SYSTEM_CLOCK) -> int:
    """Keep the results of a run until they are retrieved, or for ``keep`` seconds after its end.

    After SIGTERM, with which kubelet ends a Pod, only until the run has ended. A run that was killed, for its
    memory for example, does not report its end; its results can be retrieved like those of others.
    """
    closing = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: closing.set())
    try:
        while not (signals / ENDED).exists() and not (signals / RETRIEVED).exists():
            clock.sleep(_POLL_SECONDS)
        end = clock.now() + keep
        while clock.now() < end and not closing.is_set() and not (signals / RETRIEVED).exists():
            clock.sleep(_POLL_SECONDS)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0
