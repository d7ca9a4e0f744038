"""Background teardown: removes what scenarios created, and checks what is left of it.

A scenario is over when its test has ended; what it created is then removed while others run. What is left of
its Datasets is checked before their namespace is deleted, which would hide it, and is reported at that
scenario: as a failure of its teardown, or as the known defect that it declares. At the same time the files at
the source are compared with those that were put there.
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
from suites.catalogue.scenario import Scenario
from suites.record.defects import Leftover
from suites.record.evidence import Evidence
from suites.steps import leaks
from suites.steps.leaks import Leaks
from suites.steps.user import User
from workloads.data import Difference

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Removals at the same time; they mostly wait for the retries of Fluid's controllers.
WORKERS: Final = 3
#: Seconds for which a step is tried again while the infrastructure fails, and between two tries.
RETRY_SECONDS: Final = 120.0
RETRY_DELAY: Final = 5.0
#: Seconds for which a run that deletes its cluster waits for the last leak checks; a Dataset that cannot be
#: deleted has failed by then, and been reported (`suites.steps.user.GONE_SECONDS`).
LAST_CHECKS_SECONDS: Final = 300.0
#: Source of the facts that it states.
LEAK_CHECK: Final = "leak check"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The progress of the end of the run.

    Attributes:
        cluster_is_deleted: the cluster will be deleted as a whole, so only what is checked has to be removed.
        over: nothing is waited for any more.
    """

    cluster_is_deleted: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class TeardownResult:
    """What one removal found.

    Attributes:
        leaks: what is left of the Datasets, once there was time for all of it to be deleted.
        source_changes: how the files at the source differ from those put there; empty if they do not.
        error: what could not be removed.
    """

    leaks: Leaks
    source_changes: Difference
    error: HarnessError | None = None


@dataclass(frozen=True, slots=True)
class PendingTeardown:
    """A removal under way.

    Attributes:
        scenarios: ids of the scenarios that used it, in their order; empty if no scenario is to be informed.
        user: who created it, with the evidence of the last of these scenarios.
        known: leftovers that the scenario declares.
        ran: the scenarios that ran since the source was last seen unchanged, each with its number.
        result: set when it is done; None if nothing was checked.
    """

    scenarios: tuple[str, ...]
    user: User
    known: tuple[Leftover, ...]
    ran: tuple[tuple[int, str], ...]
    result: Future[TeardownResult | None]

    @property
    def whose(self) -> str:
        """Whose Datasets they are, as the beginning of a sentence."""
        if len(self.scenarios) == 1:
            return "what the scenario created"
        return f"the Dataset that {', '.join(self.scenarios)} shared"


def tear_down(user: User, end: RunEnd) -> TeardownResult:
    """Remove all that a user created; in between, check what is left of it.

    The namespace is left to a cluster that is deleted as a whole.

    Raises:
        HarnessError: a Dataset could not be deleted, or the check failed.
    """
    retry(user.removes_datasets, f"Datasets of {user.namespace}", end)
    left = leaks.after_a_while(user)
    at_source = retry(lambda: user.observer.at_the_source(user.folder), "files at the source", end)
    failure: HarnessError | None = None
    try:
        if not end.cluster_is_deleted.is_set():
            retry(user.removes_everything, f"namespace {user.namespace}", end)
    except HarnessError as error:
        failure = error
    return TeardownResult(left, user.files.difference(at_source), failure)


def retry(step: Callable[[], T], subject: str, end: RunEnd, *, clock: Clock = SYSTEM_CLOCK) -> T:
    """Run an idempotent step; try it again while the infrastructure fails.

    A scenario that runs at the same time may have broken it on purpose, and repairs it soon; when the run is
    over, nobody does.

    Raises:
        HarnessError: the step's own error, or one of the infrastructure that lasted for `RETRY_SECONDS`.
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
            timeout=RETRY_SECONDS,
            delay=RETRY_DELAY,
            failed=lambda seen: "the run is over" if end.over.is_set() and not seen else None,
            describe=lambda seen: "done" if seen else last[0].message,
            failure_class=FailureClass.INFRASTRUCTURE,
            clock=clock,
        )
    except WaitError as error:
        if error.failure_class is FailureClass.INFRASTRUCTURE:  # of this wait; the step's was caught above
            raise last[0] from None
        raise
    return done[0]


@dataclass
class BackgroundTeardown:
    """All removals of a run, and what they found.

    Attributes:
        reported: the failures that were reported at scenarios, in the order in which they were found.
    """

    reported: list[Exception] = field(default_factory=list)
    _workers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(WORKERS, "remove-dataset")
    )
    _end: RunEnd = field(default_factory=RunEnd)
    _pending: list[PendingTeardown] = field(default_factory=list)
    _ran: list[tuple[int, str]] = field(default_factory=list)
    _count: int = 0
    _latest: User | None = None
    _sharing: list[str] = field(default_factory=list)
    _last_sharing: Evidence | None = None
    _source_changed: bool = False
    _unreported: list[str] = field(default_factory=list)

    @property
    def end(self) -> RunEnd:
        """The progress of the end of the run."""
        return self._end

    def started(self, declared: Scenario | None, user: User, *, sharing: bool = False) -> None:
        """Note that a scenario starts: it may leave something behind, or change the source."""
        if declared is None:
            return
        self._count += 1
        self._ran.append((self._count, declared.id))
        self._latest = user
        if sharing:
            self._sharing.append(declared.id)
            self._last_sharing = user.evidence

    def remove(self, user: User, declared: Scenario | None = None) -> None:
        """Remove what a user created, and check what is left if there is a scenario to report it at."""
        scenarios = (declared.id,) if declared is not None else ()
        self._remove(user, scenarios, declared.leftovers if declared is not None else ())

    def remove_shared(self, user: User) -> None:
        """Remove the Dataset that scenarios shared; what is left is reported at the last, naming all."""
        owner = replace(user, evidence=self._last_sharing) if self._last_sharing is not None else user
        self._remove(owner, tuple(dict.fromkeys(self._sharing)), ())

    def collect(self) -> None:
        """Report what was found by now."""
        for pending in [one for one in self._pending if one.result.done() and not one.result.cancelled()]:
            self._pending.remove(pending)
            self._report(pending)

    def close(self, *, clean: bool, last_check_timeout: float = LAST_CHECKS_SECONDS) -> list[str]:
        """End it, and return the removal errors that were reported at no scenario.

        Args:
            clean: wait for all removals. Without it the cluster is deleted as a whole, and only those are
                waited for that are reported at a scenario.
            last_check_timeout: seconds to wait for these; what is not checked by then is reported as such.
        """
        if clean:
            self._workers.shutdown()
        else:
            self._last_checks(last_check_timeout)
        self.collect()
        for pending in self._pending:
            if pending.scenarios:
                pending.user.evidence.fact(
                    LEAK_CHECK, "not done: the run was over before, and the cluster is deleted as a whole"
                )
        self._pending.clear()
        self._last_source_check()
        return self._unreported

    def _last_checks(self, timeout: float) -> None:
        self._end.cluster_is_deleted.set()
        for pending in self._pending:
            if not pending.scenarios:
                pending.result.cancel()
        futures.wait([pending.result for pending in self._pending if pending.scenarios], timeout)
        self._end.over.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _remove(self, user: User, scenarios: tuple[str, ...], known: tuple[Leftover, ...]) -> None:
        self.collect()
        # Allure accepts no steps of a test that has ended.
        user.evidence.silent = user.evidence.silent or bool(scenarios)
        quiet = User(
            user.system,
            Evidence(silent=True),
            user.namespace,
            folder=user.folder,
            files=user.files,
            sent=user.sent,
        )
        result: Future[TeardownResult | None] = self._workers.submit(
            tear_down if scenarios else _remove_all, quiet, self._end
        )
        self._pending.append(PendingTeardown(scenarios, user, known, tuple(self._ran), result))

    def _report(self, pending: PendingTeardown) -> None:
        evidence = pending.user.evidence
        try:
            result = pending.result.result()
        except Exception as error:  # noqa: BLE001 - whatever failed there is reported here, and not elsewhere
            log.warning("%s", error)
            if pending.scenarios:
                self._fail(evidence, error)
            else:
                self._unreported.append(error.message if isinstance(error, HarnessError) else str(error))
            return
        if result is None:
            return
        self._judge_leaks(pending, result.leaks)
        self._judge_source(evidence, result.source_changes, pending.ran)
        if result.error is not None:
            self._fail(evidence, result.error)

    def _judge_leaks(self, pending: PendingTeardown, left: Leaks) -> None:
        """Report what is left: as the defect that the scenario declares, or as a failure."""
        evidence, unknown = pending.user.evidence, list(left.parts)
        for known in pending.known:
            matched = [part for part in left.parts if is_known(part, known, evidence)]
            unknown = [part for part in unknown if part not in matched]
            says = f"left behind: {leaks.listed(matched)}" if matched else "nothing of it was left behind"
            evidence.defect(known.defect, seen=bool(matched), says=says)
        if not unknown:
            evidence.fact(
                LEAK_CHECK,
                f"{pending.whose} was deleted and left nothing else"
                if left.parts
                else f"{pending.whose} was deleted: no object, node label, mount or cached file is left",
            )
            return
        self._fail(
            evidence,
            ProductFailureError(
                f"{pending.whose} was deleted and left behind {leaks.listed(unknown)}",
                subject=f"namespace {pending.user.namespace}",
                condition=f"nothing left {leaks.GONE_SECONDS:g} s after Datasets and runtimes are gone",
                last_seen="\n".join(unknown),
                advice="check the logs of the alluxioruntime-controller and of the CSI plugin",
            ),
        )

    def _judge_source(self, evidence: Evidence, changed: Difference, ran: Sequence[tuple[int, str]]) -> None:
        """Report whether the files at the source are unchanged; a change is reported once."""
        if self._source_changed:
            return
        if not changed:
            evidence.fact("files at the source", "all files as they were made")
            self._ran = [one for one in self._ran if one not in ran]
            return
        self._source_changed = True
        names = ", ".join(dict.fromkeys(name for _, name in ran)) or "no known scenario"
        self._fail(
            evidence,
            ProductFailureError(
                f"the files at the source changed; since they were last seen unchanged, there ran {names}",
                subject="NFS export",
                condition="the files as they were made",
                last_seen=str(changed),
            ),
        )

    def _last_source_check(self) -> None:
        """Check the source for the scenarios that ran since the check before."""
        user = self._latest
        if user is None or not self._ran or self._source_changed:
            return
        user.evidence.silent = True
        try:
            changed = user.files.difference(user.observer.at_the_source(user.folder))
        except HarnessError as error:
            self._fail(user.evidence, error)
            return
        self._judge_source(user.evidence, changed, self._ran)

    def _fail(self, evidence: Evidence, error: Exception) -> None:
        self.reported.append(error)
        evidence.fail_late(error)


def is_known(part: str, known: Leftover, evidence: Evidence) -> bool:
    """Whether a leftover is a known one; on a node it is known only where the scenario said so."""
    if re.search(known.pattern, part) is None:
        return False
    node, on_node, _ = part.partition(": ")
    return not on_node or node in evidence.leftover_nodes


def _remove_all(user: User, _: RunEnd) -> None:
    """Remove all that a user created, without a check."""
    user.removes_everything()
