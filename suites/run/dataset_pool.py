"""The pool of Datasets: one that reading scenarios share, and others created ahead of time.

A Dataset needs 45 s to be created. Datasets are therefore created while other scenarios run, each in the way
that its scenario declares, and used ones are removed in the background. One master starts at a time: several
at once starve each other's start-up probes on two cores. Once it is ready, which is about half of the time,
the master of the next one starts, unless the machine is a slow one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from clusters.host.probes import MEMORY_FOR_RUN, Host
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.fuse import FuseSnapshot
from clusters.system import System
from suites.catalogue.scenario import DatasetCreator, Scenario
from suites.record.evidence import Evidence, Phase
from suites.run.teardown import LAST_CHECKS_SECONDS, BackgroundTeardown, retry
from suites.steps import checks
from suites.steps.idle_watch import NOT_WATCHED, IdleResult, IdleWatch
from suites.steps.user import DATASET, User, unique
from workloads.data import Files
from workloads.models.base import yaml_of

#: Datasets that are created, one after the other, before they are asked for.
AHEAD: Final = 2
#: Datasets whose creation is under way at the same time; the master of one of them starts.
AT_ONCE: Final = 2
#: Where programs start so many times as slowly as usual (`clusters.host.speed`), one is created at a time:
#: the start-up probe of a master may take 15 s, and takes 2 to 4 s on the usual machine.
SLOW: Final = 1.5
#: Bytes of memory that the processes of one small Dataset take, and some more.
MEMORY_OF_ONE: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class ReadyDataset:
    """What was observed of a Dataset when it became Bound, and until it was used.

    Attributes:
        namespace: of the Dataset.
        dataset: the Dataset.
        fuse: its Fuse.
        phases: of its creation.
        idle: what was observed while it was unused.
        reconcile_requests: how often a controller was asked to reconcile sooner while it was created.
    """

    namespace: str
    dataset: DatasetSnapshot
    fuse: FuseSnapshot
    phases: tuple[Phase, ...]
    idle: IdleResult = NOT_WATCHED
    reconcile_requests: int = 0


def create_bound(
    user: User,
    create: DatasetCreator = User.creates_dataset,
    on_masters_ready: Callable[[], None] = lambda: None,
) -> ReadyDataset:
    """Create namespace, source claim, Dataset and runtime, wait until Bound, and read the Fuse at once.

    Args:
        user: whose they are.
        create: creates Dataset and runtime, and what else has to be there before them.
        on_masters_ready: see `User.waits_until_bound`.
    """
    user.creates_namespace()
    user.creates_source()
    create(user)
    dataset = user.waits_until_bound(on_masters_ready=on_masters_ready)
    fuse = user.observer.fuse(user.namespace, dataset.name)
    return ReadyDataset(
        user.namespace,
        dataset,
        fuse,
        tuple(user.evidence.phases),
        reconcile_requests=user.evidence.reconcile_requests,
    )


def room(host: Host) -> int:
    """How many Datasets a host has room for, next to the shared one and the one in use."""
    number = (host.memory_available - MEMORY_FOR_RUN) // MEMORY_OF_ONE - 1
    return max(1, min(AHEAD, number))


def at_once(host: Host) -> int:
    """How many Datasets are created at the same time: one where programs start slowly, or with one core."""
    return AT_ONCE if host.slowness < SLOW and host.cpus > 1 else 1


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A Dataset that is being created, or waits for its scenario."""

    user: User
    create: DatasetCreator
    ready: Future[ReadyDataset]
    watch: IdleWatch


@dataclass
class DatasetPool:
    """Creates Datasets ahead of time and removes used ones in the background.

    Attributes:
        system: the cluster.
        folder: of the export that all of them show.
        files: in that folder.
        requested: how the Datasets are created that scenarios will ask for, in that order.
        teardown: removes them.
        watches: a scenario will ask what was observed of its Dataset while it was unused.
        untouched: no reconcile is requested for any of them.
        shared: who created the Dataset that reading scenarios share, while it is there.
    """

    system: System
    folder: str
    files: Files
    requested: Iterable[DatasetCreator] = ()
    teardown: BackgroundTeardown = field(default_factory=BackgroundTeardown)
    watches: bool = False
    untouched: bool = False
    shared: User | None = None
    _prepared: deque[_Prepared] = field(default_factory=deque)
    _starting: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._requested = deque(self.requested)
        self._at_once = at_once(self.system.host)
        self._creator = ThreadPoolExecutor(self._at_once, "create-dataset")

    @contextmanager
    def _turn(self) -> Iterator[Callable[[], None]]:
        """The turn to start masters, which one Dataset has at a time.

        Yields:
            What ends the turn early; it may be called more than once.
        """
        with ExitStack() as stack:
            stack.enter_context(self._starting)
            yield stack.close

    def prepare_ahead(self) -> None:
        """Create the next ones that will be needed, as many as there is room for."""
        while self._requested and len(self._prepared) < room(self.system.host):
            self._prepare(self._requested.popleft())

    def _prepare(self, create: DatasetCreator, *, untouched: bool = False) -> None:
        user = replace(self._user("fc"), requests_reconciles=not (untouched or self.untouched))
        watch = IdleWatch(
            f"Dataset {user.namespace}/{DATASET}",
            lambda: user.observer.fuse(user.namespace, DATASET),
            checks.why_fuse_present,
        )

        def in_turn() -> ReadyDataset:
            with self._turn() as end_turn:
                return create_bound(user, create, end_turn)

        def make() -> ReadyDataset:
            # A scenario that runs meanwhile may have taken the API server away for a while.
            ready = retry(in_turn, f"Dataset of {user.namespace}", self.teardown.end)
            if self.watches:
                watch.start()
            return ready

        self._prepared.append(_Prepared(user, create, self._creator.submit(make), watch))

    def acquire(
        self, evidence: Evidence, create: DatasetCreator = User.creates_dataset, *, untouched: bool = False
    ) -> tuple[User, ReadyDataset]:
        """A Dataset that is Bound and was never used, in a namespace of its own.

        Args:
            evidence: of the scenario that receives it.
            create: how it is to have been created.
            untouched: no reconcile may be requested for it, so one created ahead only serves if that holds
                for all of them.

        Raises:
            HarnessError: it did not become Bound.
        """
        made = self._next(create) if untouched == self.untouched else self._untouched(create)
        evidence.namespaces.append(made.user.namespace)
        user = replace(made.user, evidence=evidence)
        with evidence.phase("dataset", "wait for the Dataset that was created ahead"):
            ready = replace(made.ready.result(), idle=made.watch.stop())
        evidence.reconcile_requests += ready.reconcile_requests
        evidence.attach("sent ahead", yaml_of(*user.sent), "yaml")
        self.prepare_ahead()
        return user, ready

    def _untouched(self, create: DatasetCreator) -> _Prepared:
        self._prepare(create, untouched=True)
        return self._prepared.pop()

    def _next(self, create: DatasetCreator) -> _Prepared:
        """The next one that was created like this; those before it are removed unused."""
        self.prepare_ahead()
        while self._prepared:
            made = self._prepared.popleft()
            if made.create is create:
                return made
            made.watch.stop()
            self.remove(made.user)
            self.prepare_ahead()
        self._prepare(create)
        return self._prepared.popleft()

    def share(self) -> ReadyDataset:
        """Create the Dataset that reading scenarios share, and the next ones as soon as its master is ready.

        Raises:
            HarnessError: it did not become Bound.
        """
        self.shared = self._user("fc-shared")
        with self._turn() as end_turn:

            def prepare_next() -> None:
                if self._at_once > 1:
                    end_turn()
                    self.prepare_ahead()

            return create_bound(self.shared, on_masters_ready=prepare_next)

    def _user(self, prefix: str) -> User:
        """A new user."""
        return User(
            self.system,
            Evidence(silent=True),
            unique(prefix),
            folder=self.folder,
            files=self.files,
            timeout_factor=self.system.host.slowness,
            requests_reconciles=not self.untouched,
        )

    def remove_shared(self) -> None:
        """Remove the Dataset that scenarios shared, if it is there."""
        if self.shared is not None:
            self.teardown.remove_shared(self.shared)
            self.shared = None

    def remove(self, user: User, declared: Scenario | None = None) -> None:
        """Remove what a user created, in the background.

        Args:
            user: who created it.
            declared: the scenario at which leftovers are reported; without one they are not checked.
        """
        self.teardown.remove(user, declared)

    def close(self, *, clean: bool, last_check_timeout: float = LAST_CHECKS_SECONDS) -> list[str]:
        """End the pool, and return the removal errors that were reported at no scenario.

        Args:
            clean: remove all that was created; without it, it is deleted with the cluster.
            last_check_timeout: seconds to wait for removals that a scenario reports, without ``clean``.
        """
        if clean:
            self.remove_shared()
        self._creator.shutdown(wait=clean, cancel_futures=True)
        for prepared in self._prepared:
            prepared.watch.stop()
            if clean:
                self.remove(prepared.user)
        return self.teardown.close(clean=clean, last_check_timeout=last_check_timeout)
