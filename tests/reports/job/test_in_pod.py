"""What runs in the containers of the Pod."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reports.job import in_pod
from reports.verdict import phrases
from reports.verdict.model import Verdict
from tests.clusters.conftest import FakeClock


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    """The folder of the signals."""
    (tmp_path / "signals").mkdir()
    return tmp_path / "signals"


def appears(file: Path) -> None:
    """Wait until another process has created a file."""
    while not file.exists():
        time.sleep(0.02)


def program(text: str) -> tuple[str, ...]:
    """A suite that is this Python program."""
    return (sys.executable, "-c", text)


def test_the_run_leaves_its_exit_code_and_its_end(tmp_path: Path, signals: Path) -> None:
    """Without a verdict the message is empty."""
    message = tmp_path / "message"
    code = in_pod.run(["--level", "smoke"], tmp_path, signals, message, program("import sys; sys.exit(5)"))
    assert code == 5
    assert (signals / in_pod.ENDED).exists()
    assert message.read_text() == ""


def test_the_message_is_the_verdict_in_short(tmp_path: Path, signals: Path, sample: Verdict) -> None:
    """Of the run that ended."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "verdict.json").write_text(sample.model_dump_json(by_alias=True))
    (tmp_path / "latest").symlink_to("run")
    message = tmp_path / "message"
    in_pod.run([], tmp_path, signals, message, program(""))
    assert message.read_text().startswith(f"{phrases.headline(sample)}: {phrases.counts(sample)}")


def test_sigterm_ends_the_suite_and_not_what_waits_for_it(tmp_path: Path, signals: Path) -> None:
    """So the teardown runs, and its result is kept."""
    ready = tmp_path / "ready"
    text = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)"
    )

    def end() -> None:
        appears(ready)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    assert in_pod.run([], tmp_path, signals, tmp_path / "message", program(text)) == 2
    ending.join()
    assert (signals / in_pod.ENDED).exists()


def test_results_are_held_until_they_are_retrieved(signals: Path) -> None:
    """And for no longer than they are to be kept."""
    (signals / in_pod.ENDED).touch()
    clock = FakeClock()
    assert in_pod.hold(30.0, signals, clock) == 0
    assert 30 <= sum(clock.slept) < 32
    (signals / in_pod.RETRIEVED).touch()
    clock = FakeClock()
    in_pod.hold(30.0, signals, clock)
    assert clock.slept == []


def test_results_of_a_run_that_was_killed_are_held_until_they_are_retrieved(signals: Path) -> None:
    """A run that the kernel killed reports no end; once its results are retrieved, the Pod ends."""
    (signals / in_pod.RETRIEVED).touch()
    clock = FakeClock()
    assert in_pod.hold(30.0, signals, clock) == 0
    assert clock.slept == []


def test_results_are_held_no_longer_when_the_pod_ends(signals: Path) -> None:
    """Kubelet waits for all containers of a Pod."""
    ready = signals / "ready"
    text = (
        "from pathlib import Path\n"
        "from clusters.clock import SystemClock\n"
        "from reports.job import in_pod\n"
        "class Clock(SystemClock):\n"
        "    def sleep(self, seconds):\n"
        f"        Path({str(ready)!r}).touch()\n"
        "        super().sleep(seconds)\n"
        f"in_pod.hold(600, Path({str(signals)!r}), Clock())"
    )
    holding = subprocess.Popen(program(text), cwd=Path(__file__).parents[3])
    appears(ready)
    holding.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        holding.wait(1.5)
    (signals / in_pod.ENDED).touch()
    assert holding.wait(20.0) == 0
