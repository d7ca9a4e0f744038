"""What events report; evidence only."""

from __future__ import annotations

from suites.steps.user import User


def reported_events(user: User, name: str, kind: str = "") -> str:
    """What events say of an object; evidence only."""
    events = user.observer.objects.events(user.namespace, name, kind)
    text = "; ".join(f"{event.type} {event.reason}: {event.message}" for event in events[-5:])
    user.evidence.fact("events", text or f"none about {name}")
    return text
