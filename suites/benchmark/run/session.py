"""A benchmark session: all series one after another, with the results written after each round."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from clusters.errors import HarnessError
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.offline import artifacts
from clusters.images.tools import Tools
from clusters.paths import cache_root
from clusters.progress import RunningStage
from suites.benchmark.analysis.series_summary import summarize_series
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import Arm, SeriesResult, Shaping, Workload
from suites.benchmark.run import arms
from suites.benchmark.run.base_session import Session
from suites.benchmark.run.measure import Measurer, deadline
from suites.benchmark.run.profile import COPIES, MIB, TEARDOWN_SECONDS, SeriesSpec
from suites.benchmark.run.schedule import planned
from suites.benchmark.testbed import nfs_proxy
from suites.benchmark.testbed.environment_probe import mounts_of, probe_environment
from suites.benchmark.testbed.layout import Layout
from suites.benchmark.testbed.shaping import ShapingError, limited_to, remove_limit
from suites.benchmark.testbed.testbed import MOUNT, Testbed
from workloads.fio import Plan, load

#: Limit of the arm that is slowed down on purpose, as a share of the measured bandwidth of NFS. It is far
#: from 1, because that bandwidth is itself only known as well as the machine is quiet.
SLOWED: Final = 0.5

#: Reads of raw NFS that measure its bandwidth before a series.
BANDWIDTH_READS: Final = 5


@dataclass
class BenchmarkSession(Session[SeriesSpec]):
    """Measures reads by fio: the series of a profile."""

    _testbed: Testbed | None = field(default=None, init=False)
    _proxy: nfs_proxy.NfsProxy | None = field(default=None, init=False)
    _proxied: Testbed | None = field(default=None, init=False)

    def prepare(self) -> None:
        """Print the plan, and create data, Dataset and readers.

        Raises:
            HarnessError: one of them could not be created.
        """
        specs = self._specs()
        self._ends = self.clock.now() + 60 * self.settings.minutes - TEARDOWN_SECONDS
        for line in planned([one.series for one in specs]).splitlines():
            self.progress.note(line)
        layouts = [self._layout(one) for one in specs]
        self._testbed = Testbed.create(self.system, self.progress, layouts)
        remove_limit(self._testbed.limiter)
        self._environment = probe_environment(self._testbed)

    def _specs(self) -> tuple[SeriesSpec, ...]:
        return self.settings.series_specs()

    def _remove(self, teardown: contextlib.ExitStack, *, clean: bool) -> None:
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

            def result(rounds: Sequence[Round], ending: str, seconds: float) -> SeriesResult:
                return self._result(
                    spec,
                    measurer,
                    series_arms,
                    rounds,
                    means=testbed.limiter.means,
                    ending=ending,
                    seconds=seconds,
                )

            compared = arms.comparisons(spec.series.arms)
            done = self._measure_rounds(spec, measurer, compared, Unit.BYTES_PER_SECOND, result)
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
        mounts = mounts_of(testbed)
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
