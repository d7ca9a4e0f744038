"""Measures one arm once: prepare its state, observe, read, observe again, and validate the round."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from clusters.errors import HarnessError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.benchmark.analysis.round_validation import EMPTY_MEMORY, Expected, invalid, polluted, saturated
from suites.benchmark.model.rounds import Proof, Round, State
from suites.benchmark.model.series import ArmKind, Sample
from suites.benchmark.run import arms
from suites.benchmark.run.arm_measurer import ArmMeasurer
from suites.benchmark.run.profile import SeriesSpec
from suites.benchmark.testbed.fio_run import FioRuns
from suites.benchmark.testbed.layout import Layout
from suites.benchmark.testbed.parallel_pods import (
    INDEX,
    WARM_UP_READS,
    read_in_parallel,
    read_in_standalone_job,
)
from suites.benchmark.testbed.shaping import limited_to
from suites.benchmark.testbed.testbed import MOUNT, Observation, Testbed
from suites.steps.user import DATASET, SOURCE
from workloads.fio import Plan

#: A run that is slower than this, in bytes/s, counts as hung and is killed.
SLOWEST: Final = 1024 * 1024
LEAST_DEADLINE: Final = 90.0


@dataclass
class Measurer(ArmMeasurer):
    """Measures the arms of one series.

    Attributes:
        testbed: the system that is measured.
        spec: the series.
        layout: the files that are read.
        slowed_to: bytes/s of NFS for the arm that is slowed down on purpose.
        most_jobs: largest number of parallel processes.
        began: when the series began.
        on_step: called with a description of each step.
        timeline: cached and sent bytes at each observation.
        findings: other observations, one sentence each.
    """

    testbed: Testbed
    spec: SeriesSpec
    layout: Layout
    slowed_to: float
    most_jobs: int
    began: datetime
    on_step: Callable[[str], None] = lambda _text: None
    timeline: list[Sample] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    _cached_by: str = field(default="", init=False)

    def __call__(self, arm: str, number: int) -> Round:
        """Measure an arm once; fio does not go on after Ctrl-C."""
        try:
            return super().__call__(arm, number)
        except KeyboardInterrupt:
            self._stop_fio(arm)
            raise

    def _measure(self, arm: str, number: int) -> Round:
        kind = arms.ARMS[arm].kind
        copy = number % self.layout.copies
        folder = self.layout.folder(copy)
        plan = self.spec.plan(f"{MOUNT}/{folder}", self.most_jobs)
        limit = self.slowed_to if arm == arms.RAW_SLOWED else None
        times = (
            1 if len(plan.groups) > 1 else arms.reads_per_value(arm, plan.total_bytes, self.spec.bandwidth)
        )
        with limited_to(self.testbed.limiter, limit, afterwards=self.spec.bandwidth):
            if self.spec.pods > 1:
                return self._measure_in_parallel(arm, number)
            self._prepare(arm, copy, plan)
            before = self._observe(copy, plan)
            started = datetime.now(UTC)
            if arm == arms.RAW_STANDALONE:
                runs = read_in_standalone_job(
                    self.testbed, plan, SOURCE, folder, times=times, seconds=deadline(plan)
                )
            else:
                empty = kind in EMPTY_MEMORY
                reader = self._reader(arm)
                runs = self.testbed.read(
                    reader, plan, folder, times=times, empty=empty, seconds=deadline(plan)
                )
            after = self._observe(copy, plan)
        if kind is ArmKind.FLUID_COLD:
            self._cached_by = after.fuse_pod
        if arm == arms.RAW_STANDALONE:
            times += WARM_UP_READS
        return self._validated(arm, number, plan, started, runs, before, after, times=times)

    def _measure_in_parallel(self, arm: str, number: int) -> Round:
        """Read in several Pods at the same time, each its own copy."""
        testbed, kind, pods = self.testbed, arms.ARMS[arm].kind, self.spec.pods
        folder = f"{self.layout.name}/{INDEX}"
        plan = self.spec.plan(f"{MOUNT}/{folder}", self.most_jobs)
        copies = range(pods)
        if kind.through_fluid:
            whole = testbed.all_cached(self.layout, copies, plan)
            clients = [] if whole else [testbed.ensure_cached(self.layout, copy, plan) for copy in copies]
            if any(clients) or not self._cached_by:
                # A client that was running when the data was cached remembers its former location.
                fuse = testbed.fuse_pod()
                self._cached_by = next(filter(None, reversed(clients)), fuse.uid if fuse else "")
                testbed.replace_client()
        observations: list[Observation] = []

        def observe(several: Sequence[PodSnapshot]) -> None:
            observations.append(self._recorded(testbed.observe_all(self.layout, plan, copies, several)))

        started = datetime.now(UTC)
        claim = DATASET if kind.through_fluid else SOURCE
        runs = read_in_parallel(
            testbed, plan, claim, folder, pods=pods, seconds=deadline(plan), ready=observe, ended=observe
        )
        before, after = observations
        return self._validated(arm, number, plan, started, runs, before, after, pods=pods)

    def _validated(  # noqa: PLR0917 - the parts of one round, each used once
        self,
        arm: str,
        number: int,
        plan: Plan,
        started: datetime,
        runs: FioRuns,
        before: Observation,
        after: Observation,
        *,
        times: int = 1,
        pods: int = 1,
    ) -> Round:
        kind = arms.ARMS[arm].kind
        first = [one.resident_before for one in runs.each]
        last = [one.resident_after for one in runs.each]
        # Of several reads, the one that is furthest from the required state counts.
        worst = max(first) if kind in EMPTY_MEMORY else min(first)
        proof = Proof(
            before=state_of(before, sum(first) if pods > 1 else worst, through_fluid=kind.through_fluid),
            after=state_of(after, sum(last) if pods > 1 else last[-1], through_fluid=kind.through_fluid),
        )
        expected = Expected(
            kind=kind,
            read_bytes=pods * plan.total_bytes,
            data_bytes=pods * self.layout.files.total_bytes,
            times=times,
            cached_by=self._cached_by,
            network_counter=before.served.reads is None,
        )
        return round_of_reads(
            arm, number, started, runs, plan, expected=expected, proof=proof, alone=pods == 1
        )

    def _prepare(self, arm: str, copy: int, plan: Plan) -> None:
        """Prepare the state that the arm needs; the validation of the round does not rely on it."""
        testbed, folder = self.testbed, self.layout.folder(copy)
        data_bytes = self.layout.files.total_bytes
        match arms.ARMS[arm].kind:
            case ArmKind.RAW_COLD:
                testbed.drop_page_cache(testbed.raw, folder)
            case ArmKind.RAW_CACHED:
                testbed.fill_page_cache(testbed.raw, folder, data_bytes)
            case ArmKind.FLUID_COLD:
                testbed.evict(self.layout, copy, plan)
                testbed.drop_worker_page_cache(folder)
                testbed.drop_page_cache(testbed.fluid, folder)
            case ArmKind.FLUID_WARM_SAME_CLIENT:
                testbed.wait_until_cached(self.layout, copy, plan)
                testbed.drop_page_cache(testbed.fluid, folder)
            case ArmKind.FLUID_WARM_FRESH_CLIENT:
                testbed.wait_until_cached(self.layout, copy, plan)
                testbed.replace_client()
                testbed.drop_page_cache(testbed.fluid, folder)
            case ArmKind.FLUID_WARM_CACHED:
                testbed.fill_page_cache(testbed.fluid, folder, data_bytes)

    def _observe(self, copy: int, plan: Plan) -> Observation:
        return self._recorded(self.testbed.observe(self.layout, copy, plan))

    def _recorded(self, seen: Observation) -> Observation:
        self._record(seen.at, seen.alluxio.used_bytes, seen.served.read)
        return seen

    def _reader(self, arm: str) -> PodSnapshot:
        return self.testbed.fluid if arms.ARMS[arm].kind.through_fluid else self.testbed.raw

    def _stop_fio(self, arm: str) -> None:
        with contextlib.suppress(HarnessError):
            self.testbed.stop_fio(self._reader(arm))

    def _repair(self, arm: str) -> None:
        """Stop fio after a hang, and replace the FUSE client of a reader through Fluid."""
        if arms.ARMS[arm].kind.through_fluid:
            self.testbed.replace_client(hung=True)
        else:
            self._stop_fio(arm)


def deadline(plan: Plan) -> float:
    """Seconds after which a run of fio counts as hung."""
    return max(LEAST_DEADLINE, plan.total_bytes / SLOWEST)


def round_of_reads(
    arm: str,
    number: int,
    started: datetime,
    runs: FioRuns,
    plan: Plan,
    *,
    expected: Expected,
    proof: Proof,
    more: Iterable[str] = (),
    alone: bool = True,
) -> Round:
    """A round of reads by fio, valid if the runs and the evidence are as expected.

    Args:
        arm: that was measured.
        number: of the round.
        started: when the reads began.
        runs: of fio.
        plan: what they had to read.
        expected: of the evidence.
        proof: the evidence.
        more: why the round is invalid besides that.
        alone: no other Pod read at the same time; the times of Pods that do overlap.
    """
    reason = "; ".join(filter(None, (runs.error(plan) or invalid(expected, proof), *more)))
    return Round(
        arm=arm,
        number=number,
        value=runs.bytes_per_second or None,
        seconds=runs.seconds,
        read_bytes=runs.read_bytes,
        started=started,
        load_before=runs.load,
        cpu_seconds=runs.cpu_seconds if alone else None,
        valid=not reason,
        reason=reason,
        saturated=saturated(runs.busy),
        polluted=polluted(expected, proof),
        latency=runs.latency(),
        proof=proof,
        parts=runs.parts,
    )


def state_of(seen: Observation, resident: int, *, through_fluid: bool) -> State:
    """An observation with the bytes in the page cache, as the evidence of a round."""
    return State(
        at=seen.at,
        cached_percent=seen.alluxio.percent,
        alluxio=dict(seen.alluxio.counters),
        nfs_reads=seen.served.reads,
        nfs_read_bytes=seen.served.read,
        page_cache_bytes=resident,
        fuse_pod=seen.fuse_pod if through_fluid else "",
    )
