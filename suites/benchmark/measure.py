"""Measuring one arm once: make its state, look, read, look again, and judge whether it was that arm."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots import PodSnapshot
from suites.benchmark import arms
from suites.benchmark.fio_run import HungError, Reading, Reads, measure_argv, reading
from suites.benchmark.parallel_pods import BEFOREHAND, INDEX, at_once, by_hand
from suites.benchmark.profile import SeriesSpec
from suites.benchmark.results import ArmKind, Proof, RoundResult, Sample, State
from suites.benchmark.round_validation import EMPTY_MEMORY, Expected, polluted, saturated, unproved
from suites.benchmark.schedule import Measured
from suites.benchmark.shaping import held_to
from suites.benchmark.testbed import MOUNT, Bench, Layout, Look
from suites.steps.user import DATASET, SOURCE
from workloads.application import CONTAINER
from workloads.fio import Plan

#: A run that reads less than this, in bytes/s, hangs or is of no use; it is ended.
SLOWEST: Final = 1024 * 1024
LEAST_DEADLINE: Final = 90.0

#: Seconds that the API may take longer than the program in the Pod.
GRACE: Final = 30.0


@dataclass
class Measurer:
    """Measures the arms of one series.

    Attributes:
        bench: what it measures on.
        wanted: the series.
        layout: the files that are read.
        slowed_to: bytes/s of NFS for the arm that is slowed down on purpose.
        most_jobs: the highest number of parallel readers.
        began: when the series began.
        on_step: told what is being done.
        rounds: all measurements, those of a round that was not completed with them.
        timeline: what was cached and sent, at each look.
        findings: what was noticed besides.
    """

    bench: Bench
    wanted: SeriesSpec
    layout: Layout
    slowed_to: float
    most_jobs: int
    began: datetime
    on_step: Callable[[str], None] = lambda _text: None
    rounds: list[RoundResult] = field(default_factory=list)
    timeline: list[Sample] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    _cached_by: str = field(default="", init=False)

    def __call__(self, arm: str, number: int) -> Measured:
        """Measure an arm once, as `suites.benchmark.schedule.run` asks for it.

        What goes wrong makes the round invalid with its reason; only what cannot be repaired raises.
        """
        started = datetime.now(UTC)
        self.on_step(f"round {number + 1}, {arm}")
        try:
            result = self._measured(arm, number)
        except KeyboardInterrupt:
            self._end_reading(arm)
            raise
        except (HungError, ExecTimeoutError) as error:
            self.findings.append(f"{arm}, round {number + 1}: {error.message}")
            result = _failed(arm, number, started, error.message)
            self._repair(arm)
        except HarnessError as error:
            result = _failed(arm, number, started, error.message)
        self.rounds.append(result)
        value = math.nan if result.value is None else result.value
        return Measured(value, result.reason)

    def _measured(self, arm: str, number: int) -> RoundResult:
        planned = arms.ARMS[arm]
        copy = number % self.layout.copies
        folder = self.layout.folder(copy)
        plan = self.wanted.plan(f"{MOUNT}/{folder}", self.most_jobs)
        limit = self.slowed_to if arm == arms.RAW_SLOWED else None
        times = 1 if len(plan.groups) > 1 else arms.reads(arm, plan.total_bytes, self.wanted.held_to)
        with held_to(self.bench.limiter, limit, afterwards=self.wanted.held_to):
            if self.wanted.pods > 1:
                return self._at_once(arm, number)
            self._prepare(arm, copy, plan)
            before = self._look(copy, plan)
            started = datetime.now(UTC)
            if arm == arms.RAW_BY_HAND:
                read = by_hand(self.bench, plan, SOURCE, folder, times=times, seconds=deadline(plan))
            else:
                read = Reads.in_turn(list(self._in_turn(arm, plan, folder, times)), plan)
            after = self._look(copy, plan)
        if planned.kind is ArmKind.FLUID_COLD:
            self._cached_by = after.fuse_pod
        if arm == arms.RAW_BY_HAND:
            times += BEFOREHAND
        return self._judged(arm, number, plan, started, read, before, after, times=times)

    def _in_turn(self, arm: str, plan: Plan, folder: str, times: int) -> Iterator[Reading]:
        """Read as often as one measurement needs, from the same state each time."""
        planned = arms.ARMS[arm]
        pod = self.bench.fluid if planned.of_fluid else self.bench.raw
        for number in range(times):
            if number and planned.kind in EMPTY_MEMORY:
                self.bench.drop_page_cache(pod, folder)
            yield reading(self._fio(pod, plan, folder))

    def _at_once(self, arm: str, number: int) -> RoundResult:
        """Read from several Pods at the same time, each a copy of its own."""
        bench, planned, pods = self.bench, arms.ARMS[arm], self.wanted.pods
        folder = f"{self.layout.name}/{INDEX}"
        plan = self.wanted.plan(f"{MOUNT}/{folder}", self.most_jobs)
        copies = range(pods)
        if planned.of_fluid:
            clients = [bench.makes_cached(self.layout, copy, plan) for copy in copies]
            if any(clients) or not self._cached_by:
                # A client that was there when the data was cached remembers it as it was before.
                fuse = bench.fuse_pod()
                self._cached_by = next(filter(None, reversed(clients)), fuse.uid if fuse else "")
                bench.fresh_client()
        looks: list[Look] = []

        def look(several: Sequence[PodSnapshot]) -> None:
            looks.append(self._kept(bench.look_at_all(self.layout, plan, copies, several)))

        started = datetime.now(UTC)
        claim = DATASET if planned.of_fluid else SOURCE
        read = at_once(bench, plan, claim, folder, pods=pods, seconds=deadline(plan), ready=look, ended=look)
        before, after = looks
        return self._judged(arm, number, plan, started, read, before, after, pods=pods)

    def _judged(  # noqa: PLR0917 - the parts of one round, each used once
        self,
        arm: str,
        number: int,
        plan: Plan,
        started: datetime,
        read: Reads,
        before: Look,
        after: Look,
        *,
        times: int = 1,
        pods: int = 1,
    ) -> RoundResult:
        planned = arms.ARMS[arm]
        first, last = ([of(one) for one in read.each] for of in (_resident_before, _resident_after))
        # Of reads that follow one another the one that was furthest from what it must be counts.
        worst = max(first) if planned.kind in EMPTY_MEMORY else min(first)
        proof = Proof(
            before=_state(before, sum(first) if pods > 1 else worst, of_fluid=planned.of_fluid),
            after=_state(after, sum(last) if pods > 1 else last[-1], of_fluid=planned.of_fluid),
        )
        expected = Expected(
            kind=planned.kind,
            read_bytes=pods * plan.total_bytes,
            data_bytes=pods * self.layout.files.total_bytes,
            times=times,
            cached_by=self._cached_by,
            other_source=before.served.reads is None,
        )
        reason = read.wrong(plan) or unproved(expected, proof)
        return RoundResult(
            arm=arm,
            number=number,
            value=read.bytes_per_second or None,
            seconds=read.seconds,
            read_bytes=read.read_bytes,
            started=started,
            load_before=read.load,
            valid=not reason,
            reason=reason,
            saturated=saturated(read.busy),
            polluted=polluted(expected, proof),
            latency=read.latency(),
            proof=proof,
            parts=read.parts,
        )

    def _prepare(self, arm: str, copy: int, plan: Plan) -> None:
        """Bring about what the arm is called; the proof, not this, says whether it was."""
        bench, folder = self.bench, self.layout.folder(copy)
        data_bytes = self.layout.files.total_bytes
        match arms.ARMS[arm].kind:
            case ArmKind.RAW_COLD:
                bench.drop_page_cache(bench.raw, folder)
            case ArmKind.RAW_CACHED:
                bench.fill_page_cache(bench.raw, folder, data_bytes)
            case ArmKind.FLUID_COLD:
                bench.none_cached(self.layout, copy, plan)
                bench.forget_below(folder)
                bench.drop_page_cache(bench.fluid, folder)
            case ArmKind.FLUID_WARM_SAME_CLIENT:
                bench.all_cached(self.layout, copy, plan)
                bench.drop_page_cache(bench.fluid, folder)
            case ArmKind.FLUID_WARM_FRESH_CLIENT:
                bench.all_cached(self.layout, copy, plan)
                bench.fresh_client()
                bench.drop_page_cache(bench.fluid, folder)
            case ArmKind.FLUID_WARM_CACHED:
                bench.fill_page_cache(bench.fluid, folder, data_bytes)

    def _look(self, copy: int, plan: Plan) -> Look:
        return self._kept(self.bench.look(self.layout, copy, plan))

    def _kept(self, seen: Look) -> Look:
        self.timeline.append(
            Sample(
                t=max((seen.at - self.began).total_seconds(), 0.0),
                cached_bytes=seen.alluxio.used_bytes,
                nfs_read_bytes=seen.served.read,
            )
        )
        return seen

    def _fio(self, pod: PodSnapshot, plan: Plan, folder: str) -> Completed:
        seconds = deadline(plan)
        return self.bench.system.kube.exec(
            pod.namespace,
            pod.name,
            CONTAINER,
            measure_argv(plan, f"{MOUNT}/{folder}", seconds),
            timeout=seconds + GRACE,
            stdin=plan.text.encode(),
        )

    def _end_reading(self, arm: str) -> None:
        pod = self.bench.fluid if arms.ARMS[arm].of_fluid else self.bench.raw
        with contextlib.suppress(HarnessError):
            self.bench.end_reading(pod)

    def _repair(self, arm: str) -> None:
        """After a hang: end what reads, and give Fluid's reader a new client."""
        if arms.ARMS[arm].of_fluid:
            self.bench.fresh_client(hung=True)
        else:
            self._end_reading(arm)


def deadline(plan: Plan) -> float:
    """Seconds after which a run of fio counts as hung."""
    return max(LEAST_DEADLINE, plan.total_bytes / SLOWEST)


def _resident_before(one: Reading) -> int:
    return one.resident_before


def _resident_after(one: Reading) -> int:
    return one.resident_after


def _state(seen: Look, resident: int, *, of_fluid: bool) -> State:
    return State(
        at=seen.at,
        cached_percent=seen.alluxio.percent,
        alluxio=dict(seen.alluxio.counters),
        nfs_reads=seen.served.reads,
        nfs_read_bytes=seen.served.read,
        page_cache_bytes=resident,
        fuse_pod=seen.fuse_pod if of_fluid else "",
    )


def _failed(arm: str, number: int, started: datetime, reason: str) -> RoundResult:
    return RoundResult(
        arm=arm,
        number=number,
        value=None,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        read_bytes=0,
        started=started,
        load_before=0.0,
        valid=False,
        reason=reason,
    )
