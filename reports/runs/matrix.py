"""``python -m reports matrix DIR…``: many results by versions of Fluid, Kubernetes and Alluxio, on one page.

A combination that was never run is shown as that, and so are levels and rows. The versions are those of the
runs and those that `clusters/pins.toml` lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from packaging.version import Version

from clusters.pins import Pins, pins
from reports import pages
from reports.runs.flakiness import ends_of, read_runs
from reports.verdict import phrases
from reports.verdict.model import Outcome, Verdict, VerdictWord
from suites.catalogue.discovery import declared
from suites.catalogue.scenario import Level, Scenario
from suites.record.versions import order, release

#: Name of the page, in the first folder that was read.
FILE: Final = "matrix.html"
#: Why a run of a level is not counted as one.
_SELECTION: Final = "scenario"


@dataclass(frozen=True, slots=True, order=True)
class Combination:
    """Versions that were, or were not, run together."""

    fluid: str
    kubernetes: str
    alluxio: str

    def __str__(self) -> str:
        return f"Fluid {self.fluid}, Kubernetes {self.kubernetes}, Alluxio {self.alluxio}"


@dataclass(frozen=True, slots=True)
class LevelRun:
    """The last whole run of a level on a combination."""

    level: str
    run: str
    started: datetime
    verdict: VerdictWord
    counts: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What is known of a combination.

    Attributes:
        levels: the last whole run of each level, the highest level last.
        rows: the last outcome of each row in any run.
        never: rows for this version of Fluid that never came to an end.
    """

    levels: tuple[LevelRun, ...] = ()
    rows: Mapping[str, Outcome] | None = None
    never: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """How many rows ended how."""
        found = Counter((self.rows or {}).values())
        return ", ".join(f"{number} {outcome}" for outcome, number in found.most_common())


@dataclass(frozen=True, slots=True)
class Matrix:
    """Many results by their versions.

    Attributes:
        runs: how many were read.
        left_out: runs that could not be counted, and why.
        fluid: versions, the newest first.
        kubernetes: the same.
        alluxio: the same.
        cells: of the combinations that were run.
    """

    runs: int
    left_out: tuple[str, ...]
    fluid: tuple[str, ...]
    kubernetes: tuple[str, ...]
    alluxio: tuple[str, ...]
    cells: Mapping[Combination, Cell]

    def cell(self, fluid: str, kubernetes: str, alluxio: str) -> Cell:
        """What is known of a combination; an empty cell if it was never run."""
        return self.cells.get(Combination(fluid, kubernetes, alluxio), Cell())

    @property
    def never(self) -> tuple[Combination, ...]:
        """Combinations of these versions that were never run."""
        every = (
            Combination(fluid, kubernetes, alluxio)
            for fluid in self.fluid
            for alluxio in self.alluxio
            for kubernetes in self.kubernetes
        )
        return tuple(one for one in every if one not in self.cells)


def read(places: Sequence[Path]) -> Matrix:
    """The runs in these places, as `reports.runs.flakiness.read_runs` finds them.

    Raises:
        RefusalError: there is no run in any of them.
    """
    found, left_out = read_runs(places)
    return gather(found, declared(), pins(), left_out)


def gather(
    runs: Iterable[Verdict], scenarios: Sequence[Scenario], known: Pins, left_out: Sequence[str] = ()
) -> Matrix:
    """Put runs together by their versions."""
    several: dict[Combination, list[Verdict]] = {}
    reasons = list(left_out)
    for run in sorted(runs, key=lambda run: (run.run.started, run.run.id)):
        if run.system is None or not run.scenarios:
            reasons.append(f"{run.run.id} has no rows, or ended before its system was known")
            continue
        system = run.system
        key = Combination(release(system.fluid), system.kubernetes, system.alluxio)
        several.setdefault(key, []).append(run)
    buildable = [version for version, pin in known.fluid.items() if pin.module]
    return Matrix(
        runs=sum(map(len, several.values())),
        left_out=tuple(reasons),
        fluid=_newest_first([*(one.fluid for one in several), *buildable]),
        kubernetes=_newest_first([*(one.kubernetes for one in several), *known.kubernetes]),
        alluxio=_newest_first([*(one.alluxio for one in several), *known.alluxio]),
        cells={key: _cell(key, found, scenarios) for key, found in several.items()},
    )


def render(matrix: Matrix) -> str:
    """The page."""
    count = f"{matrix.runs} run{'' if matrix.runs == 1 else 's'}"
    body = pages.render("matrix.html.j2", m=matrix, levels=[str(level) for level in Level])
    return str(
        pages.render(
            "plain_page.html.j2",
            title=f"Fluid, Kubernetes and Alluxio in {count}",
            overline="Fluid conformance matrix",
            heading=f"Fluid, Kubernetes and Alluxio in {count}",
            body=body,
            foot="The page needs neither a network nor any other file.",
        )
    )


def _cell(key: Combination, runs: Sequence[Verdict], scenarios: Sequence[Scenario]) -> Cell:
    """The runs of a combination, the oldest first."""
    outcomes: dict[str, Outcome] = {}
    for run in runs:
        for one in run.scenarios:
            for end in ends_of(run.run.id, one):
                if end.outcome != "skipped":
                    outcomes[one.id] = end.outcome
    whole = {level.level: level for run in runs for level in _levels(run)}
    applicable = [one.id for one in scenarios if not one.since or one.since.covers(key.fluid)]
    return Cell(
        levels=tuple(whole[str(level)] for level in Level if str(level) in whole),
        rows={row: outcomes[row] for row in applicable if row in outcomes},
        never=tuple(row for row in applicable if row not in outcomes),
    )


def _levels(run: Verdict) -> Iterator[LevelRun]:
    """The level of a run that was a whole one and ended."""
    level = run.run.options.get("level", "")
    if run.run.finished and _SELECTION not in run.run.options and level in map(str, Level):
        yield LevelRun(level, run.run.id, run.run.started, run.verdict, phrases.counts(run))


def _newest_first(versions: Iterable[str]) -> tuple[str, ...]:
    def key(version: str) -> tuple[bool, Version, str]:
        return order(version)

    return tuple(sorted(dict.fromkeys(versions), key=key, reverse=True))
