"""Datasets for scenarios: one that those share which only read, and fresh ones made ahead of time.

Making a Dataset takes a minute of waiting for JVMs. Fresh ones are therefore made while other
scenarios run, one at a time (several at once starve each other's start-up probes on two cores),
each in the way that its scenario declares, and used ones are removed in the background.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from clusters.host.probes import MEMORY_FOR_RUN, Host
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.fuse import FuseSnapshot
from clusters.system import System
from suites.catalogue.scenario import MakesDataset, Scenario
from suites.record.evidence import Evidence, Phase
from suites.run.teardown import LAST_LOOKS_SECONDS, BackgroundTeardown
from suites.steps import checks
from suites.steps.idle_watch import NOT_WATCHED, Untouched, Watch
from suites.steps.user import DATASET, User, unique
from workloads.data import Files
from workloads.models.base import yaml_of

#: Fresh Datasets that are made, one after the other, before they are asked for.
AHEAD: Final = 2
#: Bytes of memory that the processes of one small Dataset take, and some more.
MEMORY_OF_ONE: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class ReadyDataset:
    """What was seen of a Dataset just when it got Bound, and until somebody used it.

    Attributes:
        namespace: of the Dataset.
        dataset: the Dataset.
        fuse: its Fuse.
        phases: how long its making took.
        untouched: how it was while it waited for its scenario.
    """

    namespace: str
    dataset: DatasetSnapshot
    fuse: FuseSnapshot
    phases: tuple[Phase, ...]
    untouched: Untouched = NOT_WATCHED


def create_bound(user: User, makes: MakesDataset = User.makes_dataset) -> ReadyDataset:
    """Make namespace, source claim, Dataset and runtime, wait until Bound, look at once.

    Args:
        user: whose they are.
        makes: makes Dataset and runtime, and what else has to be there before them.
    """
    user.makes_namespace()
    user.makes_source()
    makes(user)
    dataset = user.waits_until_bound()
    fuse = user.observer.fuse(user.namespace, dataset.name)
    return ReadyDataset(user.namespace, dataset, fuse, tuple(user.evidence.phases))


def ahead(host: Host) -> int:
    """How many fresh Datasets a host has room for beside the shared one and the one in use."""
    room = (host.memory_available - MEMORY_FOR_RUN) // MEMORY_OF_ONE - 1
    return max(1, min(AHEAD, room))


@dataclass(frozen=True, slots=True)
class _Coming:
    """A Dataset that is being made, or waits to be taken."""

    user: User
    makes: MakesDataset
    birth: Future[ReadyDataset]
    watch: Watch


@dataclass
class DatasetPool:
    """Makes fresh Datasets ahead and removes used ones behind.

    Attributes:
        system: the cluster.
        folder: of the export that all of them show.
        files: what lies there.
        wanted: how those are made that scenarios will still ask for, in the order of their asking.
        departures: removes them.
        watches: a scenario will ask how its Dataset was while it waited.
        shared: who made the Dataset that reading scenarios share, while it is there.
    """

    system: System
    folder: str
    files: Files
    wanted: Iterable[MakesDataset] = ()
    teardown: BackgroundTeardown = field(default_factory=BackgroundTeardown)
    watches: bool = False
    shared: User | None = None
    _maker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "make-dataset"))
    _coming: deque[_Coming] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._wanted = deque(self.wanted)

    def look_ahead(self) -> None:
        """Begin with the next one where it will be needed."""
        while self._wanted and len(self._coming) < ahead(self.system.host):
            self._begin(self._wanted.popleft())

    def _begin(self, makes: MakesDataset) -> None:
        user = self._user("fc")
        watch = Watch(
            f"Dataset {user.namespace}/{DATASET}",
            lambda: user.observer.fuse(user.namespace, DATASET),
            checks.why_fuse_present,
        )

        def make() -> ReadyDataset:
            birth = create_bound(user, makes)
            if self.watches:
                watch.begin()
            return birth

        self._coming.append(_Coming(user, makes, self._maker.submit(make), watch))

    def take(self, evidence: Evidence, makes: MakesDataset = User.makes_dataset) -> tuple[User, ReadyDataset]:
        """A fresh Dataset that is Bound, in a namespace of its own.

        Args:
            evidence: of the scenario that takes it.
            makes: how it is to have been made.

        Raises:
            HarnessError: it did not get Bound.
        """
        made = self._next(makes)
        evidence.namespaces.append(made.user.namespace)
        user = replace(made.user, evidence=evidence)
        with evidence.phase("dataset", "wait for the Dataset that was made ahead"):
            birth = replace(made.birth.result(), untouched=made.watch.end())
        evidence.attach("sent ahead", yaml_of(*user.sent), "yaml")
        self.look_ahead()
        return user, birth

    def _next(self, makes: MakesDataset) -> _Coming:
        """The next one that was made like this; one that was not asked for in its turn goes unused."""
        self.look_ahead()
        while self._coming:
            made = self._coming.popleft()
            if made.makes is makes:
                return made
            made.watch.end()
            self.remove(made.user)
            self.look_ahead()
        self._begin(makes)
        return self._coming.popleft()

    def share(self) -> ReadyDataset:
        """Make the Dataset that reading scenarios share.

        Raises:
            HarnessError: it did not get Bound.
        """
        self.shared = self._user("fc-shared")
        return create_bound(self.shared)

    def _user(self, prefix: str) -> User:
        """Somebody new."""
        return User(self.system, Evidence(silent=True), unique(prefix), folder=self.folder, files=self.files)

    def remove_shared(self) -> None:
        """Remove the Dataset that scenarios shared, if it is there."""
        if self.shared is not None:
            self.teardown.remove_shared(self.shared)
            self.shared = None

    def remove(self, user: User, declared: Scenario | None = None) -> None:
        """Remove what a user made, in the background.

        Args:
            user: who leaves.
            declared: the scenario that is told what stays; without one nobody looks.
        """
        self.teardown.remove(user, declared)

    def close(self, *, clean: bool, last_check_timeout: float = LAST_LOOKS_SECONDS) -> list[str]:
        """End the pool. Returns what would not go.

        Args:
            clean: all that was made is removed first; without it, it goes with the cluster.
            last_check_timeout: seconds to wait for removals that a scenario reports, without ``clean``.
        """
        if clean:
            self.remove_shared()
        self._maker.shutdown(wait=clean, cancel_futures=True)
        for coming in self._coming:
            coming.watch.end()
            if clean:
                self.remove(coming.user)
        return self.teardown.close(clean=clean, last_check_timeout=last_check_timeout)
