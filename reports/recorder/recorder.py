"""Records what happens to each scenario, and writes the reports after each test.

So a run that is killed leaves the reports of the tests before.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import allure
import pytest
from _pytest.junitxml import xml_key  # no public way to write the file before the end

from reports import run_files
from reports.files import clipped, create_private, point_latest, safe_path, write_atomically
from reports.performance.lines import lines
from reports.recorder.bundle import Story, write_bundle
from reports.recorder.failures import failures
from reports.recorder.ledger import Attempt, Ledger, ScenarioRecord
from reports.verdict import model
from reports.verdict.judgement import exit_status, is_doctors
from reports.verdict.model import Failure, KeptFile
from reports.verdict.summary import terminal_lines
from suites.benchmark.model.results import Benchmark
from suites.benchmark.run.plugin import MEASURED
from suites.catalogue.scenario import Scenario, of
from suites.record.evidence import EVIDENCE, Evidence
from suites.record.run import FailureContext, Run, When

#: Bytes of one text that a scenario attaches.
ATTACHMENT_LIMIT: Final = 1024 * 1024

FLUID_ISSUE: Final = "https://github.com/fluid-cloudnative/fluid/issues/"


class Recorder:
    """Records what happens to each scenario, and writes the reports."""

    def __init__(self, config: pytest.Config, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._run: Run = ledger.run
        self._running: pytest.Item | None = None
        self._bundled: list[tuple[BaseException, Path]] = []
        self._unwritten = ""

    # Collection

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that cannot be loaded breaks the run, because its scenarios are unknown."""
        if report.failed:
            lines = report.longreprtext.strip().splitlines()
            self._problem(
                f"{report.nodeid} cannot be loaded: {lines[-1] if lines else '?'}", report.longreprtext
            )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Add every selected scenario to the record before the first one runs."""
        for item in session.items:
            declared = of(item)
            if declared is not None:
                callspec = getattr(item, "callspec", None)
                self._ledger.select(item.nodeid, declared, callspec.id if callspec is not None else "")
        self._write()

    # A scenario

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Remember which test is running if the run is stopped."""
        self._running = item
        result = yield
        self._running = None
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin an attempt, and name the scenario in the reports of Allure and JUnit."""
        record = self._ledger.scenarios.get(item.nodeid)
        if record is None:
            return
        began = datetime.now(UTC)
        record.attempts.append(Attempt(began, self._ledger.seconds(began), len(self._run.stages)))
        _name_in_allure(item, record.scenario)
        if len(record.attempts) == 1:
            item.user_properties += [("scenario", record.scenario.id), ("level", str(record.scenario.level))]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record a phase of a test; on a failure collect material before the teardown."""
        if call.excinfo is not None and _follows_ctrl_c(call.excinfo.value):
            # An error of the clean-up took its place; pytest would go on with the next test.
            error = call.excinfo.value
            self._problem(str(error), "".join(traceback.format_exception(error)))
            raise KeyboardInterrupt
        report = yield
        record = self._ledger.scenarios.get(item.nodeid)
        if record is None or not record.attempts:
            return report
        attempt = record.attempts[-1]
        attempt.evidence = item.stash.get(EVIDENCE, None)
        self._time(attempt, call)
        if report.skipped:
            attempt.skipped = _skip_reason(report, call)
        elif report.failed and call.excinfo is not None:
            self._fail(record, attempt, call, report)
        elif report.failed:  # a strict xfail that passed raises no exception
            at = self._ledger.seconds()
            attempt.failures.append(
                _harness_failure(report.longreprtext or "it passed unexpectedly", at, call.when)
            )
        if call.when == "teardown":
            report.user_properties.append(("outcome", attempt.outcome))
            self._end(record, attempt)
        return report

    def pytest_runtest_logfinish(self) -> None:
        """Write after each test."""
        self._write()

    # The end of the run

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C or ``pytest.exit``: the running test neither passed nor failed."""
        ctrl_c = excinfo.errisinstance(KeyboardInterrupt)
        words = "Ctrl-C" if ctrl_c else str(excinfo.value).partition("\n")[0]
        self._ledger.stopped = words
        record = self._ledger.scenarios.get(self._running.nodeid) if self._running is not None else None
        if self._running is not None and record is not None and record.attempts:
            attempt = record.attempts[-1]
            attempt.evidence = self._running.stash.get(EVIDENCE, None)
            spent = (datetime.now(UTC) - attempt.began).total_seconds()
            attempt.seconds.setdefault("call", max(spent - sum(attempt.seconds.values()), 0.0))
            after = f"after {spent:.0f} s"
            attempt.skipped = f"stopped by {words} {after}" if ctrl_c else f"stopped {after}: {words}"
            self._end(record, attempt)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record an error of pytest or of a plugin."""
        self._problem(
            f"pytest failed: {excinfo.exconly()}", "".join(traceback.format_exception(excinfo.value))
        )

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge the run, write the reports for the last time, and set the exit code.

        The teardown of a stopped test runs in other plugins before. Its errors are reported with the
        verdict; if they were raised, no verdict would be printed.
        """
        try:
            return (yield)
        except Exception as error:  # noqa: BLE001 - it makes the run invalid
            self._ledger.problems += failures(error, "teardown", self._ledger.seconds())
            return None
        finally:
            self._ledger.finished = True
            self._write(last=True)
            if self._has_verdict:  # without scenarios the exit code is that of pytest
                session.exitstatus = self._exit_status(session)
            if self._unwritten and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the measurements, the verdict with its reasons, and the path of the report."""
        if self._benchmark is not None:
            terminalreporter.section("read performance")
            for text in lines(self._benchmark):
                terminalreporter.write_line(text)
        if self._has_verdict:
            terminalreporter.section("verdict")
            for text, markup in terminal_lines(self._ledger.verdict()):
                terminalreporter.write_line(text, **markup)
        if self._unwritten:
            terminalreporter.write_line(self._unwritten, red=True)
        elif self._has_verdict or self._benchmark is not None:
            terminalreporter.write_line(f"report: {self._run.out / run_files.PAGE}")

    # Records

    @property
    def _benchmark(self) -> Benchmark | None:
        """The measurements of the run so far."""
        return self._config.stash.get(MEASURED, None)

    @property
    def _has_verdict(self) -> bool:
        """A run without any scenario (a benchmark alone) has no verdict on conformance."""
        return bool(self._ledger.scenarios or self._ledger.problems)

    def _exit_status(self, session: pytest.Session) -> int:
        """The exit code of the verdict; rows of the doctor that failed do not count as failed tests."""
        verdict, status = self._ledger.verdict(), int(session.exitstatus)
        only_doctor = session.testsfailed == sum(map(is_doctors, verdict.scenarios))
        if status == pytest.ExitCode.TESTS_FAILED and only_doctor:
            status = int(pytest.ExitCode.OK)
        return exit_status(verdict.verdict, status)

    def _problem(self, reason: str, detail: str) -> None:
        self._ledger.problems.append(_harness_failure(reason, self._ledger.seconds(), None, detail))

    def _time(self, attempt: Attempt, call: pytest.CallInfo[None]) -> None:
        when = cast("When", call.when)
        # A subtest reports as a part of the call, which itself lasts longer.
        attempt.seconds[when] = max(call.duration, attempt.seconds.get(when, 0.0))
        if when == "setup":
            attempt.shared = sum(stage.seconds for stage in self._run.stages[attempt.stages_before :])

    def _fail(
        self,
        record: ScenarioRecord,
        attempt: Attempt,
        call: pytest.CallInfo[None],
        report: pytest.TestReport,
    ) -> None:
        """Record a failure, and collect material for it."""
        assert call.excinfo is not None  # noqa: S101 - the caller has checked it
        error = self._unreported(call.excinfo.value)
        if error is None:
            return
        phase = cast("When", call.when)
        found = failures(error, phase, self._ledger.seconds())
        attempt.failures += found
        for known, taken in self._bundled:
            if known is error:  # pytest raises the error of a shared fixture for each test
                self._link(record, phase, taken)
                return
        evidence = attempt.evidence
        story = Story(
            context=FailureContext(
                record.scenario.id, phase, tuple(evidence.namespaces) if evidence else (), attempt.began
            ),
            title=record.scenario.title,
            failures=found,
            seconds=call.duration,
            trace=report.longreprtext,
            facts=tuple(evidence.facts) if evidence else (),
            texts=_texts(evidence, report),
        )
        number = "" if len(record.attempts) == 1 else f"-attempt-{len(record.attempts)}"
        folder = self._run.out / "bundles" / record.result().anchor / f"{phase}{number}"
        index = write_bundle(folder, story, self._run.bundle_collectors)
        if index is not None:
            self._bundled.append((error, index))
            self._link(record, phase, index)
            allure.attach(index.read_text(), name="collected material", extension="md")

    def _unreported(self, error: BaseException) -> BaseException | None:
        """An error without those that are recorded as late failures of another scenario.

        pytest shows these where they were raised, in the teardown of the last test.
        """
        recorded = [
            wrong.error
            for record in self._ledger.scenarios.values()
            for attempt in record.attempts
            for wrong in (attempt.evidence.late_failures if attempt.evidence is not None else ())
        ]
        if isinstance(error, BaseExceptionGroup):
            _, rest = error.split(lambda one: one in recorded)
            return rest
        return None if error in recorded else error

    def _link(self, record: ScenarioRecord, phase: When, index: Path) -> None:
        part = {"setup": "set-up", "call": "the body", "teardown": "teardown"}[phase]
        kept = KeptFile(name=f"collected in {part}", path=index.relative_to(self._run.out).as_posix())
        if kept not in record.bundles:
            record.bundles.append(kept)

    def _end(self, record: ScenarioRecord, attempt: Attempt) -> None:
        """Write the texts that the attempt attached."""
        anchor = record.result().anchor
        for attachment in attempt.evidence.attachments if attempt.evidence else ():
            number = len(record.attachments) + 1
            name = safe_path(
                f"{number:02}-{attachment.name.replace('/', '-')}.{attachment.suffix}"
            ).as_posix()
            path = f"attachments/{anchor}/{name}"
            text = clipped(attachment.text.encode("utf-8", errors="replace"), ATTACHMENT_LIMIT)
            try:
                write_atomically(self._run.out / path, text)
            except OSError as error:
                self._cannot_write(error)
                return
            record.attachments.append(KeptFile(name=attachment.name, path=path))

    def _write(self, *, last: bool = False) -> None:
        """Write all reports of the current state."""
        benchmark = self._benchmark
        self._ledger.benchmark = benchmark
        has_record = self._has_verdict or bool(self._run.sabotage or self._run.mutants or self._run.soak)
        if not has_record and benchmark is None:
            return
        verdict = self._ledger.verdict() if has_record else None
        out = self._run.out
        try:
            create_private(out)
            if verdict is not None:
                write_atomically(out / model.FILE, verdict.to_json())
            summary = run_files.write(out, verdict, benchmark)
            point_latest(out)
            if last:
                _append_step_summary(summary)
            else:
                self._write_junit()
        except OSError as error:
            self._cannot_write(error)
        else:
            self._unwritten = ""

    def _write_junit(self) -> None:
        """Let pytest write its JUnit file now, not only at the end."""
        log = self._config.stash.get(xml_key, None)
        if log is None or Path(log.logfile).parent.resolve() != self._run.out.resolve():
            return
        whole = log.logfile
        log.logfile = f"{whole}.part"
        try:
            log.pytest_sessionfinish()
            Path(log.logfile).replace(whole)
        finally:
            log.logfile = whole

    def _cannot_write(self, error: OSError) -> None:
        self._unwritten = f"the report could not be written: {error}"


def _name_in_allure(item: pytest.Item, scenario: Scenario) -> None:
    """Give the scenario its name in Allure, which also shows its docstring."""
    untyped: Any = allure
    # Allure overwrites a dynamic title at the end of the set-up.
    untyped.title(f"{scenario.id}: {scenario.title}")(getattr(item, "function", None) or item)
    untyped.dynamic.tag(str(scenario.level))
    for number in scenario.issues:
        untyped.dynamic.issue(f"{FLUID_ISSUE}{number}", f"#{number}")


def _follows_ctrl_c(error: BaseException) -> bool:
    """Whether an error was raised while Ctrl-C was being handled."""
    behind = error.__context__
    while behind is not None and not isinstance(behind, KeyboardInterrupt):
        behind = behind.__context__
    return behind is not None


def _skip_reason(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        return f"expected to fail: {expected}"
    words = str(call.excinfo.value) if call.excinfo is not None else ""
    return " ".join(words.split()) or "no reason was given"


def _harness_failure(reason: str, at: float, when: str | None, detail: str = "") -> Failure:
    lines = reason.strip().splitlines() or ["no reason was given"]
    return Failure.model_validate(
        {
            "class": "harness",
            "reason": lines[0][:300],
            "phase": when,
            "at": round(at, 3),
            "detail": detail or reason,
        }
    )


def _texts(evidence: Evidence | None, report: pytest.TestReport) -> dict[str, str]:
    """Texts that need no cluster: attachments of the scenario, and captured output."""
    texts: dict[str, str] = {}
    for attachment in evidence.attachments if evidence else ():
        texts[f"{len(texts) + 1:02}-{attachment.name.replace('/', '-')}.{attachment.suffix}"] = (
            attachment.text
        )
    texts |= {f"{name.replace(' ', '-').lower()}.txt": text for name, text in report.sections}
    return texts


def _append_step_summary(summary: str) -> None:
    """Show the summary on the page of a GitHub job."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(summary)
