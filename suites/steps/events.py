"""Events that a scenario waits for: what Fluid or Kubernetes says of itself when something is amiss.

Only where the event itself is what a user needs to see; nothing else is ever concluded from one.
"""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.waiting import wait
from suites.steps.user import User

#: Seconds until an event that Fluid repeats every 20 s must have been sent.
EVENT_SECONDS: Final = 90.0


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
    place, objects = namespace or user.namespace, user.observer.objects

    def observe() -> tuple[EventSnapshot, ...]:
        return objects.events(place, name, kind)

    def match(events: tuple[EventSnapshot, ...]) -> EventSnapshot | None:
        return next(
            (e for e in events if (not reason or e.reason == reason) and says.lower() in e.message.lower()),
            None,
        )

    with (
        user.evidence.phase("waiting", f"{kind} {name} is reported"),
        user.system.kube.changes(kinds.EVENT, place) as changed,
    ):
        events = wait(
            observe,
            lambda seen: match(seen) is not None,
            subject=f"{kind} {place}/{name}",
            condition=f"event {reason or 'with any reason'}" + (f" with the text “{says}”" if says else ""),
            timeout=timeout * user.timeout_factor,
            changes=changed,
            describe=lambda seen: "; ".join(map(str, seen[-4:])) or "no event",
        )
    found = match(events)
    assert found is not None
    user.evidence.fact("event", f"{found.type} {found.reason}: {found.message[:400]}", about=f"{kind} {name}")
    return found
