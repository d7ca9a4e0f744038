"""Removing what scenarios made, in the background, and seeing what of it stays.

A scenario is over when its test has ended; what it made then goes while others run. Whatever is
left of its Datasets, before the removal of their namespace would hide it, is told at that scenario:
as a failure of its teardown, or as the known defect that it declares. Together with it the data at
the source are compared with what was put there.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError, ProductFailureError
from clusters.waiting import WaitError, wait
from suites.catalogue.scenario import Leftover, Scenario
from suites.record.evidence import Evidence
from suites.steps import leaks
from suites.steps.leaks import Leaks
from suites.steps.user import User
from workloads.data import Difference

T = TypeVar("T")
log = logging.getLogger(__name__)

#: How many are removed at the same time: that is mostly waiting for the controller's retries.
REMOVERS: Final = 3
#: Seconds for which the infrastructure may be in trouble, and between two tries meanwhile.
TROUBLE_SECONDS: Final = 120.0
TROUBLE_DELAY: Final = 5.0
#: Seconds for which a run whose cluster goes with it waits for the last looks; a Dataset that will not go
#: has failed by then, and been told (`suites.steps.user.GONE_SECONDS`).
LAST_LOOKS_SECONDS: Final = 300.0
SOURCE_OF_FACTS: Final = "leak check"


@dataclass(frozen=True, slots=True)
class Ending:
    """How far the end of the run has come.

    Attributes:
        cluster_goes: the cluster will be deleted as a whole, so nothing needs to go but what is looked at.
        over: nothing is waited for any more.
    """

    cluster_goes: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen of one departure.

    Attributes:
        left: of the Datasets, once there was time for all of it to go.
        changed: how the data at the source differ from those put there; empty when they do not.
        trouble: what could not be removed.
    """

    left: Leaks
    changed: Difference
    trouble: HarnessError | None = None


@dataclass(frozen=True, slots=True)
class PendingTeardown:
    """Something that is being removed.

    Attributes:
        names: ids of the scenarios that used it, in their order; none where nobody is to be told.
        user: who made it, with the evidence of the last of these scenarios.
        known: what is known to stay.
        ran: the scenarios that ran since the source was last seen right, each with its number.
        found: comes when it is done; None where nothing was looked at.
    """

    names: tuple[str, ...]
    user: User
    known: tuple[Leftover, ...]
    ran: tuple[tuple[int, str], ...]
    found: Future[Found | None]

    @property
    def whose(self) -> str:
        """Whose Datasets they are, as the beginning of a sentence."""
        if len(self.names) == 1:
            return "what the scenario made"
        return f"the Dataset that {', '.join(self.names)} shared"


def tear_down(user: User, ending: Ending) -> Found:
    """Remove all that a user made; in between, look at what stays of it.

    The namespace is left to a cluster that goes.

    Raises:
        HarnessError: a Dataset would not go, or it could not be looked at.
    """
    again(user.removes_datasets, f"Datasets of {user.namespace}", ending)
    left = leaks.after_a_while(user)
    at_source = again(lambda: user.observer.at_the_source(user.folder), "files at the source", ending)
    trouble: HarnessError | None = None
    try:
        if not ending.cluster_goes.is_set():
            again(user.leaves, f"namespace {user.namespace}", ending)
    except HarnessError as error:
        trouble = error
    return Found(left, user.files.difference(at_source), trouble)


def again(step: Callable[[], T], subject: str, ending: Ending, *, clock: Clock = SYSTEM_CLOCK) -> T:
    """Do something that may be done twice; again where the infrastructure failed.

    A scenario that runs meanwhile may have broken it on purpose, and mends it soon; when the run is over,
    nobody mends anything.

    Raises:
        HarnessError: what it raises otherwise, or went on to raise for `TROUBLE_SECONDS`.
    """
    last: list[HarnessError] = []

    def attempt() -> list[T]:
        try:
            return [step()]
        except HarnessError as error:
            if error.failure_class is not FailureClass.INFRASTRUCTURE:
                raise
            last[:] = [error]
            return []

    try:
        done = wait(
            attempt,
            bool,
            subject=subject,
            condition="success",
            timeout=TROUBLE_SECONDS,
            delay=TROUBLE_DELAY,
            failed=lambda seen: "the run is over" if ending.over.is_set() and not seen else None,
            describe=lambda seen: "done" if seen else last[0].message,
            failure_class=FailureClass.INFRASTRUCTURE,
            clock=clock,
        )
    except WaitError as error:
        if error.failure_class is FailureClass.INFRASTRUCTURE:  # this wait; the step's own was caught above
            raise last[0] from None
        raise
    return done[0]


@dataclass
class BackgroundTeardown:
    """All removals of a run, and what was seen in them.

    Attributes:
        told: the failures that were told at scenarios, in the order in which they were found.
    """

    told: list[Exception] = field(default_factory=list)
    _remover: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(REMOVERS, "remove-dataset")
    )
    _ending: Ending = field(default_factory=Ending)
    _leaving: list[PendingTeardown] = field(default_factory=list)
    _ran: list[tuple[int, str]] = field(default_factory=list)
    _count: int = 0
    _latest: User | None = None
    _sharers: list[str] = field(default_factory=list)
    _sharer: Evidence | None = None
    _spoiled: bool = False
    _troubles: list[str] = field(default_factory=list)

    def begins(self, declared: Scenario | None, user: User, *, sharing: bool = False) -> None:
        """A scenario is about to run; it may be the one that leaves something, or spoils the source."""
        if declared is None:
            return
        self._count += 1
        self._ran.append((self._count, declared.id))
        self._latest = user
        if sharing:
            self._sharers.append(declared.id)
            self._sharer = user.evidence

    def remove(self, user: User, declared: Scenario | None = None) -> None:
        """Remove what a user made, and see what stays where a scenario is there to be told of it."""
        names = (declared.id,) if declared is not None else ()
        self._remove(user, names, declared.leaves if declared is not None else ())

    def remove_shared(self, user: User) -> None:
        """Remove the Dataset that scenarios shared; the last of them is told what stays, naming all."""
        told = replace(user, evidence=self._sharer) if self._sharer is not None else user
        self._remove(told, tuple(dict.fromkeys(self._sharers)), ())

    def collect(self) -> None:
        """Tell what was found by now."""
        for leaving in [one for one in self._leaving if one.found.done() and not one.found.cancelled()]:
            self._leaving.remove(leaving)
            self._tell(leaving)

    def close(self, *, clean: bool, last_check_timeout: float = LAST_LOOKS_SECONDS) -> list[str]:
        """End it. Returns what would not go and nobody was told.

        Args:
            clean: all removals are waited for. Without it the cluster goes as a whole, and only those are
                waited for that a scenario is told of.
            last_check_timeout: seconds to wait for these; what is not checked by then is reported as such.
        """
        if clean:
            self._remover.shutdown()
        else:
            self._looks_for_the_last_time(last_check_timeout)
        self.collect()
        for leaving in self._leaving:
            if leaving.names:
                leaving.user.evidence.fact(
                    SOURCE_OF_FACTS, "not done: the run was over first, and the cluster goes as a whole"
                )
        self._leaving.clear()
        self._look_at_source()
        return self._troubles

    def _looks_for_the_last_time(self, last_check_timeout: float) -> None:
        self._ending.cluster_goes.set()
        for leaving in self._leaving:
            if not leaving.names:
                leaving.found.cancel()
        futures.wait([leaving.found for leaving in self._leaving if leaving.names], last_check_timeout)
        self._ending.over.set()
        self._remover.shutdown(wait=False, cancel_futures=True)

    def _remove(self, user: User, names: tuple[str, ...], known: tuple[Leftover, ...]) -> None:
        self.collect()
        # Allure takes no steps of a test that has ended.
        user.evidence.silent = user.evidence.silent or bool(names)
        quiet = User(
            user.system,
            Evidence(silent=True),
            user.namespace,
            folder=user.folder,
            files=user.files,
            sent=user.sent,
        )
        found: Future[Found | None] = self._remover.submit(
            tear_down if names else _leave, quiet, self._ending
        )
        self._leaving.append(PendingTeardown(names, user, known, tuple(self._ran), found))

    def _tell(self, leaving: PendingTeardown) -> None:
        evidence = leaving.user.evidence
        try:
            found = leaving.found.result()
        except Exception as error:  # noqa: BLE001 - whatever broke there is told here, and not at another
            log.warning("%s", error)
            if leaving.names:
                self._fails(evidence, error)
            else:
                self._troubles.append(error.message if isinstance(error, HarnessError) else str(error))
            return
        if found is None:
            return
        self._judge(leaving, found.left)
        self._judge_source(evidence, found.changed, leaving.ran)
        if found.trouble is not None:
            self._fails(evidence, found.trouble)

    def _judge(self, leaving: PendingTeardown, left: Leaks) -> None:
        """Tell what stayed: as the defect that the scenario declares, or as a failure."""
        evidence, unknown = leaving.user.evidence, list(left.parts)
        for known in leaving.known:
            matched = [part for part in left.parts if _is_known(part, known, leaving.user)]
            unknown = [part for part in unknown if part not in matched]
            says = f"left behind: {leaks.listed(matched)}" if matched else "nothing of it was left behind"
            evidence.defect(known.defect, seen=bool(matched), says=says)
        if not unknown:
            evidence.fact(
                SOURCE_OF_FACTS,
                f"{leaving.whose} went and left nothing else"
                if left.parts
                else f"{leaving.whose} went: no object, node label, mount or cached file is left",
            )
            return
        self._fails(
            evidence,
            ProductFailureError(
                f"{leaving.whose} was deleted and left behind {leaks.listed(unknown)}",
                subject=f"namespace {leaving.user.namespace}",
                condition=f"nothing left {leaks.GONE_SECONDS:g} s after Datasets and runtimes are gone",
                last_seen="\n".join(unknown),
                advice="look at the logs of the alluxioruntime-controller and of the CSI plugin",
            ),
        )

    def _judge_source(self, evidence: Evidence, changed: Difference, ran: Sequence[tuple[int, str]]) -> None:
        """Tell whether the data at the source are as they were made; a change is told once."""
        if self._spoiled:
            return
        if not changed:
            evidence.fact("NFS server's disk", "all files as they were made")
            self._ran = [one for one in self._ran if one not in ran]
            return
        self._spoiled = True
        names = ", ".join(dict.fromkeys(name for _, name in ran)) or "nobody that is known"
        self._fails(
            evidence,
            ProductFailureError(
                f"the data at the source changed; since they were last seen right, there ran {names}",
                subject="NFS export",
                condition="the files as they were made",
                last_seen=str(changed),
            ),
        )

    def _look_at_source(self) -> None:
        """The last look, for the scenarios that ran since the one before."""
        user = self._latest
        if user is None or not self._ran or self._spoiled:
            return
        user.evidence.silent = True
        try:
            changed = user.files.difference(user.observer.at_the_source(user.folder))
        except HarnessError as error:
            self._fails(user.evidence, error)
            return
        self._judge_source(user.evidence, changed, self._ran)

    def _fails(self, evidence: Evidence, error: Exception) -> None:
        self.told.append(error)
        evidence.fail_late(error)


def _is_known(part: str, known: Leftover, user: User) -> bool:
    """Whether a leftover is a known one; what is on a node is known only where the scenario said so."""
    if re.search(known.pattern, part) is None:
        return False
    node, on_node, _ = part.partition(": ")
    return not on_node or node in user.evidence.leftover_nodes


def _leave(user: User, _: Ending) -> None:
    """Remove all that a user made."""
    user.leaves()
