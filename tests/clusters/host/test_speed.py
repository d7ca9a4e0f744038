"""The factor by which limits in seconds are stretched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.host import speed
from tests.clusters.conftest import FakeClock
from tests.clusters.fakes import HOST, FakeCommands


@pytest.mark.parametrize(
    ("seconds", "factor"),
    [(speed.REFERENCE / 2, 1.0), (speed.REFERENCE, 1.0), (0.05, 2.5), (0.0524, 2.6), (60.0, speed.MOST)],
)
def test_limits_are_stretched_on_a_slow_machine_alone(seconds: float, factor: float) -> None:
    """By the measured factor within bounds; a fast machine keeps the limits as they are."""
    clock, commands = FakeClock(), FakeCommands()
    commands.on("-c", does=lambda _: clock.sleep(seconds))
    assert speed.slowness(commands, clock) == factor


def test_one_slow_start_does_not_count() -> None:
    """The median is used: something else may have used the CPUs for a moment."""
    clock, commands = FakeClock(), FakeCommands()
    commands.on("-c", does=lambda _: clock.sleep(10.0 if len(commands.ran) == 1 else speed.REFERENCE))
    assert speed.slowness(commands, clock) == 1.0


def test_the_report_says_that_limits_were_stretched() -> None:
    """Among the limits of the host, with the factor."""
    assert replace(HOST, slowness=2.5).limits()[-1].startswith("programs start 2.5 times as slowly")
    assert replace(HOST, slowness=1.0).limits() == HOST.limits()
