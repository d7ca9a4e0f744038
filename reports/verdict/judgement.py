"""The judgement of a run: pass, fail, inconclusive or invalid, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from clusters.errors import FailureClass
from reports.verdict.model import WORKED, Failure, Model, ScenarioResult, VerdictWord
from suites.record.run import CANNOT_RUN_HERE, NOT_RUN_DISRUPTIVE

#: A run in which a greater share of the scenarios could not be run here says too little.
SKIPPED_SHARE: Final = 0.5
#: Begins the ids of the rows that are about the doctor, not about Fluid.
DOCTOR: Final = "DOC"


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
       system doubtful, so it removes nothing.
    2. ``invalid``: something else failed (harness, infrastructure or host), in a scenario or
       outside of any. A product failure seen after the infrastructure broke proves nothing.
    3. ``inconclusive``: a selected scenario was not run, or was skipped for another reason than
       `suites.record.run.cannot_run_here` or because it would disturb others; or more than
       `SKIPPED_SHARE` of them were left out; or none passed.
    4. ``pass``.

    A known defect of the product counts for nothing: a run of known defects alone is inconclusive.

    What the doctor says is no part of the verdict on Fluid: a row of the doctor that fails as the harness's,
    and a wrong diagnosis elsewhere, are named and change no word. Only such a row by itself is inconclusive.

    Args:
        scenarios: every scenario that was selected, those that did not run as ``skipped``.
        problems: what broke outside of any scenario.
        stopped: why the run ended early, if it did.
    """
    judged = _judge(scenarios, problems, stopped)
    return Judgement(word=judged.word, reasons=(*judged.reasons, *_about_the_doctor(scenarios)))


def decisive(failures: Sequence[Failure]) -> Failure:
    """The one of several failures of a scenario that says whose fault it is.

    It is the first one, but a failure of the harness never hides one of the product that came after it. One
    of the infrastructure does, because it makes the system doubtful.

    Args:
        failures: at least one, in the order in which they came.
    """
    serious = (one for one in failures if one.failure_class is not FailureClass.HARNESS)
    return next(serious, failures[0])


def _judge(scenarios: Sequence[ScenarioResult], problems: Sequence[Failure], stopped: str) -> Judgement:
    counted, doubted = _product_failures(scenarios, problems)
    broken = [
        s
        for s in scenarios
        if s.outcome == "fail" and s.failure_class is not FailureClass.PRODUCT and not is_doctors(s)
    ]
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


def is_doctors(scenario: ScenarioResult) -> bool:
    """Whether a row failed because of the doctor, which says nothing about Fluid."""
    return (
        scenario.id.startswith(DOCTOR)
        and scenario.outcome == "fail"
        and scenario.failure_class is FailureClass.HARNESS
    )


def _about_the_doctor(scenarios: Sequence[ScenarioResult]) -> list[str]:
    """One sentence for each defect of the doctor that the run showed."""
    wrong = [s for s in scenarios if s.wrong_diagnoses]
    reasons = [f"{s.anchor}, no part of this verdict: {s.reason}" for s in scenarios if is_doctors(s)]
    if wrong:
        reasons.append(
            f"The doctor's diagnosis was wrong in {_names(wrong)}: a defect of the harness, and no part of "
            "this verdict."
        )
    return reasons


def _judge_coverage(scenarios: Sequence[ScenarioResult], stopped: str) -> Judgement:
    """Nothing failed: was enough run to call that a pass?"""
    skipped = [s for s in scenarios if s.outcome == "skipped"]
    unable = [s for s in skipped if s.reason.startswith(CANNOT_RUN_HERE)]
    disruptive = [s for s in skipped if s.reason.startswith(NOT_RUN_DISRUPTIVE)]
    allowed = [*unable, *disruptive]
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
        reasons.append(f"{len(allowed)} of {len(scenarios)} scenarios could not run on this host or cluster.")
    left_out = [f"{_names(disruptive)} would disturb others on this cluster, and did not run."]
    left_out = left_out if disruptive else []
    if reasons:
        return Judgement(word="inconclusive", reasons=(*reasons, *left_out))
    count = "the scenario" if len(passed) == 1 else f"all {len(passed)} scenarios"
    reasons.append(f"Fluid did what it must in {count} that could be judged.")
    if defects:
        reasons.append(f"{_names(defects)} showed a known defect of Fluid, which counts neither way.")
    if unable:
        reasons.append(f"{_names(unable)} cannot run on this host or cluster.")
    reasons += left_out
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


def _product_failures(
    scenarios: Sequence[ScenarioResult], problems: Sequence[Failure]
) -> tuple[list[ScenarioResult], list[ScenarioResult]]:
    """Scenarios that failed as product failures: before, and after, the system as a whole broke."""
    end = _system_broke(scenarios, problems)
    counted: list[ScenarioResult] = []
    doubted: list[ScenarioResult] = []
    for s in scenarios:
        if s.outcome == "fail" and s.failure_class is FailureClass.PRODUCT:
            seen = [
                f.at
                for attempt in s.attempts
                for f in attempt.failures
                if f.failure_class is FailureClass.PRODUCT
            ]
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
