"""The environment of a run, which is recorded with every number."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clusters.facts import Image, NfsClient
from suites.benchmark.model.base import Count, Model


class Machine(Model):
    """The host that all nodes share, or the nodes' common kind on an existing cluster."""

    cpu_model: str
    cpus: int = Field(ge=1, description="processors that the cluster may use, all nodes together")
    architecture: str
    memory_bytes: Count | None = None
    kernel: str = Field(description="release of the kernel, as in uname -r")


class Nfs(Model):
    """The NFS server and how it is mounted."""

    client: NfsClient = Field(
        description="what mounts NFS on the nodes; runs with different clients cannot be compared"
    )
    version: str = Field(description="of the protocol, such as 3 or 4.1")
    server: str = Field(description="name and version of the server")
    storage: str = Field(description="medium of the exported files, such as RAM or SSD")
    rsize: Count | None = Field(description="largest READ of the client, in bytes")
    nconnect: Count | None = Field(description="TCP connections of one mount")
    read_ahead_kb: Count | None = Field(description="read-ahead of the mount, in KiB")
    options: tuple[str, ...] = Field((), description="all options of the mount")


class Fuse(Model):
    """How Fluid mounts Alluxio on a node."""

    options: tuple[str, ...]
    read_ahead_kb: Count | None = Field(None, description="read-ahead of the mount, in KiB")
    kind: str = Field("", description="FUSE client, such as jnifuse")


class Tier(Model):
    """Where Alluxio's workers keep cached data."""

    medium: Literal["MEM", "SSD", "HDD"]
    path: str
    quota_bytes: Count = Field(description="of all workers together")


class Environment(Model):
    """The environment of a run."""

    machine: Machine
    nodes: int = Field(ge=1)
    cluster: Literal["kind", "existing"]
    nfs: Nfs
    fuse: Fuse
    tier: Tier
    heap_bytes: dict[str, Count] = Field(description="Java heap by component: master, worker, fuse, …")
    versions: dict[str, str] = Field(description="by name: fluid, alluxio, kubernetes, fio, harness, …")
    images: tuple[Image, ...] = ()
    properties: dict[str, str] = Field(default_factory=dict, description="Alluxio properties that were set")
    host_limits: tuple[str, ...] = Field(
        (), description="what this host cannot do, and what the harness does instead"
    )
