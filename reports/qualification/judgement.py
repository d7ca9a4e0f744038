"""From the verdicts of the steps to one word, and to what changed between the versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Final, Literal

from pydantic import Field

from clusters.product.fluid_versions import changes_between
from reports.qualification.model import JUDGED, Part, Settings
from reports.qualification.plan import UPGRADE_ROW
from reports.qualification.requirements import doubts
from reports.verdict.model import Model, ScenarioResult, Verdict
from suites.record.versions import release

Word = Literal["qualified", "qualified with known defects", "not qualified", "inconclusive"]

#: Exit codes of the command by its result, as those of a run.
EXIT_CODES: Final[Mapping[Word, int]] = {
    "qualified": 0,
    "qualified with known defects": 0,
    "not qualified": 1,
    "inconclusive": 5,
}
#: The fact of row E14 that has a moment of the upgrade, and those that it observes from then on.
_UPGRADE: Final = "upgrade"
_FROM_THEN_ON: Final = frozenset(
    {"Pods", "application", "DataLoad status", "fault", "Fuse DaemonSet", "reference", "NFS server's disk"}
    | {"leak check", "harness"}
)
#: How the conclusion of a comparison begins (`reports.performance.compare_text`): a slower read is claimed,
#: or none is.
REGRESSION: Final = "REGRESSION"
NO_REGRESSION: Final = "NO REGRESSION"
_WORKED: Final = ("pass", "known-defect")


class RowChange(Model):
    """A row that ended differently on the new version than on the old one."""

    row: str
    step: str = Field(description="the run of the new version")
    title: str
    before: str
    after: str
    why: str = Field(description="of what failed")


class DefectChange(Model):
    """A known defect that only one of the versions showed."""

    key: str
    says: str
    row: str
    step: str


class Moment(Model):
    """A moment of the upgrade."""

    kubernetes: str
    seconds: float | None = Field(description="since the upgrade began; null for what was seen after it")
    says: str


class StepResult(Model):
    """What a step came to, as the page shows it."""

    id: str
    part: Part
    title: str
    result: str = Field(description="the verdict, the conclusion of a comparison, or how it ended otherwise")
    rows: str = Field("", description="how many rows had which outcome")
    seconds: float


class Result(Model):
    """The result of a qualification: `qualification.json`."""

    schema_version: Literal[1] = Field(1, alias="schema")
    word: Word
    reasons: tuple[str, ...]
    settings: Settings
    harness: str
    steps: tuple[StepResult, ...]
    worse: tuple[RowChange, ...]
    better: tuple[RowChange, ...]
    new_defects: tuple[DefectChange, ...]
    mended_defects: tuple[DefectChange, ...]
    known_defects: tuple[DefectChange, ...]
    upgrade: tuple[Moment, ...]
    performance: str = Field("", description="output of the comparison of measurements; empty: none")
    changes: tuple[str, ...] = Field(description="what Fluid changed between the versions, as far as known")
    doubts: tuple[str, ...]


def judge(
    settings: Settings,
    harness: str,
    ended: Sequence[StepResult],
    verdicts: Mapping[str, Verdict],
    performance: str = "",
) -> Result:
    """Say whether the new version is qualified.

    The first of these that holds:

    1. ``not qualified``: a row failed as the product's fault on the new version, in the upgrade, or on the
       upgraded system; or a slower read is claimed.
    2. ``inconclusive``: a step has no verdict, or one that says nothing about Fluid; or the upgraded system
       is not of the new version.
    3. ``qualified with known defects``: the new version showed a known defect.
    4. ``qualified``.

    What fails on the old version alone does not count against the new one.

    Args:
        settings: of the qualification.
        harness: digest of its code.
        ended: what each step came to, in order.
        verdicts: of the judged steps whose verdict says something about Fluid (pass or fail), by step. What
            the others came to is in ``ended``.
        performance: output of the comparison of measurements.
    """
    failed = list(_failures(settings, ended, verdicts))
    open_ends = list(_open_ends(settings, ended, verdicts))
    changes = list(_compare(ended, verdicts))
    worse = [one for one in changes if one.after == "fail"]
    known = list(_defects(ended, verdicts, _is_new))
    old = {(one.key, one.row) for one in _defects(ended, verdicts, _is_old)}
    reasons: list[str] = failed or open_ends
    word: Word = "not qualified" if failed else "inconclusive"
    if not reasons:
        word = "qualified with known defects" if known else "qualified"
        reasons = [f"Fluid {settings.new} did what it must in all steps that could be judged."]
        upgrade = {step.id for step in ended if step.part is Part.UPGRADE}
        for what, shown in (
            ("It", [one for one in known if one.step not in upgrade]),
            ("The upgrade", [one for one in known if one.step in upgrade]),
        ):
            if shown:
                keys = ", ".join(dict.fromkeys(one.key for one in shown))
                reasons.append(f"{what} showed known defects of Fluid: {keys}.")
    return Result(
        word=word,
        reasons=tuple(reasons),
        settings=settings,
        harness=harness,
        steps=tuple(ended),
        worse=tuple(worse),
        better=tuple(one for one in changes if one.before == "fail"),
        new_defects=tuple(
            one for one in known if (one.key, one.row) not in old and _worked_on_old(one, verdicts)
        ),
        mended_defects=tuple(_mended(ended, verdicts)),
        known_defects=tuple(known),
        upgrade=tuple(_timeline(ended, verdicts)),
        performance=performance,
        changes=changes_between(settings.old, settings.new),
        doubts=doubts(settings.old, settings.new),
    )


def _is_new(part: Part) -> bool:
    return part in {Part.NEW, Part.UPGRADE, Part.UPGRADED}


def _is_old(part: Part) -> bool:
    return part is Part.OLD


def _failures(
    settings: Settings, ended: Sequence[StepResult], verdicts: Mapping[str, Verdict]
) -> Iterator[str]:
    for step in ended:
        verdict = verdicts.get(step.id)
        if verdict is not None and _is_new(step.part) and verdict.verdict == "fail":
            yield from (f"{step.id}: {reason}" for reason in verdict.reasons)
        if step.part is Part.COMPARE and step.result.startswith(REGRESSION):
            yield f"{step.id}: Fluid {settings.new} reads slower than {settings.old}: {step.result}."


def _open_ends(
    settings: Settings, ended: Sequence[StepResult], verdicts: Mapping[str, Verdict]
) -> Iterator[str]:
    for step in ended:
        verdict = verdicts.get(step.id)
        if step.part is Part.COMPARE and not step.result.startswith((REGRESSION, NO_REGRESSION)):
            yield f"{step.id}: the measurements cannot be compared."
        if step.part not in JUDGED:
            continue
        if verdict is None:
            yield f"{step.id}: {step.result}."
        elif step.part is Part.UPGRADED and not _is_of(verdict, settings):
            found = verdict.system.fluid if verdict.system else "unknown"
            yield f"{step.id}: it ran on Fluid {found}, which is not the upgraded version."
        elif step.part is Part.UPGRADE and not _ran(verdict, UPGRADE_ROW):
            yield f"{step.id}: row {UPGRADE_ROW} did not run."


def _is_of(verdict: Verdict, settings: Settings) -> bool:
    if verdict.system is None or release(verdict.system.fluid) != settings.new:
        return False
    return not settings.source or verdict.system.fluid.endswith(settings.source)


def _ran(verdict: Verdict, row: str) -> bool:
    return any(one.id == row and one.outcome != "skipped" for one in verdict.scenarios)


def _compare(ended: Sequence[StepResult], verdicts: Mapping[str, Verdict]) -> Iterator[RowChange]:
    """Rows that worked on one version and failed on the other, for each run of the new one."""
    for step in ended:
        if step.part not in {Part.NEW, Part.UPGRADED} or step.id not in verdicts:
            continue
        before = _rows(verdicts.get(_old_of(step.id)))
        for anchor, after in _rows(verdicts[step.id]).items():
            was = before.get(anchor)
            if was is None or {was.outcome, after.outcome} & {"skipped"}:
                continue
            if (was.outcome in _WORKED) != (after.outcome in _WORKED):
                failed = after if after.outcome == "fail" else was
                yield RowChange(
                    row=anchor,
                    step=step.id,
                    title=after.title,
                    before=was.outcome,
                    after=after.outcome,
                    why=failed.reason,
                )


def _defects(
    ended: Sequence[StepResult], verdicts: Mapping[str, Verdict], belongs: Callable[[Part], bool]
) -> Iterator[DefectChange]:
    """Known defects that showed in the runs of one version, each once by row."""
    seen: set[tuple[str, str]] = set()
    for step in ended:
        if not belongs(step.part) or step.id not in verdicts:
            continue
        for one in verdicts[step.id].scenarios:
            for defect in one.defects:
                if defect.seen and (defect.key, one.anchor) not in seen:
                    seen.add((defect.key, one.anchor))
                    yield DefectChange(key=defect.key, says=defect.says, row=one.anchor, step=step.id)


def _mended(ended: Sequence[StepResult], verdicts: Mapping[str, Verdict]) -> Iterator[DefectChange]:
    """Defects that the old version showed, and that the same row did not show on the new one."""
    shown = {(one.key, one.row) for one in _defects(ended, verdicts, _is_new)}
    # A row that still checks the defect says so itself; for one that does not any more, its pass is enough.
    passed = {
        one.anchor
        for step in ended
        if _is_new(step.part) and step.id in verdicts
        for one in verdicts[step.id].scenarios
        if one.outcome in _WORKED
    }
    for one in _defects(ended, verdicts, _is_old):
        if (one.key, one.row) not in shown and one.row in passed:
            yield one


def _worked_on_old(defect: DefectChange, verdicts: Mapping[str, Verdict]) -> bool:
    """Whether the row of a defect of the new version also ran on the old one."""
    before = _rows(verdicts.get(_old_of(defect.step))).get(defect.row)
    return before is not None and before.outcome in _WORKED


def _timeline(ended: Sequence[StepResult], verdicts: Mapping[str, Verdict]) -> Iterator[Moment]:
    """What row E14 saw: the moments of the upgrade, and what became of Pods, readers and data afterwards."""
    for step in ended:
        if step.part is not Part.UPGRADE or step.id not in verdicts:
            continue
        kubernetes = step.id.rpartition("-")[0]
        facts = [fact for one in verdicts[step.id].scenarios for fact in one.evidence]
        for fact in dropwhile(lambda fact: fact.source != _UPGRADE, facts):
            seconds = fact.data.get("seconds")
            if fact.source == _UPGRADE and isinstance(seconds, int | float):
                yield Moment(kubernetes=kubernetes, seconds=float(seconds), says=fact.says)
            elif fact.source in _FROM_THEN_ON:
                longest = fact.data.get("longest_seconds")
                more = "" if longest is None else f"; the longest read took {longest} s"
                yield Moment(kubernetes=kubernetes, seconds=None, says=f"{fact.source}: {fact.says}{more}")


def _rows(verdict: Verdict | None) -> dict[str, ScenarioResult]:
    scenarios: Iterable[ScenarioResult] = verdict.scenarios if verdict is not None else ()
    return {one.anchor: one for one in scenarios}


def _old_of(step: str) -> str:
    """The run of the old version on the Kubernetes of a step."""
    return f"{step.rpartition('-')[0]}-{Part.OLD}"
