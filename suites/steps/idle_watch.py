"""Unused Datasets are watched, so that windows of absence pass while other scenarios run."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from clusters.product.fuse import FuseSnapshot
from clusters.waiting import WaitError, hold

log = logging.getLogger(__name__)

#: Seconds between two observations.
DELAY: Final = 2.0
#: What must hold of an unused Dataset.
CONDITION: Final = "absence of a Fuse Pod"
#: What to do if it does not.
ADVICE: Final = "another application may be using the Dataset's claim"


@dataclass(frozen=True, slots=True)
class IdleResult:
    """What was observed of a Dataset until its first user came.

    Attributes:
        observations: how many.
        seconds: from the first to the last of them.
        error: a Fuse Pod was there although the Dataset was unused.
    """

    observations: int = 0
    seconds: float = 0.0
    error: WaitError | None = None


#: Nothing was observed.
NOT_WATCHED: Final = IdleResult()


@dataclass
class IdleWatch:
    """Observes the Fuse of one Dataset in a thread of its own, from ``start`` to ``stop``.

    Attributes:
        subject: the Dataset, for an error.
        observe: its Fuse.
        objection: what is wrong with an observation, or None.
    """

    subject: str
    observe: Callable[[], FuseSnapshot]
    objection: Callable[[FuseSnapshot], str | None]
    clock: Clock = SYSTEM_CLOCK
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _result: IdleResult = field(default=NOT_WATCHED, init=False)

    def start(self) -> None:
        """Observe now, and again each `DELAY` seconds."""
        self._thread = threading.Thread(target=self._watch, name=f"watch {self.subject}", daemon=True)
        self._thread.start()

    def stop(self) -> IdleResult:
        """Observe a last time; `NOT_WATCHED` if it was never started, or if an observation failed."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        return self._result

    def _watch(self) -> None:
        start = self.clock.now()
        try:
            seen = hold(
                self.observe,
                self.objection,
                subject=self.subject,
                condition=CONDITION,
                window=math.inf,
                over=self._over,
                delay=DELAY,
                advice=ADVICE,
                clock=self.clock,
            )
        except WaitError as error:
            self._result = IdleResult(error=error)
        except HarnessError as error:
            # Another scenario may have stopped the API server: the scenario watches the whole window then.
            log.info("%s is not watched any more: %s", self.subject, error.message)
        else:
            self._result = IdleResult(len(seen), self.clock.now() - start)
