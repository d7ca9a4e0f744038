"""Where sabotages happen: Datasets, scenarios run in-process on them, and what they say.

A scenario is the very function that a normal run calls, with a user on a real Dataset; only
who that user is, and for how long they wait, differs.
"""

from __future__ import annotations

import inspect
import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from clusters.errors import FailureClass, HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.cli import AlluxioFailureError
from clusters.system import System
from clusters.waiting import wait
from suites.catalogue.discovery import declared_tests
from suites.record.evidence import Evidence, Value
from suites.record.failure_class import failure_class, reason
from suites.record.run import When
from suites.run import unbindable
from suites.run.dataset_pool import DatasetPool, ReadyDataset, create_bound
from suites.run.unbindable import WatchResult
from suites.sabotage import own
from suites.sabotage.model import WINDOW, Place, Row, Sabotage, Seen, Tampering, Target, Users
from suites.steps.observer import Observer
from suites.steps.user import DATASET, User, unique
from workloads.data import Files
from workloads.models.base import Manifest

log = logging.getLogger(__name__)

#: Seconds until a Dataset that was used is as if nobody had used it.
RENEWED_SECONDS: Final = 120.0
#: Share of the usual time limits after which what a scenario left is removed by force.
REMOVAL_FACTOR: Final = 0.4


@dataclass
class WatchedEvidence(Evidence):
    """Evidence that does something when a certain fact is stated.

    Attributes:
        when: pattern of ``source: says``; empty never matches.
        then: what is done, once.
    """

    when: str = ""
    then: Callable[[], None] | None = None

    def fact(self, source: str, says: str, **data: Value) -> None:
        """State the fact; do what is to be done at it."""
        super().fact(source, says, **data)
        if self.then is not None and self.when and re.search(self.when, f"{source}: {says}"):
            then, self.then = self.then, None
            then()


@dataclass
class TamperedUser(User):
    """A user whose manifests are changed on their way to the cluster."""

    twist: Tampering = field(default_factory=Tampering)

    def applies(self, *manifests: Manifest) -> None:
        """Send what the twist makes of the manifests."""
        tamper = self.twist.tamper
        for manifest in manifests:
            super().applies(*(tamper(self, manifest) if tamper is not None else (manifest,)))


@dataclass
class ScenarioRunner:
    """The system and the Datasets on it.

    Attributes:
        system: the cluster.
        files: what lies in the folder.
        folder: of the export.
        shared: the Dataset that bystanders use, as it was born.
        pool: makes fresh Datasets ahead.
        before: what each bystander said on the intact system.
    """

    system: System
    files: Files
    folder: str
    shared: ReadyDataset
    pool: DatasetPool
    before: dict[str, Seen] = field(default_factory=dict)
    _fresh: tuple[User, ReadyDataset] | None = None
    _gone: str = ""
    _own: list[User] = field(default_factory=list)

    @property
    def observer(self) -> Observer:
        """Looks at the system."""
        return Observer(self.system)

    def is_alone(self, name: str) -> bool:
        """The scenario must not run beside another."""
        return declared_tests()[name][0].alone

    # What is tried

    def control(self, *names: str) -> None:
        """Run bystanders on the intact system, unless they did; A2 first, which brings the Fuse."""
        for group in (("A2",), names):
            tries = [
                (Target(name), self.user(Tampering(), 1.0, self.shared.namespace))
                for name in group
                if name not in self.before
            ]
            said = self._attempts(tries) if tries else []
            self.before |= {target.scenario: seen for (target, _), seen in zip(tries, said, strict=True)}
            self._clean_up([user for _, user in tries], Users())

    def play(self, sabotage: Sabotage) -> Row:
        """Break the product, see what the scenarios say, mend it, clean up behind them."""
        self.control(*sabotage.bystanders)
        start = time.monotonic()
        users = Users()
        for target in sabotage.targets:
            if target.place not in users.by_place:
                users.by_place[target.place] = self.user(
                    Tampering(), target.timeout_factor, self._namespace(target.place)
                )
        bystanders: list[tuple[str, TamperedUser]] = []
        played: list[tuple[Target, TamperedUser]] = []
        try:
            with sabotage.breaks(self, users) as twist:
                for target in sabotage.targets:
                    user = users.at(target.place)
                    played.append((target, self.user(twist, target.timeout_factor, user.namespace)))
                bystanders = [
                    (name, self.user(Tampering(), 1.0, self.shared.namespace)) for name in sabotage.bystanders
                ]
                seen = self._attempts([*played, *((Target(name), user) for name, user in bystanders)])
        finally:
            self._clean_up([user for _, user in played] + [user for _, user in bystanders], users)
        count = len(played)
        return Row(
            sabotage,
            tuple((target, said) for (target, _), said in zip(played, seen[:count], strict=True)),
            tuple(
                (name, self.before[name].outcome, said)
                for (name, _), said in zip(bystanders, seen[count:], strict=True)
            ),
            time.monotonic() - start,
        )

    def close(self, *, clean: bool) -> list[str]:
        """Remove what is left; returns what would not go."""
        self._forget_the_gone()
        if clean:
            own.remove(self._own)
        if self._fresh is not None:
            self.pool.remove(self._fresh[0])
            self._fresh = None
        return self.pool.close(clean=clean)

    def _attempts(self, tries: Sequence[tuple[Target, TamperedUser]]) -> list[Seen]:
        """Side by side, but for those that need the host for themselves."""
        if any(self.is_alone(target.scenario) for target, _ in tries):
            return [self.attempt(target, user) for target, user in tries]
        with ThreadPoolExecutor(len(tries), "sabotage") as threads:
            return list(threads.map(lambda one: self.attempt(*one), tries))

    def attempt(self, target: Target, user: TamperedUser) -> Seen:
        """Run one scenario as a normal run would, and classify what it raises."""
        start = time.monotonic()
        phase: When = "setup"
        try:
            arguments = self._arguments(target, user)
            phase = "call"
            declared, function = declared_tests()[target.scenario]
            function(**arguments)
            if target.place == "own":
                phase = "teardown"
                own.leaves_nothing(declared, user)
            user.evidence.raise_late_failure()
        except Exception as error:  # noqa: BLE001 - whatever a scenario raises is its verdict
            seen = Seen(
                "fail", failure_class(error, phase), reason(error), str(error), time.monotonic() - start
            )
        else:
            seen = Seen("pass", seconds=time.monotonic() - start)
        finally:
            _stop_applications(user)
        log.info("%s on %s: %s %s", target.scenario, target.place, seen.outcome, seen.detail)
        return seen

    def _arguments(self, target: Target, user: TamperedUser) -> dict[str, Any]:
        """What the scenario's fixtures would have given it."""
        birth = self.shared
        if target.place == "own":
            self._own.append(user)
            return own.arguments(*declared_tests()[target.scenario], user, birth, lambda: self._another(user))
        if target.place == "born":
            birth = create_bound(user)
        elif target.place not in {"shared", "user"}:
            fuse = user.observer.fuse(user.namespace, DATASET)
            birth = ReadyDataset(user.namespace, user.observer.dataset(user.namespace, DATASET), fuse, ())
        _, function = declared_tests()[target.scenario]
        wanted = tuple(inspect.signature(function).parameters)
        if "unbindable_dataset" in wanted:
            return {"unbindable_dataset": self._watched(target, user)}
        known: dict[str, Any] = {
            "shared_user": user,
            "dataset_owner": user,
            "ready_dataset": birth,
            "window": WINDOW,
        }
        return {name: known[name] for name in wanted}

    def _another(self, user: TamperedUser) -> User:
        """A second user next to the first, for a scenario that needs two."""
        other = self.user(user.twist, user.timeout_factor)
        self._own.append(other)
        return other

    def remove_own(self) -> None:
        """Remove what was created for single scenarios, and wait until it is gone.

        Raises:
            HarnessError: not all of it could be removed.
        """
        users, self._own = self._own, []
        for user in users:
            user.timeout_factor = REMOVAL_FACTOR
        if troubles := own.remove(users):
            raise HarnessError(f"not all could be removed: {'; '.join(troubles)}")

    def _watched(self, target: Target, user: User) -> WatchResult:
        """A Dataset that cannot get Bound; a bystander's is not on the Dataset that the others share."""
        if target.place == "shared":
            user.namespace = unique("fc-by")
            user.evidence.namespaces.append(user.namespace)
        return unbindable.watch_one(target.scenario, user)

    # Where it is tried

    def _namespace(self, place: Place) -> str:
        if place == "shared":
            return self.shared.namespace
        if place in {"fresh", "spent"}:
            return self._renewed().namespace
        if place == "gone":
            if not self._gone:
                raise HarnessError("no Dataset was deleted yet, so nothing can be left of it")
            return self._gone
        return unique("fc-broken")

    def user(self, twist: Tampering, timeout_factor: float, namespace: str = "") -> TamperedUser:
        """A user in a namespace, or in a new one that does not exist yet."""
        namespace = namespace or unique("fc-broken")
        evidence = WatchedEvidence(silent=True, when=twist.when)
        user = TamperedUser(
            self.system,
            evidence,
            namespace,
            folder=self.folder,
            files=self.files,
            timeout_factor=timeout_factor,
            twist=twist,
        )
        evidence.namespaces.append(namespace)
        if twist.then is not None:
            then = twist.then
            evidence.then = lambda: then(user)
        return user

    def _renewed(self) -> User:
        """The fresh Dataset, as if nobody had used it; another one where that cannot be had."""
        if self._fresh is not None:
            try:
                self._renew(self._fresh[0])
            except HarnessError as error:
                log.warning("the fresh Dataset is given up: %s", error)
                self.pool.remove(self._fresh[0])
                self._fresh = None
        if self._fresh is None:
            self._fresh = self.pool.acquire(Evidence(silent=True))
        return self._fresh[0]

    def _renew(self, user: User) -> None:
        kube, observer, namespace = self.system.kube, self.observer, user.namespace
        label = fluid_names.fuse_label(namespace, DATASET)
        for load in kube.list(kinds.DATA_LOAD, namespace):
            kube.delete(kinds.DATA_LOAD, load["metadata"]["name"], namespace)
        for node in observer.objects.list(NodeSnapshot, labels=f"{label}=true"):
            self._waits_until_unstaged(user, node.name)
            kube.patch(kinds.NODE, node.name, None, {"metadata": {"labels": {label: None}}})
        subject = f"Dataset {namespace}/{DATASET}"
        wait(
            lambda: (observer.fuse(namespace, DATASET), kube.list(kinds.DATA_LOAD, namespace)),
            lambda seen: seen[0].absent and not seen[1],
            subject=subject,
            condition="removal of the Fuse and the DataLoads",
            timeout=RENEWED_SECONDS,
            failure_class=FailureClass.HARNESS,
        )
        if self._nothing_cached(user):
            return
        observer.alluxio(namespace, DATASET).free()
        wait(
            user.with_reconcile_requests(lambda: self._nothing_cached(user)),
            bool,
            subject=subject,
            condition="an empty cache, also in the status,",
            timeout=RENEWED_SECONDS,
            delay=1.0,
            failure_class=FailureClass.HARNESS,
        )

    def _waits_until_unstaged(self, user: User, node: str) -> None:
        """Wait until a node has forgotten the volume: one that has not would not ask for its label again."""
        folder = fluid_names.staging_folder(user.namespace, DATASET)
        wait(
            lambda: self.system.provider.node_exec(node, ["test", "-e", folder]).exit_code != 0,
            bool,
            subject=f"volume of Dataset {user.namespace}/{DATASET} on {node}",
            condition="removal",
            timeout=RENEWED_SECONDS,
            delay=1.0,
            failure_class=FailureClass.HARNESS,
        )

    def _nothing_cached(self, user: User) -> bool:
        namespace = user.namespace
        status = self.observer.dataset(namespace, DATASET).cache.cached_percentage or 0.0
        if status > 0 or self.observer.blocks(namespace, DATASET):
            return False
        try:
            return self.observer.listing(namespace, DATASET).none_cached
        except AlluxioFailureError as error:
            log.info("Alluxio does not answer at the moment: %s", error.message)
            return False

    def _clean_up(self, played: Sequence[User], users: Users) -> None:
        """After mending: what the attempts started goes; Datasets that were made for the sabotage too."""
        for user in played:
            user.timeout_factor = 1.0
            _stop_applications(user)
        for place, user in users.by_place.items():
            if place in {"born", "user"}:
                self.pool.remove(_everything_of(user, played))
            elif place == "spent" and self._fresh is not None:
                self._forget_the_gone()
                spent, _ = self._fresh
                self._fresh, self._gone = None, spent.namespace
                spent.deletes_dataset()
        for user in played:
            if user.namespace.startswith("fc-by"):
                self.pool.remove(user)

    def _forget_the_gone(self) -> None:
        """The namespace of the deleted Dataset is no longer needed."""
        if self._gone:
            user = User(self.system, Evidence(silent=True), self._gone, folder=self.folder, files=self.files)
            self._gone = ""
            self.pool.remove(user)


def _everything_of(user: User, played: Sequence[User]) -> User:
    """The user of a place, with all that was sent in its name."""
    for other in played:
        if other.namespace == user.namespace:
            user.sent += other.sent
    return user


def _stop_applications(user: User) -> None:
    """Delete the applications that an attempt started; what will not go now is tried again after mending."""
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
