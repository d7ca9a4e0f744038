"""``python -m reports repeats DIR…``: many runs of the same suite, and whether their scenarios agree.

A verdict that differs the next time is worth nothing. So each scenario is followed through
all runs of the same system, attempt by attempt: it differs when it did not end in one way only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from clusters.errors import HarnessError, RefusalError
from clusters.facts import SystemFacts
from reports import units
from reports.verdict import phrases
from reports.verdict.model import Host, Outcome, ScenarioResult, Verdict, load

#: The file that a run is known by.
FILE: Final = "verdict.json"

#: The ways in which a scenario ends, in the order of the table.
OUTCOMES: Final[tuple[Outcome, ...]] = ("pass", "known-defect", "fail", "skipped")

#: How the reason of a scenario begins that was under way when the run was stopped.
_STOPPED: Final = "stopped "


@dataclass(frozen=True, slots=True)
class End:
    """How one attempt at a scenario ended.

    Attributes:
        run: id of the run.
        outcome: of the attempt.
        why: whose fault, and the reason; empty for a pass.
    """

    run: str
    outcome: Outcome
    why: str = ""

    def __str__(self) -> str:
        return f"{self.outcome} in {self.run}{': ' if self.why else ''}{self.why}"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario through all runs of a group.

    Attributes:
        scenario: its id, with the case where it has several.
        ends: how its attempts ended, in the order of the runs.
        not_run: runs in which it was selected and was not started, or did not end.
    """

    scenario: str
    ends: tuple[End, ...]
    not_run: int = 0

    @property
    def differs(self) -> bool:
        """It did not always end in the same way."""
        return len({end.outcome for end in self.ends}) > 1

    @property
    def repeated(self) -> bool:
        """It came to an end more than once."""
        return len(self.ends) > 1

    def count(self, outcome: Outcome) -> int:
        """How often it ended so."""
        return sum(end.outcome == outcome for end in self.ends)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of the same system, the oldest first, and their scenarios in the order of the first run."""

    system: SystemFacts
    runs: tuple[Verdict, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Repeats:
    """What many runs say together.

    Attributes:
        groups: the runs; those of other versions, nodes or another NFS client are in another group.
        left_out: runs that could not be counted, and why.
    """

    groups: tuple[Group, ...]
    left_out: tuple[str, ...] = ()

    @property
    def repeated(self) -> tuple[Row, ...]:
        """The scenarios of all groups that can be compared with themselves."""
        return tuple(row for group in self.groups for row in group.rows if row.repeated)

    @property
    def differing(self) -> tuple[Row, ...]:
        """Those of them that did not always end in the same way."""
        return tuple(row for row in self.repeated if row.differs)

    @property
    def status(self) -> Literal[0, 1, 2]:
        """The exit code: 1 when a scenario differs, 2 when none ran twice on the same system, else 0."""
        return 1 if self.differing else 0 if self.repeated else 2


def read(places: Sequence[Path]) -> Repeats:
    """What the runs in these places say together; see `read_runs`.

    Raises:
        RefusalError: there is no run in any of them.
    """
    return gather(*read_runs(places))


def read_runs(places: Sequence[Path]) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """The runs in these places: a verdict.json, the folder of a run, or a folder of runs such as ``out``.

    Links to runs, such as ``out/latest``, are not counted twice.

    Returns:
        The runs, and why others could not be read.

    Raises:
        RefusalError: there is no run in any of them.
    """
    found: dict[Path, Verdict] = {}
    left_out: list[str] = []
    for file in dict.fromkeys(file.resolve() for place in places for file in _files(place)):
        try:
            found[file] = load(file)
        except HarnessError as error:
            left_out.append(error.message)
    if not found:
        why = f" ({'; '.join(left_out)})" if left_out else ""
        raise RefusalError(
            f"there is no run in {', '.join(map(str, places))}{why}",
            advice="name folders of runs, such as out",
        )
    return tuple(found.values()), tuple(left_out)


def gather(runs: Iterable[Verdict], left_out: Sequence[str] = ()) -> Repeats:
    """Put runs together by the system that they ran on."""
    reasons = list(left_out)
    several: dict[tuple[object, ...], list[Verdict]] = {}
    for run in sorted(runs, key=lambda run: (run.run.started, run.run.id)):
        if not run.scenarios:
            continue  # sabotage or measurements alone
        if run.system is None:
            reason = (run.reasons or ("",))[0].partition("\n")[0]
            reasons.append(f"{run.run.id} ended before its system was known: {reason}")
            continue
        several.setdefault(_same(run.system), []).append(run)
    groups = []
    for alike in several.values():
        system = alike[0].system
        assert system is not None  # noqa: S101 - others were left out above
        groups.append(Group(system, tuple(alike), tuple(_rows(alike))))
    return Repeats(tuple(groups), tuple(reasons))


def render(repeats: Repeats) -> str:
    """The runs, their scenarios and the conclusion, as text for a terminal."""
    lines: list[str] = []
    for group in repeats.groups:
        lines += [_about(group), "", *_runs(group), "", *_table(group), ""]
    lines += [f"not counted: {reason}" for reason in repeats.left_out]
    return "\n".join([*lines, *_conclusion(repeats)]) + "\n"


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    try:
        inside = sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError as error:
        raise RefusalError(
            f"cannot read {place}: {error.strerror}", advice="name a folder of runs"
        ) from error
    yield from (path / FILE for path in (place, *inside) if (path / FILE).is_file())


def _same(system: SystemFacts) -> tuple[object, ...]:
    """What has to be the same for two runs to be repetitions of each other."""
    return (
        system.fluid,
        system.alluxio,
        system.kubernetes,
        system.cluster,
        system.nodes,
        system.nfs_client,
        system.nfs_versions,
    )


def _rows(runs: Sequence[Verdict]) -> Iterator[Row]:
    names = dict.fromkeys(scenario.anchor for run in runs for scenario in run.scenarios)
    for name in names:
        ends: list[End] = []
        not_run = 0
        for run in runs:
            for scenario in run.scenarios:
                if scenario.anchor == name:
                    new = tuple(ends_of(run.run.id, scenario))
                    ends += new
                    not_run += not new
        yield Row(name, tuple(ends), not_run)


def ends_of(run: str, scenario: ScenarioResult) -> Iterator[End]:
    """How each attempt ended; one that was stopped, or did not begin, did not end in any way."""
    for attempt in scenario.attempts:
        if attempt.outcome == "skipped" and scenario.reason.startswith(_STOPPED):
            continue
        if attempt.failures:
            first = attempt.failures[0]
            yield End(run, attempt.outcome, f"{phrases.CLASSES[first.failure_class.value]}: {first.reason}")
        else:
            yield End(run, attempt.outcome, "" if attempt.outcome == "pass" else scenario.reason)


def _about(group: Group) -> str:
    system = group.system
    client = phrases.nfs(system)
    nodes = f"{system.nodes} node{'' if system.nodes == 1 else 's'}"
    versions = f"Fluid {system.fluid}, Alluxio {system.alluxio}, Kubernetes {system.kubernetes}"
    count = f"{len(group.runs)} run{'' if len(group.runs) == 1 else 's'}"
    return f"{count} of {versions} ({system.cluster} cluster, {nodes}, {client})"


def _runs(group: Group) -> list[str]:
    rows = [("run", "began (UTC)", "took", "verdict", "harness", "host")]
    rows += [
        (
            run.run.id,
            f"{run.run.started:%Y-%m-%d %H:%M:%S}",
            units.duration(run.run.seconds),
            run.verdict if run.run.finished else f"{run.verdict}, not finished",
            run.run.harness or "not known",
            _host(run.run.host),
        )
        for run in group.runs
    ]
    return _aligned(rows)


def _host(host: Host | None) -> str:
    if host is None:
        return "not known"
    cpus = f"{host.cpus} CPU{'' if host.cpus == 1 else 's'} ({host.cpu_model})"
    return f"{host.name}: {cpus}, {units.size(host.memory)}, Linux {host.kernel}"


def _table(group: Group) -> list[str]:
    rows = [("scenario", *OUTCOMES, "not run", "")]
    for row in group.rows:
        counts = [str(row.count(outcome) or "") for outcome in OUTCOMES]
        note = "DIFFERS" if row.differs else "" if row.repeated else "once" if row.ends else "never"
        rows.append((row.scenario, *counts, str(row.not_run or ""), note))
    lines = _aligned(rows)
    for row in group.rows:
        if row.differs:
            lines += ["", f"{row.scenario} differs", *(f"  {end}" for end in _ways(row))]
    return lines


def _ways(row: Row) -> Iterator[str]:
    """Each way in which it ended: the rare ones run by run, the usual one as a number and once."""
    usual, times = Counter(end.outcome for end in row.ends).most_common(1)[0]
    first = next(end for end in row.ends if end.outcome == usual)
    yield f"{usual} in {times} of {len(row.ends)}" + (
        f", such as {first.run}: {first.why}" if first.why else ""
    )
    yield from (str(end) for end in row.ends if end.outcome != usual)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _conclusion(repeats: Repeats) -> list[str]:
    runs = sum(len(group.runs) for group in repeats.groups)
    if repeats.status == 2:  # noqa: PLR2004 - the exit code that it gives
        return [f"NOTHING TO COMPARE: no scenario came to an end twice on the same system, in {runs} runs"]
    whole = f"{len(repeats.repeated)} scenarios that came to an end more than once, in {runs} runs"
    if repeats.differing:
        names = ", ".join(row.scenario for row in repeats.differing)
        return [f"DIFFERENT: {len(repeats.differing)} of {whole}: {names}"]
    return [f"ALWAYS THE SAME: {whole}"]
