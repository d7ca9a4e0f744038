"""Measures the arms of a case: metadata of many files, and writes."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from clusters.errors import HarnessError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.benchmark.analysis.round_validation import saturated
from suites.benchmark.model.rounds import Proof, Round, State
from suites.benchmark.model.series import ArmKind, Sample
from suites.benchmark.run.arm_measurer import ArmMeasurer
from suites.benchmark.run.cases import ARMS, FILE_BYTES, FILES, WRITTEN_BYTES, CaseSpec
from suites.benchmark.testbed import alluxio_rest
from suites.benchmark.testbed.layout import FOLDER, Layout
from suites.benchmark.testbed.operation_run import (
    OperationRun,
    metadata_argv,
    parse_operation,
    write_argv,
)
from suites.benchmark.testbed.testbed import GRACE, MOUNT, Testbed
from suites.steps.user import DATASET, SOURCE
from workloads import fio
from workloads.application import CONTAINER
from workloads.data import DataFile, Files
from workloads.pod_commands import Argv

#: Seconds after which an operation is killed: 10,000 calls at 30 ms each.
DEADLINE: Final = 300.0
#: Folder for written files, below that of the benchmark.
WRITTEN: Final = "written"
_CACHED: Final = 100.0


@dataclass
class CaseMeasurer(ArmMeasurer):
    """Measures the arms of one case.

    Attributes:
        testbed: the system that is measured.
        spec: the case.
        began: when the series began.
        on_step: called with a description of each step.
        timeline: cached and sent bytes at each observation.
        findings: other observations, one sentence each.
    """

    testbed: Testbed
    spec: CaseSpec
    began: datetime
    on_step: Callable[[str], None] = lambda _text: None
    timeline: list[Sample] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @abstractmethod
    def prepare(self) -> None:
        """Do what has to be done once before the rounds.

        Raises:
            HarnessError: it failed.
        """

    @abstractmethod
    def finish(self) -> None:
        """Observe or remove what is left after all rounds.

        Raises:
            HarnessError: it failed.
        """

    def _repair(self, arm: str) -> None:
        """Replace the FUSE client of a reader through Fluid."""
        if ARMS[arm].kind.through_fluid:
            self.testbed.replace_client(hung=True)

    def _operate(self, pod: PodSnapshot, argv: Argv) -> OperationRun:
        kube = self.testbed.system.kube
        return parse_operation(kube.exec(pod.namespace, pod.name, CONTAINER, argv, timeout=DEADLINE + GRACE))

    def _round(self, arm: str, number: int, run: OperationRun, proof: Proof, reason: str) -> Round:
        written = 0 if self.spec.case.metadata else run.result
        return Round(
            arm=arm,
            number=number,
            value=(run.seconds if self.spec.case.metadata else written / run.seconds) or None,
            seconds=run.seconds,
            read_bytes=written,
            started=proof.before.at,
            load_before=run.load,
            cpu_seconds=run.cpu_seconds,
            valid=not reason,
            reason=reason,
            saturated=saturated(run.busy),
            proof=proof,
        )

    def _state(self, pod: PodSnapshot, *, through_fluid: bool) -> State:
        served, fuse = self.testbed.system.nfs_server.served(), self.testbed.fuse_pod()
        state = State(
            at=datetime.now(UTC),
            nfs_reads=served.reads,
            nfs_read_bytes=served.read,
            fuse_pod=fuse.uid if fuse is not None and through_fluid else "",
            reader=pod.uid,
        )
        self._record(state.at, None, state.nfs_read_bytes)
        return state


@dataclass
class MetadataMeasurer(CaseMeasurer):
    """Lists, stats or opens many files, through mounts that are new or were used once."""

    _raw: PodSnapshot | None = field(default=None, init=False)
    _pods: int = field(default=0, init=False)
    _used: set[str] = field(default_factory=set, init=False)
    _last: str = field(default="", init=False)

    def prepare(self) -> None:
        """Let Alluxio's master read the folder from NFS, and say how long that took."""
        fluid = self.testbed.fluid
        self.on_step("first listing through Fluid")
        first = self._operate(fluid, metadata_argv("list", f"{MOUNT}/{metadata_folder()}", FILES, DEADLINE))
        self.findings.append(
            f"{self.spec.name}: before the rounds the files were listed once through Fluid, in "
            f"{first.seconds:.1f} s, which includes what Alluxio's master had to read from NFS"
        )
        mount = self.testbed.user.observer.mount(self.testbed.raw)
        if not mount.fs_type.startswith("fuse."):
            self.findings.append(
                f"{self.spec.name}: nodes mount NFS by their kernel, which shares what it knows of files "
                "between mounts of one export; so a new mount of NFS may know more than its name says"
            )

    def finish(self) -> None:
        """Stop the last Pod on NFS."""
        if self._raw is not None:
            self.testbed.user.stops(self._raw)
            self._raw = None

    def _measure(self, arm: str, number: int) -> Round:
        kind = ARMS[arm].kind
        pod = self._reader(kind)
        before = self._state(pod, through_fluid=kind.through_fluid)
        folder = f"{MOUNT}/{metadata_folder()}"
        run = self._operate(pod, metadata_argv(self.spec.case.value, folder, FILES, DEADLINE))
        proof = Proof(before=before, after=self._state(pod, through_fluid=kind.through_fluid))
        reason = "; ".join(self._reasons(kind, proof, run))
        self._last = _mount_of(kind, before)
        self._used.add(self._last)
        return self._round(arm, number, run, proof, reason)

    def _reader(self, kind: ArmKind) -> PodSnapshot:
        match kind:
            case ArmKind.RAW_NEW_MOUNT:
                self.finish()
                self._pods += 1
                user, node = self.testbed.user, self.testbed.raw.node
                self._raw = user.starts(user.application(f"metadata-{self._pods}", SOURCE, node=node))
                return self._raw
            case ArmKind.FLUID_NEW_CLIENT:
                self.testbed.replace_client()
                return self.testbed.fluid
            case ArmKind.FLUID_SAME_CLIENT:
                return self.testbed.fluid
        if self._raw is None:
            raise HarnessError("there is no Pod on NFS that has used the files before")
        return self._raw

    def _reasons(self, kind: ArmKind, proof: Proof, run: OperationRun) -> Iterator[str]:
        """Why the round is no measurement of its arm."""
        mount = _mount_of(kind, proof.before)
        what = "Fuse Pod" if kind.through_fluid else "Pod"
        if run.result != FILES:
            yield f"{run.result} of {FILES} files were handled"
        if not mount:
            yield "there was no Fuse Pod"
        elif kind in {ArmKind.RAW_NEW_MOUNT, ArmKind.FLUID_NEW_CLIENT}:
            if mount in self._used:
                yield f"the {what} was one that had used the files before"
        elif mount != self._last:
            yield f"the {what} was not the one that had just used the files"
        if mount != _mount_of(kind, proof.after):
            yield f"the {what} was replaced during the round"


@dataclass
class WriteMeasurer(CaseMeasurer):
    """Writes a new file in each round, and checks it on the disk of the NFS server."""

    _port: int = field(default=0, init=False)

    def prepare(self) -> None:
        """Find the port of Alluxio's web interface."""
        testbed = self.testbed
        self._port = alluxio_rest.web_port(testbed.system.kube, testbed.user.namespace, DATASET)

    def finish(self) -> None:
        """Delete files that an interrupted round has left."""
        self.testbed.system.nfs_server.empty(f"{FOLDER}/{WRITTEN}")

    def _measure(self, arm: str, number: int) -> Round:
        testbed, kind = self.testbed, ARMS[arm].kind
        pod = testbed.fluid if kind.through_fluid else testbed.raw
        name = f"{number}-{list(ARMS).index(arm)}.bin"
        file = f"{MOUNT}/{WRITTEN}/{name}"
        before = self._written(pod, name, through_fluid=kind.through_fluid)
        try:
            run = self._operate(pod, write_argv(file, WRITTEN_BYTES, DEADLINE))
            after = self._written(pod, name, through_fluid=kind.through_fluid)
        finally:
            testbed.user.observer.inside(pod, ("rm", "-f", file), DEADLINE)
        proof = Proof(before=before, after=after)
        reason = "; ".join(_why_not_written(kind, proof, run))
        return self._round(arm, number, run, proof, reason)

    def _written(self, pod: PodSnapshot, name: str, *, through_fluid: bool) -> State:
        testbed = self.testbed
        there = testbed.user.observer.at_the_source(f"{FOLDER}/{WRITTEN}").get(name)
        state = self._state(pod, through_fluid=through_fluid)
        percent = None
        if through_fluid and there is not None:
            percent = alluxio_rest.cache_state(
                testbed.system.kube,
                testbed.user.namespace,
                DATASET,
                port=self._port,
                folder=WRITTEN,
                files=(fio.DataFile(PurePosixPath(name), WRITTEN_BYTES),),
            ).percent
        size = WRITTEN_BYTES if there == zeros(WRITTEN_BYTES) else 0
        return state.model_copy(update={"server_bytes": size, "cached_percent": percent})


def metadata_layout() -> Layout:
    """The small files whose metadata is measured: one copy, in one folder."""
    files = tuple(DataFile(str(number), FILE_BYTES, f"bench-{FILE_BYTES}") for number in range(FILES))
    return Layout(f"metadata-{FILES}", Files(files), 1)


def metadata_folder() -> str:
    """Their folder, below the root of the Dataset."""
    return f"metadata-{FILES}/0"


@cache
def zeros(count: int) -> str:
    """SHA-256 of so many bytes of zero, in hex."""
    return hashlib.sha256(bytes(count)).hexdigest()


def _mount_of(kind: ArmKind, state: State) -> str:
    """What was mounted for the round: the Fuse Pod, or the Pod itself."""
    return state.fuse_pod if kind.through_fluid else state.reader


def _why_not_written(kind: ArmKind, proof: Proof, run: OperationRun) -> Iterator[str]:
    if run.result != WRITTEN_BYTES:
        yield f"{run.result} of {WRITTEN_BYTES} bytes were written"
    if proof.before.server_bytes:
        yield "the file was on the NFS server before"
    if proof.after.server_bytes != WRITTEN_BYTES:
        yield "the file on the NFS server is not the one that was written"
    if kind is ArmKind.FLUID_WRITE and proof.after.cached_percent != _CACHED:
        percent = proof.after.cached_percent
        yield f"Alluxio holds {'nothing' if percent is None else f'only {percent:g} %'} of the file"
