"""One run at a time on a machine: its engine and its caches are shared by all runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from clusters.errors import RefusalError

#: Seconds that a second run waits for the first.
LOCK_SECONDS: Final = 5.0


@contextmanager
def machine_lock(cache: Path) -> Iterator[None]:
    """Keep a second run off this machine's engine and caches while one is under way.

    Raises:
        RefusalError: another run holds it, or another user made it.
    """
    lock = FileLock(cache / "run.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        raise RefusalError(
            "another run of the harness is under way on this machine",
            advice="wait until it ends, or end it",
        ) from None
    except OSError as error:
        raise RefusalError(
            f"the lock {lock.lock_file} of the cache cannot be taken: {error.strerror or error}",
            advice="run as the user who owns it, or set FLUID_CONFORMANCE_CACHE to a folder of yours",
        ) from error
    try:
        yield
    finally:
        lock.release()
