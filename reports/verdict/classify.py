"""From an exception to the failures that the verdict lists."""

from __future__ import annotations

from reports.verdict.model import Failure
from suites.record.failure_class import REASON_LENGTH, failure_class, reason
from suites.record.run import When

__all__ = ["REASON_LENGTH", "failure_class", "failures", "reason"]


def failures(error: BaseException, phase: When, at: float = 0.0) -> tuple[Failure, ...]:
    """An error as failures: one, or one for each member of an exception group.

    Args:
        error: what was raised.
        phase: the part of the test that raised it.
        at: seconds since the run began.
    """
    if isinstance(error, BaseExceptionGroup):
        return tuple(one for member in error.exceptions for one in failures(member, phase, at))
    return (
        Failure(
            failure_class=failure_class(error, phase),
            reason=reason(error),
            phase=phase,
            at=round(at, 3),
            detail=str(error).strip(),
        ),
    )
