"""What every benchmark session does: each series once, the time shared, results written after each round."""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Generic, Protocol, Self, TypeVar

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from clusters.progress import Progress
from clusters.system import System
from suites.benchmark.analysis.calibration import calibrate, like_pairs, lognormal
from suites.benchmark.analysis.judge import ArmValues, judge, narrow_enough
from suites.benchmark.analysis.paired import FEWEST_PAIRS
from suites.benchmark.model import results
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.judgement import FEWEST_ROUNDS, Comparison, JudgeFigures, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import Ending, SeriesResult
from suites.benchmark.run.profile import Settings
from suites.benchmark.run.schedule import Series, SeriesRun, run

#: Rounds that a series needs to be judged, and one that may be invalid.
LEAST_ROUNDS: Final = FEWEST_ROUNDS + 1

#: Generated series of each kind for the calibration of the judge.
CALIBRATION_SERIES: Final = 200


class Spec(Protocol):
    """A series to be measured."""

    @property
    def name(self) -> str:
        """Name of the series, unique in a run."""
        ...

    @property
    def series(self) -> Series:
        """Its plan."""
        ...

    def timed(self, series: Series) -> Self:
        """The same with another plan."""
        ...


class SeriesMeasurer(Protocol):
    """Measures the arms of a series."""

    findings: list[str]

    def __call__(self, arm: str, number: int) -> Round:
        """Measure an arm once, as a part of a round."""
        ...


SpecT = TypeVar("SpecT", bound=Spec)


@dataclass
class Session(ABC, Generic[SpecT]):
    """Measures series on request, each once, and writes the results after each round.

    Attributes:
        system: the cluster.
        progress: receives the stages.
        settings: options of the run.
        out: folder of the run.
        run_id: its name.
        command: the command line.
        started: when the run began.
        on_write: called with each new state of the results.
        clock: replaced by tests.
        stopped: why the session ended early; empty if it did not.
    """

    system: System
    progress: Progress
    settings: Settings
    out: Path
    run_id: str
    command: str
    started: datetime
    on_write: Callable[[Benchmark], None] = lambda _benchmark: None
    clock: Clock = SYSTEM_CLOCK
    stopped: str = ""
    _ends: float = field(default=math.inf, init=False)
    _environment: Environment | None = field(default=None, init=False)
    _done: dict[str, SeriesResult] = field(default_factory=dict, init=False)
    _failed: dict[str, HarnessError] = field(default_factory=dict, init=False)
    _findings: list[str] = field(default_factory=list, init=False)
    _judge: tuple[JudgeFigures, ...] = field(default=(), init=False)

    @abstractmethod
    def prepare(self) -> None:
        """Print the plan, and create what the series need.

        Raises:
            HarnessError: something could not be created.
        """

    @abstractmethod
    def _specs(self) -> Sequence[SpecT]:
        """All series, in the order of measurement."""

    @abstractmethod
    def _measure(self, spec: SpecT) -> None:
        """Measure a series, with its result in ``_done`` after each round."""

    @abstractmethod
    def _remove(self, teardown: contextlib.ExitStack, *, clean: bool) -> None:
        """Say what is undone at the end; all objects are removed if ``clean``."""

    def series(self, name: str) -> SeriesResult:
        """The series of that name; the first call measures it.

        Raises:
            HarnessError: it could not be measured.
            ShapingError: the bandwidth of NFS cannot be limited on this host.
        """
        if name in self._failed:
            raise self._failed[name]
        if name not in self._done:
            spec = next(one for one in self._specs() if one.name == name)
            try:
                self._measure(spec)
            except HarnessError as error:
                self._failed[name] = error
                self._findings.append(f"{name} could not be measured: {error.message}")
                raise
        return self._done[name]

    def has(self, name: str) -> bool:
        """Whether the series of that name was measured, at least in part."""
        return name in self._done

    def close(self, *, clean: bool) -> None:
        """Calibrate the judge, write the results for the last time, and remove all objects if ``clean``.

        Raises:
            HarnessError: something could not be removed.
        """
        if self._done:
            self._judge = self._calibration()
            self._write(finished=not self.stopped)
        with contextlib.ExitStack() as teardown:
            self._remove(teardown, clean=clean)

    def _measure_rounds(
        self,
        spec: SpecT,
        measurer: SeriesMeasurer,
        comparisons: Sequence[Comparison],
        unit: Unit,
        result: Callable[[Sequence[Round], str, float], SeriesResult],
    ) -> SeriesRun:
        """Measure the rounds of a series, and write its result after each.

        Args:
            spec: the series.
            measurer: measures its arms.
            comparisons: of its arms.
            unit: of its values.
            result: the series from the rounds so far, why it ended, and its seconds.
        """

        def on_round(rounds: Sequence[Round], seconds: float) -> None:
            self._done[spec.name] = result(rounds, "going on", seconds)
            self._write(finished=False)

        done = run(
            spec.series,
            measurer,
            enough=lambda rounds: enough(rounds, comparisons, unit),
            on_round=on_round,
        )
        self._done[spec.name] = result(done.rounds, str(done.ending), done.seconds)
        self._findings += measurer.findings
        if done.ending is Ending.INTERRUPTED:
            self.stopped = f"Ctrl-C while {spec.name} was measured"
        self._write(finished=False)
        return done

    def _timed(self, spec: SpecT) -> SpecT:
        """The series with its share of the remaining time, by the length of its rounds."""
        remaining = [
            one
            for one in self._specs()
            if one.name == spec.name or not (one.name in self._done or one.name in self._failed)
        ]
        share = spec.series.round_seconds / sum(one.series.round_seconds for one in remaining)
        left = max(self._ends - self.clock.now(), 0.0)
        # A series with too few rounds is useless, so it may use the time of those after it.
        return spec.timed(replace(spec.series, budget=share * left, fewest=LEAST_ROUNDS, limit=left))

    def _calibration(self) -> tuple[JudgeFigures, ...]:
        """Calibration of the judge with a standard noise, and with noise like that of this run."""
        found = [calibrate(lognormal(0.03), CALIBRATION_SERIES, same_rounds=True)]
        measured = [equal_values(series) for series in self._done.values()]
        if any(len(pairs) > 1 for pairs in measured):
            found.append(
                calibrate(
                    like_pairs(*measured),
                    CALIBRATION_SERIES,
                    rounds=max(self.settings.rounds, FEWEST_PAIRS),
                    second_baseline=True,
                    same_rounds=True,
                )
            )
        return tuple(found)

    def _write(self, *, finished: bool) -> None:
        if self._environment is None:
            return
        benchmark = Benchmark(
            id=self.run_id,
            started=self.started,
            seconds=(datetime.now(UTC) - self.started).total_seconds(),
            finished=finished,
            stopped=self.stopped,
            command=self.command,
            environment=self._environment,
            series=tuple(self._done.values()),
            judge=self._judge,
            findings=tuple(self._findings),
        )
        results.save(self.out, benchmark)
        self.on_write(benchmark)


def equal_values(series: SeriesResult) -> list[tuple[float, float]]:
    """The values of the two equal arms of a series in the rounds in which both are valid."""
    for pair in series.judged:
        if pair.purpose is Purpose.EQUAL:
            one, other = (ArmValues.of(series.rounds, arm) for arm in (pair.baseline, pair.candidate))
            common = sorted(set(one.numbers) & set(other.numbers))
            return list(zip(one.in_rounds(common), other.in_rounds(common), strict=True))
    return []


def enough(rounds: Sequence[Round], comparisons: Sequence[Comparison], unit: Unit) -> bool:
    """Whether the intervals of all comparisons of Fluid are narrow."""
    return all(
        narrow_enough(
            judge(
                ArmValues.of(rounds, one.baseline),
                ArmValues.of(rounds, one.candidate),
                unit,
                same_rounds=True,
            )
        )
        for one in comparisons
        if one.purpose is Purpose.COMPARISON
    )
