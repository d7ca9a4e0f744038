"""Fails tests that tried to change something foreign without declaring it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clusters.errors import HarnessError
from suites.run.options import GUARD


@pytest.fixture(autouse=True)
def _declares_what_it_disturbs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that tried to change something foreign without declaring it.

    Its module is registered before those of other fixtures, so it ends last, and sees what the others do.
    """
    guard = request.config.stash[GUARD]
    yield
    if refused := guard.take_refused():
        raise HarnessError(
            f"{len(refused)} writes that disturb others are not declared: {'; '.join(refused)}",
            advice="declare them with disturbs=… at the scenario",
        )
