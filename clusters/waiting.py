"""The one way to wait: look, judge, and go on looking until a deadline.

Everything that is waited for is a named predicate over a snapshot. A failed wait says
what it waited for, how long, what it saw last, and what changed on the way there.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds between two looks when nothing says that something changed. Half of it is the mean delay
#: with which a change is noticed, and it bounds the delay when a watch has gone away unseen.
POLL: Final = 0.4

#: How many of the states seen on the way are kept for the error text.
KEPT_STATES: Final = 8


class WaitError(HarnessError):
    """A wait ended without what was waited for.

    A subclass says which of the two ways. ``failure_class`` is what the caller said
    it would mean: a product failure in a scenario, an infrastructure failure in set-up.
    """

    def __init__(
        self,
        message: str,
        *,
        failure_class: FailureClass,
        subject: str,
        condition: str,
        elapsed: float,
        last_seen: str,
        advice: str,
    ) -> None:
        super().__init__(
            message, subject=subject, condition=condition, elapsed=elapsed, last_seen=last_seen, advice=advice
        )
        self.failure_class = failure_class


class WaitTimeoutError(WaitError):
    """The deadline passed."""


class WaitFailedError(WaitError):
    """The failure predicate said that waiting longer is useless."""


class ProductTimeoutError(WaitTimeoutError, AssertionError):
    """The deadline passed, and it is the product's fault: a test that failed, not one that broke."""


class ProductGaveUpError(WaitFailedError, AssertionError):
    """Waiting longer is useless, and it is the product's fault: a test that failed, not one that broke."""


_AS_PRODUCT: Final[dict[type[WaitError], type[WaitError]]] = {
    WaitTimeoutError: ProductTimeoutError,
    WaitFailedError: ProductGaveUpError,
}


def _kind(kind: type[WaitError], failure_class: FailureClass) -> type[WaitError]:
    return _AS_PRODUCT[kind] if failure_class is FailureClass.PRODUCT else kind


class Changes(Protocol):
    """Something that knows when a new look is worth while, such as a watch."""

    @property
    def event(self) -> threading.Event:
        """Set when something changed since it was cleared last."""
        ...


def wait(
    look: Callable[[], T],
    ready: Callable[[T], bool],
    *,
    subject: str,
    condition: str,
    timeout: float,
    failed: Callable[[T], str | None] | None = None,
    changes: Changes | None = None,
    successes: int = 1,
    delay: float = POLL,
    describe: Callable[[T], str] = str,
    on_change: Callable[[str, float], None] | None = None,
    failure_class: FailureClass = FailureClass.PRODUCT,
    advice: str = "",
    clock: Clock = SYSTEM_CLOCK,
) -> T:
    """Look until ``ready`` holds, and return the snapshot for which it held.

    Args:
        look: takes a snapshot; what it raises is not caught.
        ready: the condition, over one snapshot.
        subject: what is looked at, such as ``Dataset demo/imagenet``.
        condition: the condition in a user's words, such as ``phase Bound``.
        timeout: seconds until the wait is given up. One look is always taken.
        failed: returns a reason when waiting longer is useless, else None.
        changes: wakes the wait early when something changed; ``delay`` still bounds the gap.
        successes: how many looks in a row must be ready.
        delay: seconds between two looks.
        describe: a snapshot as short text, for logs and for the error.
        on_change: called with the description and the elapsed seconds whenever it differs from the last.
        failure_class: whose failure it is when the wait fails.
        advice: one line of what to do when it does.
        clock: replaced by tests.

    Raises:
        WaitTimeoutError: the deadline passed.
        WaitFailedError: ``failed`` returned a reason.
    """
    start = clock.now()
    in_a_row = 0
    seen: list[str] = []
    last: str | None = None

    def error(kind: type[WaitError], message: str) -> WaitError:
        elapsed = clock.now() - start
        return _kind(kind, failure_class)(
            message,
            failure_class=failure_class,
            subject=subject,
            condition=condition,
            elapsed=elapsed,
            last_seen=" → ".join(seen[-KEPT_STATES:]),
            advice=advice,
        )

    while True:
        if changes is not None:
            changes.event.clear()
        snapshot = look()
        text = describe(snapshot)
        if text != last:
            last, at = text, clock.now() - start
            seen.append(f"[{at:.1f} s] {text}")
            log.info("%s: %s", subject, text)
            if on_change is not None:
                on_change(text, at)
        reason = failed(snapshot) if failed is not None else None
        if reason is not None:
            raise error(WaitFailedError, f"{subject}: {reason} (waited for {condition})")
        in_a_row = in_a_row + 1 if ready(snapshot) else 0
        if in_a_row >= successes:
            return snapshot
        left = start + timeout - clock.now()
        if left <= 0:
            raise error(WaitTimeoutError, f"{subject}: no {condition} within {timeout:g} s")
        pause = min(delay, left)
        if changes is not None:
            clock.wait(changes.event, pause)
        else:
            clock.sleep(pause)


def hold(
    look: Callable[[], T],
    still: Callable[[T], str | None],
    *,
    subject: str,
    condition: str,
    window: float,
    over: threading.Event | None = None,
    delay: float = 1.0,
    describe: Callable[[T], str] = str,
    failure_class: FailureClass = FailureClass.PRODUCT,
    advice: str = "",
    clock: Clock = SYSTEM_CLOCK,
) -> list[T]:
    """Look all through a window and show that ``still`` never objects; return what was seen.

    An absence is only as good as the window in which it was watched: a look is taken at
    the start, every ``delay`` seconds, and once more at the very end.

    Args:
        look: takes a snapshot.
        still: returns what is wrong with a snapshot, or None when the condition still holds.
        subject: what is looked at.
        condition: what must hold all the time.
        window: seconds; infinite where just ``over`` ends it.
        over: ends the window early, with a last look.
        delay: seconds between two looks.
        describe: a snapshot as short text.
        failure_class: whose failure it is when it does not hold.
        advice: one line of what to do.
        clock: replaced by tests.

    Raises:
        WaitFailedError: ``still`` objected.
    """
    start = clock.now()
    over = over or threading.Event()
    length = f"a {window:g} s" if math.isfinite(window) else "an open"
    snapshots: list[T] = []
    while True:
        last = over.is_set()
        snapshot = look()
        snapshots.append(snapshot)
        reason = still(snapshot)
        elapsed = clock.now() - start
        if reason is not None:
            raise _kind(WaitFailedError, failure_class)(
                f"{subject}: {reason} after {elapsed:.1f} s of {length} window ({condition})",
                failure_class=failure_class,
                subject=subject,
                condition=condition,
                elapsed=elapsed,
                last_seen=describe(snapshot),
                advice=advice,
            )
        if last or elapsed >= window:
            return snapshots
        clock.wait(over, min(delay, window - elapsed))
