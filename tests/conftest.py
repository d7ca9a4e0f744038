"""What holds for all tests of the harness itself."""

from __future__ import annotations

import signal

from hypothesis import settings

# A busy machine makes a single example slow, which says nothing of the code.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

# A shell starts what it puts in the background with Ctrl-C ignored; some tests are about Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
