"""What holds for all tests of the harness itself."""

from __future__ import annotations

from hypothesis import settings

# A busy machine makes a single example slow, which says nothing of the code.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")
