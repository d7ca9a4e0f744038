"""A benchmark session: all series one after another, with the results written after each round."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.offline import artifacts
from clusters.images.tools import Tools
from clusters.paths import cache_root
from clusters.progress import Progress, RunningStage
from clusters.system import System
from suites.benchmark.analysis.calibration import calibrate, like_pairs, lognormal
from suites.benchmark.analysis.judge import ArmValues, judge, narrow_enough
from suites.benchmark.analysis.paired import FEWEST_PAIRS
from suites.benchmark.analysis.series_summary import summarize_series
from suites.benchmark.model import results
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.judgement import FEWEST_ROUNDS, JudgeFigures, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import Arm, Ending, SeriesResult, Shaping, Workload
from suites.benchmark.run import arms
from suites.benchmark.run.measure import Measurer, deadline
from suites.benchmark.run.profile import COPIES, MIB, TEARDOWN_SECONDS, SeriesSpec, Settings
from suites.benchmark.run.schedule import planned, run
from suites.benchmark.testbed import nfs_proxy
from suites.benchmark.testbed.environment_probe import mount_options, probe_environment
from suites.benchmark.testbed.layout import Layout
from suites.benchmark.testbed.shaping import ShapingError, limited_to, remove_limit
from suites.benchmark.testbed.testbed import MOUNT, Testbed
from workloads.fio import Plan, load

#: Limit of the arm that is slowed down on purpose, as a share of the measured bandwidth of NFS. It is far
#: from 1, because that bandwidth is itself only known as well as the machine is quiet.
SLOWED: Final = 0.5

#: Reads of raw NFS that measure its bandwidth before a series.
BANDWIDTH_READS: Final = 5

#: Rounds that a series needs to be judged, and one that may be invalid.
LEAST_ROUNDS: Final = FEWEST_ROUNDS + 1

#: Generated series of each kind for the calibration of the judge.
CALIBRATION_SERIES: Final = 200


@dataclass
class BenchmarkSession:
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
    _testbed: Testbed | None = field(default=None, init=False)
    _proxy: nfs_proxy.NfsProxy | None = field(default=None, init=False)
    _proxied: Testbed | None = field(default=None, init=False)
    _environment: Environment | None = field(default=None, init=False)
    _done: dict[str, SeriesResult] = field(default_factory=dict, init=False)
    _failed: dict[str, HarnessError] = field(default_factory=dict, init=False)
    _findings: list[str] = field(default_factory=list, init=False)
    _judge: tuple[JudgeFigures, ...] = field(default=(), init=False)

    def prepare(self) -> None:
        """Print the plan, and create data, Dataset and readers.

        Raises:
            HarnessError: one of them could not be created.
        """
        specs = self.settings.series_specs()
        self._ends = self.clock.now() + 60 * self.settings.minutes - TEARDOWN_SECONDS
        for line in planned([one.series for one in specs]).splitlines():
            self.progress.note(line)
        layouts = [self._layout(one) for one in specs]
        self._testbed = Testbed.create(self.system, self.progress, layouts)
        remove_limit(self._testbed.limiter)
        self._environment = probe_environment(self._testbed)

    def series(self, name: str) -> SeriesResult:
        """The series of that name; the first call measures it.

        Raises:
            HarnessError: it could not be measured.
            ShapingError: the bandwidth of NFS cannot be limited on this host.
        """
        if name in self._failed:
            raise self._failed[name]
        if name not in self._done:
            spec = next(one for one in self.settings.series_specs() if one.name == name)
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
            # In reverse order: no mount may exist when the proxy is deleted.
            for created in (self._proxy, self._testbed, self._proxied):
                if created is not None and clean:
                    teardown.callback(created.remove)
            for testbed in (self._testbed, self._proxied):
                if testbed is not None:
                    teardown.callback(remove_limit, testbed.limiter)

    def _plan(self, spec: SeriesSpec, directory: str = MOUNT) -> Plan:
        return spec.plan(directory, self.settings.most_jobs)

    def _layout(self, spec: SeriesSpec) -> Layout:
        return Layout.of(self._plan(spec), max(COPIES, self.settings.pods))

    def _timed(self, spec: SeriesSpec) -> SeriesSpec:
        """The series with its share of the remaining time, by the length of its rounds."""
        remaining = [
            one
            for one in self.settings.series_specs()
            if one.name == spec.name or not (one.name in self._done or one.name in self._failed)
        ]
        share = spec.series.round_seconds / sum(one.series.round_seconds for one in remaining)
        left = max(self._ends - self.clock.now(), 0.0)
        # A series with too few rounds is useless, so it may use the time of those after it.
        series = replace(spec.series, budget=share * left, fewest=LEAST_ROUNDS, limit=left)
        return replace(spec, series=series)

    def _measure(self, spec: SeriesSpec) -> None:
        assert self._testbed is not None
        testbed, means = self._testbed, self.settings.shaping
        if spec.bandwidth is not None and (means == "proxy" or self._proxied is not None):
            testbed = self._proxied_testbed(spec)
        elif spec.bandwidth is not None and means == "auto":
            try:
                with limited_to(testbed.limiter, spec.bandwidth):
                    pass
            except ShapingError as error:
                self.progress.note(f"{error.message}; a proxy in front of the server is used instead")
                self._findings.append(f"{error.message} by the kernel, so a proxy in front of it is used")
                testbed = self._proxied_testbed(spec)
        self._measure_on(testbed, self._timed(spec))

    def _proxied_testbed(self, spec: SeriesSpec) -> Testbed:
        """A testbed whose source claim mounts NFS through a proxy; the first call creates it.

        Raises:
            ShapingError: a proxy cannot limit several Pods together.
        """
        if spec.pods > 1:
            raise ShapingError("a proxy limits the connection of each Pod, not all Pods together")
        if self._proxied is None:
            system = self.system
            cache = ArtifactCache(cache_root(), SystemCommands(), self.progress)
            program = Tools(system.options, system.host, cache).obtain(artifacts.toxiproxy())
            self._proxy = nfs_proxy.install(
                system.kube, system.nfs_server, system.toolbox, program / "toxiproxy-server", self.progress
            )
            self._proxied = Testbed.create(system, self.progress, (), self._proxy)
        return self._proxied

    def _measure_on(self, testbed: Testbed, spec: SeriesSpec) -> None:
        with (
            self.progress.stage(f"measure {spec.name}") as stage,
            limited_to(testbed.limiter, spec.bandwidth),
        ):
            layout = self._layout(spec)
            with contextlib.suppress(HarnessError):
                testbed.free()  # a cold arm checks it, and frees again
            reached = self._nfs_bandwidth(testbed, spec, layout, stage)
            measurer = Measurer(
                testbed=testbed,
                spec=spec,
                layout=layout,
                slowed_to=SLOWED * reached,
                most_jobs=self.settings.most_jobs,
                began=datetime.now(UTC),
                on_step=stage.says,
            )
            series_arms = self._arms(testbed, spec, SLOWED * reached)

            def keep(ending: str, rounds: Sequence[Round], seconds: float) -> None:
                self._done[spec.name] = self._result(
                    spec,
                    measurer,
                    series_arms,
                    rounds,
                    means=testbed.limiter.means,
                    ending=ending,
                    seconds=seconds,
                )

            def on_round(rounds: Sequence[Round], seconds: float) -> None:
                keep("going on", rounds, seconds)
                self._write(finished=False)

            done = run(spec.series, measurer, enough=lambda rounds: _enough(rounds, spec), on_round=on_round)
            keep(str(done.ending), done.rounds, done.seconds)
            self._findings += measurer.findings
            if done.ending is Ending.INTERRUPTED:
                self.stopped = f"Ctrl-C while {spec.name} was measured"
            self._write(finished=False)
        self.progress.note(str(done))

    def _nfs_bandwidth(
        self, testbed: Testbed, spec: SeriesSpec, layout: Layout, stage: RunningStage
    ) -> float:
        """Current bandwidth of raw NFS in bytes/s: the median of a few reads."""
        folder = layout.folder(0)
        plan = self._plan(spec, f"{MOUNT}/{folder}")
        stage.says("bandwidth of raw NFS")
        testbed.drop_page_cache(testbed.raw, folder)
        runs = testbed.read(
            testbed.raw, plan, folder, times=BANDWIDTH_READS, empty=True, seconds=deadline(plan)
        )
        if self._environment is not None and "fio" not in self._environment.versions:
            self._environment = probe_environment(testbed, runs.each[0].report.version)
        return statistics.median(one.bytes_per_second for one in runs.each)

    def _arms(self, testbed: Testbed, spec: SeriesSpec, slowed_to: float) -> tuple[Arm, ...]:
        mounts = {
            True: mount_options(testbed, testbed.fluid),
            False: mount_options(testbed, testbed.raw),
        }
        return tuple(
            Arm(
                name=one.name,
                kind=one.kind,
                note=f"NFS limited to {slowed_to / MIB:.0f} MiB/s on purpose"
                if one.name == arms.RAW_SLOWED
                else one.note,
                mount=mounts[one.kind.through_fluid],
            )
            for one in (arms.ARMS[name] for name in spec.series.arms)
        )

    def _result(
        self,
        spec: SeriesSpec,
        measurer: Measurer,
        series_arms: tuple[Arm, ...],
        rounds: Sequence[Round],
        *,
        means: str,
        ending: str,
        seconds: float,
    ) -> SeriesResult:
        plan, job = self._plan(spec), load(spec.job)
        return summarize_series(
            name=spec.name,
            unit=Unit.BYTES_PER_SECOND,
            workload=Workload(
                name=spec.job,
                says=job.says,
                jobs=spec.numjobs,
                pods=spec.pods,
                files=len(plan.files),
                total_bytes=plan.total_bytes,
                parameters=plan.options,
            ),
            shaping=Shaping(
                asked=spec.bandwidth,
                reached=_reached(rounds) if spec.bandwidth is not None else None,
                means=means if spec.bandwidth is not None else "",
            ),
            arms=series_arms,
            rounds=rounds,
            comparisons=arms.comparisons(spec.series.arms),
            started=measurer.began,
            seconds=seconds,
            planned=spec.series.rounds,
            ending=ending,
            timeline=measurer.timeline,
        )

    def _calibration(self) -> tuple[JudgeFigures, ...]:
        """Calibration of the judge with a standard noise, and with noise like that of this run."""
        found = [calibrate(lognormal(0.03), CALIBRATION_SERIES, same_rounds=True)]
        measured = [equal_reads(series.rounds) for series in self._done.values()]
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


def equal_reads(rounds: Sequence[Round]) -> list[tuple[float, float]]:
    """The values of the two equal arms in the rounds in which both are valid."""
    one, other = (ArmValues.of(rounds, arm) for arm in (arms.RAW_COLD, arms.RAW_REPEATED))
    common = sorted(set(one.numbers) & set(other.numbers))
    return list(zip(one.in_rounds(common), other.in_rounds(common), strict=True))


def _enough(rounds: Sequence[Round], spec: SeriesSpec) -> bool:
    """Whether the intervals of all comparisons of Fluid are narrow."""
    return all(
        narrow_enough(
            judge(
                ArmValues.of(rounds, one.baseline),
                ArmValues.of(rounds, one.candidate),
                Unit.BYTES_PER_SECOND,
                same_rounds=True,
            )
        )
        for one in arms.comparisons(spec.series.arms)
        if one.purpose is Purpose.COMPARISON
    )


def _reached(rounds: Sequence[Round]) -> float | None:
    """Measured bandwidth of NFS in bytes/s: bytes sent by the server over the run time, raw and cold."""
    seen = [
        one.proof.nfs_read_bytes / one.seconds
        for one in rounds
        if one.arm == arms.RAW_COLD
        and one.valid
        and one.seconds
        and one.proof is not None
        and one.proof.nfs_read_bytes is not None
    ]
    return statistics.median(seen) if seen else None
