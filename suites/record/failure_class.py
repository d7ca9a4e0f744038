"""From an exception to whose fault it was, in one line."""

from __future__ import annotations

import re
import subprocess
from typing import Final

import pytest

from clusters.errors import FailureClass, HarnessError
from suites.record.run import When

#: Characters of a reason; the whole error is in the detail.
REASON_LENGTH: Final = 300

#: Packages whose errors mean that a connection broke. They are named, not imported: importing the
#: Kubernetes client needs more than a second.
TRANSPORT_PACKAGES: Final = frozenset({"urllib3", "requests", "http", "ssl", "socket"})

#: The API server's status codes of its own failures: too many requests, and all from here on.
TOO_MANY_REQUESTS: Final = 429
SERVER_TROUBLE: Final = 500

#: The API server answers, and one of Fluid's webhooks does not: the names are those of
#: charts/fluid/fluid/templates/webhook/webhookconfiguration.yaml of Fluid 1.0.8.
SILENT_WEBHOOK: Final = re.compile(r'failed calling webhook "[^"]*\bfluid\.io"')

#: What pytest-timeout fails a test with.
TIMEOUT: Final = re.compile(r"Timeout \(>[\d.]+s\) from pytest-timeout")


def failure_class(error: BaseException, phase: When) -> FailureClass:
    """Whose fault an error is.

    - An error of the harness says it itself, but for one that says that Fluid's webhook does not answer the
      API server: that is the product's, since the API server itself answers.
    - A plain assertion (or ``pytest.fail``) is a finding about the product in the test's body. In
      set-up and teardown it is the harness's: fixtures raise `ProductFailureError` for a finding.
    - Broken connections, failures of the server, a program that failed, memory and disk: infrastructure.
    - Anything else, and a test that ran into pytest-timeout, is a defect of the harness.

    Args:
        error: the exception, not a group of them.
        phase: the part of the test that raised it.
    """
    if isinstance(error, HarnessError):
        silent = SILENT_WEBHOOK.search(error.message) is not None
        return FailureClass.PRODUCT if silent else error.failure_class
    if TIMEOUT.search(str(error)):
        return FailureClass.HARNESS
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return FailureClass.PRODUCT if phase == "call" else FailureClass.HARNESS
    if _infrastructure(error):
        return FailureClass.INFRASTRUCTURE
    if error.__cause__ is not None:
        return failure_class(error.__cause__, "setup")
    return FailureClass.HARNESS


def reason(error: BaseException) -> str:
    """An error in one line: its own words, with its kind where they do not explain themselves."""
    text = error.message if isinstance(error, HarnessError) else str(error)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    line = lines[0] if lines else ""
    if isinstance(error, AssertionError) and not isinstance(error, HarnessError):
        line = line or "an assertion without words failed"
    elif not isinstance(error, HarnessError | pytest.fail.Exception):
        line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"


def _infrastructure(error: BaseException) -> bool:
    if isinstance(error, OSError):
        # A broken connection, a full disk; but a file that the harness missed is its own fault.
        return not isinstance(
            error, FileNotFoundError | FileExistsError | IsADirectoryError | NotADirectoryError
        )
    if isinstance(error, MemoryError | subprocess.SubprocessError):
        return True
    for kind in type(error).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in TRANSPORT_PACKAGES:
            return True
        if package == "kubernetes" and kind.__name__ == "ApiException":
            status = getattr(error, "status", None) or 0
            return status in {0, TOO_MANY_REQUESTS} or status >= SERVER_TROUBLE
    return False
