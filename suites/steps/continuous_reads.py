"""Applications that read without a pause while something else happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError


@dataclass
class ContinuousReads:
    """Reads again and again, each application in a thread of its own, until the context ends.

    A read that fails ends the reads of its application. Its error is raised by `check`, and when the context
    ends without another error.

    Attributes:
        reads: by application, one read of all its files, which raises if it fails or returns wrong data.
        clock: measures the time of a read.
        pause: seconds between two reads of an application.
        counts: right reads so far.
        longest: seconds of the longest right read, from one answer to the next.
    """

    reads: Mapping[str, Callable[[], None]]
    clock: Clock = SYSTEM_CLOCK
    pause: float = 0.0
    counts: dict[str, int] = field(default_factory=dict, init=False)
    longest: dict[str, float] = field(default_factory=dict, init=False)
    _errors: list[Exception] = field(default_factory=list, init=False)
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        """Start to read."""
        for name, read in self.reads.items():
            self.counts[name], self.longest[name] = 0, 0.0
            thread = threading.Thread(target=self._read, args=(name, read), name=f"read {name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last reads to end.

        Raises:
            HarnessError: a read failed, and nothing else did.
        """
        self._over.set()
        for thread in self._threads:
            thread.join()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise the first error of a read, if there was one."""
        if self._errors:
            raise self._errors[0]

    def _read(self, name: str, read: Callable[[], None]) -> None:
        last = self.clock.now()
        while not self._over.is_set():
            try:
                read()
            except HarnessError as error:
                self._errors.append(error)
                return
            now = self.clock.now()
            self.counts[name] += 1
            self.longest[name] = max(self.longest[name], now - last)
            last = now
            self._over.wait(self.pause)
