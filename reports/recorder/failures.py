"""Converts exceptions to the failures that the verdict lists."""

from __future__ import annotations

from reports.verdict.model import Failure
from suites.record.failure_class import failure_class, reason
from suites.record.run import When


def failures(error: BaseException, phase: When, at: float = 0.0) -> tuple[Failure, ...]:
    """The failures of an exception: one, or one for each member of an exception group.

    Args:
        error: the exception.
        phase: the phase of the test that raised it.
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
