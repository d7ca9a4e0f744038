"""Rounds for tests that only need an arm, a number and a value."""

from __future__ import annotations

from datetime import UTC, datetime

from suites.benchmark.model.rounds import Proof, Round, State

STARTED = datetime(2026, 11, 22, tzinfo=UTC)


def make_round(arm: str, number: int = 0, value: float = 1.0, reason: str = "") -> Round:
    """A round; it is valid unless there is a reason why not."""
    state = State(at=STARTED)
    return Round(
        arm=arm,
        number=number,
        value=value,
        seconds=1.0,
        read_bytes=1,
        started=STARTED,
        load_before=0.0,
        valid=not reason,
        reason=reason,
        proof=Proof(before=state, after=state),
    )
