"""A qualification of Fluid 0.9.3 to 1.0.8, played by a program that leaves verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from reports.qualification.judgement import Result
from reports.qualification.model import Settings, State, Step, begin
from reports.qualification.plan import Machine, steps
from reports.qualification.runner import Runner
from reports.verdict.model import FILE, ScenarioResult
from suites.benchmark.model import results
from suites.benchmark.model.judgement import Comparison, Purpose
from suites.benchmark.model.results import Benchmark
from suites.catalogue.discovery import declared
from suites.catalogue.scenario import Level
from suites.record.evidence import Fact
from suites.record.run import own_digest
from tests.reports.certificate.conftest import verdict_of
from tests.reports.measurements import (
    ARMS,
    ENVIRONMENT,
    FLUID_FRESH,
    FREE,
    RAW,
    RAW_AGAIN,
    benchmark,
    series,
)

SETTINGS = Settings(
    old="0.9.3",
    new="1.0.8",
    kubernetes=("1.34.0",),
    alluxio="2.9.0",
    level="smoke",
    nodes=1,
    images="build",
    performance=True,
)
CODES = {"pass": 0, "fail": 1, "invalid": 3, "inconclusive": 5}
SEEN = (
    Fact(source="application", says="read 15 files before the upgrade", data={}, at=50.0),
    Fact(source="upgrade", says="13 CRDs are created or replaced", data={"seconds": 1.2}, at=60.0),
    Fact(source="upgrade", says="all are ready", data={"seconds": 48.0}, at=107.0),
    Fact(
        source="application",
        says="e14-reader read 31 times during the upgrade",
        data={"reads": 31, "longest_seconds": 6.2},
        at=108.0,
    ),
    Fact(source="Fuse DaemonSet", says="the Fuse Pod of writable was deleted", data={}, at=200.0),
    Fact(source="harness", says="scaling was not tried: it needs a second node", data={}, at=201.0),
)


MEASURED_ARMS = tuple(arm for arm in ARMS if arm.name in {RAW, RAW_AGAIN, FLUID_FRESH})
MEASURED_PAIRS = (
    Comparison(baseline=RAW, candidate=FLUID_FRESH),
    Comparison(baseline=RAW, candidate=RAW_AGAIN, purpose=Purpose.EQUAL),
)


@cache
def measured(step: str, fluid: str, share: float) -> Benchmark:
    """What a step measures.

    Args:
        step: `measure-old-1` and so on; each measures other values.
        fluid: the version in the results.
        share: of the usual speed of reads through Fluid.
    """
    side, _, number = step.rpartition("-")
    middle, variation = FREE[FLUID_FRESH]
    one = series(
        speeds={**FREE, FLUID_FRESH: (share * middle, variation)},
        arms=MEASURED_ARMS,
        comparisons=MEASURED_PAIRS,
        seed=int(number) + 10 * side.endswith("new"),
        rounds=8,
    )
    rounds = tuple(each.model_copy(update={"latency": None}) for each in one.rounds)
    versions = ENVIRONMENT.versions | {"fluid": fluid}
    return benchmark(
        one.model_copy(update={"rounds": rounds}),
        run=step,
        environment=ENVIRONMENT.model_copy(update={"versions": versions}),
        judge=(),
    )


@dataclass
class Harness:
    """Plays the harness.

    Attributes:
        folder: of the qualification.
        changes: rows that do not simply pass, by step and row.
        codes: exit codes of steps other than that of their verdict.
        ran: the arguments of each command.
        speed: of reads through Fluid of the new version, as a share of that of the old one.
        cpus: processors of the machine that measures the new version.
        measures: the version of Fluid in the results of a step, if it is not the right one.
        interrupted: steps that a person interrupts.
    """

    folder: Path
    make: Callable[..., ScenarioResult]
    changes: dict[tuple[str, str], ScenarioResult] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)
    speed: float = 1.0
    cpus: int = 2
    measures: dict[str, str] = field(default_factory=dict)
    interrupted: set[str] = field(default_factory=set)

    def __call__(self, arguments: Sequence[str], log: Path) -> int:
        """As `reports.qualification.runner.run_harness`."""
        self.ran.append(tuple(arguments))
        log.parent.mkdir(parents=True, exist_ok=True)
        step = log.stem
        log.write_text(f"written to {self.folder}\n")
        if step in self.interrupted:
            raise KeyboardInterrupt
        if arguments[0] not in {"run", "benchmark"} or step in self.codes:
            return self.codes.get(step, 0)
        version = "v0.9.3" if "0.9.3" in arguments and "--upgrade-from" not in arguments else "v1.0.8"
        if arguments[0] == "benchmark":
            return self._measure(step, version, tuple(arguments))
        verdict = verdict_of(self._rows(step, tuple(arguments)))
        assert verdict.system is not None
        system = verdict.system.model_copy(update={"fluid": version})
        options = {"level": "smoke"} | ({"scenario": "E14"} if "E14" in arguments else {})
        run = verdict.run.model_copy(update={"options": options})
        verdict = verdict.model_copy(update={"system": system, "run": run})
        (self._run_folder(arguments) / FILE).write_text(verdict.to_json())
        return CODES[verdict.verdict]

    def _measure(self, step: str, version: str, arguments: Sequence[str]) -> int:
        new = "new" in step
        found = measured(step, self.measures.get(step, version), self.speed if new else 1.0)
        machine = found.environment.machine.model_copy(update={"cpus": self.cpus if new else 2})
        environment = found.environment.model_copy(update={"machine": machine})
        command = f"pytest suites -m benchmark --out {self.folder}"
        out = self._run_folder(arguments)
        results.save(out, found.model_copy(update={"environment": environment, "command": command}))
        verdict = verdict_of([])
        run = verdict.run.model_copy(update={"command": command})
        (out / FILE).write_text(verdict.model_copy(update={"run": run}).to_json())
        return 0

    def _run_folder(self, arguments: Sequence[str]) -> Path:
        out = Path(arguments[arguments.index("--out") + 1]) / "20261128-100000"
        out.mkdir(parents=True, exist_ok=True)
        return out

    def _rows(self, step: str, arguments: tuple[str, ...]) -> list[ScenarioResult]:
        chosen = [
            one for one in declared() if (one.id == "E14" if "E14" in arguments else one.level is Level.SMOKE)
        ]
        rows = []
        for number, one in enumerate(chosen):
            found = self.changes.get((step, one.id))
            evidence = SEEN if one.id == "E14" else ()
            rows.append(
                found
                or self.make(one.id, title=one.title, at=100.0 + number, test=one.file, evidence=evidence)
            )
        return rows


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of the qualification."""
    return tmp_path / "qualify"


@pytest.fixture
def harness(out: Path, make: Callable[..., ScenarioResult]) -> Harness:
    """All steps pass, unless a test says otherwise."""
    return Harness(out, make)


@pytest.fixture
def planned(out: Path) -> tuple[Step, ...]:
    """The steps."""
    return steps(SETTINGS, Machine(out, more=("--bootstrap",)))


@pytest.fixture
def run_steps(out: Path, harness: Harness, planned: tuple[Step, ...]) -> Callable[[], State]:
    """Run what is left."""

    def run() -> State:
        return Runner(out, harness, lambda text: None).run(planned, begin(out, SETTINGS, own_digest()))

    return run


@pytest.fixture
def qualify(out: Path, run_steps: Callable[[], State], planned: tuple[Step, ...]) -> Callable[..., Result]:
    """Run what is left, and write the folder to share."""
    from reports.qualification.folder import write  # noqa: PLC0415 - only where it is used

    def run(key: Path | None = None) -> Result:
        return write(out, run_steps(), planned, key=key)

    return run
