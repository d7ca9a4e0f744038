"""Events that a scenario waits for: what Fluid or Kubernetes says of itself when something is amiss.

Only where the event itself is what a user needs to see; nothing else is ever concluded from one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.product import fluid_names
from clusters.waiting import wait
from suites.steps.user import DATASET, User

#: Seconds until an event that Fluid repeats every 20 s must have been sent.
EVENT_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class EventSource:
    """An object and the reason of its event; an empty reason matches any."""

    kind: str
    name: str
    reason: str = ""


def wait_for_event(
    user: User,
    kind: str,
    name: str,
    *,
    reason: str = "",
    says: str = "",
    namespace: str = "",
    timeout: float = EVENT_SECONDS,
) -> EventSnapshot:
    """Wait until an event about an object has that reason and says that; aggregation does not matter."""
    source = EventSource(kind, name, reason)
    return wait_for_event_of_any(user, (source,), says=says, namespace=namespace, timeout=timeout)


def wait_for_event_of_any(
    user: User,
    sources: Sequence[EventSource],
    *,
    says: str = "",
    namespace: str = "",
    timeout: float = EVENT_SECONDS,
) -> EventSnapshot:
    """Wait until one of several objects has an event that says that.

    Which object has it can depend on the version of Kubernetes.

    Args:
        user: who waits.
        sources: the objects, each with its reason.
        says: text that the message contains, in any case of letters.
        namespace: of the objects; by default the user's.
        timeout: seconds.

    Raises:
        ProductTimeoutError: there was no such event in time.
    """
    place, objects = namespace or user.namespace, user.observer.objects
    about = " or ".join(f"{source.kind} {source.name}" for source in sources)

    def observe() -> tuple[EventSnapshot, ...]:
        return tuple(
            event
            for source in sources
            for event in objects.events(place, source.name, source.kind)
            if not source.reason or event.reason == source.reason
        )

    def match(events: tuple[EventSnapshot, ...]) -> EventSnapshot | None:
        return next((event for event in events if says.lower() in event.message.lower()), None)

    with (
        user.evidence.phase("waiting", f"{about} is reported"),
        user.system.kube.changes(kinds.EVENT, place) as changed,
    ):
        events = wait(
            observe,
            lambda seen: match(seen) is not None,
            subject=" or ".join(f"{source.kind} {place}/{source.name}" for source in sources),
            condition="event "
            + " or ".join(source.reason or "with any reason" for source in sources)
            + (f" with the text “{says}”" if says else ""),
            timeout=timeout * user.timeout_factor,
            changes=changed,
            describe=lambda seen: "; ".join(map(str, seen[-4:])) or "no event",
        )
    found = match(events)
    assert found is not None
    user.evidence.fact("event", f"{found.type} {found.reason}: {found.message[:400]}", about=about)
    return found


def wait_for_refused_duplicate_volume(user: User, *, timeout: float = EVENT_SECONDS) -> EventSnapshot:
    """Wait for the event that two volumes of the master's Pods have one name.

    Kubernetes 1.33 accepts the StatefulSet and refuses its Pod. Kubernetes 1.34 refuses the StatefulSet, and
    Fluid quotes that (both seen).
    """
    sources = (
        EventSource("StatefulSet", fluid_names.master_name(DATASET), "FailedCreate"),
        EventSource("AlluxioRuntime", DATASET, "ErrorProcessRuntime"),
    )
    return wait_for_event_of_any(user, sources, says="Duplicate value", timeout=timeout)
