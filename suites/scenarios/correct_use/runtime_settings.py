"""Settings of a Dataset and its AlluxioRuntime, and where each must be seen: tables of data.

A setting is a field, a value, and a test on what runs: the Pods' specifications, the environment and the
command lines of the processes inside, the files that they see. A field that Fluid is known to ignore names
the defect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clusters.kubernetes.fields import Json, at, items, number, quantity_at, table, text, texts
from workloads.models.shared import User

MASTER: Final = "alluxio-master"
JOB_MASTER: Final = "alluxio-job-master"
WORKER: Final = "alluxio-worker"
JOB_WORKER: Final = "alluxio-job-worker"
FUSE: Final = "alluxio-fuse"
#: The containers of each Pod.
CONTAINERS: Final[Mapping[str, tuple[str, ...]]] = {
    "master": (MASTER, JOB_MASTER),
    "worker": (WORKER, JOB_WORKER),
    "fuse": (FUSE,),
}

#: Names that the tables use in the cluster; nothing else has them.
MARK: Final = "FLUID_CONFORMANCE"
KEY: Final = "fluid-conformance/setting"
COMMON_KEY: Final = "fluid-conformance/common"
#: The ConfigMap that is mounted as a volume, its key, and its folder in the Pods.
FILES: Final = "settings-files"
FILE: Final = "mark.txt"
FOLDER: Final = "/fluid-conformance"
#: The ConfigMap with Hadoop's configuration, and where Fluid mounts it (hadoopConfMountPath in
#: pkg/ddc/alluxio/const.go of 1.0.8).
HADOOP: Final = "settings-hadoop"
HADOOP_FILE: Final = "/hdfs-config/core-site.xml"
#: The label by which Prometheus finds a runtime (alluxioRuntimeMetricsLabel in pkg/ddc/alluxio/const.go).
MONITOR: Final = "alluxio_runtime_metrics"

JOB_PARTS_IGNORED: Final = "settings-of-job-parts-ignored"
FUSE_NETWORK_IGNORED: Final = "network-mode-of-fuse-ignored"
FUSE_REQUESTS_IGNORED: Final = "fuse-resources-without-memory-limit-ignored"
WATERMARKS_IGNORED: Final = "tier-watermarks-ignored"
PIN_IGNORED: Final = "pin-ignored"


@dataclass(frozen=True, slots=True)
class Inside:
    """What is inside a running container.

    Attributes:
        environment: of its first process, lines ``NAME=value``.
        command_lines: of all its processes, one a line.
        files: those of the paths in `PATHS` that exist.
    """

    environment: frozenset[str]
    command_lines: str
    files: frozenset[str]


@dataclass(frozen=True, slots=True)
class RuntimeSeen:
    """A runtime that serves.

    Attributes:
        pods: one Pod of each part, by ``master``, ``worker`` and ``fuse``.
        inside: by container.
        service: of the first master.
        owner: user and group of a file as the application sees it.
        pinned: lines of ``alluxio fs ls`` of pinned files.
    """

    pods: Mapping[str, Json]
    inside: Mapping[str, Inside]
    service: Json
    owner: tuple[int, int]
    pinned: tuple[str, ...]

    def container(self, name: str) -> Json:
        """The specification of a container; empty if no Pod has it."""
        found = (
            container
            for pod in self.pods.values()
            for container in items(pod, "spec", "containers")
            if text(container, "name") == name
        )
        return next(found, {})


#: What is seen instead of a setting, or an empty text if it is seen.
Look = Callable[[RuntimeSeen], str]


@dataclass(frozen=True, slots=True)
class Setting:
    """A field with a value.

    Attributes:
        field: such as ``AlluxioRuntime.spec.master.env``.
        value: merged into what the field has already.
        where: it must be seen, as the end of a sentence.
        look: whether it is.
        ignored: key of the defect if Fluid is known to ignore it.
    """

    field: str
    value: Any
    where: str
    look: Look
    ignored: str = ""


#: Paths that are looked for inside each container.
PATHS: Final = (f"{FOLDER}/{FILE}", HADOOP_FILE)


def in_environment(container: str, line: str) -> Look:
    """The first process of a container has a variable."""

    def look(seen: RuntimeSeen) -> str:
        found = seen.inside.get(container)
        if found is None:
            return f"no container {container}"
        return "" if line in found.environment else f"no {line} in the environment of {container}"

    return look


def _containers_without(
    seen: RuntimeSeen, containers: Sequence[str], has: Callable[[Inside], bool]
) -> list[str]:
    """Those of the containers that do not exist or do not have something."""
    return [name for name in containers if name not in seen.inside or not has(seen.inside[name])]


def on_command_line(option: str, *containers: str) -> Look:
    """A process of each of these containers has an option."""

    def look(seen: RuntimeSeen) -> str:
        missing = _containers_without(seen, containers, lambda inside: option in inside.command_lines)
        return f"no process of {', '.join(missing)} has {option}" if missing else ""

    return look


def has_file(path: str, *containers: str) -> Look:
    """Each of these containers has a file."""

    def look(seen: RuntimeSeen) -> str:
        missing = _containers_without(seen, containers, lambda inside: path in inside.files)
        return f"{', '.join(missing)} has no {path}" if missing else ""

    return look


def in_pod(parts: tuple[str, ...], path: tuple[str, ...], expected: Mapping[str, str]) -> Look:
    """The Pods of these parts have entries in a map, such as their labels."""

    def look(seen: RuntimeSeen) -> str:
        wrong = []
        for part in parts:
            found = table(seen.pods.get(part), *path)
            if not expected.items() <= found.items():
                wrong.append(f"{part}: {'.'.join(path)} is {found}")
        return "; ".join(wrong)

    return look


def pull_secrets(part: str, name: str) -> Look:
    """The Pod of a part has an image pull secret."""

    def look(seen: RuntimeSeen) -> str:
        found = [text(item, "name") for item in items(seen.pods.get(part), "spec", "imagePullSecrets")]
        return "" if name in found else f"{part}: imagePullSecrets are {', '.join(found) or 'none'}"

    return look


def resources(container: str, kind: str, expected: Mapping[str, str], *, more: float = 0.0) -> Look:
    """A container has limits or requests; its memory may have as many bytes ``more``."""

    def look(seen: RuntimeSeen) -> str:
        found = at(seen.container(container), "resources", kind) or {}
        for name, value in expected.items():
            wanted = quantity_at({"value": value}, "value") + (more if name == "memory" else 0.0)
            if quantity_at(found, name) != wanted:
                return f"{container}: {kind} are {dict(found) or 'none'}"
        return ""

    return look


def ports(container: str, *expected: int) -> Look:
    """A container has ports."""

    def look(seen: RuntimeSeen) -> str:
        found = {number(port, "containerPort") for port in items(seen.container(container), "ports")}
        return "" if set(expected) <= found else f"{container}: ports {sorted(found) or 'none'}"

    return look


def image(container: str, name: str) -> Look:
    """A container's image has this name, whatever its tag."""

    def look(seen: RuntimeSeen) -> str:
        found = text(seen.container(container), "image")
        return "" if found.rpartition(":")[0] == name else f"{container}: image {found or 'none'}"

    return look


def pull_policy(container: str, policy: str) -> Look:
    """A container has this image pull policy."""

    def look(seen: RuntimeSeen) -> str:
        found = text(seen.container(container), "imagePullPolicy")
        return "" if found == policy else f"{container}: imagePullPolicy {found or 'none'}"

    return look


def argument(container: str, part: str) -> Look:
    """An argument of a container contains a text."""

    def look(seen: RuntimeSeen) -> str:
        found = texts(seen.container(container), "args")
        return "" if any(part in one for one in found) else f"{container}: arguments {' '.join(found)}"

    return look


def tolerates(*parts: str) -> Look:
    """The Pods of these parts tolerate the taint `KEY`."""

    def look(seen: RuntimeSeen) -> str:
        missing = [
            part
            for part in parts
            if not any(text(item, "key") == KEY for item in items(seen.pods.get(part), "spec", "tolerations"))
        ]
        return f"{', '.join(missing)}: no toleration of {KEY}" if missing else ""

    return look


def in_container_network(part: str) -> Look:
    """The Pod of a part has a network of its own."""

    def look(seen: RuntimeSeen) -> str:
        return f"{part}: hostNetwork true" if at(seen.pods.get(part), "spec", "hostNetwork") else ""

    return look


def monitored(*, expected: bool) -> Look:
    """The master's Service carries the label by which Prometheus finds it, or not."""

    def look(seen: RuntimeSeen) -> str:
        found = text(seen.service, "metadata", "labels", "monitor")
        if (found == MONITOR) == expected:
            return ""
        return f"the master's Service has label monitor={found or '(none)'}"

    return look


def owned_by(owner: User) -> Look:
    """Files belong to this user and this group, as the application sees them."""

    def look(seen: RuntimeSeen) -> str:
        return (
            "" if seen.owner == (owner.uid, owner.gid) else f"files belong to {seen.owner[0]}:{seen.owner[1]}"
        )

    return look


def pinned(seen: RuntimeSeen) -> str:
    """Alluxio has pinned files."""
    return "" if seen.pinned else "Alluxio has no pinned file"
