"""Errors that carry data: what was looked at, for how long, what was seen last, and what to do."""

from __future__ import annotations

from enum import StrEnum


class FailureClass(StrEnum):
    """Whose fault a failure is, as `verdict.json` tells it."""

    PRODUCT = "product"
    HARNESS = "harness"
    INFRASTRUCTURE = "infrastructure"


class HarnessError(Exception):
    """Base of every error that the harness raises on purpose.

    Args:
        message: one sentence that a user of Fluid understands.
        subject: the object concerned, such as ``Dataset demo/imagenet``.
        condition: what was expected of it.
        elapsed: seconds spent, where that matters.
        last_seen: the state seen last, as text.
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
    """Bad input or a host that cannot do the work: told at once, before anything is made."""


class InfrastructureError(HarnessError):
    """The host, the container engine or the cluster broke; it says nothing about Fluid."""

    failure_class = FailureClass.INFRASTRUCTURE


class ProductFailureError(HarnessError, AssertionError):
    """Fluid did not do what it must: the finding of a scenario."""

    failure_class = FailureClass.PRODUCT
