"""Datasets that cannot become Bound: all that a run asks for are watched in one shared window.

Each has a namespace of its own and an application that waits for its claim; one of them does not affect
the others, also when it cannot be created.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold
from suites.record.evidence import Evidence
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import AlluxioVersion, Component, Fuse, Level, TieredStore
from workloads.models.data_load import DataLoad
from workloads.models.dataset import Dataset, Mount
from workloads.models.shared import Resources
from workloads.models.small_runtime import laptop_runtime

#: The application that waits for the Dataset's claim.
APPLICATION: Final = "waiting-app"
#: Seconds for which they are watched together: two rounds of Fluid's retry (20 s each) and more.
WINDOW: Final = 45.0
#: How many are created at the same time.
AT_ONCE: Final = 4
#: A name that begins with a digit, and one with a dot.
DIGIT: Final = "20-hbase"
DOT: Final = "imagenet.2012"
#: A claim that does not exist.
MISSING: Final = "missing"
#: A claim that exists, but in another namespace. A name of its own: claims of one name in several
#: namespaces would make the diagnosis of each other's scenarios ambiguous.
OTHER_CLAIM: Final = "nfs-beside"
#: Tags that no image of Alluxio has, for all parts but the Fuse and for the Fuse. Fluid needs a semantic
#: version (pkg/ddc/alluxio/transform_fuse.go:62 of 1.0.8).
MISSING_TAG: Final = "2.9.77"
FUSE_TAG: Final = "2.9.78"
#: Ends the name of the namespace with a claim that the Dataset cannot reach.
ELSEWHERE: Final = "elsewhere"


@dataclass(frozen=True, slots=True)
class Observation:
    """One of them, observed at one moment."""

    dataset: DatasetSnapshot | None
    claim: ClaimSnapshot | None
    application: PodSnapshot | None
    pods: tuple[PodSnapshot, ...]

    @property
    def contradiction(self) -> str:
        """What contradicts that the Dataset cannot become Bound, or nothing."""
        if self.dataset is not None and self.dataset.phase not in ("", "NotBound"):
            return f"the Dataset's phase is {self.dataset.phase}"
        if self.claim is not None:
            return f"there is a {self.claim}"
        if self.application is None or self.application.node:
            return f"the application does not wait: {self.application}"
        return ""


@dataclass(frozen=True, slots=True)
class WatchResult:
    """One of them after the window.

    Attributes:
        user: whose it is.
        name: of the Dataset.
        observations: how many there were.
        together: how many were watched at the same time.
        contradiction: what contradicted first; empty if nothing did.
        last: how it was at the end.
    """

    user: User
    name: str
    observations: int
    together: int
    contradiction: str
    last: Observation

    def with_evidence(self, evidence: Evidence) -> WatchResult:
        """The same with another collector of evidence."""
        return replace(self, user=replace(self.user, evidence=evidence))


@dataclass(frozen=True, slots=True)
class NotCreated:
    """One of them that could not be created.

    Attributes:
        user: whose it should have been.
        error: why.
    """

    user: User
    error: Exception

    def with_evidence(self, evidence: Evidence) -> NotCreated:
        """The same with another collector of evidence."""
        return replace(self, user=replace(self.user, evidence=evidence))


def _without_runtime(user: User) -> None:
    user.creates_dataset(without_runtime=True)


def _without_dataset(user: User) -> None:
    user.applies(laptop_runtime(user.namespace, DATASET).manifest())


def _of_mounts(user: User, *mounts: Mount) -> None:
    user.creates_dataset(Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"))


def _nfs_scheme(user: User) -> None:
    _of_mounts(user, Mount(mount_point=f"nfs://{user.system.nfs.address}{user.folder}", name="nfs"))


def _scheme_in_capitals(user: User) -> None:
    _of_mounts(user, Mount(mount_point=f"PVC://{SOURCE}", name=SOURCE))


def _claim_elsewhere(user: User) -> None:
    """The claim is in a namespace of its own, which is deleted with the claim's scenario."""
    elsewhere = replace(user, namespace=f"{user.namespace}-{ELSEWHERE}")
    elsewhere.creates_namespace()
    elsewhere.creates_source(OTHER_CLAIM)
    _of_mounts(user, Mount(mount_point=f"pvc://{OTHER_CLAIM}", name="data", path="/"))


def _without_quota(user: User) -> None:
    tier = TieredStore(levels=(Level(mediumtype="MEM", path="/dev/shm"),))  # noqa: S108 - the tier is memory
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET).evolve(tieredstore=tier))


def _missing_claim(user: User) -> None:
    _of_mounts(user, Mount(mount_point=f"pvc://{MISSING}", name="data", path="/"))


def _claim_twice(user: User) -> None:
    _of_mounts(
        user,
        Mount(mount_point=f"pvc://{SOURCE}/train", name="train"),
        Mount(mount_point=f"pvc://{SOURCE}/labels", name="labels"),
    )


def _quota_over_limit(user: User) -> None:
    runtime = laptop_runtime(user.namespace, DATASET, quota="512Mi")
    worker = (runtime.worker or Component()).evolve(resources=Resources(limits={"memory": "256Mi"}))
    user.creates_dataset(runtime=runtime.evolve(worker=worker))


def _loads(user: User) -> None:
    _without_runtime(user)
    user.applies(
        DataLoad.whole(user.namespace, "load-not-bound", DATASET).manifest(),
        DataLoad.whole(user.namespace, "load-missing", MISSING).manifest(),
    )


def _missing_image(user: User) -> None:
    runtime = laptop_runtime(user.namespace, DATASET)
    fuse = (runtime.fuse or Fuse()).evolve(image_tag=FUSE_TAG, image_pull_policy="Never")
    version = AlluxioVersion(image_tag=MISSING_TAG, image_pull_policy="Never")
    user.creates_dataset(runtime=runtime.evolve(alluxio_version=version, fuse=fuse))


def _names_not_taken(user: User) -> None:
    over = Dataset.over_claim(user.namespace, DIGIT, SOURCE).evolve(placement="Shared")
    user.creates_dataset(over)
    user.creates_dataset(over.evolve(name=DOT), without_runtime=True)


#: What the user of each scenario does, by its id.
CASES: Final[Mapping[str, Callable[[User], None]]] = MappingProxyType(
    {
        "B11": _without_runtime,
        "B12": _without_dataset,
        "B14": _nfs_scheme,
        "B15": _scheme_in_capitals,
        "B16": _missing_claim,
        "B17": _claim_elsewhere,
        "B18": _claim_twice,
        "B20": _quota_over_limit,
        "B22": _without_quota,
        "B29": _names_not_taken,
        "B38": _loads,
        "B40": _missing_image,
    }
)


#: Names of Datasets that are called otherwise than usual; Fluid gives these no phase at all.
NAMES: Final[Mapping[str, str]] = MappingProxyType({"B29": DIGIT})


def watch(
    users: Mapping[str, User], over: threading.Event | None = None
) -> Mapping[str, WatchResult | NotCreated]:
    """Create all of them, wait until Fluid has seen them, and watch those over one window.

    Args:
        users: whose each will be, by the id of its scenario.
        over: ends the window early when it is set.

    Raises:
        HarnessError: the window was ended early, or an object could not be read.
    """
    with ThreadPoolExecutor(AT_ONCE, "create-unbindable") as creators:
        created = {id_: creators.submit(_create, id_, user) for id_, user in users.items()}
    failed = {
        id_: NotCreated(users[id_], error)
        for id_, future in created.items()
        if isinstance(error := future.exception(), Exception)
    }
    watched = {id_: user for id_, user in users.items() if id_ not in failed}
    if not watched:
        return failed
    observations = hold(
        lambda: {id_: _observe(user, _name(id_)) for id_, user in watched.items()},
        # Each scenario judges its own.
        lambda _: "the run is over" if over is not None and over.is_set() else None,
        subject=f"{len(watched)} Datasets",
        condition="a phase other than Bound",
        window=WINDOW,
        delay=2.0,
    )
    return failed | {
        id_: WatchResult(
            user=user,
            name=_name(id_),
            observations=len(observations),
            together=len(watched),
            contradiction=next(
                (seen[id_].contradiction for seen in observations if seen[id_].contradiction), ""
            ),
            last=observations[-1][id_],
        )
        for id_, user in watched.items()
    }


@dataclass
class UnbindableDatasets:
    """Those of a run, watched in a thread of its own while scenarios run that disturb nothing.

    Attributes:
        users: whose each will be, by the id of the scenario that asks for it.
    """

    users: Mapping[str, User]
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "watch-unbindable"), init=False
    )
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _watched: Future[Mapping[str, WatchResult | NotCreated]] | None = field(default=None, init=False)
    _taken: set[str] = field(default_factory=set, init=False)

    def begin(self) -> None:
        """Create and watch them, unless that has begun."""
        if self.users and self._watched is None:
            self._watched = self._thread.submit(watch, self.users, self._over)

    def finish(self) -> None:
        """Wait for the end of a watch that has begun. What failed is reported to those who ask for it."""
        if self._watched is not None:
            self._watched.exception()

    def take(self, id_: str) -> WatchResult | NotCreated:
        """The one of a scenario, which removes it; the watch begins now if it has not yet.

        Raises:
            HarnessError: the watch failed as a whole.
        """
        self.begin()
        assert self._watched is not None  # the scenario is one of those that ask
        watched = self._watched.result()[id_]
        self._taken.add(id_)
        return watched

    def close(self) -> tuple[User, ...]:
        """End the watch, and return those whose Dataset may exist and was not taken by a scenario."""
        self._over.set()
        self._thread.shutdown()
        if self._watched is None:
            return ()
        return tuple(user for id_, user in self.users.items() if id_ not in self._taken)


def watch_one(id_: str, user: User) -> WatchResult:
    """Create and watch the one of a single scenario.

    Raises:
        HarnessError: it could not be created.
    """
    watched = watch({id_: user})[id_]
    if isinstance(watched, NotCreated):
        raise watched.error
    return watched


def _name(id_: str) -> str:
    return NAMES.get(id_, DATASET)


def _create(id_: str, user: User) -> None:
    """Create one, and wait until Fluid and the scheduler have seen it."""
    user.creates_namespace()
    user.creates_source()
    CASES[id_](user)
    user.applies(user.application(APPLICATION, _name(id_)).manifest())
    user.waits_for_scheduling_verdict(user.namespace, APPLICATION)
    if id_ not in NAMES and user.observer.objects.get(DatasetSnapshot, DATASET, user.namespace) is not None:
        user.waits_for_phase(DATASET)


def _observe(user: User, name: str) -> Observation:
    objects = user.observer.objects
    return Observation(
        dataset=objects.get(DatasetSnapshot, name, user.namespace),
        claim=objects.get(ClaimSnapshot, name, user.namespace),
        application=objects.get(PodSnapshot, APPLICATION, user.namespace),
        pods=objects.list(PodSnapshot, user.namespace, labels=f"release={name}"),
    )
