"""Daemons that answer, and processes with a given command line."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clusters.host import engine_leftovers
from clusters.host.commands import Completed
from tests.clusters.fakes import FakeCommands, Ran


def listening(commands: FakeCommands, *addresses: str) -> None:
    """Let daemons answer at these addresses only."""

    def answer(ran: Ran) -> Completed:
        found = ran.env["DOCKER_HOST"] in addresses
        return Completed(ran.argv, 0 if found else 1, "20.10.24\n" if found else "", "")

    commands.on("docker", "version", does=answer)


@contextmanager
def process(*argv: str, first: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A process with this command line that does nothing until it is ended."""
    script = ["-c", f"{first} read line", *argv[1:]]
    started = subprocess.Popen([argv[0], *script], executable="/bin/sh", stdin=subprocess.PIPE)
    try:
        # Until the program is loaded, the command line is that of this process.
        while engine_leftovers._words(started.pid)[:1] != [argv[0]]:
            time.sleep(0.005)
        yield started
    finally:
        started.kill()
        started.communicate()


def ends(started: subprocess.Popen[bytes]) -> bool:
    """Whether the process ends by itself within a moment."""
    try:
        started.wait(2)
    except subprocess.TimeoutExpired:
        return False
    return True
