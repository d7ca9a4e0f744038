"""`--watch`: the doctor's answer, and then each change of it, until the command is interrupted.

Each kind is listed once and watched from then on, so that an API server has as many lists as for one answer.
A diagnosis is made from memory, after a change and as often as time alone can change the answer.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.object_cache import ObjectCache
from suites.diagnosis import CannotDiagnoseError, ClusterState, Finding, collect, diagnose
from suites.diagnosis.collect import right
from suites.doctor import pod_events
from suites.doctor.answer import Answer
from suites.doctor.rendering import (
    SCHEMA,
    as_json,
    drop_output,
    finding_json,
    plain_line,
    print_answer,
    refusal_json,
)
from suites.doctor.request import answer_of, check_codes, exclude, requested, require_pod, selected

#: Seconds from a change to the diagnosis, because objects that belong together change one after the other.
SETTLE_SECONDS: Final = 1.0
#: Seconds after which a diagnosis is made without a change: what waits too long is wrong.
RECHECK_SECONDS: Final = 30.0
#: Part of the time in which it is not diagnosing, as a multiple of the last diagnosis.
REST: Final = 4.0
#: Seconds for which objects may be out of date before that is reported.
PROBLEM_SECONDS: Final = 10.0
#: Seconds after which the Events of what is still wrong are renewed; Kubernetes deletes them after an hour.
EVENTS_SECONDS: Final = 1_800.0
INTERRUPTED: Final = 130


def watch(options: argparse.Namespace, out: TextIO, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Answer until Ctrl-C, SIGTERM, or until nobody reads the output.

    Returns:
        The exit code of the last answer; `INTERRUPTED` if there was none.

    Raises:
        CannotDiagnoseError: a right is missing, or Fluid is not installed.
        RefusalError: the options contradict each other, the kubeconfig is unusable, or there is no such Pod.
        KubeError: the cluster could not be read the first time.
    """
    exclude(options, "--watch", "saved", "exec", "metrics")
    check_codes(options.ignore)
    requested(options)
    kube = Kube.connect(options.kubeconfig, options.context, run="doctor")
    try:
        with _ended_by_signals(), ObjectCache(kube.connection, clock=clock) as cache:
            watcher = Watcher(kube, cache, options, out, clock)
            try:
                watcher.run()
            except KeyboardInterrupt:
                sys.stderr.write("interrupted; nothing was changed\n")
            except BrokenPipeError:
                drop_output()
            return watcher.exit_code
    finally:
        kube.close()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does; only the main thread can set that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass
class Watcher:
    """Diagnoses what a cache knows, and shows what changes.

    Attributes:
        kube: for Events.
        cache: the objects.
        options: of the command line.
        out: receives the answers.
        clock: times the pauses.
        exit_code: of the last answer.
    """

    kube: Kube
    cache: ObjectCache
    options: argparse.Namespace
    out: TextIO
    clock: Clock = SYSTEM_CLOCK
    exit_code: int = INTERRUPTED
    _shown: dict[object, Finding] | None = field(default=None, init=False)
    _gaps: tuple[str, ...] = field(default=(), init=False)
    _problem: str = field(default="", init=False)
    _problem_since: float | None = field(default=None, init=False)
    _events_at: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Diagnose again and again; ends by an exception only.

        Raises:
            HarnessError: there is no first answer, or a right is missing.
        """
        spent = 0.0  # the first answer waits for the lists, which are not repeated
        while True:
            first, begun = self._shown is None, self.clock.now()
            self.cache.changed.clear()
            self._step()
            if not first:
                spent = self.clock.now() - begun
            self.clock.wait(self.cache.changed, RECHECK_SECONDS)
            self.clock.sleep(max(SETTLE_SECONDS, REST * spent))

    def _step(self) -> None:
        """One diagnosis, if the objects are current."""
        if denied := self.cache.denied:
            missing = tuple(right("watch", topic.kind, topic.namespace) for topic in denied)
            raise CannotDiagnoseError(
                f"this user may not {', nor '.join(missing)}",
                missing=missing,
                advice="grant the rights of fluid-doctor-watch in suites/doctor/cluster-role.yaml, or leave "
                "out --watch",
            )
        if problems := self.cache.problems:
            self._note_problem("; ".join(problems))
            return
        try:
            self._answer()
        except CannotDiagnoseError:
            raise
        except KubeError as error:
            if self._shown is None:
                raise
            self._note_problem(error.message)
        else:
            if self._problem:
                self._line("recovered", "the cluster can be read again")
            self._problem, self._problem_since = "", None

    def _answer(self) -> None:
        namespace, pod = requested(self.options)
        state = collect(self.cache, namespace)
        if self._shown is None:
            require_pod(state, namespace, pod)
        findings = selected(state, diagnose(state), namespace, pod, self.options.since)
        answer = answer_of(state, findings, self.options, self.kube.connection.url)
        known = {_identity(finding): finding for finding in answer.findings}
        before, self.exit_code = self._shown, answer.exit_code
        if before is None:
            self._show_all(answer)
            new = answer.findings
        else:
            new = tuple(finding for key, finding in known.items() if key not in before)
            gone = tuple(finding for key, finding in before.items() if key not in known)
            if new or gone or answer.gaps != self._gaps:
                self._show_change(answer, new, gone)
        self._shown, self._gaps = known, answer.gaps
        if self.options.events:
            self._report(state, new, answer.findings)

    def _report(self, state: ClusterState, new: Iterable[Finding], every: Iterable[Finding]) -> None:
        """Create the Events of new findings, and renew those of all findings now and then."""
        renew = self.clock.now() - self._events_at >= EVENTS_SECONDS
        pod_events.report(self.kube, state, every if renew else new)
        if renew:
            self._events_at = self.clock.now()

    def _note_problem(self, problem: str) -> None:
        """Report once that the answer may be out of date, if that lasts."""
        now = self.clock.now()
        if self._problem_since is None:
            self._problem_since = now
            self.cache.changed.set()  # look again soon
        elif now - self._problem_since >= PROBLEM_SECONDS and not self._problem:
            self._problem = problem
            advice = "the last answer may be out of date; it is tried again"
            error = HarnessError(f"the cluster cannot be read: {problem}", advice=advice)
            if self.options.json:
                self._json("error", refusal_json(error))
            else:
                self._line("error", f"{error.message}; {advice}")
        elif not self._problem:
            self.cache.changed.set()

    def _show_all(self, answer: Answer) -> None:
        if self.options.json:
            self._json("answer", as_json(answer))
        else:
            print_answer(answer, self.out)
        self.out.flush()

    def _show_change(self, answer: Answer, new: tuple[Finding, ...], gone: tuple[Finding, ...]) -> None:
        if self.options.json:
            whole = as_json(answer)
            del whole["findings"]
            whole["appeared"] = [finding_json(finding) for finding in new]
            whole["disappeared"] = [finding_json(finding) for finding in gone]
            self._json("change", whole)
            return
        lines = [f"{answer.taken}  exit code {answer.exit_code}  {answer.summary}"]
        lines += [f"  gone  {plain_line(finding)}" for finding in gone]
        lines += [f"  new   {plain_line(finding)}" for finding in new]
        lines += [f"  note  {gap}" for gap in answer.gaps if gap not in self._gaps]
        self.out.write("\n".join(lines) + "\n")
        self.out.flush()

    def _line(self, event: str, says: str) -> None:
        if self.options.json:
            self._json(event, {"schema": SCHEMA, "exitCode": self.exit_code, "says": says})
            return
        self.out.write(f"{event}: {says}\n")
        self.out.flush()

    def _json(self, event: str, content: dict[str, Any]) -> None:
        """One line of JSON."""
        self.out.write(json.dumps({"event": event, **content}) + "\n")
        self.out.flush()


def _identity(finding: Finding) -> object:
    """What makes a finding another one; its evidence and its words may change meanwhile."""
    causes = tuple(cause.code for cause in finding.causes)
    return finding.pod, finding.dataset, finding.claim, finding.code, finding.state, causes
