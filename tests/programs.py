"""How the programs of this folder speak and end: with a sentence and an exit code, never with a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Final

from clusters.errors import HarnessError

FAILED: Final = 1
INTERRUPTED: Final = 2


def end_with(main: Callable[[], int]) -> int:
    """Run a program, and return its exit code; SIGTERM ends it as Ctrl-C does, with what it undoes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return main()
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def say(line: str) -> None:
    """Print a line at once, also into a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
