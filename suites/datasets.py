"""Datasets for scenarios: one that those share which only read, and fresh ones made ahead of time.

Making a Dataset takes a minute of waiting for JVMs. Fresh ones are therefore made while other
scenarios run, one at a time (several at once starve each other's start-up probes on two cores),
and used ones are removed in the background.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from clusters.host import MEMORY_FOR_RUN, Host
from clusters.snapshots import DatasetSnapshot
from clusters.stack import System
from clusters.views import FuseSnapshot
from suites.departures import Departures
from suites.evidence import Evidence, Phase
from suites.scenario import Scenario
from suites.user import User, unique
from workloads.data import Files

#: Fresh Datasets that are made, one after the other, before they are asked for.
AHEAD: Final = 2
#: Bytes of memory that the processes of one small Dataset take, and some more.
MEMORY_OF_ONE: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Birth:
    """What was seen of a Dataset just when it got Bound, before any application used it.

    Attributes:
        namespace: of the Dataset.
        dataset: the Dataset.
        fuse: its Fuse.
        phases: how long its making took.
    """

    namespace: str
    dataset: DatasetSnapshot
    fuse: FuseSnapshot
    phases: tuple[Phase, ...]


def be_born(user: User) -> Birth:
    """Make namespace, source claim, Dataset and runtime, wait until Bound, look at once."""
    user.makes_namespace()
    user.makes_source()
    user.makes_dataset()
    dataset = user.waits_until_bound()
    fuse = user.observer.fuse(user.namespace, dataset.name)
    return Birth(user.namespace, dataset, fuse, tuple(user.evidence.phases))


def ahead(host: Host) -> int:
    """How many fresh Datasets a host has room for beside the shared one and the one in use."""
    room = (host.memory_available - MEMORY_FOR_RUN) // MEMORY_OF_ONE - 1
    return max(1, min(AHEAD, room))


@dataclass
class DatasetPool:
    """Makes fresh Datasets ahead and removes used ones behind.

    Attributes:
        system: the cluster.
        folder: of the export that all of them show.
        files: what lies there.
        wanted: how many scenarios will still ask for one.
        departures: removes them.
    """

    system: System
    folder: str
    files: Files
    wanted: int
    departures: Departures = field(default_factory=Departures)
    _maker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "make-dataset"))
    _coming: deque[tuple[User, Future[Birth]]] = field(default_factory=deque)

    def look_ahead(self) -> None:
        """Begin with the next one where it will be needed."""
        while self.wanted > 0 and len(self._coming) < ahead(self.system.host):
            self.wanted -= 1
            user = User(
                self.system, Evidence(silent=True), unique("fc"), folder=self.folder, files=self.files
            )
            self._coming.append((user, self._maker.submit(be_born, user)))

    def take(self, evidence: Evidence) -> tuple[User, Birth]:
        """A fresh Dataset that is Bound, in a namespace of its own.

        Raises:
            HarnessError: it did not get Bound.
        """
        if not self._coming:
            self.wanted = max(self.wanted, 1)
            self.look_ahead()
        made, future = self._coming.popleft()
        evidence.namespaces.append(made.namespace)
        user = User(
            self.system, evidence, made.namespace, folder=self.folder, files=self.files, sent=made.sent
        )
        with evidence.phase("dataset", "wait for the Dataset that was made ahead"):
            birth = future.result()
        self.look_ahead()
        return user, birth

    def remove(self, user: User, declared: Scenario | None = None) -> None:
        """Remove what a user made, in the background.

        Args:
            user: who leaves.
            declared: the scenario that is told what stays; without one nobody looks.
        """
        self.departures.remove(user, declared)

    def close(self, *, clean: bool) -> list[str]:
        """End the pool; with ``clean`` all that was made is removed first. Returns what would not go."""
        self._maker.shutdown(wait=clean, cancel_futures=True)
        if clean:
            for user, _ in self._coming:
                self.remove(user)
        return self.departures.close(clean=clean)
