"""The run in the order of time, as text: `e2e.log`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from reports.units import figures
from reports.verdict import phrases
from reports.verdict.model import ScenarioResult, Verdict


def run_log(verdict: Verdict) -> str:
    """Each line has the time (UTC), the row, and what happened."""
    started = verdict.run.started

    def line(at: float, row: str, text: str) -> str:
        moment = f"{started + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
        return f"{moment}Z {row:<8} " + text.replace("\n", "\n    ")

    timed = [(0.0, "run", f"started: {verdict.run.command}")]
    at = 0.0
    for stage in verdict.stages:
        timed.append((at, "system", f"{stage.name}: {stage.seconds:.1f} s{', found ready' * stage.cached}"))
        at += stage.seconds
    first = min((attempt.at for one in verdict.scenarios for attempt in one.attempts), default=0.0)
    for one in verdict.scenarios:
        # The system is created in the set-up of the first scenario, whose own clock starts after it.
        timed += _scenario(one, {first: at})
    timed += [
        (one.at, "run", f"problem ({one.failure_class.value}): {one.detail or one.reason}")
        for one in verdict.problems
    ]
    # Stages have no times of their own: they are listed one after the other from the start.
    lines = [line(*entry) for entry in sorted(timed, key=lambda entry: entry[0])]
    end = verdict.run.seconds
    lines += [line(end, "run", f"verdict: {verdict.verdict} ({phrases.counts(verdict)})")]
    lines += [line(end, "run", f"reason: {reason}") for reason in verdict.reasons]
    return "\n".join(lines) + "\n"


def _scenario(one: ScenarioResult, shared: Mapping[float, float]) -> Iterator[tuple[float, str, str]]:
    """What happened in a row.

    Args:
        one: the row.
        shared: seconds that the shared system took, by the beginning of the attempt that created it.
    """
    row = one.anchor
    if not one.attempts:
        yield 0.0, row, f"not run: {one.reason}"
        return
    failed = [attempt for attempt in one.attempts if attempt.failures]
    shown = failed[0] if failed else one.attempts[-1]
    for attempt in one.attempts:
        yield attempt.at, row, f"begins: {one.title}"
        begin = attempt.at + shared.get(attempt.at, 0.0)
        if attempt is shown:
            for fact in one.evidence:
                known = f" ({figures(fact.data)})" if fact.data else ""
                yield begin + fact.at, row, f"{fact.source}: {fact.says}{known}"
        for failure in attempt.failures:
            kind = failure.failure_class.value
            yield failure.at, row, f"failed ({kind}): {failure.detail or failure.reason}"
        end = begin + attempt.setup + attempt.call + attempt.teardown
        reason = f": {one.reason}" if attempt.outcome in {"skipped", "known-defect"} else ""
        yield end, row, f"ends: {attempt.outcome}{reason}"
