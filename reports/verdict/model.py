"""`verdict.json`: what was tested, what came of it, and whether that says something about Fluid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from clusters.errors import FailureClass, RefusalError
from clusters.facts import SystemFacts
from suites.record.evidence import Fact, Phase
from suites.record.run import CANNOT_RUN_HERE, When

VerdictWord = Literal["pass", "fail", "inconclusive", "invalid"]
#: Outcomes of a scenario that ran to its end.
WORKED: Final = frozenset({"pass", "known-defect"})
Outcome = Literal["pass", "fail", "known-defect", "skipped"]

#: A run in which a greater share of the scenarios could not be run here says too little.
SKIPPED_SHARE: Final = 0.5

SCHEMA_PATH: Final = Path(__file__).parents[1] / "schemas" / "verdict.schema.json"


class Model(BaseModel):
    """A frozen part of the verdict; a field that is not known is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", from_attributes=True, validate_by_name=True, serialize_by_alias=True
    )


class DefectResult(Model):
    """A suspected defect of the product that a scenario looked at."""

    key: str
    says: str
    source: str = ""
    seen: bool = Field(description="false: it did not show")


class Failure(Model):
    """One thing that went wrong: in a part of a test, or (with no phase) in the run itself."""

    failure_class: FailureClass = Field(alias="class")
    reason: str = Field(description="one line")
    phase: When | None = None
    at: float = Field(0.0, description="seconds since the run began")
    detail: str = Field("", description="the error in full, without the trace")


class KeptFile(Model):
    """A file of the run, its path relative to the run's folder."""

    name: str
    path: str


class Attempt(Model):
    """One try at a scenario; there is one, unless somebody asked for repetition."""

    outcome: Outcome
    failures: tuple[Failure, ...] = Field((), description="in the order in which they came")
    at: float = Field(description="seconds since the run began")
    setup: float = Field(0.0, description="seconds, without the making of the shared system")
    call: float = 0.0
    teardown: float = 0.0


class ScenarioResult(Model):
    """What came of one scenario; of several attempts, the first that failed is told, else the last."""

    id: str
    title: str
    level: Literal["smoke", "conformance", "full"]
    outcome: Outcome
    failure_class: FailureClass | None = Field(None, alias="class", description="null unless it failed")
    reason: str = ""
    seconds: float = Field(0.0, description="all attempts, without the making of the shared system")
    evidence: tuple[Fact, ...] = ()
    case: str = Field("", description="which of the cases of the test, where it has several")
    does: str = Field("", description="what the user does")
    test: str = Field("", description="pytest's node id")
    issues: tuple[int, ...] = Field((), description="issues of Fluid that it guards")
    phases: tuple[Phase, ...] = ()
    defects: tuple[DefectResult, ...] = ()
    attachments: tuple[KeptFile, ...] = ()
    bundles: tuple[KeptFile, ...] = Field((), description="collected material, one per failed part")
    attempts: tuple[Attempt, ...] = Field((), description="empty: it did not run")

    @property
    def anchor(self) -> str:
        """A name for links and folders, unlike that of any other scenario of the run."""
        return "-".join(part for part in (self.id, _slug(self.case)) if part)


class StageResult(Model):
    """A stage of making the system."""

    name: str
    seconds: float
    cached: bool = False


class Host(Model):
    """The machine that the run was started on."""

    name: str
    kernel: str
    cpus: int
    cpu_model: str
    memory: int = Field(description="bytes")


class RunFacts(Model):
    """The run itself."""

    id: str
    started: datetime
    seconds: float
    finished: bool = Field(description="false: it is going on, or it was killed")
    command: str = ""
    options: dict[str, str] = Field(default_factory=dict)
    host: Host | None = Field(None, description="null: an older harness did not tell")
    harness: str = Field("", description="digest of the harness's own code; empty: not told")


class Verdict(Model):
    """The whole of `verdict.json`, schema 1."""

    schema_version: Literal[1] = Field(1, alias="schema")
    verdict: VerdictWord
    reasons: tuple[str, ...] = Field(description="why, one sentence each")
    run: RunFacts
    system: SystemFacts | None = Field(description="null: the run broke before it was known")
    scenarios: tuple[ScenarioResult, ...]
    stages: tuple[StageResult, ...] = ()
    problems: tuple[Failure, ...] = Field((), description="what broke outside of any scenario")
    sabotage: list[dict[str, JsonValue]] | None = Field(
        None, description="how the product was broken on purpose, and which checks noticed"
    )
    mutants: list[dict[str, JsonValue]] | None = Field(
        None, description="how the product's source was changed on purpose, and which rows noticed"
    )
    benchmark: dict[str, JsonValue] | None = Field(None, description="measurements; no part of the verdict")

    def to_json(self) -> str:
        """The text of `verdict.json`."""
        return self.model_dump_json(indent=2, exclude=self._unused()) + "\n"

    def _unused(self) -> set[str]:
        return {name for name in ("sabotage", "mutants", "benchmark") if getattr(self, name) is None}


class Judgement(Model):
    """A verdict word and why it is that one."""

    word: VerdictWord
    reasons: tuple[str, ...]


def judge_run(
    scenarios: Sequence[ScenarioResult], problems: Sequence[Failure] = (), *, stopped: str = ""
) -> Judgement:
    """Say what a run says about Fluid.

    The first of these that holds:

    1. ``fail``: a scenario failed as a product failure while the system was whole, that is
       before any infrastructure failure. A failure of the harness itself does not make the
       system doubtful, so it takes nothing back.
    2. ``invalid``: something else failed (harness, infrastructure or host), in a scenario or
       outside of any. A product failure seen after the infrastructure broke proves nothing.
    3. ``inconclusive``: a selected scenario was not run, or was skipped for another reason than
       `suites.record.run.cannot_run_here`; or more than `SKIPPED_SHARE` of them could not run here; or
       none passed.
    4. ``pass``.

    A known defect of the product counts for nothing: a run of known defects alone is inconclusive.

    Args:
        scenarios: every scenario that was selected, those that did not run as ``skipped``.
        problems: what broke outside of any scenario.
        stopped: why the run ended early, if it did.
    """
    counted, doubted = _product_failures(scenarios, problems)
    broken = [s for s in scenarios if s.outcome == "fail" and s.failure_class is not FailureClass.PRODUCT]
    if counted:
        reasons = [f"{s.anchor}: {s.reason}" for s in counted]
        if broken or doubted:
            reasons.append(f"{_names([*doubted, *broken])} broke for reasons that are not Fluid's.")
        return Judgement(word="fail", reasons=tuple(reasons))
    if broken or doubted or problems:
        reasons = [f"{problem.failure_class.value}: {problem.reason}" for problem in problems]
        reasons += _grouped(broken)
        if doubted:
            reasons.append(f"{_names(doubted)} failed after the system broke, so Fluid is not to blame.")
        return Judgement(word="invalid", reasons=tuple(reasons))
    return _judge_coverage(scenarios, stopped)


def _judge_coverage(scenarios: Sequence[ScenarioResult], stopped: str) -> Judgement:
    """Nothing failed: was enough run to call that a pass?"""
    skipped = [s for s in scenarios if s.outcome == "skipped"]
    allowed = [s for s in skipped if s.reason.startswith(CANNOT_RUN_HERE)]
    lost = [s for s in skipped if s not in allowed]
    passed = [s for s in scenarios if s.outcome == "pass"]
    defects = [s for s in scenarios if s.outcome == "known-defect"]
    reasons: list[str] = []
    if stopped:
        reasons.append(f"The run was stopped: {stopped}.")
    if lost:
        unrun = [s for s in lost if not s.attempts]
        if unrun:
            reasons.append(f"{_names(unrun)}: not run.")
        reasons += [f"{s.anchor} was skipped: {s.reason}" for s in lost if s.attempts]
    if not scenarios:
        reasons.append("No scenario was selected.")
    elif not passed:
        reasons.append("No scenario passed.")
    if len(allowed) > SKIPPED_SHARE * len(scenarios):
        reasons.append(f"{len(allowed)} of {len(scenarios)} scenarios cannot run on this host or cluster.")
    if reasons:
        return Judgement(word="inconclusive", reasons=tuple(reasons))
    count = "the scenario" if len(passed) == 1 else f"all {len(passed)} scenarios"
    reasons.append(f"Fluid did what it must in {count} that could be judged.")
    if defects:
        reasons.append(f"{_names(defects)} showed a known defect of Fluid, which counts neither way.")
    if allowed:
        reasons.append(f"{_names(allowed)} cannot run on this host or cluster.")
    return Judgement(word="pass", reasons=tuple(reasons))


def exit_status(word: VerdictWord, status: int) -> int:
    """The exit code of the run: pytest's, and 0 only for a pass.

    ============ ==== =========================================================
    pass         0    unless pytest itself ended with another code
    fail         1    tests failed
    (any)        2    the run was interrupted; kept from pytest
    invalid      3    the machinery broke (pytest: internal error)
    (any)        4    bad usage; kept from pytest
    inconclusive 5    nothing was proved (pytest: no tests ran)
    ============ ==== =========================================================

    Args:
        word: the verdict.
        status: the code with which pytest would end.
    """
    own = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}
    if word == "pass" or status not in own:
        return int(status)
    codes = {
        "fail": pytest.ExitCode.TESTS_FAILED,
        "invalid": pytest.ExitCode.INTERNAL_ERROR,
        "inconclusive": pytest.ExitCode.NO_TESTS_COLLECTED,
    }
    return int(codes[word])


def load(path: Path) -> Verdict:
    """Read a `verdict.json`.

    Raises:
        RefusalError: it cannot be read, or is not a verdict of schema 1.
    """
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RefusalError(
            f"cannot read {path}: {error.strerror}",
            advice="name the folder of a run, such as out/latest",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its beginning"
        raise RefusalError(
            f"{path} is not a verdict of schema 1: {first['msg']} (at {place})",
            advice="render it with the version of the harness that wrote it",
        ) from error


def schema_text() -> str:
    """The JSON schema of `verdict.json`, as it is kept in `SCHEMA_PATH`."""
    schema: dict[str, Any] = Verdict.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _product_failures(
    scenarios: Sequence[ScenarioResult], problems: Sequence[Failure]
) -> tuple[list[ScenarioResult], list[ScenarioResult]]:
    """Scenarios that failed as product failures: before, and after, the system as a whole broke."""
    end = _system_broke(scenarios, problems)
    counted: list[ScenarioResult] = []
    doubted: list[ScenarioResult] = []
    for s in scenarios:
        if s.outcome == "fail" and s.failure_class is FailureClass.PRODUCT:
            seen = [f.at for attempt in s.attempts for f in attempt.failures]
            (counted if min(seen, default=0.0) <= end else doubted).append(s)
    return counted, doubted


def _system_broke(scenarios: Sequence[ScenarioResult], problems: Sequence[Failure]) -> float:
    """When the system as a whole broke, in seconds since the run began; infinite if it did not.

    One scenario that fails as infrastructure says nothing about the others. Two that do, or a failure of the
    infrastructure outside of scenarios, count as a broken system, unless a scenario passed after it.
    """
    kind = FailureClass.INFRASTRUCTURE
    first = sorted(
        min(found)
        for s in scenarios
        if (found := [f.at for attempt in s.attempts for f in attempt.failures if f.failure_class is kind])
    )
    broke = min([*first[1:2], *(f.at for f in problems if f.failure_class is kind)], default=float("inf"))
    worked = any(a.outcome in WORKED and a.at > broke for s in scenarios for a in s.attempts)
    return float("inf") if worked else broke


def _names(scenarios: Sequence[ScenarioResult]) -> str:
    return ", ".join(s.anchor for s in scenarios)


def _grouped(scenarios: Sequence[ScenarioResult]) -> list[str]:
    """One sentence for each reason, with all the scenarios that it hit."""
    groups: dict[tuple[str, str], list[ScenarioResult]] = {}
    for s in scenarios:
        kind = s.failure_class.value if s.failure_class else "harness"
        groups.setdefault((kind, s.reason), []).append(s)
    return [f"{_names(hit)} ({kind}): {reason}" for (kind, reason), hit in groups.items()]


def _slug(text: str) -> str:
    """``text`` with only characters that are safe in a link and in a file name."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in text).strip("-.")
