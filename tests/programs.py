"""How the programs of this folder end: with a sentence and an exit code, never with a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from clusters.errors import HarnessError

FAILED: Final = 1
INTERRUPTED: Final = 2


def end_with(main: Callable[[], int]) -> int:
    """Run a program, and return its exit code; SIGTERM ends it as Ctrl-C does, with what it undoes."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return main()
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)
