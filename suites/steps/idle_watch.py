"""Datasets that nobody uses yet are watched, so that windows of absence pass while other scenarios run."""

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

#: Seconds between two looks.
DELAY: Final = 2.0
#: What must hold of a Dataset that nobody uses.
CONDITION: Final = "absence of a Fuse Pod"
#: What to do where it did not.
ADVICE: Final = "somebody else may be using the Dataset's claim"


@dataclass(frozen=True, slots=True)
class Untouched:
    """How a Dataset was while it waited for its first user.

    Attributes:
        looks: how many were taken.
        seconds: from the first to the last of them.
        wrong: a Fuse came although nobody used it.
    """

    looks: int = 0
    seconds: float = 0.0
    wrong: WaitError | None = None


#: Nobody looked.
NOT_WATCHED: Final = Untouched()


@dataclass
class Watch:
    """Looks at one Dataset in a thread of its own, from ``begin`` to ``end``.

    Attributes:
        subject: the Dataset, for an error.
        look: at its Fuse.
        still: what is wrong with what was seen, or None.
    """

    subject: str
    look: Callable[[], FuseSnapshot]
    still: Callable[[FuseSnapshot], str | None]
    clock: Clock = SYSTEM_CLOCK
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _seen: Untouched = field(default=NOT_WATCHED, init=False)

    def begin(self) -> None:
        """Take the first look, and go on looking."""
        self._thread = threading.Thread(target=self._watches, name=f"watch {self.subject}", daemon=True)
        self._thread.start()

    def end(self) -> Untouched:
        """Take the last look; what was seen. Nothing was when it has not begun, or when a look failed."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        return self._seen

    def _watches(self) -> None:
        start = self.clock.now()
        try:
            seen = hold(
                self.look,
                self.still,
                subject=self.subject,
                condition=CONDITION,
                window=math.inf,
                over=self._over,
                delay=DELAY,
                advice=ADVICE,
                clock=self.clock,
            )
        except WaitError as error:
            self._seen = Untouched(wrong=error)
        except HarnessError as error:
            # Another scenario may have the API server away just now: the window is held anew then.
            log.info("%s is watched no more: %s", self.subject, error.message)
        else:
            self._seen = Untouched(len(seen), self.clock.now() - start)
