"""The only way to wait: observe, test a condition, repeat until a deadline.

A condition is a named predicate over one observation. The error of a failed wait names the condition, the
time, the last observed state, and the states before it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sized
from typing import Final, Protocol, TypeVar

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds between two observations when no watch reports a change. A change is noticed after half of it on
#: average; it also bounds the delay if a watch has ended without notice.
POLL: Final = 0.4

#: Number of observed states that the error text shows.
KEPT_STATES: Final = 8

#: Characters of the last state in the error's first line.
SHOWN_STATE: Final = 160


class WaitError(HarnessError):
    """A wait ended before its condition was true.

    The subclass says why. The caller chose ``failure_class``: a product failure in a scenario, an
    infrastructure failure in set-up.
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
    """The condition cannot become true any more, or no longer holds."""


class ProductTimeoutError(WaitTimeoutError, AssertionError):
    """The deadline passed because of the product: pytest counts a failure, not an error."""


class ProductGaveUpError(WaitFailedError, AssertionError):
    """The condition cannot become true because of the product: pytest counts a failure, not an error."""


_AS_PRODUCT: Final[dict[type[WaitError], type[WaitError]]] = {
    WaitTimeoutError: ProductTimeoutError,
    WaitFailedError: ProductGaveUpError,
}


def _kind(kind: type[WaitError], failure_class: FailureClass) -> type[WaitError]:
    return _AS_PRODUCT[kind] if failure_class is FailureClass.PRODUCT else kind


def _shortened(state: str) -> str:
    line = " ".join(state.split()) or "nothing"
    return line if len(line) <= SHOWN_STATE else line[: SHOWN_STATE - 1] + "…"


class Changes(Protocol):
    """A source of change notifications, such as a watch."""

    @property
    def event(self) -> threading.Event:
        """Set when something changed since it was last cleared."""
        ...


def wait(
    observe: Callable[[], T],
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
    """Observe until ``ready`` is true, and return the observation for which it was.

    Args:
        observe: returns one observation; its exceptions are not caught.
        ready: the condition.
        subject: the observed object, such as ``Dataset demo/imagenet``.
        condition: a noun phrase that reads well between "waiting for" and "of <subject>", such as
            ``phase Bound`` or ``deletion``.
        timeout: seconds. There is at least one observation.
        failed: returns a reason if the condition cannot become true any more, else None.
        changes: ends the pause between two observations early.
        successes: number of consecutive observations that must be ready.
        delay: seconds between two observations.
        describe: an observation as short text, for logs and for the error.
        on_change: receives each new description and the elapsed seconds.
        failure_class: who is responsible if the wait fails.
        advice: one line: what to do if it fails.
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
        snapshot = observe()
        text = describe(snapshot)
        if text != last:
            last, at = text, clock.now() - start
            seen.append(f"[{at:.1f} s] {text}")
            log.info("%s: %s", subject, text)
            if on_change is not None:
                on_change(text, at)
        reason = failed(snapshot) if failed is not None else None
        if reason is not None:
            raise error(WaitFailedError, f"stopped waiting for {condition} of {subject}: {reason}")
        in_a_row = in_a_row + 1 if ready(snapshot) else 0
        if in_a_row >= successes:
            return snapshot
        left = start + timeout - clock.now()
        if left <= 0:
            raise error(
                WaitTimeoutError,
                f"timed out after {timeout:g} s waiting for {condition} of {subject}; "
                f"last seen: {_shortened(text)}",
            )
        pause = min(delay, left)
        if changes is not None:
            clock.wait(changes.event, pause)
        else:
            clock.sleep(pause)


def hold(
    observe: Callable[[], T],
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
    """Observe during a whole window that a condition stays true, and return the observations.

    The first observation is at the start, then one every ``delay`` seconds, and one at the very end.

    Args:
        observe: returns one observation; its exceptions are not caught.
        still: returns what is wrong with an observation, or None while the condition holds.
        subject: the observed object.
        condition: a noun phrase as in `wait`, such as ``absence of a Fuse Pod``.
        window: seconds; infinite if only ``over`` ends it.
        over: ends the window early, with a last observation.
        delay: seconds between two observations.
        describe: an observation as short text.
        failure_class: who is responsible if the condition does not hold.
        advice: one line: what to do then.
        clock: replaced by tests.

    Raises:
        WaitFailedError: ``still`` returned a reason.
    """
    start = clock.now()
    over = over or threading.Event()
    length = f"a {window:g} s" if math.isfinite(window) else "an open"
    snapshots: list[T] = []
    while True:
        last = over.is_set()
        snapshot = observe()
        snapshots.append(snapshot)
        reason = still(snapshot)
        elapsed = clock.now() - start
        if reason is not None:
            raise _kind(WaitFailedError, failure_class)(
                f"{condition} of {subject} did not last: {reason} after {elapsed:.1f} s of {length} window",
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


def exists(seen: object) -> bool:
    """The observed object exists."""
    return seen is not None


def is_gone(seen: object) -> bool:
    """The observed object does not exist."""
    return seen is None


def is_empty(found: Sized | None) -> bool:
    """Nothing was found."""
    return not found


def opposite(predicate: Callable[[T], bool]) -> Callable[[T], bool]:
    """True where the predicate is false."""
    return lambda seen: not predicate(seen)


def objection(predicate: Callable[[T], bool]) -> Callable[[T], str | None]:
    """A predicate as `hold` needs it: the observation as text where it is false, else None."""
    return lambda seen: None if predicate(seen) else ("it does not exist" if seen is None else f"{seen}")


def reason_if_any(wrong: str) -> str | None:
    """A predicate for `hold` whose observation is the text of what is wrong; empty: nothing."""
    return wrong or None
