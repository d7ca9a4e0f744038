"""Observation of the system through independent sources, each as a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import InfrastructureError
from clusters.host import mountinfo
from clusters.host.commands import Completed
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.cli import Alluxio
from clusters.product.alluxio.output import BlockFile, Listing, find_blocks, parse_blocks
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.fuse import FuseSnapshot, read_fuse
from clusters.product.nfs import ServedBytes
from clusters.system import System
from suites.steps.read_controls import blame_read
from workloads import pod_commands
from workloads.application import CONTAINER
from workloads.faults import Run

#: Seconds for a program inside an application; reading all of the smoke data needs a few.
INSIDE_SECONDS: Final = 120.0
#: Seconds for a program inside an application that does not read all of the data.
COMMAND_SECONDS: Final = 30.0
#: How find ends its message about a path that does not exist.
NO_SUCH_FILE: Final = "No such file or directory"
#: Seconds without a single file read after which a read counts as hung. The largest file of the smoke data
#: (16 MiB) needs less than 2 s when it is not cached.
HUNG_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class Cached:
    """How much of a Dataset is cached, by three sources that do not ask each other.

    Attributes:
        listing: Alluxio's own list of files with the share of each that it holds.
        blocks: whole block files in the tier folders on the workers' nodes.
        status: what the Dataset's status says; it lags by up to 2.5 minutes (Fluid 1.0.8).
    """

    listing: Listing
    blocks: tuple[BlockFile, ...]
    status: DatasetSnapshot

    @property
    def block_bytes(self) -> int:
        """Bytes of whole blocks on the workers."""
        return sum(block.bytes for block in self.blocks)

    def __str__(self) -> str:
        percentage = self.status.cache.cached_percentage
        said = "nothing yet" if percentage is None else f"{percentage:g} %"
        return (
            f"Alluxio lists {self.listing.percentage:.1f} %, "
            f"{self.block_bytes} bytes in {len(self.blocks)} blocks on the workers, "
            f"the Dataset's status says {said}"
        )


@dataclass(frozen=True, slots=True)
class Observer:
    """Observes the system; it changes nothing but the page cache, and that only on request."""

    system: System

    @property
    def objects(self) -> ClusterReader:
        """Typed lookups in the API."""
        return ClusterReader(self.system.kube)

    def fuse(self, namespace: str, dataset: str) -> FuseSnapshot:
        """The Fuse of a Dataset: DaemonSet, Pods by node, labelled nodes."""
        return read_fuse(self.objects, namespace, dataset)

    def mount(self, pod: PodSnapshot, path: str = "/data") -> mountinfo.Mount:
        """The mount that serves a path inside an application."""
        done = self.inside(pod, pod_commands.mounts_argv(), COMMAND_SECONDS)
        return mountinfo.mount_at(mountinfo.parse(done.stdout), path)

    def read(
        self, pod: PodSnapshot, folder: str = "/data", *, stretch: float | None = None
    ) -> pod_commands.ReadResult:
        """Read all files below a folder inside an application.

        Args:
            pod: the application.
            folder: in its file system.
            stretch: factor of the limits of time after which the read is given up; by default that of a host
                that was slow when the run began. `ReadResult.hung` reports it.
        """
        factor = self.system.host.slowness if stretch is None else stretch
        idle, limit = HUNG_SECONDS * factor, INSIDE_SECONDS * factor
        try:
            done = self.system.kube.exec(
                pod.namespace,
                pod.name,
                CONTAINER,
                pod_commands.checksums_argv(folder),
                timeout=limit,
                idle_timeout=idle,
            )
        except ExecTimeoutError as error:
            elapsed = error.elapsed or idle
            message = f"no data for {idle:g} s"
            if elapsed >= limit:
                message = f"not all files were read within {limit:g} s"
            return pod_commands.ReadResult({}, message, hung=elapsed)
        return pod_commands.read_result(done)

    def read_file(
        self, pod: PodSnapshot, path: str, *, source_stopped: bool = False
    ) -> pod_commands.Transfer:
        """Read one file inside an application to its end.

        Args:
            pod: the application.
            path: of the file.
            source_stopped: the NFS server is stopped on purpose, so it cannot serve as a control.

        Raises:
            ProductFailureError: it cannot be read, or hangs; the controls without Fluid answer.
            InfrastructureError: a control failed too.
        """
        try:
            return pod_commands.transfer(self.inside(pod, pod_commands.read_argv(path), COMMAND_SECONDS))
        except (ExecTimeoutError, pod_commands.UnreadableFileError) as error:
            hangs = isinstance(error, ExecTimeoutError)
            problem = f"hangs for {COMMAND_SECONDS:g} s" if hangs else "fails"
            stretch = COMMAND_SECONDS / HUNG_SECONDS if hangs else None
            blame_read(self.system, pod, problem, str(error), source_stopped=source_stopped, stretch=stretch)

    def write(self, pod: PodSnapshot, path: str) -> pod_commands.WriteResult:
        """Try to write a file inside an application."""
        return pod_commands.write_result(self.inside(pod, pod_commands.write_argv(path)))

    def in_worker(
        self, namespace: str, dataset: str, argv: pod_commands.Argv, timeout: float = INSIDE_SECONDS
    ) -> Completed:
        """Run a program inside the Dataset's first worker."""
        pod = fluid_names.worker_pod(dataset)
        return self.system.kube.exec(namespace, pod, fluid_names.WORKER_CONTAINER, argv, timeout=timeout)

    def worker_mount(self, namespace: str, dataset: str, path: str) -> mountinfo.Mount:
        """The mount that serves a path inside the Dataset's first worker."""
        done = self.in_worker(namespace, dataset, pod_commands.mounts_argv())
        return mountinfo.mount_at(mountinfo.parse(done.stdout), path)

    def inside(self, pod: PodSnapshot, argv: pod_commands.Argv, timeout: float | None = None) -> Completed:
        """Run a program inside an application.

        Args:
            pod: the application.
            argv: program and arguments.
            timeout: seconds; given by callers for whom a program that does not end is a possible result.

        Raises:
            ExecTimeoutError: it did not end within ``timeout``.
            ProductFailureError: without ``timeout``: it hangs, and the controls without Fluid answer.
            InfrastructureError: without ``timeout``: it hangs, and a control fails too.
        """
        limit = COMMAND_SECONDS if timeout is None else timeout
        try:
            return self.system.kube.exec(pod.namespace, pod.name, CONTAINER, argv, timeout=limit)
        except ExecTimeoutError as error:
            if timeout is not None:
                raise
            blame_read(
                self.system, pod, f"hangs for {limit:g} s", error.message, stretch=limit / HUNG_SECONDS
            )

    def alluxio(self, namespace: str, dataset: str) -> Alluxio:
        """The Dataset's Alluxio."""
        return Alluxio(self.system.kube, namespace, dataset)

    def listing(self, namespace: str, dataset: str) -> Listing:
        """Alluxio's list of files."""
        return self.alluxio(namespace, dataset).listing()

    def blocks(self, namespace: str, dataset: str) -> tuple[BlockFile, ...]:
        """Whole block files of the Dataset on all nodes, read on the nodes themselves."""
        nodes = self.system.nodes
        return tuple(block for node in nodes for block in self.blocks_on(node, namespace, dataset))

    def blocks_on(self, node: str, namespace: str, dataset: str) -> tuple[BlockFile, ...]:
        """Whole block files of the Dataset on one node."""
        argv = find_blocks(fluid_names.tier_folder(namespace, dataset))
        return tuple(block for block in parse_blocks(self.find_on_node(node, argv)) if not block.temporary)

    def find_on_node(self, node: str, argv: Sequence[str]) -> str:
        """The output of ``find`` on a node; empty where the folders are not there.

        Raises:
            InfrastructureError: find failed for another reason than a missing folder, so its output does
                not say what is there.
        """
        done = self.system.provider.node_exec(node, argv)
        problems = [line for line in done.stderr.splitlines() if not line.endswith(NO_SUCH_FILE)]
        if done.exit_code != 0 and (problems or not done.stderr):
            raise InfrastructureError(
                f"the files of the cache on node {node} cannot be listed",
                subject=f"node {node}",
                condition="find ends with exit code 0",
                last_seen=f"exit code {done.exit_code}: {done.stderr.strip()[-1_000:]}",
                advice="the node needs GNU find, with -printf",
            )
        return done.stdout

    def cached(self, namespace: str, dataset: str) -> Cached:
        """How much is cached, by all sources."""
        return Cached(
            self.listing(namespace, dataset),
            self.blocks(namespace, dataset),
            self.dataset(namespace, dataset),
        )

    def dataset(self, namespace: str, name: str) -> DatasetSnapshot:
        """The Dataset; one without a phase where there is none."""
        return self.objects.get(DatasetSnapshot, name, namespace) or DatasetSnapshot.of({})

    def served(self) -> ServedBytes:
        """What the NFS server has sent by now."""
        return self.system.nfs_server.served()

    def on_node(self, node: str, changes: Disruption) -> Run:
        """Runs programs on a node; ``changes`` says what they may change there."""
        return partial(self.system.provider.node_exec, node, changes=changes)

    def at_the_source(self, folder: str) -> Mapping[str, str]:
        """Checksums of the files below a folder of the export, read past Fluid."""
        source = self.system.nfs
        done = source.execute(*pod_commands.checksums_argv(source.inside(folder)), timeout=INSIDE_SECONDS)
        result = pod_commands.read_result(done)
        if not result.complete:
            raise InfrastructureError(f"the NFS server cannot read its own export {folder}: {result.message}")
        return result.checksums

    def host_mounts(self, node: str, namespace: str, dataset: str) -> tuple[mountinfo.Mount, ...]:
        """Mounts on a node that belong to the Dataset's Fuse or to Pods that use its volume."""
        done = self.system.provider.node_exec(node, ["cat", "/proc/self/mountinfo"])
        marks = (
            fluid_names.host_mount(namespace, dataset),
            f"/kubernetes.io~csi/{fluid_names.volume_name(namespace, dataset)}/",
        )
        return tuple(
            mount
            for mount in mountinfo.parse(done.stdout)
            if any(mark in mount.mount_point for mark in marks)
        )
