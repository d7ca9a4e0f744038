"""Running other programs, behind a protocol that tests replace."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from clusters.errors import InfrastructureError
from clusters.host import network_settings

#: Characters of output that an error shows; the end of it, where programs put the cause.
SHOWN_OUTPUT: Final = 4_000

#: Seconds for an interrupted program to clean up before it is killed.
GRACE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ran to its end."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str


#: Programs that run for this process now.
_running: set[subprocess.Popen[str]] = set()
#: Held while a program is started, so that `end_running` never misses one that another thread starts.
_starting: Final = threading.Lock()


class CommandError(InfrastructureError):
    """A program failed, could not be started, or did not end in time."""

    def __init__(self, message: str, *, completed: Completed | None = None, advice: str = "") -> None:
        self.completed = completed
        last_seen = ""
        if completed is not None:
            text = "\n".join(part.strip() for part in (completed.stdout, completed.stderr) if part.strip())
            last_seen = shown_output(text)
        super().__init__(message, last_seen=last_seen, advice=advice)


def shown_output(text: str) -> str:
    """The end of an output, where most programs say what failed, and its begin, where a crash says it."""
    if len(text) <= SHOWN_OUTPUT:
        return text
    begin = SHOWN_OUTPUT // 4
    left_out = len(text) - SHOWN_OUTPUT
    return f"{text[:begin]}\n… {left_out} characters …\n{text[begin + left_out :]}"


class Commands(Protocol):
    """Runs programs."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run ``argv`` to its end.

        Args:
            argv: the program and its arguments; never passed through a shell.
            check: raise when the exit code is not 0.
            timeout: seconds after which the program and its children are ended.
            env: variables set on top of this process's own, and of `clusters.host.network_settings`.
            cwd: the folder to run in.
            stdin: text for its standard input; without it, it reads nothing.
            on_line: called with each line of output as it is written; stderr is then merged into stdout.

        Raises:
            CommandError: not startable, not ended in time, or (with ``check``) a non-zero exit.
        """
        ...


class SystemCommands:
    """Runs programs on this machine, each in a process group of its own."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run ``argv`` to its end; see `Commands.run`."""
        words = tuple(str(word) for word in argv)
        variables = {**network_settings.completed(), **(env or {})}
        try:
            with _starting:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT if on_line is not None else subprocess.PIPE,
                    env={**os.environ, **variables} if variables else None,
                    cwd=cwd,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
                _running.add(process)
        except OSError as error:
            raise CommandError(
                f"cannot start {words[0]}: {error.strerror}",
                advice=f"install {Path(words[0]).name}, or see --bootstrap in the README",
            ) from error
        try:
            if on_line is not None:
                stdout, stderr = _follow(process, timeout, on_line), ""
            else:
                stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            out, err = _end(process)
            done = Completed(words, -1, out or str(error.output or ""), err)
            raise CommandError(f"{shown(words)} did not end within {timeout:g} s", completed=done) from error
        except BaseException:
            _end(process)
            raise
        finally:
            _running.discard(process)
        done = Completed(words, process.returncode, stdout, stderr)
        if check and done.exit_code != 0:
            raise CommandError(f"{shown(words)} failed with exit code {done.exit_code}", completed=done)
        return done


def end_running(number: signal.Signals = signal.SIGTERM) -> None:
    """Signal every program that runs for this process, on whichever thread, with its children.

    For an interrupted run whose other threads wait for their programs: each has a session of
    its own, so that a terminal's Ctrl-C does not reach it.
    """
    with _starting:
        running = tuple(_running)
    for process in running:
        if process.poll() is None:
            _signal(process, number)


def shown(argv: Sequence[str], limit: int = 200) -> str:
    """A command line as a person would type it, cut at ``limit`` characters."""
    line = shlex.join(argv)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _follow(process: subprocess.Popen[str], timeout: float | None, on_line: Callable[[str], None]) -> str:
    """Pass on each line of the program's output as it is written, and return all of it."""
    assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
    lines: list[str] = []
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _signal(process, signal.SIGTERM)
        # A program that ignores the signal would keep the pipe open, and this loop waiting, for ever.
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)

    timer = threading.Timer(timeout, expire) if timeout is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        with process.stdout:
            for line in process.stdout:
                lines.append(line)
                on_line(line.rstrip("\n"))
        process.wait()
    finally:
        if timer is not None:
            timer.cancel()
    if expired.is_set():
        raise subprocess.TimeoutExpired(process.args, timeout or 0, output="".join(lines))
    return "".join(lines)


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End the program and its children: by SIGTERM, then by SIGKILL."""
    _signal(process, signal.SIGTERM)
    try:
        out, err = process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        out, err = process.communicate()
    except ValueError:  # its pipes were read to the end already
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        return "", ""
    return out or "", err or ""
