"""Measures reads from the worker on the reader's own node, and from the one on another node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from clusters.errors import InfrastructureError
from clusters.waiting import WaitTimeoutError, wait
from suites.benchmark.analysis.round_validation import Expected
from suites.benchmark.model.rounds import Proof, Round, State
from suites.benchmark.model.series import ArmKind
from suites.benchmark.run import arms
from suites.benchmark.run.case_measure import CaseMeasurer
from suites.benchmark.run.cases import ARMS, FLUID_LOCAL, FLUID_REMOTE, READ_BYTES
from suites.benchmark.run.measure import deadline, round_of_reads, state_of
from suites.benchmark.testbed.layout import Layout
from suites.benchmark.testbed.testbed import MOUNT, Observation
from suites.steps import workers
from suites.steps.user import DATASET
from workloads import fio

JOB: Final = "sequential-1m"
LOCAL_COPY: Final = 0
REMOTE_COPY: Final = 1
COPIES: Final = 2

#: Alluxio's counters of bytes that clients read from the worker of their node, and from another one.
LOCAL: Final = "Cluster.BytesReadLocal"
REMOTE: Final = "Cluster.BytesReadRemote"
#: Seconds until reads are in the master's counters: clients and workers report every 10 s.
REPORTED_SECONDS: Final = 90.0
#: Share of the bytes that may be missing in these counters: Alluxio's own overhead and rounding.
_SLACK: Final = 0.05

#: The arms through Fluid by their copy of the data.
_COPIES: Final = {ArmKind.FLUID_LOCAL: LOCAL_COPY, ArmKind.FLUID_REMOTE: REMOTE_COPY}


def remote_plan(directory: str = MOUNT) -> fio.Plan:
    """The fio job for the files in ``directory``."""
    return fio.load(JOB).plan(fio.Amounts(large_bytes=READ_BYTES), directory=directory)


def remote_layout() -> Layout:
    """Two copies of the data, one for each worker."""
    return Layout.of(remote_plan(), COPIES)


@dataclass
class RemoteMeasurer(CaseMeasurer):
    """Reads two copies of a file, each of which one worker alone holds.

    Alluxio's client caches what it reads in the worker of its own node, and Fluid switches off that a worker
    copies what another one holds (`alluxio.user.file.passive.cache.enabled`,
    pkg/ddc/alluxio/transform_optimization.go:64 of 1.0.8; row C9). So each copy is read once on the node of
    the worker that shall hold it, and a FUSE client that starts afterwards is measured.
    """

    _layout: Layout = field(default_factory=remote_layout, init=False)
    _held: dict[str, int] = field(default_factory=dict, init=False)
    _read: dict[str, int] = field(default_factory=dict, init=False)
    _counted: Mapping[str, float] = field(default_factory=dict, init=False)

    def prepare(self) -> None:
        """Have each worker cache its copy, and check that by the block files on their nodes.

        Raises:
            InfrastructureError: a worker holds another amount.
        """
        testbed, near = self.testbed, self.testbed.raw.node
        far = next(pod.node for pod in workers.wait_for_ready(testbed.user, COPIES) if pod.node != near)
        expected = self._blocks()
        for copy, node in ((LOCAL_COPY, near), (REMOTE_COPY, far)):
            self.on_step(f"the worker on {node} caches its copy")
            loader = testbed.user.starts(testbed.user.application(f"loader-{copy}", DATASET, node=node))
            testbed.fill_page_cache(loader, self._layout.folder(copy), 0)
            testbed.wait_until_cached(self._layout, copy, self._plan(copy))
            testbed.user.stops(loader)
            expected = expected | {node: expected.get(node, 0) + READ_BYTES}
            if (found := self._blocks()) != expected:
                raise InfrastructureError(
                    f"the worker on {node} does not hold the file that was read on its node, or another "
                    "worker does",
                    subject=f"Dataset {testbed.user.namespace}/{DATASET}",
                    condition=f"block files of {expected} bytes by node",
                    last_seen=str(found),
                )
        self._held = expected
        testbed.replace_client()
        self._counted = self._observe(LOCAL_COPY).alluxio.counters

    def finish(self) -> None:
        """Say what Alluxio itself has counted as local and as remote."""

        def missing(seen: Mapping[str, float]) -> list[str]:
            return [
                name
                for name, read in self._read.items()
                if seen.get(name, 0.0) - self._counted.get(name, 0.0) < (1 - _SLACK) * read
            ]

        try:
            seen = wait(
                lambda: self._observe(LOCAL_COPY).alluxio.counters,
                lambda counters: not missing(counters),
                subject=f"counters of Dataset {self.testbed.user.namespace}/{DATASET}",
                condition=f"the bytes that were read: {self._read}",
                timeout=REPORTED_SECONDS,
                delay=3.0,
            )
        except WaitTimeoutError as error:
            self.findings.append(f"{self.spec.name}: Alluxio's own counters do not agree: {error.message}")
            return
        local, remote = (
            (seen.get(name, 0.0) - self._counted.get(name, 0.0)) / arms.MIB for name in (LOCAL, REMOTE)
        )
        self.findings.append(
            f"{self.spec.name}: Alluxio counted {local:.0f} MiB that were read from the worker of the "
            f"reader's node, and {remote:.0f} MiB from the other one"
        )

    def _measure(self, arm: str, number: int) -> Round:
        testbed, kind = self.testbed, ARMS[arm].kind
        copy = _COPIES.get(kind, LOCAL_COPY)
        folder, plan = self._layout.folder(copy), self._plan(copy)
        pod = testbed.fluid if kind.through_fluid else testbed.raw
        times = reads_per_value(arm)
        testbed.drop_page_cache(pod, folder)
        before, blocks_before = self._observe(copy), self._blocks()
        started = datetime.now(UTC)
        runs = testbed.read(pod, plan, folder, times=times, empty=True, seconds=deadline(plan))
        after, blocks_after = self._observe(copy), self._blocks()
        if kind.through_fluid:
            counter = LOCAL if kind is ArmKind.FLUID_LOCAL else REMOTE
            self._read[counter] = self._read.get(counter, 0) + runs.read_bytes
        worst = max(one.resident_before for one in runs.each)
        last = runs.each[-1].resident_after
        proof = Proof(
            before=self._with_blocks(
                state_of(before, worst, through_fluid=kind.through_fluid), blocks_before
            ),
            after=self._with_blocks(state_of(after, last, through_fluid=kind.through_fluid), blocks_after),
        )
        expected = Expected(
            kind=kind,
            read_bytes=plan.total_bytes,
            data_bytes=self._layout.files.total_bytes,
            times=times,
            network_counter=before.served.reads is None,
        )
        return round_of_reads(
            arm,
            number,
            started,
            runs,
            plan,
            expected=expected,
            proof=proof,
            more=self._elsewhere(kind, proof),
        )

    def _plan(self, copy: int) -> fio.Plan:
        return remote_plan(f"{MOUNT}/{self._layout.folder(copy)}")

    def _blocks(self) -> dict[str, int]:
        """Bytes of block files by node."""
        user = self.testbed.user
        return {
            node: sum(block.bytes for block in user.observer.blocks_on(node, user.namespace, DATASET))
            for node in self.testbed.system.nodes
        }

    def _observe(self, copy: int) -> Observation:
        seen = self.testbed.observe(self._layout, copy, self._plan(copy))
        self._record(seen.at, seen.alluxio.used_bytes, seen.served.read)
        return seen

    def _with_blocks(self, state: State, blocks: Mapping[str, int]) -> State:
        return state.model_copy(update={"block_bytes": dict(blocks)})

    def _elsewhere(self, kind: ArmKind, proof: Proof) -> Iterator[str]:
        """The workers still hold what they cached before the rounds, each its copy and nothing else."""
        if kind.through_fluid:
            for when, state in (("before", proof.before), ("after", proof.after)):
                if state.block_bytes != self._held:
                    yield (
                        f"the workers held {state.block_bytes} bytes by node {when} the read, "
                        f"not {self._held}"
                    )


def reads_per_value(arm: str) -> int:
    """Number of reads of one measurement, so that it does not end at once."""
    like = {FLUID_LOCAL: arms.FLUID_FRESH, FLUID_REMOTE: arms.FLUID_COLD}.get(arm, arm)
    return arms.reads_per_value(like, READ_BYTES, None)
