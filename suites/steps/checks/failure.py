"""The failure of a check."""

from __future__ import annotations

from typing import NoReturn

from clusters.errors import ProductFailureError


def fail(message: str, *, subject: str, expected: str, seen: str, advice: str = "") -> NoReturn:
    """Fail the scenario: a check did not hold.

    Args:
        message: one sentence for a user of Fluid.
        subject: the object that was checked, such as ``Dataset demo/imagenet``.
        expected: what should hold.
        seen: what was observed instead.
        advice: what to check next.

    Raises:
        ProductFailureError: always.
    """
    __tracebackhide__ = True
    raise ProductFailureError(message, subject=subject, condition=expected, last_seen=seen, advice=advice)
