"""What a run was measured on: all that is recorded with every number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, cast

from clusters.errors import HarnessError
from clusters.host.mountinfo import Mount
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots import NodeSnapshot, PodSnapshot
from clusters.product import fluid_names
from suites.benchmark.results import Environment, Fuse, Image, Machine, Nfs, Tier
from suites.benchmark.testbed import FOLDER, QUOTA, Bench
from suites.record.run import NfsClient
from suites.steps.user import DATASET
from workloads.pod_commands import Argv

#: Where the user-space NFS client of a node of ours tells what it mounted.
_RECORDS: Final = "/run/mount.nfs"
_HEAP: Final = re.compile(r"-Xmx(\d+)([kmgKMG]?)(?:\s|$)")
_PROPERTY: Final = re.compile(r"-D(alluxio\.[\w.]+)=(\S*)")
_FUSE_OPTIONS: Final = re.compile(r"--fuse-opts=(\S+)")
_RELEASE: Final = re.compile(r"V?(\d+(?:\.\d+)+)")
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_QUANTITIES: Final = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}

#: Properties that differ from run to run and say nothing of speed.
_PASSING: Final = re.compile(r"\.(port|hostname|dirs\.path)$")

#: The chart's name of each process's options in the ConfigMap, and ours.
_HEAPS: Final = {
    "ALLUXIO_MASTER_JAVA_OPTS": "master",
    "ALLUXIO_WORKER_JAVA_OPTS": "worker",
    "ALLUXIO_FUSE_JAVA_OPTS": "fuse",
    "ALLUXIO_JAVA_OPTS": "all others",
}


def environment(bench: Bench, fio: str = "") -> Environment:
    """Look at everything that decides a number.

    Args:
        bench: with its readers running.
        fio: fio's version as it said itself; empty until it has run.

    Raises:
        HarnessError: the readers' mounts cannot be seen.
    """
    system = bench.system
    options = _java_options(bench)
    raw = bench.user.observer.mount(bench.raw)
    nodes = [NodeSnapshot.of(obj) for obj in system.kube.list(kinds.NODE)]
    told = {
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
        nfs=_nfs(bench, raw),
        fuse=_fuse(bench, options),
        tier=Tier(medium="MEM", path="/dev/shm", quota_bytes=_quantity(QUOTA)),  # noqa: S108 - the tier is memory
        heap_bytes={
            name: heap
            for key, name in _HEAPS.items()
            if (heap := heap_bytes(options.get(key, ""))) is not None
        },
        versions={name: text for name, text in told.items() if text},
        images=tuple(
            Image(name=one.name, digest=one.digest, origin=cast("Any", one.origin.value))
            for one in system.images
        ),
        properties=properties(options.values()),
        host_limits=system.limits,
    )


def mount_words(bench: Bench, pod: PodSnapshot) -> tuple[str, ...]:
    """Type and options of the mount that a reader reads."""
    mount = bench.user.observer.mount(pod)
    return (mount.fs_type, *mount.options, *mount.super_options)


def heap_bytes(options: str) -> int | None:
    """The largest heap in Java's options, in bytes; the last one counts; None without any."""
    found = _HEAP.findall(options)
    return int(found[-1][0]) * _UNITS[found[-1][1].lower()] if found else None


def properties(options: Iterable[str]) -> dict[str, str]:
    """Alluxio's properties in Java's options, without those that only name a run's own places."""
    found = {name: value for text in options for name, value in _PROPERTY.findall(text)}
    return {name: found[name] for name in sorted(found) if not _PASSING.search(name)}


def record_of(records: str, device: str) -> dict[str, Any]:
    """The user-space client's record of the mount with that device; empty where there is none.

    Args:
        records: all records, one JSON object after another.
        device: ``major:minor``, as mountinfo tells it.
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
    """The value of a mount's option, by the first of its names that is there."""
    for name in names:
        for option in (*mount.super_options, *mount.options):
            key, equals, value = option.partition("=")
            if key == name and equals:
                return value
    return None


def _nfs(bench: Bench, mount: Mount) -> Nfs:
    user_space = mount.fs_type.startswith("fuse.")
    record: Mapping[str, Any] = {}
    if user_space:
        script = f"cat {_RECORDS}/*.json"
        done = bench.system.provider.node_exec(bench.raw.node, ("sh", "-c", script))
        record = record_of(done.stdout, mount.device)
    client: NfsClient = "user-space" if user_space else "kernel"
    rsize, nconnect = option_of(mount, "rsize"), option_of(mount, "nconnect")
    return Nfs(
        client=client,
        version=str(record.get("spoken_version") or option_of(mount, "vers", "nfsvers") or "unknown"),
        server=_server(bench),
        storage=_storage(bench),
        rsize=record.get("rsize") or (int(rsize) if rsize else None),
        nconnect=record.get("connections") or (int(nconnect) if nconnect else None),
        read_ahead_kb=_read_ahead(bench, bench.raw),
        options=mount.super_options,
    )


def _server(bench: Bench) -> str:
    try:
        told = bench.system.nfs.run("ganesha.nfsd", "-v")
    except HarnessError:
        return "unknown"
    release = _RELEASE.search(told)
    return f"NFS-Ganesha {release[1]}" if release else told.strip()[:60] or "unknown"


def _storage(bench: Bench) -> str:
    try:
        told = bench.system.nfs.run("df", "--output=fstype", FOLDER).split()
    except HarnessError:
        return "unknown"
    return f"{told[-1]} on the node's disk, read into the server's page cache beforehand"


def _fuse(bench: Bench, options: Mapping[str, str]) -> Fuse:
    found = (
        bench.system.kube.get(kinds.DAEMON_SET, fluid_names.fuse_name(DATASET), bench.user.namespace) or {}
    )
    containers = found.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    match = _FUSE_OPTIONS.search(" ".join(containers[0].get("args") or ()))
    given = properties(options.values())
    kind = "jnifuse" if given.get("alluxio.fuse.jnifuse.enabled") == "true" else "jnrfuse"
    library = given.get("alluxio.fuse.jnifuse.libfuse.version")
    return Fuse(
        options=tuple(match[1].split(",")) if match else (),
        read_ahead_kb=_read_ahead(bench, bench.fluid),
        kind=f"{kind}, libfuse {library}" if library else kind,
    )


def _read_ahead(bench: Bench, pod: PodSnapshot) -> int | None:
    argv: Argv = ("sh", "-c", 'cat "/sys/class/bdi/$(mountpoint -d /data)/read_ahead_kb"')
    text = bench.user.observer.inside(pod, argv).stdout.strip()
    return int(text) if text.isdecimal() else None


def _java_options(bench: Bench) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in fluid_names.config_maps(DATASET):
        obj = bench.system.kube.get(kinds.CONFIG_MAP, name, bench.user.namespace) or {}
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
