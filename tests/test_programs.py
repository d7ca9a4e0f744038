"""Programs of this folder: how they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from clusters.errors import InfrastructureError
from tests.programs import FAILED, INTERRUPTED, end_with


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """The handler of SIGTERM is that of before."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_program_that_is_refused_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and what to do."""

    def main() -> int:
        message = "no container engine answers"
        raise InfrastructureError(message, advice="start Docker")

    assert end_with(main) == FAILED
    assert "no container engine answers" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_program_that_is_interrupted_undoes_and_ends(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """By Ctrl-C and by SIGTERM, without a traceback."""
    undone = []

    def main() -> int:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            undone.append(number)
        return 0

    assert end_with(main) == INTERRUPTED
    assert undone == [number]
    assert "Traceback" not in capsys.readouterr().err
