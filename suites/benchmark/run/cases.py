"""Cases that are measured on request, in place of a profile: metadata of many files, writes, remote reads.

``--benchmark-case list,stat`` or ``--benchmark-case all``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from clusters.errors import HarnessError, RefusalError
from suites.benchmark.model.judgement import Comparison, Purpose
from suites.benchmark.model.rounds import Unit
from suites.benchmark.model.series import ArmKind
from suites.benchmark.run import arms
from suites.benchmark.run.arms import ArmPlan
from suites.benchmark.run.schedule import Block, Series

#: Files whose metadata is measured, and bytes of each.
FILES: Final = 10_000
FILE_BYTES: Final = 4096
#: Bytes of a file that is written, and of one that is read.
WRITTEN_BYTES: Final = 256 * arms.MIB
READ_BYTES: Final = 128 * arms.MIB

#: Seconds until a Dataset is Bound and until it is deleted, and until the small files are created and
#: checksummed; used by the plan only.
DATASET_SECONDS: Final = 150.0
FILES_SECONDS: Final = 150.0
#: Least number of rounds of a case.
ROUNDS: Final = 8
#: Nodes that reads from another worker need, each with one.
REMOTE_NODES: Final = 2

RAW_NEW: Final = "raw NFS, new mount"
RAW_NEW_REPEATED: Final = "raw NFS, new mount, once more"
RAW_AGAIN: Final = "raw NFS, same mount again"
FLUID_NEW: Final = "Fluid, new client"
FLUID_AGAIN: Final = "Fluid, same client again"
RAW_WRITE: Final = "raw NFS, write"
RAW_WRITE_REPEATED: Final = "raw NFS, write, once more"
FLUID_WRITE: Final = "Fluid, write through the cache"
FLUID_LOCAL: Final = "Fluid, warm, worker on the same node"
FLUID_REMOTE: Final = "Fluid, warm, worker on another node"

_REPEATED: Final = "the same again, to show the noise"

#: All arms of cases by name. The seconds include the measurement: those of a new Pod, of a new Fuse Pod with
#: its reader, of 10,000 calls at 1 ms each through Fluid; only the plan uses them.
ARMS: Final[Mapping[str, ArmPlan]] = {
    arm.name: arm
    for arm in (
        ArmPlan(RAW_NEW, ArmKind.RAW_NEW_MOUNT, seconds=7.0),
        ArmPlan(RAW_NEW_REPEATED, ArmKind.RAW_NEW_MOUNT, _REPEATED, 7.0),
        ArmPlan(RAW_AGAIN, ArmKind.RAW_SAME_MOUNT, seconds=2.0),
        ArmPlan(FLUID_NEW, ArmKind.FLUID_NEW_CLIENT, seconds=25.0),
        ArmPlan(FLUID_AGAIN, ArmKind.FLUID_SAME_CLIENT, seconds=12.0),
        ArmPlan(RAW_WRITE, ArmKind.RAW_WRITE, seconds=4.0),
        ArmPlan(RAW_WRITE_REPEATED, ArmKind.RAW_WRITE, _REPEATED, 4.0),
        ArmPlan(FLUID_WRITE, ArmKind.FLUID_WRITE, seconds=10.0),
        ArmPlan(arms.RAW_COLD, ArmKind.RAW_COLD, seconds=8.0),
        ArmPlan(arms.RAW_REPEATED, ArmKind.RAW_COLD, _REPEATED, 8.0),
        ArmPlan(FLUID_LOCAL, ArmKind.FLUID_LOCAL, seconds=8.0),
        ArmPlan(FLUID_REMOTE, ArmKind.FLUID_REMOTE, seconds=8.0),
    )
}

COMPARISONS: Final = (
    Comparison(baseline=RAW_NEW, candidate=FLUID_NEW),
    Comparison(baseline=RAW_AGAIN, candidate=FLUID_AGAIN),
    Comparison(baseline=RAW_NEW, candidate=RAW_NEW_REPEATED, purpose=Purpose.EQUAL),
    Comparison(baseline=RAW_WRITE, candidate=FLUID_WRITE),
    Comparison(baseline=RAW_WRITE, candidate=RAW_WRITE_REPEATED, purpose=Purpose.EQUAL),
    Comparison(baseline=arms.RAW_COLD, candidate=FLUID_LOCAL),
    Comparison(baseline=arms.RAW_COLD, candidate=FLUID_REMOTE),
    Comparison(baseline=FLUID_LOCAL, candidate=FLUID_REMOTE),
    Comparison(baseline=arms.RAW_COLD, candidate=arms.RAW_REPEATED, purpose=Purpose.EQUAL),
)

_METADATA: Final = ((RAW_NEW, RAW_AGAIN), (RAW_NEW_REPEATED,), (FLUID_NEW, FLUID_AGAIN))
_WRITE: Final = ((RAW_WRITE,), (RAW_WRITE_REPEATED,), (FLUID_WRITE,))
_REMOTE: Final = ((arms.RAW_COLD,), (arms.RAW_REPEATED,), (FLUID_LOCAL,), (FLUID_REMOTE,))


class Case(StrEnum):
    """What is measured."""

    LIST = "list"
    STAT = "stat"
    OPEN = "open"
    REMOTE = "remote"
    WRITE = "write"

    @property
    def metadata(self) -> bool:
        """Whether no contents are read."""
        return self in {Case.LIST, Case.STAT, Case.OPEN}

    @property
    def unit(self) -> Unit:
        """The unit of its values."""
        return Unit.SECONDS if self.metadata else Unit.BYTES_PER_SECOND


#: Names of the series, and what they do in plain words.
TITLES: Final[Mapping[Case, str]] = {
    Case.LIST: "list 10,000 files",
    Case.STAT: "stat 10,000 files",
    Case.OPEN: "open 10,000 files",
    Case.REMOTE: "sequential-1m x1, workers on two nodes",
    Case.WRITE: "write 256 MiB, CACHE_THROUGH",
}
SAYS: Final[Mapping[Case, str]] = {
    Case.LIST: "The names of all small files of one folder are listed (readdir)",
    Case.STAT: "Each of the small files of one folder is looked up by its name (stat); nothing is listed "
    "before",
    Case.OPEN: "Each of the small files of one folder is opened for reading and closed; nothing is read",
    Case.REMOTE: "One large file from its start to its end in pieces of 1 MiB; one worker holds all of it",
    Case.WRITE: "A new file is written in pieces of 1 MiB and closed; the time ends when it can be opened "
    "again and is synchronized. A Dataset with accessModes ReadWriteMany writes it to cache and NFS at once",
}


class TooFewNodesError(HarnessError):
    """The cluster has not as many nodes as a case needs."""


@dataclass(frozen=True, slots=True)
class CaseSpec:
    """A case to be measured.

    Attributes:
        case: what is measured.
        series: its plan.
    """

    case: Case
    series: Series

    @property
    def name(self) -> str:
        """Name of the series, unique in a run."""
        return self.series.name

    def timed(self, series: Series) -> CaseSpec:
        """The same with another plan."""
        return replace(self, series=series)


def cases_of(text: str) -> tuple[Case, ...]:
    """The cases in an option, in the order of measurement.

    Raises:
        RefusalError: one of them does not exist.
    """
    names = {name.strip() for name in text.split(",")}
    if "all" in names:
        return tuple(Case)
    if unknown := sorted(names - {case.value for case in Case}):
        raise RefusalError(
            f"there is no benchmark case {unknown[0]!r}", advice=f"use all, or some of {', '.join(Case)}"
        )
    return tuple(case for case in Case if case.value in names)


def specs(cases: tuple[Case, ...], rounds: int, minutes: float) -> tuple[CaseSpec, ...]:
    """The cases with their shares of the time, by the lengths of their rounds.

    Args:
        cases: what is measured.
        rounds: least number of rounds of each.
        minutes: for all, with the preparation.

    Raises:
        RefusalError: the time is not enough for one round.
    """
    weights = [sum(block.seconds for block in _blocks(case)) for case in cases]
    seconds = 60 * minutes - setup_seconds(cases)
    if seconds < min(weights):
        raise RefusalError(
            f"{minutes:g} minutes are not enough for one round",
            advice="use a larger --benchmark-minutes",
        )
    return tuple(
        CaseSpec(
            case,
            Series(
                name=TITLES[case],
                blocks=_blocks(case),
                rounds=rounds,
                most_rounds=2 * rounds,
                budget=seconds * weight / sum(weights),
            ),
        )
        for case, weight in zip(cases, weights, strict=True)
    )


def setup_seconds(cases: tuple[Case, ...]) -> float:
    """Seconds for the preparation of the cases, and for the removal of what was created."""
    metadata = any(case.metadata for case in cases)
    datasets = metadata + sum(not case.metadata for case in cases)
    return DATASET_SECONDS * datasets + FILES_SECONDS * metadata


def needed_minutes(cases: tuple[Case, ...], rounds: int) -> float:
    """Minutes that the cases need with a few further rounds, and with the preparation."""
    seconds = sum(block.seconds for case in cases for block in _blocks(case))
    return (setup_seconds(cases) + 1.25 * rounds * seconds) / 60


def comparisons(names: tuple[str, ...]) -> tuple[Comparison, ...]:
    """The comparisons whose two arms are in ``names``."""
    return tuple(one for one in COMPARISONS if {one.baseline, one.candidate} <= set(names))


def require_nodes(case: Case, nodes: int) -> None:
    """Refuse a case that needs more nodes.

    Raises:
        TooFewNodesError: the cluster has too few.
    """
    if case is Case.REMOTE and nodes < REMOTE_NODES:
        raise TooFewNodesError(
            f"local and remote reads need a worker on each of two nodes, and this cluster has {nodes}",
            advice="add --nodes 2",
        )


def _blocks(case: Case) -> tuple[Block, ...]:
    groups = _METADATA if case.metadata else _WRITE if case is Case.WRITE else _REMOTE
    return tuple(Block(group, sum(ARMS[name].seconds for name in group)) for group in groups)
