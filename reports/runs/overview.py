"""``python -m reports overview DIR…``: each row of the catalogue and each sabotage, over many runs.

Few machines have the hours for all levels on all versions in one go. So the last word on each row is
put together here from the runs that there are, one column for each version of Fluid; a row that never
came to an end is shown as that, and so is a row without a scenario.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reports.runs.flakiness import ends_of, read_runs
from reports.verdict.model import Outcome, Verdict
from suites.catalogue.discovery import declared
from suites.catalogue.scenario import Scenario
from suites.catalogue.unwritten import UNWRITTEN_ROWS
from suites.record.markdown import table_row
from suites.record.versions import order, release

_NEVER: Final = "not run"
_NOT_FOR: Final = "not for it"


@dataclass(frozen=True, slots=True)
class Ends:
    """How a scenario ended on one version, the oldest run first; nothing when it never came to an end."""

    outcomes: tuple[Outcome, ...] = ()

    def __str__(self) -> str:
        if not self.outcomes:
            return _NEVER
        counts = Counter(self.outcomes)
        last = self.outcomes[-1]
        before = ", ".join(f"{outcome} {count}" for outcome, count in counts.items() if outcome != last)
        text = last if len(self.outcomes) == 1 else f"{last} {counts[last]}"
        return f"{text} (before: {before})" if before else text


@dataclass(frozen=True, slots=True)
class Broken:
    """A sabotage in its latest run.

    Attributes:
        id: its name.
        says: what was broken.
        noticed: its targets failed for the right reason, and its bystanders stayed as they were.
        seen: the targets that failed, with the reasons.
        times: in how many runs it was tried.
    """

    id: str
    says: str
    noticed: bool
    seen: str
    times: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What many runs say together.

    Attributes:
        runs: how many were read.
        versions: of Fluid, the newest first.
        scenarios: the declared ones, in the catalogue's order.
        outcomes: by scenario and version.
        sabotage: in the order in which they were first tried.
    """

    runs: int
    versions: tuple[str, ...]
    scenarios: tuple[Scenario, ...]
    outcomes: Mapping[tuple[str, str], Ends]
    sabotage: tuple[Broken, ...] = ()

    def cell(self, scenario: Scenario, version: str) -> str:
        """How a scenario ended on that version."""
        if scenario.since and not scenario.since.covers(version):
            return _NOT_FOR
        return str(self.outcomes.get((scenario.id, version), Ends()))


def read(places: Sequence[Path]) -> Overview:
    """The runs in these places, as `reports.runs.flakiness.read` finds them.

    Raises:
        RefusalError: there is no run in any of them.
    """
    return gather(read_runs(places)[0], declared())


def gather(runs: Iterable[Verdict], scenarios: Sequence[Scenario]) -> Overview:
    """Put runs together, by scenario and version of Fluid."""
    found = sorted(runs, key=lambda run: (run.run.started, run.run.id))
    known = {scenario.id for scenario in scenarios}
    outcomes: dict[tuple[str, str], tuple[Outcome, ...]] = {}
    tried: dict[str, Broken] = {}
    for run in found:
        version = release(run.system.fluid) if run.system else ""
        for one in run.scenarios:
            ended = tuple(end.outcome for end in ends_of(run.run.id, one) if end.outcome != "skipped")
            if version and one.id in known and ended:
                outcomes[one.id, version] = (*outcomes.get((one.id, version), ()), *ended)
        for row in run.sabotage or ():
            before = tried.get(str(row["id"]))
            tried[str(row["id"])] = _broken(row, before.times + 1 if before else 1)
    versions = sorted({version for _, version in outcomes}, key=order, reverse=True)
    return Overview(
        runs=len(found),
        versions=tuple(versions),
        scenarios=tuple(scenarios),
        outcomes={key: Ends(value) for key, value in outcomes.items()},
        sabotage=tuple(tried.values()),
    )


def render(overview: Overview) -> str:
    """The tables as Markdown, which a terminal shows well enough."""
    count = f"{overview.runs} run{'' if overview.runs == 1 else 's'}"
    lines = [f"# What {count} say together", "", *_rows(overview), ""]
    lines += [*_sums(overview), ""]
    if overview.sabotage:
        lines += ["## Broken on purpose", "", *_sabotage(overview.sabotage), ""]
    lines += ["## Rows without a scenario", "", "| id | why |", "|---|---|"]
    lines += [table_row(row.id, f"{row.why}: {row.reason}") for row in UNWRITTEN_ROWS]
    return "\n".join(lines) + "\n"


def _rows(overview: Overview) -> Iterator[str]:
    heads = [f"Fluid {version}" for version in overview.versions]
    yield table_row("id", "level", "what must hold", *heads)
    yield table_row(*["---"] * (3 + len(heads)))
    for scenario in overview.scenarios:
        cells = [overview.cell(scenario, version) for version in overview.versions]
        yield table_row(scenario.id, str(scenario.level), scenario.title, *cells)


def _sums(overview: Overview) -> Iterator[str]:
    for version in overview.versions:
        latest = Counter(ended.outcomes[-1] for (_, on), ended in overview.outcomes.items() if on == version)
        never = sum(overview.cell(scenario, version) == _NEVER for scenario in overview.scenarios)
        counts = ", ".join(f"{number} {outcome}" for outcome, number in latest.most_common())
        yield f"Fluid {version}: {counts}; {never} did not run to an end."


def _sabotage(several: Iterable[Broken]) -> Iterator[str]:
    yield table_row("sabotage", "what was broken", "noticed", "what the targets said")
    yield table_row("---", "---", "---", "---")
    for one in several:
        times = f" (of {one.times} runs the latest)" if one.times > 1 else ""
        yield table_row(one.id, one.says, ("yes" if one.noticed else "NO") + times, one.seen)


def _broken(row: Mapping[str, object], times: int) -> Broken:
    texts = []
    targets = row.get("targets")
    for target in targets if isinstance(targets, list) else []:
        seen = target["seen"]
        what = seen["outcome"] if not seen["class"] else f"{seen['class']}: {seen['reason']}"
        texts.append(f"{target['scenario']} {what}")
    return Broken(str(row["id"]), str(row["says"]), row["noticed"] is True, "; ".join(texts), times)
