"""Errors with data: the object, the elapsed time, its last state, and what to do."""

from __future__ import annotations

from enum import StrEnum


class FailureClass(StrEnum):
    """Who is responsible for a failure, as in `verdict.json`."""

    PRODUCT = "product"
    HARNESS = "harness"
    INFRASTRUCTURE = "infrastructure"


class HarnessError(Exception):
    """Base of all errors that the harness raises.

    Args:
        message: one sentence that a user of Fluid understands.
        subject: the object, such as ``Dataset demo/imagenet``.
        condition: the expected state.
        elapsed: seconds spent.
        last_seen: the last observed states, as text.
        advice: one line of what to do.
    """

    failure_class = FailureClass.HARNESS

    def __init__(
        self,
        message: str,
        *,
        subject: str = "",
        condition: str = "",
        elapsed: float | None = None,
        last_seen: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.condition = condition
        self.elapsed = elapsed
        self.last_seen = last_seen
        self.advice = advice

    def __str__(self) -> str:
        lines = [self.message]
        if self.subject and self.subject not in self.message:
            lines.append(f"  object:    {self.subject}")
        if self.condition and self.condition not in self.message:
            lines.append(f"  expected:  {self.condition}")
        if self.elapsed is not None:
            lines.append(f"  elapsed:   {self.elapsed:.1f} s")
        if self.last_seen:
            lines.append("  last seen: " + self.last_seen.replace("\n", "\n             "))
        if self.advice:
            lines.append(f"  to do:     {self.advice}")
        return "\n".join(lines)


class RefusalError(HarnessError):
    """Invalid input or an unsuitable host, reported before anything is created."""


class InfrastructureError(HarnessError):
    """The host, the container engine or the cluster failed; Fluid was not tested."""

    failure_class = FailureClass.INFRASTRUCTURE


class ProductFailureError(HarnessError, AssertionError):
    """Fluid did not behave as required."""

    failure_class = FailureClass.PRODUCT
