"""What holds for all tests of the harness itself."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# A busy machine makes a single example slow, which says nothing of the code.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

# A shell starts what it puts in the background with Ctrl-C ignored; some tests are about Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Turn warnings into errors in the tests of the harness, but those that pyproject.toml ignores."""
    ignored = list(config.getini("filterwarnings"))
    for line in ("error", *ignored):
        config.addinivalue_line("filterwarnings", line)
