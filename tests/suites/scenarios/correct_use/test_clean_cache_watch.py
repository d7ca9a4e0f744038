"""The record of the commands with which Fluid frees the cache."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from clusters.waiting import wait
from suites.scenarios.correct_use.test_a49_clean_cache_policy import WATCH


def test_commands_that_free_the_cache_are_recorded(tmp_path: Path) -> None:
    """Each with its process id; other commands, and the watching shell itself, are not recorded."""
    alluxio = tmp_path / "alluxio"
    alluxio.write_text("#!/bin/sh\nexec sleep 30\n")
    alluxio.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    record = tmp_path / "record"
    commands = (
        ["timeout", "45", "alluxio", "fs", "free", "-f", "/"],
        ["timeout", "45", "alluxio", "fs", "ls", "/"],
        ["bash", "-c", WATCH, "watch", str(record)],
    )
    running = [subprocess.Popen(command, env=env) for command in commands]
    try:
        seen = wait(
            lambda: record.read_text() if record.exists() else "",
            bool,
            subject="record",
            condition="a line",
            timeout=20.0,
        )
    finally:
        for process in running:
            process.terminate()
            process.wait()
    assert {line.strip() for line in seen.splitlines()} == {
        f"{running[0].pid} timeout 45 alluxio fs free -f /"
    }
