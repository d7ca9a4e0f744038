"""Looking at the system from independent sides: what each source says, as a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host import mountinfo
from clusters.host.commands import Completed
from clusters.kubernetes.lookups import ClusterReader, FuseSnapshot
from clusters.kubernetes.snapshots import DatasetSnapshot, PodSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio import Alluxio, BlockFile, Listing, find_blocks, parse_blocks
from clusters.product.nfs import ServedBytes
from clusters.system import System
from workloads import pod_commands
from workloads.application import CONTAINER
from workloads.faults import Dropped, Run, drop_page_cache

#: Seconds for a program inside an application; reading all of the smoke data takes a few.
INSIDE_SECONDS: Final = 120.0


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
    """Looks at the system; it changes nothing but the page cache, and that only when told to."""

    system: System

    @property
    def view(self) -> ClusterReader:
        """Typed look-ups in the API."""
        return ClusterReader(self.system.kube)

    def fuse(self, namespace: str, dataset: str) -> FuseSnapshot:
        """The Fuse of a Dataset: DaemonSet, Pods by node, labelled nodes."""
        return self.view.fuse(namespace, dataset)

    def mount(self, pod: PodSnapshot, path: str = "/data") -> mountinfo.Mount:
        """The mount that serves a path inside an application."""
        done = self.inside(pod, pod_commands.mounts_argv())
        return mountinfo.mount_at(mountinfo.parse(done.stdout), path)

    def read(
        self, pod: PodSnapshot, folder: str = "/data", timeout: float = INSIDE_SECONDS
    ) -> pod_commands.ReadResult:
        """Read all files below a folder inside an application."""
        return pod_commands.read_result(self.inside(pod, pod_commands.checksums_argv(folder), timeout))

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

    def inside(self, pod: PodSnapshot, argv: pod_commands.Argv, timeout: float = INSIDE_SECONDS) -> Completed:
        """Run a program inside an application."""
        return self.system.kube.exec(pod.namespace, pod.name, CONTAINER, argv, timeout=timeout)

    def alluxio(self, namespace: str, dataset: str) -> Alluxio:
        """The Dataset's Alluxio."""
        return Alluxio(self.system.kube, namespace, dataset)

    def listing(self, namespace: str, dataset: str) -> Listing:
        """Alluxio's list of files."""
        return self.alluxio(namespace, dataset).listing()

    def blocks(self, namespace: str, dataset: str) -> tuple[BlockFile, ...]:
        """Whole block files of the Dataset on all nodes, looked at on the nodes themselves."""
        found: list[BlockFile] = []
        argv = find_blocks(fluid_names.tier_folder(namespace, dataset))
        for node in self.system.nodes:
            done = self.system.provider.node_exec(node, argv)
            found += [block for block in parse_blocks(done.stdout) if not block.temporary]
        return tuple(found)

    def cached(self, namespace: str, dataset: str) -> Cached:
        """How much is cached, by all sources."""
        return Cached(
            self.listing(namespace, dataset),
            self.blocks(namespace, dataset),
            self.dataset(namespace, dataset),
        )

    def dataset(self, namespace: str, name: str) -> DatasetSnapshot:
        """The Dataset; one without a phase where there is none."""
        return self.view.dataset(namespace, name) or DatasetSnapshot.of({})

    def served(self) -> ServedBytes:
        """What the NFS server has sent by now."""
        return self.system.nfs.served()

    def on_node(self, node: str) -> Run:
        """Runs programs on a node."""
        return partial(self.system.provider.node_exec, node)

    def drop_page_cache(self, node: str) -> Dropped:
        """Drop the page cache of the machine, so that a read has to ask its file system."""
        return drop_page_cache(self.on_node(node))

    def at_the_source(self, folder: str) -> Mapping[str, str]:
        """Checksums of the files below a folder of the export, read on the server's own disk."""
        done = self.system.kube.exec(
            "fluid-conformance",
            "nfs-server",
            "ganesha",
            pod_commands.checksums_argv(folder),
            timeout=INSIDE_SECONDS,
        )
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
