"""How a check that does not hold ends the scenario."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters.errors import FailureClass, ProductFailureError
from suites.steps import checks

SUITES = Path(checks.__file__).parents[2]


def test_fail_raises_and_nobody_has_to_remember_it() -> None:
    """Calling it is enough: the error is a product failure with all its parts."""
    with pytest.raises(ProductFailureError) as caught:
        checks.fail("no claim", subject="claim demo/a", expected="a claim", seen="none", advice="look")
    error = caught.value
    assert (error.message, error.subject, error.condition) == ("no claim", "claim demo/a", "a claim")
    assert (error.last_seen, error.advice) == ("none", "look")
    assert error.failure_class is FailureClass.PRODUCT


def test_no_caller_raises_what_fail_never_returns() -> None:
    """A `raise` in front of it would suggest that it returns an error."""
    callers = [
        file.name
        for file in SUITES.rglob("*.py")
        if re.search(r"raise (checks\.)?fail\(", file.read_text(encoding="utf-8"))
    ]
    assert callers == []
