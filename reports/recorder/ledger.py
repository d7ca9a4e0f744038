"""The record of a run: what happened to each scenario so far, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reports.recorder.failures import failures
from reports.verdict.judgement import decisive, judge_run
from reports.verdict.model import (
    AttemptResult,
    DefectResult,
    Failure,
    Host,
    KeptFile,
    Outcome,
    RunFacts,
    ScenarioResult,
    Verdict,
)
from suites.benchmark.model.results import Benchmark
from suites.catalogue.scenario import Scenario
from suites.record.evidence import Evidence
from suites.record.run import Run, When

#: Reason of a scenario that the run did not reach.
NOT_RUN = "not run"


@dataclass
class Attempt:
    """One attempt at a scenario.

    Attributes:
        began: when it began.
        at: the same, in seconds since the run began.
        stages_before: number of finished stages of the shared system at that time.
        seconds: time of each phase of the test.
        shared: seconds of its set-up that were spent on the shared system.
        failures: in order.
        skipped: why it was skipped, or None.
        evidence: of the scenario, once its fixture has created it.
    """

    began: datetime
    at: float
    stages_before: int
    seconds: dict[When, float] = field(default_factory=dict)
    shared: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    skipped: str | None = None
    evidence: Evidence | None = None

    @property
    def all_failures(self) -> tuple[Failure, ...]:
        """All failures in order, including those found after the scenario had ended."""
        later = self.evidence.late_failures if self.evidence is not None else ()
        found = [
            one
            for wrong in later
            for one in failures(wrong.error, "teardown", self.at + (wrong.at - self.began).total_seconds())
        ]
        return (*self.failures, *found)

    @property
    def outcome(self) -> Outcome:
        """Its outcome; a failure in any phase outweighs everything else."""
        if self.all_failures:
            return "fail"
        if self.skipped is not None:
            return "skipped"
        if self.evidence is not None and self.evidence.defects_seen:
            return "known-defect"
        return "pass"

    def result(self) -> AttemptResult:
        """The attempt as the verdict lists it."""
        return AttemptResult(
            outcome=self.outcome,
            failures=self.all_failures,
            at=round(self.at, 3),
            setup=round(max(self.seconds.get("setup", 0.0) - self.shared, 0.0), 3),
            call=round(self.seconds.get("call", 0.0), 3),
            teardown=round(self.seconds.get("teardown", 0.0), 3),
        )


@dataclass
class ScenarioRecord:
    """A selected scenario and its attempts.

    Attributes:
        scenario: its declaration.
        case: parameter of the test, if it has several.
        test: node id in pytest.
        attempts: in order.
        attachments: texts of the scenario.
        bundles: failure bundles.
    """

    scenario: Scenario
    case: str
    test: str
    attempts: list[Attempt] = field(default_factory=list)
    attachments: list[KeptFile] = field(default_factory=list)
    bundles: list[KeptFile] = field(default_factory=list)

    def result(self) -> ScenarioResult:
        """The scenario as the verdict lists it: the first attempt that failed, else the last one."""
        failed = [attempt for attempt in self.attempts if attempt.all_failures]
        shown = failed[0] if failed else self.attempts[-1] if self.attempts else None
        evidence = shown.evidence if shown else None
        wrong = shown.all_failures if shown else ()
        attempts = tuple(attempt.result() for attempt in self.attempts)
        return ScenarioResult.model_validate(
            {
                "id": self.scenario.id,
                "title": self.scenario.title,
                "level": str(self.scenario.level),
                "outcome": shown.outcome if shown else "skipped",
                "class": decisive(wrong).failure_class if wrong else None,
                "reason": self._reason(shown),
                "seconds": round(sum(a.setup + a.call + a.teardown for a in attempts), 3),
                "evidence": tuple(evidence.facts) if evidence else (),
                "case": self.case,
                "does": self.scenario.does,
                "test": self.test,
                "issues": self.scenario.issues,
                "disturbs": tuple(map(str, self.scenario.disturbs)),
                "phases": tuple(evidence.phases) if evidence else (),
                "defects": self._defects(evidence),
                "wrong_diagnoses": tuple(evidence.wrong_diagnoses) if evidence else (),
                "reconcile_requests": evidence.reconcile_requests if evidence else None,
                "signals": evidence.signals if evidence else 0,
                "attachments": tuple(self.attachments),
                "bundles": tuple(self.bundles),
                "attempts": attempts,
            }
        )

    def _reason(self, shown: Attempt | None) -> str:
        if shown is None:
            return NOT_RUN
        if wrong := shown.all_failures:
            shown_first = decisive(wrong)
            part = {"setup": "in set-up: ", "teardown": "in teardown: "}.get(shown_first.phase or "", "")
            also = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            return f"{part}{shown_first.reason}{also}"
        if shown.skipped is not None:
            return shown.skipped
        return "; ".join(d.says for d in self._defects(shown.evidence) if d.seen)

    def _defects(self, evidence: Evidence | None) -> tuple[DefectResult, ...]:
        if evidence is None:
            return ()
        declared = {defect.key: defect for defect in self.scenario.defects}
        looked_at = [(key, True) for key in evidence.defects_seen]
        looked_at += [(key, False) for key in evidence.defects_gone if key not in evidence.defects_seen]
        return tuple(
            DefectResult(
                key=key,
                says=declared[key].says if key in declared else key,
                source=declared[key].source if key in declared else "",
                seen=seen,
            )
            for key, seen in dict(looked_at).items()
        )


@dataclass
class Ledger:
    """The record of a run.

    Attributes:
        run: the run.
        scenarios: the selected ones, by node id.
        problems: failures outside of any scenario.
        stopped: why the run ended early; empty if it did not.
        finished: whether the run has ended.
        benchmark: its measurements, if any.
    """

    run: Run
    scenarios: dict[str, ScenarioRecord] = field(default_factory=dict)
    problems: list[Failure] = field(default_factory=list)
    stopped: str = ""
    finished: bool = False
    benchmark: Benchmark | None = None

    def select(self, test: str, scenario: Scenario, case: str = "") -> ScenarioRecord:
        """Add a selected scenario, so that the verdict lists it even if it does not run."""
        return self.scenarios.setdefault(test, ScenarioRecord(scenario, case, test))

    def seconds(self, moment: datetime | None = None) -> float:
        """Seconds from the start of the run to a moment; by default now."""
        return ((moment or datetime.now(UTC)) - self.run.started).total_seconds()

    def verdict(self) -> Verdict:
        """The verdict on the current state; a scenario that did not run yet counts as skipped."""
        scenarios = tuple(record.result() for record in self.scenarios.values())
        judgement = judge_run(scenarios, self.problems, stopped=self.stopped)
        return Verdict(
            verdict=judgement.word,
            reasons=judgement.reasons,
            run=RunFacts(
                id=self.run.id,
                started=self.run.started,
                seconds=round(self.seconds(), 3),
                finished=self.finished,
                command=self.run.command,
                options=dict(self.run.options),
                host=Host.model_validate(self.run.host) if self.run.host else None,
                harness=self.run.harness,
            ),
            system=self.run.system,
            scenarios=scenarios,
            stages=tuple(replace(stage, seconds=round(stage.seconds, 3)) for stage in self.run.stages),
            problems=tuple(self.problems),
            sabotage=list(self.run.sabotage) or None,
            mutants=list(self.run.mutants) or None,
            soak=self.run.soak,
            benchmark=self.benchmark.as_part() if self.benchmark is not None else None,
        )
