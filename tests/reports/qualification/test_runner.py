"""A command of the harness in a process of its own."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from reports.qualification import runner


def test_output_is_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of the command."""
    log = tmp_path / "runs" / "a.log"
    assert runner.run_harness(["schema", "verdict"], log) == 0
    assert '"Verdict"' in log.read_text()
    assert capsys.readouterr().out == log.read_text()
    assert runner.run_harness(["fly"], log) == 2
    assert "invalid choice: 'fly'" in log.read_text()


def test_interrupted_command_ends_with_its_teardown(tmp_path: Path) -> None:
    """Ctrl-C reaches the command too, and the qualification waits until it has ended."""
    log = tmp_path / "a.log"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        runner.run_harness(["schema", "verdict"], log)
    timer.join()
    assert log.read_text().endswith("}\n")
