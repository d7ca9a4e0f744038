"""What measurers of arms share: an error makes a round invalid, and observations make a timeline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime

from clusters.errors import HarnessError
from clusters.kubernetes.exec import ExecTimeoutError
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import Sample
from suites.benchmark.testbed.fio_run import HungError
from suites.benchmark.testbed.testbed import Testbed


class ArmMeasurer(ABC):
    """Measures the arms of one series.

    Attributes:
        testbed: the system that is measured.
        began: when the series began.
        on_step: called with a description of each step.
        timeline: cached and sent bytes at each observation.
        findings: other observations, one sentence each.
    """

    testbed: Testbed
    began: datetime
    on_step: Callable[[str], None]
    timeline: list[Sample]
    findings: list[str]

    def __call__(self, arm: str, number: int) -> Round:
        """Measure an arm once, as a part of a round.

        An error makes the round invalid with its reason, unless the testbed cannot be repaired after a hang.
        """
        started = datetime.now(UTC)
        self.on_step(f"round {number + 1}, {arm}")
        try:
            return self._measure(arm, number)
        except (HungError, ExecTimeoutError) as error:
            self.findings.append(f"{arm}, round {number + 1}: {error.message}")
            failed = _failed_round(arm, number, started, error.message)
            self._repair(arm)
            return failed
        except HarnessError as error:
            return _failed_round(arm, number, started, error.message)

    @abstractmethod
    def _measure(self, arm: str, number: int) -> Round:
        """Measure an arm once."""

    @abstractmethod
    def _repair(self, arm: str) -> None:
        """End what hangs."""

    def _record(self, at: datetime, cached_bytes: int | None, nfs_read_bytes: int | None) -> None:
        """Add an observation to the timeline."""
        t = max((at - self.began).total_seconds(), 0.0)
        self.timeline.append(Sample(t=t, cached_bytes=cached_bytes, nfs_read_bytes=nfs_read_bytes))


def _failed_round(arm: str, number: int, started: datetime, reason: str) -> Round:
    """A round that gave no value."""
    return Round(
        arm=arm,
        number=number,
        value=None,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        read_bytes=0,
        started=started,
        load_before=0.0,
        valid=False,
        reason=reason,
    )
