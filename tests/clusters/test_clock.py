"""The clock of the machine."""

import threading
from typing import NoReturn

import pytest

from clusters.clock import SystemClock


class Interrupted(threading.Event):
    """An event whose lock is not held when Ctrl-C arrives."""

    def wait(self, timeout: float | None = None) -> NoReturn:
        """End as Python's own does then."""
        try:
            raise KeyboardInterrupt
        finally:
            threading.Lock().release()


def test_ctrl_c_is_one_also_where_python_reports_an_unlocked_lock() -> None:
    """A run that is interrupted while it waits ends; it does not report a failed scenario."""
    with pytest.raises(KeyboardInterrupt):
        SystemClock().wait(Interrupted(), 1.0)


def test_other_errors_of_the_wait_stay_what_they_are() -> None:
    """Only an interruption is taken for one."""

    class Broken(threading.Event):
        def wait(self, timeout: float | None = None) -> NoReturn:
            raise RuntimeError("can't start new thread")

    with pytest.raises(RuntimeError, match="new thread"):
        SystemClock().wait(Broken(), 1.0)


def test_wait_reports_whether_the_event_was_set() -> None:
    """It ends when the event is set, or when its time is over."""
    event = threading.Event()
    assert not SystemClock().wait(event, 0.0)
    event.set()
    assert SystemClock().wait(event, 30.0)
