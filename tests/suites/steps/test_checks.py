"""How a check that does not hold ends the scenario."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters.errors import FailureClass, ProductFailureError
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
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


def test_a_claim_that_is_being_deleted_is_not_kept() -> None:
    """Its application goes on reading, because Kubernetes protects a claim that is used."""
    manifest: dict[str, dict[str, str]] = {
        "metadata": {"name": "demo", "namespace": "user", "uid": "1"},
        "status": {"phase": "Bound"},
    }
    before = ClaimSnapshot.of(manifest)
    checks.claim_kept(before, ClaimSnapshot.of(manifest))
    deleting = {**manifest, "metadata": {**manifest["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    another = {**manifest, "metadata": {**manifest["metadata"], "uid": "2"}}
    for now in (None, ClaimSnapshot.of(deleting), ClaimSnapshot.of(another)):
        with pytest.raises(ProductFailureError, match="user's own claim is deleted"):
            checks.claim_kept(before, now)
