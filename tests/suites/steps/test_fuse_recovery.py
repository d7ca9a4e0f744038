"""The feature gate FuseRecovery among other gates of the CSI plugin."""

from __future__ import annotations

import pytest

from suites.steps.fuse_recovery import feature_gates, with_gate


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--feature-gates=FuseRecovery=true",), {"FuseRecovery": True}),
        (("--v=5", "--feature-gates=Other=true,FuseRecovery=true"), {"Other": True, "FuseRecovery": True}),
        (("--feature-gates=FuseRecovery=false,Other=true",), {"FuseRecovery": False, "Other": True}),
        (("--feature-gates=",), {}),
        (("--v=5",), {}),
    ],
)
def test_gates_are_read_by_name(arguments: tuple[str, ...], expected: dict[str, bool]) -> None:
    """A second gate does not hide FuseRecovery."""
    assert feature_gates(arguments) == expected


def test_switching_one_gate_keeps_the_others() -> None:
    """Also when FuseRecovery was not set before."""
    assert with_gate("--feature-gates=FuseRecovery=false,Other=true", enabled=True) == (
        "--feature-gates=Other=true,FuseRecovery=true"
    )
    assert (
        with_gate("--feature-gates=Other=true", enabled=False)
        == "--feature-gates=Other=true,FuseRecovery=false"
    )
    assert with_gate("--feature-gates=", enabled=True) == "--feature-gates=FuseRecovery=true"
