"""A whole benchmark: all series one after another, written down after each round."""

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
from clusters.host.commands import SystemCommands
from clusters.images.offline import artifacts
from clusters.images.offline.artifact_cache import ArtifactCache, cache_root
from clusters.images.offline.tools import Tools
from clusters.progress import Progress, RunningStage
from clusters.system import System
from suites.benchmark import arms, proxy, results
from suites.benchmark.environment import environment, mount_words
from suites.benchmark.fio_run import measure_argv, reading
from suites.benchmark.judge import FEWEST_ROUNDS, judge, narrow_enough
from suites.benchmark.judge_calibration import like, lognormal, prove
from suites.benchmark.measure import Measurer, deadline
from suites.benchmark.profile import COPIES, LEAVING, MIB, SeriesSpec, Settings
from suites.benchmark.results import (
    Arm,
    Benchmark,
    Environment,
    JudgeProof,
    Purpose,
    RoundResult,
    SeriesResult,
    Shaping,
    Workload,
    judged_series,
)
from suites.benchmark.rounds import Round, Unit
from suites.benchmark.schedule import Ending, planned, run
from suites.benchmark.shaping import ShapingError, cleared, held_to
from suites.benchmark.testbed import MOUNT, Bench, Layout
from workloads.application import CONTAINER
from workloads.fio import Plan, load

#: To what part of what NFS reaches it is held where an arm must be slower: what it reaches is itself
#: only known as far as the machine is quiet.
SLOWED: Final = 0.5

#: Reads of raw NFS from which it is learnt what NFS reaches.
CALIBRATION: Final = 5

#: Rounds that a series needs to be judged, and one more that may turn out invalid.
LEAST_ROUNDS: Final = FEWEST_ROUNDS + 1

#: Made-up series of each kind by which the judge is judged in each run.
JUDGED: Final = 200


@dataclass
class BenchmarkSession:
    """Measures the series that are asked for, each once, and keeps what it has.

    Attributes:
        system: the cluster.
        progress: where stages are told.
        settings: what was asked for.
        out: folder of the run.
        run_id: its name.
        command: the command line.
        started: when the run began.
        on_write: told of each new state of the results.
        stopped: why it ended before its plan was done; empty when it did not.
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
    _bench: Bench | None = field(default=None, init=False)
    _proxy: proxy.NfsProxy | None = field(default=None, init=False)
    _proxied: Bench | None = field(default=None, init=False)
    _environment: Environment | None = field(default=None, init=False)
    _done: dict[str, SeriesResult] = field(default_factory=dict, init=False)
    _failed: dict[str, HarnessError] = field(default_factory=dict, init=False)
    _findings: list[str] = field(default_factory=list, init=False)
    _judge: tuple[JudgeProof, ...] = field(default=(), init=False)

    def prepare(self) -> None:
        """Say what is planned, and make data, Dataset and readers.

        Raises:
            HarnessError: it could not be made.
        """
        wanted = self.settings.wanted()
        self._ends = self.clock.now() + 60 * self.settings.minutes - LEAVING
        for line in planned([one.series for one in wanted]).splitlines():
            self.progress.note(line)
        layouts = [self._layout(one) for one in wanted]
        self._bench = Bench.prepared(self.system, self.progress, layouts)
        cleared(self._bench.limiter)
        self._environment = environment(self._bench)

    def series(self, name: str) -> SeriesResult:
        """The series of that name; measured when it is asked for first.

        Raises:
            HarnessError: it could not be measured at all.
            ShapingError: NFS cannot be held back on this host.
        """
        if name in self._failed:
            raise self._failed[name]
        if name not in self._done:
            wanted = next(one for one in self.settings.wanted() if one.name == name)
            try:
                self._measure(wanted)
            except HarnessError as error:
                self._failed[name] = error
                self._findings.append(f"{name} could not be measured: {error.message}")
                raise
        return self._done[name]

    def has(self, name: str) -> bool:
        """Whether the series of that name was measured, be it in part."""
        return name in self._done

    def environment(self) -> Environment | None:
        """What it was measured on, once that is known."""
        return self._environment

    def close(self, *, clean: bool) -> None:
        """Judge the judge, write for the last time, and (with ``clean``) remove what was made.

        Raises:
            HarnessError: something would not go.
        """
        if self._done:
            self._judge = self._judged_judge()
            self._write(finished=not self.stopped)
        with contextlib.ExitStack() as leaving:
            # The last one first: no mount may be left when the proxy goes.
            for made in (self._proxy, self._bench, self._proxied):
                if made is not None and clean:
                    leaving.callback(made.removed)
            for bench in (self._bench, self._proxied):
                if bench is not None:
                    leaving.callback(cleared, bench.limiter)

    def _plan(self, wanted: SeriesSpec, directory: str = MOUNT) -> Plan:
        return wanted.plan(directory, self.settings.most_jobs)

    def _layout(self, wanted: SeriesSpec) -> Layout:
        return Layout.of(self._plan(wanted), max(COPIES, self.settings.pods))

    def _timed(self, wanted: SeriesSpec) -> SeriesSpec:
        """The series with its share of the time that is really left, by how long its rounds take."""
        coming = [
            one
            for one in self.settings.wanted()
            if one.name == wanted.name or not (one.name in self._done or one.name in self._failed)
        ]
        share = wanted.series.round_seconds / sum(one.series.round_seconds for one in coming)
        left = max(self._ends - self.clock.now(), 0.0)
        # Too few rounds are worth nothing, so that a series may rather take from those after it.
        series = replace(wanted.series, budget=share * left, fewest=LEAST_ROUNDS, limit=left)
        return replace(wanted, series=series)

    def _measure(self, wanted: SeriesSpec) -> None:
        assert self._bench is not None
        bench, how = self._bench, self.settings.shaping
        if wanted.held_to is not None and (how == "proxy" or self._proxied is not None):
            bench = self._behind_proxy(wanted)
        elif wanted.held_to is not None and how == "auto":
            try:
                with held_to(bench.limiter, wanted.held_to):
                    pass
            except ShapingError as error:
                self.progress.note(f"{error.message}; a proxy before the server will")
                self._findings.append(f"{error.message} by the kernel, so a proxy before it does that")
                bench = self._behind_proxy(wanted)
        self._measure_on(bench, self._timed(wanted))

    def _behind_proxy(self, wanted: SeriesSpec) -> Bench:
        """A bench whose source claim mounts NFS through a proxy; made when it is needed first.

        Raises:
            ShapingError: a proxy cannot hold back what several Pods read.
        """
        if wanted.pods > 1:
            raise ShapingError("a proxy holds each Pod's connection by itself, not all of them together")
        if self._proxied is None:
            system = self.system
            cache = ArtifactCache(cache_root(), SystemCommands(), self.progress)
            program = Tools(system.options, system.host, cache).obtain(artifacts.toxiproxy())
            self._proxy = proxy.install(
                system.kube, system.nfs, system.toolbox, program / "toxiproxy-server", self.progress
            )
            self._proxied = Bench.prepared(system, self.progress, (), self._proxy)
        return self._proxied

    def _measure_on(self, bench: Bench, wanted: SeriesSpec) -> None:
        with (
            self.progress.stage(f"measure {wanted.name}") as stage,
            held_to(bench.limiter, wanted.held_to),
        ):
            layout = self._layout(wanted)
            with contextlib.suppress(HarnessError):
                bench.free()  # whether it did is seen, and done again, where it matters
            reached = self._calibrated(bench, wanted, layout, stage)
            measurer = Measurer(
                bench=bench,
                wanted=wanted,
                layout=layout,
                slowed_to=SLOWED * reached,
                most_jobs=self.settings.most_jobs,
                began=datetime.now(UTC),
                on_step=stage.says,
            )
            told = self._arms(bench, wanted, SLOWED * reached)

            def keep(ending: str, complete: int, seconds: float) -> None:
                self._done[wanted.name] = self._result(
                    wanted,
                    measurer,
                    told,
                    means=bench.limiter.means,
                    ending=ending,
                    complete=complete,
                    seconds=seconds,
                )

            def on_round(complete: int, seconds: float) -> None:
                keep("going on", complete, seconds)
                self._write(finished=False)

            outcome = run(
                wanted.series, measurer, enough=lambda rounds: _enough(rounds, wanted), on_round=on_round
            )
            keep(str(outcome.ending), outcome.complete, outcome.seconds)
            self._findings += measurer.findings
            if outcome.ending is Ending.INTERRUPTED:
                self.stopped = f"Ctrl-C while {wanted.name} was measured"
            self._write(finished=False)
        self.progress.note(str(outcome))

    def _calibrated(self, bench: Bench, wanted: SeriesSpec, layout: Layout, stage: RunningStage) -> float:
        """What raw NFS reaches just now, in bytes/s: the median of a few reads that only serve this."""
        folder = layout.folder(0)
        plan = self._plan(wanted, f"{MOUNT}/{folder}")
        stage.says("raw NFS, to learn what it reaches")
        seen = []
        for _ in range(CALIBRATION):
            bench.drop_page_cache(bench.raw, folder)
            seconds = deadline(plan)
            done = self.system.kube.exec(
                bench.raw.namespace,
                bench.raw.name,
                CONTAINER,
                measure_argv(plan, f"{MOUNT}/{folder}", seconds),
                timeout=seconds + 30.0,
                stdin=plan.text.encode(),
            )
            read = reading(done)
            seen.append(read.bytes_per_second)
        if self._environment is not None and "fio" not in self._environment.versions:
            self._environment = environment(bench, read.report.version)
        return statistics.median(seen)

    def _arms(self, bench: Bench, wanted: SeriesSpec, slowed_to: float) -> tuple[Arm, ...]:
        mounts = {True: mount_words(bench, bench.fluid), False: mount_words(bench, bench.raw)}
        return tuple(
            Arm(
                name=one.name,
                kind=one.kind,
                note=f"NFS held to {slowed_to / MIB:.0f} MiB/s on purpose"
                if one.name == arms.RAW_SLOWED
                else one.note,
                mount=mounts[one.of_fluid],
            )
            for one in (arms.ARMS[name] for name in wanted.series.arms)
        )

    def _result(
        self,
        wanted: SeriesSpec,
        measurer: Measurer,
        told: tuple[Arm, ...],
        *,
        means: str,
        ending: str,
        complete: int,
        seconds: float,
    ) -> SeriesResult:
        plan, job = self._plan(wanted), load(wanted.job)
        rounds = [one for one in measurer.rounds if one.number < complete]
        return judged_series(
            name=wanted.name,
            unit=Unit.BYTES_PER_SECOND,
            workload=Workload(
                name=wanted.job,
                says=job.says,
                jobs=wanted.numjobs,
                pods=wanted.pods,
                files=len(plan.files),
                total_bytes=plan.total_bytes,
                parameters=_parameters(plan),
            ),
            shaping=Shaping(
                asked=wanted.held_to,
                reached=_reached(rounds) if wanted.held_to is not None else None,
                means=means if wanted.held_to is not None else "",
            ),
            arms=told,
            rounds=rounds,
            comparisons=arms.comparisons(wanted.series.arms),
            started=measurer.began,
            seconds=seconds,
            planned=wanted.series.rounds,
            ending=ending,
            timeline=measurer.timeline,
        )

    def _judged_judge(self) -> tuple[JudgeProof, ...]:
        """The judge's own figures, with noise like the measured and with the noise of the target."""
        proofs = [JudgeProof.of(prove(lognormal(0.03), JUDGED), "log-normal, 3 %")]
        measured = [
            [one.value for one in series.of_arm(name) if one.valid and one.value]
            for series in self._done.values()
            for name in (arms.RAW_COLD, arms.RAW_AGAIN)
            if name in {arm.name for arm in series.arms}
        ]
        if any(len(values) > 1 for values in measured):
            noise = like(*measured)
            figures = prove(noise, JUDGED, rounds=self.settings.rounds, second_baseline=True)
            proofs.append(JudgeProof.of(figures, "like the rounds of raw NFS in this run"))
        return tuple(proofs)

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
        self.out.mkdir(parents=True, exist_ok=True)
        part = self.out / f"{results.FILE}.part"
        part.write_text(benchmark.to_json())
        part.replace(self.out / results.FILE)
        self.on_write(benchmark)


def _enough(rounds: Sequence[Round], wanted: SeriesSpec) -> bool:
    """Whether all intervals are narrow, of the comparisons that people read."""
    return all(
        narrow_enough(
            judge(rounds, baseline=one.baseline, candidate=one.candidate, unit=Unit.BYTES_PER_SECOND)
        )
        for one in arms.comparisons(wanted.series.arms)
        if one.purpose is Purpose.COMPARISON
    )


def _reached(rounds: Sequence[RoundResult]) -> float | None:
    """What came through from NFS, in bytes/s: what the server sent over fio's time, raw and cold."""
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


def _parameters(plan: Plan) -> dict[str, str]:
    """The options of the job as its file has them; with several sections each behind its section's name."""
    section, found = "global", {}
    for line in plan.text.splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text.strip("[]")
        elif text and not text.startswith("#"):
            key, _, value = text.partition("=")
            several = section != "global" and len(plan.groups) > 1
            found[f"{section}.{key}" if several else key] = value or "1"
    return found
