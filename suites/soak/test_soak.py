"""Rows of correct use, deletion and faults at random on one cluster, for as long as the user asks."""

from __future__ import annotations

import pytest

from suites.soak.plan import seconds_of
from suites.soak.session import SoakSession, judge


@pytest.mark.soak
def test_rows_at_random_do_what_they_must_and_leave_nothing(soak_session: SoakSession) -> None:
    """Each step does what its row says, no read has wrong bytes, and nothing is left at the end."""
    judge(soak_session.run(seconds_of(soak_session.soak.hours)))
