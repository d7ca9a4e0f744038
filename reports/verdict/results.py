"""What became of each scenario so far, and the verdict that it makes, at any moment of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from reports.verdict.classify import failures
from reports.verdict.model import (
    Attempt,
    DefectResult,
    Failure,
    Host,
    KeptFile,
    Outcome,
    RunFacts,
    ScenarioResult,
    StageResult,
    Verdict,
    judge_run,
)
from suites.catalogue.scenario import Scenario
from suites.record.evidence import Evidence
from suites.record.run import Run, When

#: What is said of a scenario whose turn did not come.
NOT_RUN = "not run"


@dataclass
class Trial:
    """One attempt at a scenario, while it goes on.

    Attributes:
        began: when it began.
        at: the same, in seconds since the run began.
        stages_before: how many stages of making the shared system had ended by then.
        seconds: how long each part of the test took.
        shared: seconds of its set-up that went into the shared system, and so are not its own.
        failures: what went wrong, in order.
        skipped: why it was skipped, or None.
        evidence: what it saw, once its fixture has made it.
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
        """What went wrong, in order; with what was found once the scenario had ended."""
        later = self.evidence.late_failures if self.evidence is not None else ()
        found = [
            one
            for wrong in later
            for one in failures(wrong.error, "teardown", self.at + (wrong.at - self.began).total_seconds())
        ]
        return (*self.failures, *found)

    @property
    def outcome(self) -> Outcome:
        """What came of it; a failure outweighs all else, whatever part it came in."""
        if self.all_failures:
            return "fail"
        if self.skipped is not None:
            return "skipped"
        if self.evidence is not None and self.evidence.defects_seen:
            return "known-defect"
        return "pass"

    def attempt(self) -> Attempt:
        """The same as the verdict lists it."""
        return Attempt(
            outcome=self.outcome,
            failures=self.all_failures,
            at=round(self.at, 3),
            setup=round(max(self.seconds.get("setup", 0.0) - self.shared, 0.0), 3),
            call=round(self.seconds.get("call", 0.0), 3),
            teardown=round(self.seconds.get("teardown", 0.0), 3),
        )


@dataclass
class Entry:
    """A selected scenario and its attempts.

    Attributes:
        scenario: what it declares.
        case: which of the cases of the test, where it has several.
        test: pytest's node id.
        trials: the attempts.
        attachments: texts that it kept.
        bundles: bundles that were taken for it.
    """

    scenario: Scenario
    case: str
    test: str
    trials: list[Trial] = field(default_factory=list)
    attachments: list[KeptFile] = field(default_factory=list)
    bundles: list[KeptFile] = field(default_factory=list)

    def result(self) -> ScenarioResult:
        """The scenario as the verdict lists it: the first attempt that failed, else the last one."""
        failed = [trial for trial in self.trials if trial.all_failures]
        told = failed[0] if failed else self.trials[-1] if self.trials else None
        evidence = told.evidence if told else None
        wrong = told.all_failures if told else ()
        attempts = tuple(trial.attempt() for trial in self.trials)
        return ScenarioResult.model_validate(
            {
                "id": self.scenario.id,
                "title": self.scenario.title,
                "level": str(self.scenario.level),
                "outcome": told.outcome if told else "skipped",
                "class": wrong[0].failure_class if wrong else None,
                "reason": self._reason(told),
                "seconds": round(sum(a.setup + a.call + a.teardown for a in attempts), 3),
                "evidence": tuple(evidence.facts) if evidence else (),
                "case": self.case,
                "does": self.scenario.does,
                "test": self.test,
                "issues": self.scenario.issues,
                "phases": tuple(evidence.phases) if evidence else (),
                "defects": self._defects(evidence),
                "attachments": tuple(self.attachments),
                "bundles": tuple(self.bundles),
                "attempts": attempts,
            }
        )

    def _reason(self, told: Trial | None) -> str:
        if told is None:
            return NOT_RUN
        if wrong := told.all_failures:
            first, *more = wrong
            part = {"setup": "in set-up: ", "teardown": "in teardown: "}.get(first.phase or "", "")
            also = f" (and {len(more)} more)" if more else ""
            return f"{part}{first.reason}{also}"
        if told.skipped is not None:
            return told.skipped
        return "; ".join(d.says for d in self._defects(told.evidence) if d.seen)

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
    """All that is known of a run.

    Attributes:
        run: the run.
        entries: the selected scenarios, by node id.
        problems: what broke outside of any scenario.
        stopped: why the run ended early, if it did.
        finished: the run came to its end.
    """

    run: Run
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[Failure] = field(default_factory=list)
    stopped: str = ""
    finished: bool = False

    def select(self, test: str, scenario: Scenario, case: str = "") -> Entry:
        """Enter a scenario that is to be run, so that it is told of whatever happens to the run."""
        return self.entries.setdefault(test, Entry(scenario, case, test))

    def seconds(self, moment: datetime | None = None) -> float:
        """Seconds from the start of the run to a moment, which is now unless given."""
        return ((moment or datetime.now(UTC)) - self.run.started).total_seconds()

    def verdict(self) -> Verdict:
        """The verdict of what is known now; what did not run yet counts as skipped."""
        scenarios = tuple(entry.result() for entry in self.entries.values())
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
            stages=tuple(
                StageResult(name=s.name, seconds=round(s.seconds, 3), cached=s.cached)
                for s in self.run.stages
            ),
            problems=tuple(self.problems),
            sabotage=list(self.run.sabotage) or None,
            mutants=list(self.run.mutants) or None,
        )
