"""The run as a whole: its name, the folder of its files, the system that it checks.

The fixtures fill it while they work; the reports read it. Nothing here knows of reports.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import pytest

from clusters.digests import digest, file_digest
from clusters.facts import SystemFacts
from clusters.host import probes
from clusters.progress import Stage

When = Literal["setup", "call", "teardown"]

#: How the reason of an allowed skip begins; any other skip leaves the run without a clear verdict.
CANNOT_RUN_HERE: Final = "cannot run here: "
#: How the reason begins if a scenario was left out because it would disturb others on the cluster.
NOT_RUN_DISRUPTIVE: Final = "not run, disruptive: "

#: Where the folders of runs are created if ``--out`` is not given.
DEFAULT_OUT: Final = "out"


@dataclass(frozen=True, slots=True)
class FailureContext:
    """A failure for which material is collected.

    Attributes:
        scenario: id of the scenario.
        phase: the part of the test that failed.
        namespaces: namespaces that the scenario used.
        since: when its test began; logs from before it are of no interest.
    """

    scenario: str
    phase: When
    namespaces: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class BundleCollector:
    """Something that collects material for a failure bundle.

    Attributes:
        name: what it collects, such as ``events``.
        collect: returns the texts by file name (``pods/app.log`` creates a folder). It may
            raise or hang: the bundle then has a note instead.
        seconds: how long it may take.
    """

    name: str
    collect: Callable[[FailureContext], Mapping[str, str | bytes]]
    seconds: float = 30.0


@dataclass
class Run:
    """One run of the suites.

    Attributes:
        id: name of the run and of its folder.
        out: the folder for all that it leaves; made when the first file is written.
        started: when it began.
        command: the command line, as a person would type it.
        options: what was asked for, such as the level; shown in the report.
        host: the machine that it was started on.
        harness: short digest of the harness's own code, so that runs of the same code are known.
        system: the system, once it is known.
        stages: the stages of making it. Share the list with `clusters.progress.Progress`.
        bundle_collectors: who collects material when a scenario fails.
        sabotage: how the product was broken on purpose and who noticed, as `verdict.json` lists it.
        mutants: how the product's source was changed and which rows noticed, as `verdict.json` lists it.
        soak: what a soak found by now, as `verdict.json` lists it; None without a soak.
    """

    id: str
    out: Path
    started: datetime
    command: str = ""
    options: dict[str, str] = field(default_factory=dict)
    host: probes.Host | None = None
    harness: str = ""
    system: SystemFacts | None = None
    stages: list[Stage] = field(default_factory=list)
    bundle_collectors: list[BundleCollector] = field(default_factory=list)
    sabotage: list[dict[str, Any]] = field(default_factory=list)
    mutants: list[dict[str, Any]] = field(default_factory=list)
    soak: dict[str, Any] | None = None


#: Where the run hangs on pytest's configuration.
RUN: Final = pytest.StashKey[Run]()


def run_of(config: pytest.Config) -> Run:
    """The run of this pytest session; it begins when it is asked for first.

    So it does not matter which plugin is set up before which.
    """
    run = config.stash.get(RUN, None)
    if run is None:
        started = datetime.now(UTC)
        base = Path(config.getoption("out", None) or DEFAULT_OUT)
        if not base.is_absolute():
            base = config.invocation_params.dir / base
        name = _free_name(base, started.strftime("%Y%m%d-%H%M%S"))
        command = shlex.join(["pytest", *(str(word) for word in config.invocation_params.args)])
        run = config.stash[RUN] = Run(
            id=name,
            out=base / name,
            started=started,
            command=command,
            host=probes.probe(),
            harness=own_digest(),
        )
    return run


@cache
def own_digest() -> str:
    """Digest of all Python code of the harness."""
    house = Path(__file__).parents[2]
    folders = ("clusters", "workloads", "suites", "reports")
    files = sorted(file for folder in folders for file in (house / folder).rglob("*.py"))
    return digest(f"{file.relative_to(house)}:{file_digest(file)}" for file in files)


def cannot_run_here(reason: str) -> NoReturn:
    """Skip the scenario because this host or cluster has not got what it needs.

    Only this skip leaves the verdict open to be a pass; see `reports.verdict.judgement.judge_run`.
    """
    __tracebackhide__ = True
    pytest.skip(CANNOT_RUN_HERE + reason)


def _free_name(base: Path, requested: str) -> str:
    name, number = requested, 1
    while (base / name).exists():
        number += 1
        name = f"{requested}-{number}"
    return name
