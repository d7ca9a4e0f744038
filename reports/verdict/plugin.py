"""The pytest plugin that records a run of the suites and writes its reports.

Load it beside the plugin of the suites (``-p reports.verdict.plugin``). It writes after each scenario, so
that a run that is killed leaves what it had.
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

from reports.files import clipped, point_latest, safe_path, write_atomically
from reports.verdict.bundle import Story, write_bundle
from reports.verdict.classify import failures
from reports.verdict.model import Failure, KeptFile, exit_status
from reports.verdict.page import render_page
from reports.verdict.results import Entry, Ledger, Trial
from reports.verdict.sabotage import sabotage_sections
from reports.verdict.summary import render_summary, terminal_lines
from suites.catalogue.scenario import Scenario, of
from suites.record.evidence import EVIDENCE, Evidence
from suites.record.run import FailureContext, Run, When, run_of

#: Options with which pytest tells something and runs no test.
TELLING_OPTIONS: Final = (
    "help",
    "version",
    "collectonly",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
)

#: Bytes of one text that a scenario attaches.
ATTACHMENT_LIMIT: Final = 1024 * 1024

FLUID_ISSUE: Final = "https://github.com/fluid-cloudnative/fluid/issues/"

LEDGER: Final = pytest.StashKey[Ledger]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Send pytest's and Allure's own reports to the run's folder, unless the user sends them elsewhere."""
    if any(getattr(config.option, name, False) for name in TELLING_OPTIONS) or _own_tests_only(config):
        return
    run = run_of(config)
    _require_writable(run.out)
    for option, name in (("xmlpath", "junit.xml"), ("allure_report_dir", "allure-results")):
        if hasattr(config.option, option) and not getattr(config.option, option):
            setattr(config.option, option, str(run.out / name))
    ledger = config.stash[LEDGER] = Ledger(run)
    config.pluginmanager.register(Reporter(config, ledger), "conformance-reporter")


def _require_writable(out: Path) -> None:
    """Refuse, before anything is run, a folder in which no report could be left."""
    there = next(folder for folder in out.parents if os.access(folder, os.F_OK))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise pytest.UsageError(
            f"the reports cannot be written: {there} is no folder that this user may write to; "
            "name another one with --out"
        )


def _own_tests_only(config: pytest.Config) -> bool:
    """Whether only the harness's own tests are run: they say nothing of a system, and make no report."""
    own = config.rootpath / "tests"
    given = [Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args]
    return bool(given) and all(path.is_relative_to(own) for path in given)


class Reporter:
    """Records what happens to each scenario, and writes it down."""

    def __init__(self, config: pytest.Config, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._run: Run = ledger.run
        self._now: pytest.Item | None = None
        self._bundled: list[tuple[BaseException, Path]] = []
        self._unwritten = ""

    # What is to be run

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that cannot be loaded breaks the run; what is in it would be missed by nobody."""
        if report.failed:
            lines = report.longreprtext.strip().splitlines()
            self._problem(
                f"{report.nodeid} cannot be loaded: {lines[-1] if lines else '?'}", report.longreprtext
            )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Enter every selected scenario before the first one runs."""
        for item in session.items:
            declared = of(item)
            if declared is not None:
                callspec = getattr(item, "callspec", None)
                self._ledger.select(item.nodeid, declared, callspec.id if callspec is not None else "")
        self._write()

    # What happens to a scenario

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Know which test is under way when the run is stopped."""
        self._now = item
        result = yield
        self._now = None
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin an attempt, and name the scenario in Allure's and JUnit's reports."""
        entry = self._ledger.entries.get(item.nodeid)
        if entry is None:
            return
        began = datetime.now(UTC)
        entry.trials.append(Trial(began, self._ledger.seconds(began), len(self._run.stages)))
        _name_in_allure(item, entry.scenario)
        if len(entry.trials) == 1:
            item.user_properties += [("scenario", entry.scenario.id), ("level", str(entry.scenario.level))]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record a part of a test as it ends; on a failure collect material before it is torn down."""
        report = yield
        entry = self._ledger.entries.get(item.nodeid)
        if entry is None or not entry.trials:
            return report
        trial = entry.trials[-1]
        trial.evidence = item.stash.get(EVIDENCE, None)
        self._time(trial, call)
        if report.skipped:
            trial.skipped = _skip_reason(report, call)
        elif report.failed and call.excinfo is not None:
            self._fail(entry, trial, call, report)
        elif report.failed:  # a strict xfail that passed raises nothing
            at = self._ledger.seconds()
            trial.failures.append(
                _harness_failure(report.longreprtext or "it passed unexpectedly", at, call.when)
            )
        if call.when == "teardown":
            report.user_properties.append(("outcome", trial.outcome))
            self._end(entry, trial)
        return report

    def pytest_runtest_logfinish(self) -> None:
        """Write after each test."""
        self._write()

    # What ends the run

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C or ``pytest.exit``: the test under way is neither passed nor failed."""
        ctrl_c = excinfo.errisinstance(KeyboardInterrupt)
        words = "Ctrl-C" if ctrl_c else str(excinfo.value).partition("\n")[0]
        self._ledger.stopped = words
        entry = self._ledger.entries.get(self._now.nodeid) if self._now is not None else None
        if self._now is not None and entry is not None and entry.trials:
            trial = entry.trials[-1]
            trial.evidence = self._now.stash.get(EVIDENCE, None)
            spent = (datetime.now(UTC) - trial.began).total_seconds()
            trial.seconds.setdefault("call", max(spent - sum(trial.seconds.values()), 0.0))
            after = f"after {spent:.0f} s"
            trial.skipped = f"stopped by {words} {after}" if ctrl_c else f"stopped {after}: {words}"
            self._end(entry, trial)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Pytest or a plugin broke."""
        self._problem(
            f"pytest broke: {excinfo.exconly()}", "".join(traceback.format_exception(excinfo.value))
        )

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge the run, write everything for the last time, and set the exit code.

        Other plugins end first, and with them what a stopped test left to be torn down. What fails
        there is told with the verdict; raised, it would keep the verdict from being told.
        """
        try:
            return (yield)
        except Exception as error:  # noqa: BLE001 - it is not lost: it makes the run invalid
            self._ledger.problems += failures(error, "teardown", self._ledger.seconds())
            return None
        finally:
            self._ledger.finished = True
            self._write(last=True)
            if self._told:  # of sabotage alone, pytest's own code says whether all was noticed
                session.exitstatus = exit_status(self._ledger.verdict().verdict, int(session.exitstatus))
                if self._unwritten and session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell the verdict, why it is that one, and where the report is."""
        if not self._told:
            return
        terminalreporter.section("verdict")
        for text, markup in terminal_lines(self._ledger.verdict()):
            terminalreporter.write_line(text, **markup)
        if self._unwritten:
            terminalreporter.write_line(self._unwritten, red=True)
        else:
            terminalreporter.write_line(f"report: {self._run.out / 'report.html'}")

    # How it is kept

    @property
    def _kept(self) -> bool:
        """Sabotage or mutants alone leave a record too, though no verdict."""
        return self._told or bool(self._run.sabotage or self._run.mutants)

    @property
    def _told(self) -> bool:
        """A run without any scenario (a benchmark alone) has no verdict on conformance."""
        return bool(self._ledger.entries or self._ledger.problems)

    def _problem(self, reason: str, detail: str) -> None:
        self._ledger.problems.append(_harness_failure(reason, self._ledger.seconds(), None, detail))

    def _time(self, trial: Trial, call: pytest.CallInfo[None]) -> None:
        when = cast("When", call.when)
        # A subtest reports as a part of the call, which itself lasts longer.
        trial.seconds[when] = max(call.duration, trial.seconds.get(when, 0.0))
        if when == "setup":
            trial.shared = sum(stage.seconds for stage in self._run.stages[trial.stages_before :])

    def _fail(
        self,
        entry: Entry,
        trial: Trial,
        call: pytest.CallInfo[None],
        report: pytest.TestReport,
    ) -> None:
        """Keep what went wrong, and collect the material for it."""
        assert call.excinfo is not None  # noqa: S101 - the caller looked
        error = self._not_told_yet(call.excinfo.value)
        if error is None:
            return
        phase = cast("When", call.when)
        found = failures(error, phase, self._ledger.seconds())
        trial.failures += found
        for known, taken in self._bundled:
            if known is error:  # pytest raises the error of a shared fixture again for each test
                self._link(entry, phase, taken)
                return
        evidence = trial.evidence
        story = Story(
            context=FailureContext(
                entry.scenario.id, phase, tuple(evidence.namespaces) if evidence else (), trial.began
            ),
            title=entry.scenario.title,
            failures=found,
            seconds=call.duration,
            trace=report.longreprtext,
            facts=tuple(evidence.facts) if evidence else (),
            texts=_texts(evidence, report),
        )
        number = "" if len(entry.trials) == 1 else f"-attempt-{len(entry.trials)}"
        folder = self._run.out / "bundles" / entry.result().anchor / f"{phase}{number}"
        index = write_bundle(folder, story, self._run.bundle_collectors)
        if index is not None:
            self._bundled.append((error, index))
            self._link(entry, phase, index)
            allure.attach(index.read_text(), name="collected material", extension="md")

    def _not_told_yet(self, error: BaseException) -> BaseException | None:
        """An error without those that stand at the scenario that they are about, which ended before.

        pytest shows them where they were raised, in the teardown of the last test.
        """
        told = [
            wrong.error
            for entry in self._ledger.entries.values()
            for trial in entry.trials
            for wrong in (trial.evidence.late_failures if trial.evidence is not None else ())
        ]
        if isinstance(error, BaseExceptionGroup):
            _, rest = error.split(lambda one: one in told)
            return rest
        return None if error in told else error

    def _link(self, entry: Entry, phase: When, index: Path) -> None:
        part = {"setup": "set-up", "call": "the body", "teardown": "teardown"}[phase]
        kept = KeptFile(name=f"collected in {part}", path=index.relative_to(self._run.out).as_posix())
        if kept not in entry.bundles:
            entry.bundles.append(kept)

    def _end(self, entry: Entry, trial: Trial) -> None:
        """Keep the texts that the attempt attached."""
        anchor = entry.result().anchor
        for attachment in trial.evidence.attachments if trial.evidence else ():
            number = len(entry.attachments) + 1
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
            entry.attachments.append(KeptFile(name=attachment.name, path=path))

    def _write(self, *, last: bool = False) -> None:
        """Write all reports of what is known now."""
        if not self._kept:
            return
        verdict = self._ledger.verdict()
        out = self._run.out
        try:
            summary = render_summary(verdict)
            write_atomically(out / "verdict.json", verdict.to_json())
            write_atomically(out / "report.html", render_page(verdict, sabotage_sections(verdict)))
            write_atomically(out / "summary.md", summary)
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
        """Let pytest write its JUnit file now; it would do so only at the end."""
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
    """Show the scenario in Allure as it is named here; its docstring is shown there anyway."""
    untyped: Any = allure
    # A title set dynamically is overwritten at the end of the set-up.
    untyped.title(f"{scenario.id}: {scenario.title}")(getattr(item, "function", None) or item)
    untyped.dynamic.tag(str(scenario.level))
    for number in scenario.issues:
        untyped.dynamic.issue(f"{FLUID_ISSUE}{number}", f"#{number}")


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
    """What is at hand without asking the cluster: what the scenario attached, and captured output."""
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
