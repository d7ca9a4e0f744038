"""Collects the environment of a run, which is recorded with every number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.errors import HarnessError
from clusters.facts import NfsClient
from clusters.host.mountinfo import Mount
from clusters.kubernetes import kinds
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.benchmark.model.environment import Environment, Fuse, Machine, Nfs, Tier
from suites.benchmark.testbed.datasets import QUOTA
from suites.benchmark.testbed.layout import FOLDER
from suites.benchmark.testbed.testbed import Testbed
from suites.steps.user import DATASET
from workloads.pod_commands import Argv

#: Where the user-space NFS client of the harness records its mounts on a node.
_RECORDS: Final = "/run/mount.nfs"
_HEAP: Final = re.compile(r"-Xmx(\d+)([kmgKMG]?)(?:\s|$)")
_PROPERTY: Final = re.compile(r"-D(alluxio\.[\w.]+)=(\S*)")
_FUSE_OPTIONS: Final = re.compile(r"--fuse-opts=(\S+)")
_RELEASE: Final = re.compile(r"V?(\d+(?:\.\d+)+)")
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_QUANTITIES: Final = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}

#: Properties that differ from run to run and do not affect speed.
_IRRELEVANT: Final = re.compile(r"\.(port|hostname|dirs\.path)$")

#: The variable in the ConfigMap with the Java options of a process, and its name in the results.
_HEAPS: Final = {
    "ALLUXIO_MASTER_JAVA_OPTS": "master",
    "ALLUXIO_WORKER_JAVA_OPTS": "worker",
    "ALLUXIO_FUSE_JAVA_OPTS": "fuse",
    "ALLUXIO_JAVA_OPTS": "all others",
}


def probe_environment(testbed: Testbed, fio: str = "") -> Environment:
    """Collect everything that can change a number.

    Args:
        testbed: with its readers running.
        fio: version reported by fio; empty before its first run.

    Raises:
        HarnessError: the mounts of the readers cannot be read.
    """
    system = testbed.system
    options = _java_options(testbed)
    raw = testbed.user.observer.mount(testbed.raw)
    nodes = ClusterReader(system.kube).list(NodeSnapshot)
    versions = {
        "fluid": system.fluid.version,
        "alluxio": system.options.versions.alluxio,
        "kubernetes": system.kubernetes,
        "fio": fio.removeprefix("fio-"),
        "harness": _own_version(),
    }
    return Environment(
        machine=Machine(
            cpu_model=system.host.cpu_model,
            cpus=system.host.cpus,
            architecture=nodes[0].architecture if nodes else "unknown",
            memory_bytes=system.host.memory,
            kernel=system.host.kernel,
        ),
        nodes=max(len(system.nodes), 1),
        cluster=system.cluster.provider,
        nfs=_nfs(testbed, raw),
        fuse=_fuse(testbed, options),
        tier=Tier(medium="MEM", path="/dev/shm", quota_bytes=_quantity(QUOTA)),  # noqa: S108 - the tier is memory
        heap_bytes={
            name: heap
            for key, name in _HEAPS.items()
            if (heap := heap_bytes(options.get(key, ""))) is not None
        },
        versions={name: text for name, text in versions.items() if text},
        images=system.images,
        properties=properties(options.values()),
        host_limits=system.limits,
    )


def mounts_of(testbed: Testbed) -> dict[bool, tuple[str, ...]]:
    """Type and options of the mounts of both readers, by whether it reads through Fluid."""
    return {True: _mount_options(testbed, testbed.fluid), False: _mount_options(testbed, testbed.raw)}


def _mount_options(testbed: Testbed, pod: PodSnapshot) -> tuple[str, ...]:
    mount = testbed.user.observer.mount(pod)
    return (mount.fs_type, *mount.options, *mount.super_options)


def heap_bytes(options: str) -> int | None:
    """The maximum heap in Java options, in bytes; the last option counts; None without one."""
    found = _HEAP.findall(options)
    return int(found[-1][0]) * _UNITS[found[-1][1].lower()] if found else None


def properties(options: Iterable[str]) -> dict[str, str]:
    """The properties of Alluxio in Java options, without ports, host names and paths of the run."""
    found = {name: value for text in options for name, value in _PROPERTY.findall(text)}
    return {name: found[name] for name in sorted(found) if not _IRRELEVANT.search(name)}


def mount_record(records: str, device: str) -> dict[str, Any]:
    """The record of the user-space client for the mount of a device; empty without one.

    Args:
        records: all records, one JSON object after another.
        device: ``major:minor``, as in mountinfo.
    """
    decoder, rest = json.JSONDecoder(), records.strip()
    while rest:
        try:
            one, end = decoder.raw_decode(rest)
        except ValueError:
            return {}
        if isinstance(one, dict) and one.get("device") == device:
            return one
        rest = rest[end:].strip()
    return {}


def option_of(mount: Mount, *names: str) -> str | None:
    """The value of a mount option, by the first of its names that exists."""
    for name in names:
        for option in (*mount.super_options, *mount.options):
            key, equals, value = option.partition("=")
            if key == name and equals:
                return value
    return None


def _nfs(testbed: Testbed, mount: Mount) -> Nfs:
    user_space = mount.fs_type.startswith("fuse.")
    record: Mapping[str, Any] = {}
    if user_space:
        script = f"cat {_RECORDS}/*.json"
        done = testbed.system.provider.node_exec(
            testbed.raw.node, ("sh", "-c", script), changes=Disruption.NOTHING
        )
        record = mount_record(done.stdout, mount.device)
    client: NfsClient = "user-space" if user_space else "kernel"
    rsize, nconnect = option_of(mount, "rsize"), option_of(mount, "nconnect")
    return Nfs(
        client=client,
        version=str(record.get("spoken_version") or option_of(mount, "vers", "nfsvers") or "unknown"),
        server=_server(testbed),
        storage=_storage(testbed),
        rsize=record.get("rsize") or (int(rsize) if rsize else None),
        nconnect=record.get("connections") or (int(nconnect) if nconnect else None),
        read_ahead_kb=_read_ahead(testbed, testbed.raw),
        options=mount.super_options,
    )


def _server(testbed: Testbed) -> str:
    try:
        output = testbed.system.nfs_server.run("ganesha.nfsd", "-v")
    except HarnessError:
        return "unknown"
    release = _RELEASE.search(output)
    return f"NFS-Ganesha {release[1]}" if release else output.strip()[:60] or "unknown"


def _storage(testbed: Testbed) -> str:
    try:
        output = testbed.system.nfs_server.run("df", "--output=fstype", FOLDER).split()
    except HarnessError:
        return "unknown"
    return f"{output[-1]} on the disk of the node, all data in the page cache of the server"


def _fuse(testbed: Testbed, options: Mapping[str, str]) -> Fuse:
    found = (
        testbed.system.kube.get(kinds.DAEMON_SET, fluid_names.fuse_name(DATASET), testbed.user.namespace)
        or {}
    )
    containers = found.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    match = _FUSE_OPTIONS.search(" ".join(containers[0].get("args") or ()))
    given = properties(options.values())
    kind = "jnifuse" if given.get("alluxio.fuse.jnifuse.enabled") == "true" else "jnrfuse"
    library = given.get("alluxio.fuse.jnifuse.libfuse.version")
    return Fuse(
        options=tuple(match[1].split(",")) if match else (),
        read_ahead_kb=_read_ahead(testbed, testbed.fluid),
        kind=f"{kind}, libfuse {library}" if library else kind,
    )


def _read_ahead(testbed: Testbed, pod: PodSnapshot) -> int | None:
    argv: Argv = ("sh", "-c", 'cat "/sys/class/bdi/$(mountpoint -d /data)/read_ahead_kb"')
    text = testbed.user.observer.inside(pod, argv).stdout.strip()
    return int(text) if text.isdecimal() else None


def _java_options(testbed: Testbed) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in fluid_names.config_maps(DATASET):
        obj = testbed.system.kube.get(kinds.CONFIG_MAP, name, testbed.user.namespace) or {}
        data: Mapping[str, str] = obj.get("data") or {}
        found |= {key: text for key, text in data.items() if key.endswith("_JAVA_OPTS")}
    return found


def _quantity(text: str) -> int:
    return int(text[:-2]) * _QUANTITIES[text[-2:]]


def _own_version() -> str:
    try:
        return version("fluid-conformance")
    except PackageNotFoundError:
        return ""
