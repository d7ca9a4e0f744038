"""Applications that wait for a claim that does not exist: all of a run are watched in one window.

The window is held while scenarios run that neither use the shared Dataset nor disturb anything, so that a
Fuse Pod which is started for that Dataset meanwhile can only have been started for one of these applications.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import hold
from suites.steps.user import DATASET, User, unique

#: Seconds for which a Pod that cannot start is watched; kubelet and scheduler try several times meanwhile.
WINDOW: Final = 20.0
#: A claim whose name is nearly that of the Dataset's claim.
MISSPELT: Final = "demmo"


@dataclass(frozen=True, slots=True)
class Case:
    """The application of one scenario.

    Attributes:
        name: of its Pod.
        claim: that it mounts.
        elsewhere: it is in a namespace of its own, which has no claim at all; else it is in the Dataset's.
    """

    name: str
    claim: str
    elsewhere: bool = False


#: The application of each scenario, by its id.
CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {
        "B5": Case("b5-elsewhere", DATASET, elsewhere=True),
        "B6": Case("b6-misspelt", MISSPELT),
    }
)


@dataclass(frozen=True, slots=True)
class PendingApplication:
    """An application after its window.

    Attributes:
        user: who created it, in the namespace of the Dataset.
        case: which one it is.
        namespace: of its Pod.
        together: how many were watched at the same time.
        observations: of its Pod; none if the watch failed.
        new_fuse: the Dataset's Fuse after the window if it had a Pod more than before; else empty.
        error: what ended the watch, such as that the Pod was scheduled; None if it stayed Pending.
    """

    user: User
    case: Case
    namespace: str
    together: int = 1
    observations: tuple[PodSnapshot, ...] = ()
    new_fuse: str = ""
    error: Exception | None = None


def why_not_pending(pod: PodSnapshot | None) -> str | None:
    """What contradicts that a Pod is Pending without a node, or None."""
    if pod is None:
        return "it was deleted"
    return f"it was scheduled to {pod.node}" if pod.node or pod.phase != "Pending" else None


def watch_one(
    id_: str, user: User, *, together: int = 1, over: threading.Event | None = None
) -> PendingApplication:
    """Create the application of a scenario, wait for the scheduler's verdict, and watch it for one window.

    Args:
        id_: of the scenario.
        user: of the Dataset that is Bound; no other application of it may be started meanwhile.
        together: how many are watched at the same time.
        over: ends the window early when it is set.
    """
    case = CASES[id_]
    namespace = unique("fc-elsewhere") if case.elsewhere else user.namespace
    try:
        observations, new_fuse = _watch(user, case, namespace, over)
    except Exception as error:  # noqa: BLE001 - the scenario raises it, as a failure of its own
        return PendingApplication(user, case, namespace, together, error=error)
    return PendingApplication(user, case, namespace, together, observations, new_fuse)


def _watch(
    user: User, case: Case, namespace: str, over: threading.Event | None
) -> tuple[tuple[PodSnapshot, ...], str]:
    objects = user.observer.objects
    if case.elsewhere:
        user.creates_extra_namespace(namespace)
    user.applies(user.application(case.name, case.claim, namespace=namespace).manifest())
    user.waits_for_scheduling_verdict(namespace, case.name)
    before = user.observer.fuse(user.namespace, DATASET)
    with user.evidence.phase("window", f"Pod {case.name} stays Pending"):
        seen = hold(
            lambda: objects.get(PodSnapshot, case.name, namespace),
            why_not_pending,
            subject=f"Pod {namespace}/{case.name}",
            condition="phase Pending without a node",
            window=WINDOW,
            over=over,
        )
    after = user.observer.fuse(user.namespace, DATASET)
    new = set(after.pods) - set(before.pods)
    return tuple(pod for pod in seen if pod is not None), str(after) if new else ""


@dataclass
class PendingApplications:
    """Those of a run, each watched in a thread of its own.

    Attributes:
        ids: of the scenarios that ask for one.
        new_user: creates the user of a namespace that has a Dataset already.
    """

    ids: tuple[str, ...]
    new_user: Callable[[str], User]
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(len(CASES), "watch-pending"), init=False
    )
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _begun: bool = field(default=False, init=False)
    _watched: dict[str, Future[PendingApplication]] = field(default_factory=dict, init=False)

    def begin(self, namespace: str) -> None:
        """Create and watch all of them, unless that has begun.

        Args:
            namespace: of the Dataset, which is Bound.
        """
        if self._begun:
            return
        self._begun = True
        for id_ in self.ids:
            self._watched[id_] = self._threads.submit(
                watch_one, id_, self.new_user(namespace), together=len(self.ids), over=self._over
            )

    def finish(self) -> None:
        """Wait for the end of a window that has begun."""
        futures.wait(self._watched.values())

    def take(self, id_: str, namespace: str) -> PendingApplication:
        """The one of a scenario, once its window is over; the windows of all begin now if they have not yet.

        The scenario removes it. One that runs a second time is watched a second time.

        Args:
            id_: of the scenario.
            namespace: of the Dataset, which is Bound.
        """
        self.begin(namespace)
        if id_ not in self._watched:
            return watch_one(id_, self.new_user(namespace))
        return self._watched.pop(id_).result()

    def close(self) -> tuple[PendingApplication, ...]:
        """End the windows, and return those that no scenario has taken."""
        self._over.set()
        self._threads.shutdown()
        left, self._watched = self._watched, {}
        return tuple(one.result() for one in left.values())
