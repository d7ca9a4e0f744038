"""Events that a scenario waits for: what Fluid or Kubernetes says of itself when something is amiss.

Only where the event itself is what a user needs to see; nothing else is ever concluded from one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
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

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Reported:
    """Events about several objects.

    Attributes:
        events: those with the right reason, oldest first.
        deleted: all the objects existed before and do not exist any more.
    """

    events: tuple[EventSnapshot, ...]
    deleted: bool

    def matching(self, says: str) -> EventSnapshot | None:
        """The first event with a text, in any case of letters."""
        return next((event for event in self.events if says.lower() in event.message.lower()), None)

    def __str__(self) -> str:
        return "; ".join(map(str, self.events[-4:])) or "no event"


_KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in kinds.KINDS.values()}


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
        ProductGaveUpError: the objects were deleted before there was one.
    """
    place, objects, kube = namespace or user.namespace, user.observer.objects, user.system.kube
    about = " or ".join(map(str, sources))
    sent = {
        (manifest["kind"], manifest["metadata"]["name"])
        for manifest in user.sent
        if manifest["metadata"].get("namespace") == place
    }
    existed = {source for source in sources if (source.kind, source.name) in sent}

    def observe() -> Reported:
        events = tuple(
            event
            for source in sources
            for event in objects.events(place, source.name, source.kind)
            if not source.reason or event.reason == source.reason
        )
        there = {s for s in sources if kube.get(_KINDS[s.kind], s.name, place) is not None}
        existed.update(there)
        return Reported(events, deleted=not there and existed.issuperset(sources))

    def is_reported(seen: Reported) -> bool:
        return seen.matching(says) is not None

    def why_never(seen: Reported) -> str | None:
        return f"{about} is deleted" if seen.deleted and not is_reported(seen) else None

    with (
        user.evidence.phase("waiting", f"{about} is reported"),
        user.system.kube.changes(kinds.EVENT, place) as changed,
    ):
        seen = wait(
            observe,
            is_reported,
            subject=" or ".join(f"{source.kind} {place}/{source.name}" for source in sources),
            condition="event "
            + " or ".join(source.reason or "with any reason" for source in sources)
            + (f" with the text “{says}”" if says else ""),
            timeout=timeout * user.timeout_factor,
            failed=why_never,
            changes=changed,
            clock=kube.clock,
        )
    found = seen.matching(says)
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
