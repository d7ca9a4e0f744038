"""What a scenario records."""

from __future__ import annotations

from functools import partial

import pytest

from clusters.errors import FailureClass, HarnessError, ProductFailureError
from suites.record.evidence import Evidence
from suites.record.versions import Affected


def _knows(affected: Affected, version: str, key: str) -> bool:
    assert key
    return affected.covers(version)


def test_a_defect_that_was_fixed_and_shows_again_is_a_failure_of_the_product() -> None:
    """It is no known defect in a version after its last one, and the scenario continues."""
    affected = Affected(last="1.0")
    for version, known in (("1.0.8", True), ("1.2.0", False)):
        evidence = Evidence(silent=True, is_known=partial(_knows, affected, version))
        evidence.defect("claim-accepted", seen=True, says="the Dataset is Bound")
        assert evidence.defects_seen == (["claim-accepted"] if known else [])
        errors = [failure.error for failure in evidence.late_failures]
        assert len(errors) == (0 if known else 1)
        for error in errors:
            assert isinstance(error, ProductFailureError)
            assert error.failure_class is FailureClass.PRODUCT
            assert "claim-accepted" in error.message
            assert error.last_seen == "the Dataset is Bound"
        evidence.defect("claim-accepted", seen=False, says="it is NotBound")
        assert evidence.defects_gone == ["claim-accepted"]


def test_the_first_late_failure_can_be_raised() -> None:
    """Where scenarios run without a report, such as in a sabotage, it still counts."""
    evidence = Evidence(silent=True)
    evidence.raise_late_failure()
    evidence.fail_late(HarnessError("the diagnosis is wrong"))
    evidence.fail_late(HarnessError("something is left"))
    with pytest.raises(HarnessError, match="the diagnosis is wrong"):
        evidence.raise_late_failure()


def test_late_failure_of_the_product_is_raised_before_others() -> None:
    """A defect of the harness that was found earlier does not hide it."""
    evidence = Evidence(silent=True)
    evidence.raise_late_failure()
    evidence.fail_late(HarnessError("the harness is wrong"))
    with pytest.raises(HarnessError, match="the harness is wrong"):
        evidence.raise_late_failure()
    evidence.fail_late(ProductFailureError("something is left"))
    with pytest.raises(ProductFailureError, match="something is left"):
        evidence.raise_late_failure()
