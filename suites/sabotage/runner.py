"""Runs scenarios in-process while the product is broken.

A scenario is the same function that a normal run calls, with a user on a real Dataset; only the user and
the time limits differ.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from clusters.errors import HarnessError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.system import System
from suites.catalogue.discovery import declared_tests
from suites.record.evidence import Evidence
from suites.record.failure_class import failure_class, reason
from suites.record.run import When
from suites.run import pending_applications, unbindable
from suites.run.dataset_pool import DatasetPool, ReadyDataset, create_bound
from suites.run.unbindable import WatchResult
from suites.sabotage import own
from suites.sabotage.model import WINDOW, Place, Row, Sabotage, Seen, Tampering, Target, Users
from suites.sabotage.tampered_user import TamperedUser, WatchedEvidence
from suites.sabotage.unused_dataset import UnusedDataset
from suites.steps import source_files
from suites.steps.observer import Observer
from suites.steps.user import DATASET, User, unique
from workloads.data import Files

log = logging.getLogger(__name__)

#: Share of the usual time limits after which what a scenario left is removed by force.
REMOVAL_FACTOR: Final = 0.4


@dataclass
class ScenarioRunner:
    """Runs the targets and bystanders of sabotages.

    Attributes:
        system: the cluster.
        files: files in ``folder``.
        folder: folder of the NFS export.
        shared: the Dataset that bystanders use, as it was when it got Bound.
        pool: creates and removes Datasets.
        before: verdict of each bystander on the intact system.
    """

    system: System
    files: Files
    folder: str
    shared: ReadyDataset
    pool: DatasetPool
    before: dict[str, Seen] = field(default_factory=dict)
    _deleted: str = ""
    _own: list[User] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._unused = UnusedDataset(self.system, self.pool)

    @property
    def observer(self) -> Observer:
        """Observes the cluster."""
        return Observer(self.system)

    def is_alone(self, name: str) -> bool:
        """Whether the scenario must not run next to another one."""
        return declared_tests()[name][0].alone

    def control(self, *names: str) -> None:
        """Run bystanders on the intact system, each once. A2 runs first, because it starts the Fuse."""
        for group in (("A2",), names):
            attempts = [
                (Target(name), self.user(Tampering(), 1.0, self.shared.namespace))
                for name in group
                if name not in self.before
            ]
            seen = self._attempts(attempts) if attempts else []
            self.before |= {target.scenario: one for (target, _), one in zip(attempts, seen, strict=True)}
            self._clean_up([user for _, user in attempts], Users())

    def repair_source(self) -> str:
        """Repair what a changed or broken product wrote to the source, and return what it was."""
        repaired = source_files.ensure(self.system, self.files, self.folder)
        if repaired:
            log.warning("the source was repaired: %s", repaired)
        return str(repaired) if repaired else ""

    def run_case(self, sabotage: Sabotage) -> Row:
        """Break the product, run targets and bystanders, restore the product, and clean up."""
        self.control(*sabotage.bystanders)
        start = time.monotonic()
        users = Users()
        for target in sabotage.targets:
            if target.place not in users.by_place:
                users.by_place[target.place] = self.user(
                    Tampering(), target.timeout_factor, self._namespace(target.place)
                )
        targets: list[tuple[Target, TamperedUser]] = []
        bystanders: list[tuple[str, TamperedUser]] = []
        try:
            with sabotage.breaks(self, users) as tampering:
                for target in sabotage.targets:
                    namespace = users.at(target.place).namespace
                    targets.append((target, self.user(tampering, target.timeout_factor, namespace)))
                bystanders = [
                    (name, self.user(Tampering(), 1.0, self.shared.namespace)) for name in sabotage.bystanders
                ]
                seen = self._attempts([*targets, *((Target(name), user) for name, user in bystanders)])
        finally:
            self._clean_up([user for _, user in targets] + [user for _, user in bystanders], users)
        count = len(targets)
        return Row(
            sabotage,
            tuple((target, one) for (target, _), one in zip(targets, seen[:count], strict=True)),
            tuple(
                (name, self.before[name].outcome, one)
                for (name, _), one in zip(bystanders, seen[count:], strict=True)
            ),
            time.monotonic() - start,
        )

    def close(self, *, clean: bool) -> list[str]:
        """Remove everything that is left. Returns the errors."""
        self._remove_deleted()
        if clean:
            own.remove(self._own)
        self._unused.remove()
        return self.pool.close(clean=clean)

    def user(self, tampering: Tampering, timeout_factor: float, namespace: str = "") -> TamperedUser:
        """A user in a namespace, or in a new one that does not exist yet."""
        namespace = namespace or unique("fc-broken")
        evidence = WatchedEvidence(silent=True, when=tampering.when)
        user = TamperedUser(
            self.system, evidence, namespace, folder=self.folder, files=self.files, tampering=tampering
        )
        evidence.namespaces.append(namespace)
        self.arm(user, tampering, timeout_factor)
        return user

    def arm(self, user: TamperedUser, tampering: Tampering, timeout_factor: float) -> None:
        """Let a user tamper from now on, and wait for this share of the usual limits."""
        user.tampering = tampering
        user.timeout_factor = timeout_factor * self.system.host.slowness
        evidence, then = user.evidence, tampering.then
        if isinstance(evidence, WatchedEvidence) and then is not None:
            evidence.when = tampering.when
            evidence.then = lambda: then(user)

    def attempt(self, target: Target, user: TamperedUser, ready: ReadyDataset | None = None) -> Seen:
        """Run one scenario as a normal run does, and classify the exception that it raises.

        Args:
            target: which, and where.
            user: runs it.
            ready: its own Dataset, where ``user`` has created it already.
        """
        start = time.monotonic()
        phase: When = "setup"
        try:
            arguments = self._arguments(target, user, ready)
            phase = "call"
            declared, function = declared_tests()[target.scenario]
            function(**arguments)
            if target.place is Place.OWN:
                phase = "teardown"
                own.check_nothing_left(declared, user)
            user.evidence.raise_late_failure()
        except Exception as error:  # noqa: BLE001 - any exception of a scenario is its verdict
            seen = Seen(
                "fail", failure_class(error, phase), reason(error), str(error), time.monotonic() - start
            )
        else:
            seen = Seen("pass", seconds=time.monotonic() - start)
        finally:
            _stop_applications(user)
        log.info("%s on %s: %s %s", target.scenario, target.place, seen.outcome, seen.detail)
        return seen

    def remove_own(self) -> None:
        """Remove what was created for single scenarios (`Place.OWN`), and wait until it is gone.

        Raises:
            HarnessError: not all of it could be removed.
        """
        if errors := own.remove(self.release_own()):
            raise HarnessError(f"not everything could be removed: {'; '.join(errors)}")

    def release_own(self) -> list[User]:
        """The users of single scenarios (`Place.OWN`); whoever calls it removes what they created."""
        users, self._own = self._own, []
        for user in users:
            user.timeout_factor = REMOVAL_FACTOR
        return users

    def _attempts(self, attempts: Sequence[tuple[Target, TamperedUser]]) -> list[Seen]:
        """Run scenarios at the same time, or one after the other if one of them must run alone."""
        if any(self.is_alone(target.scenario) for target, _ in attempts):
            return [self.attempt(target, user) for target, user in attempts]
        with ThreadPoolExecutor(len(attempts), "sabotage") as threads:
            return list(threads.map(lambda one: self.attempt(*one), attempts))

    def _arguments(self, target: Target, user: TamperedUser, made: ReadyDataset | None) -> dict[str, Any]:
        """The arguments that the fixtures of a normal run would give to the scenario."""
        ready = self.shared
        declared, function = declared_tests()[target.scenario]
        if target.place is Place.OWN:
            self._own.append(user)
            return own.arguments(declared, function, user, ready, lambda: self._second_user(user), ready=made)
        if target.place is Place.NEW:
            ready = create_bound(user)
        elif target.place not in {Place.SHARED, Place.NO_DATASET}:
            fuse = user.observer.fuse(user.namespace, DATASET)
            ready = ReadyDataset(user.namespace, user.observer.dataset(user.namespace, DATASET), fuse, ())
        names = tuple(inspect.signature(function).parameters)
        if "unbindable_dataset" in names:
            return {"unbindable_dataset": self._watched(target, user)}
        known: dict[str, Any] = {
            "shared_user": user,
            "dataset_owner": user,
            "ready_dataset": ready,
            "window": WINDOW,
        }
        if "pending_application" in names:
            known["pending_application"] = pending_applications.watch_one(target.scenario, user)
        return {name: known[name] for name in names}

    def _second_user(self, user: TamperedUser) -> User:
        """Another user with the same tampering, for a scenario that needs two."""
        other = self.user(user.tampering, user.timeout_factor)
        other.requests_reconciles = user.requests_reconciles
        self._own.append(other)
        return other

    def _watched(self, target: Target, user: User) -> WatchResult:
        """A Dataset that cannot get Bound, in a namespace of its own."""
        if target.place is Place.SHARED:
            user.namespace = unique("fc-by")
            user.evidence.namespaces.append(user.namespace)
        return unbindable.watch_one(target.scenario, user)

    def _namespace(self, place: Place) -> str:
        if place is Place.SHARED:
            return self.shared.namespace
        if place in {Place.UNUSED, Place.TO_DELETE}:
            return self._unused.obtain().namespace
        if place is Place.DELETED:
            if not self._deleted:  # no earlier case of this run has deleted one
                self._unused.obtain()
                self._delete_unused()
            return self._deleted
        return unique("fc-broken")

    def _clean_up(self, attempted: Sequence[User], users: Users) -> None:
        """Delete the applications of the attempts, and the Datasets that were created for the sabotage."""
        for user in attempted:
            user.timeout_factor = 1.0
            _stop_applications(user)
        for place, user in users.by_place.items():
            if place in {Place.NEW, Place.NO_DATASET}:
                self.pool.remove(_with_everything_sent(user, attempted))
            elif place is Place.TO_DELETE:
                self._delete_unused()
        for user in attempted:
            if user.namespace.startswith("fc-by"):
                self.pool.remove(user)

    def _delete_unused(self) -> None:
        """Delete the Dataset on which cases run, where a scenario has not done so, and keep its namespace."""
        user = self._unused.release()
        if user is not None:
            self._remove_deleted()
            self._deleted = user.namespace
            user.deletes_dataset()

    def _remove_deleted(self) -> None:
        """Remove the namespace of the Dataset that was deleted."""
        if self._deleted:
            evidence = Evidence(silent=True)
            user = User(self.system, evidence, self._deleted, folder=self.folder, files=self.files)
            self._deleted = ""
            self.pool.remove(user)


def _with_everything_sent(user: User, attempted: Sequence[User]) -> User:
    """The user of a place, with the manifests that all attempts sent in its namespace."""
    for other in attempted:
        if other.namespace == user.namespace:
            user.sent += other.sent
    return user


def _stop_applications(user: User) -> None:
    """Delete the applications that an attempt started; what fails is tried again after the restore."""
    for manifest in user.sent:
        if manifest["kind"] != "Pod":
            continue
        meta = manifest["metadata"]
        pod = user.observer.objects.get(PodSnapshot, meta["name"], meta["namespace"])
        if pod is None:
            continue
        try:
            user.stops(pod)
        except HarnessError as error:
            log.warning("%s", error.message)
