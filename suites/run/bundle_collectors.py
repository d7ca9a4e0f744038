"""What is collected when a scenario fails, so that a stranger finds the cause without the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_names, nfs
from clusters.system import System
from suites.record.run import BundleCollector, FailureContext
from workloads.models.base import yaml_of

_OBJECTS: Final = (
    kinds.POD,
    kinds.CLAIM,
    kinds.DATASET,
    kinds.ALLUXIO_RUNTIME,
    kinds.DATA_LOAD,
    kinds.DAEMON_SET,
    kinds.STATEFUL_SET,
    kinds.JOB,
    kinds.CONFIG_MAP,
)
_CLUSTER_OBJECTS: Final = (kinds.NODE, kinds.VOLUME)
_SYSTEM_NAMESPACES: Final = (fluid.NAMESPACE, nfs.NAMESPACE)


def collectors(system: System) -> list[BundleCollector]:
    """All collectors for a system."""
    kube = system.kube
    return [
        BundleCollector("events", lambda context: _events(kube, context)),
        BundleCollector("objects", lambda context: _objects(kube, context)),
        BundleCollector("logs", lambda context: _logs(kube, context), seconds=60.0),
        BundleCollector("mounts", lambda _: _mounts(system)),
        BundleCollector("alluxio", lambda context: _alluxio(system, context), seconds=60.0),
        BundleCollector("sent", lambda _: {"sent.yaml": yaml_of(*kube.sent)}),
        BundleCollector("nodes", lambda _: system.provider.logs(), seconds=60.0),
    ]


def _events(kube: Kube, context: FailureContext) -> Mapping[str, str]:
    objects = ClusterReader(kube)
    found = {}
    for namespace in (*context.namespaces, *_SYSTEM_NAMESPACES):
        lines = [
            f"{event.last or ''}  x{event.count}  {event.type}  {event.reason}  "
            f"{event.kind} {event.name}: {event.message}"
            for event in objects.events(namespace)
        ]
        found[f"{namespace}.txt"] = "\n".join(lines)
    return found


def _objects(kube: Kube, context: FailureContext) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for namespace in context.namespaces:
        for kind in _OBJECTS:
            _put(found, f"{namespace}/{kind.plural}.yaml", kube, kind, namespace)
    for kind in _CLUSTER_OBJECTS:
        _put(found, f"cluster/{kind.plural}.yaml", kube, kind, None)
    _put(found, f"{fluid.NAMESPACE}/pods.yaml", kube, kinds.POD, fluid.NAMESPACE)
    return found


def _put(found: dict[str, str], name: str, kube: Kube, kind: Kind, namespace: str | None) -> None:
    try:
        objects: list[dict[str, Any]] = kube.list(kind, namespace)
    except KubeError as error:
        found[name] = f"# {error.message}"
        return
    for obj in objects:
        obj.get("metadata", {}).pop("managedFields", None)
    if objects:
        found[name] = yaml.safe_dump_all(objects, sort_keys=False)


def _logs(kube: Kube, context: FailureContext) -> Mapping[str, str]:
    since = max(1, int((datetime.now(UTC) - context.since).total_seconds()) + 1)
    found = {}
    for namespace in (*context.namespaces, *_SYSTEM_NAMESPACES):
        for obj in kube.list(kinds.POD, namespace):
            pod = PodSnapshot.of(obj)
            for container in (*pod.init_containers, *pod.containers):
                stem = f"{namespace}/{pod.name}/{container.name}"
                found[f"{stem}.log"] = _log(kube, pod, container.name, since, previous=False)
                if container.restarts:
                    found[f"{stem}.previous.log"] = _log(kube, pod, container.name, since, previous=True)
    return found


def _log(kube: Kube, pod: PodSnapshot, container: str, since: int, *, previous: bool) -> str:
    try:
        return kube.logs(
            pod.namespace, pod.name, container, previous=previous, tail=5_000, since_seconds=since
        )
    except KubeError as error:
        return f"# {error.message}"


def _mounts(system: System) -> Mapping[str, str]:
    return {
        f"{node}.mountinfo": system.provider.node_exec(node, ["cat", "/proc/self/mountinfo"]).stdout
        for node in system.nodes
    }


def _alluxio(system: System, context: FailureContext) -> Mapping[str, str]:
    script = (
        "alluxio fsadmin report summary; alluxio fsadmin report metrics; alluxio fs ls -R /; alluxio fs mount"
    )
    found = {}
    for namespace in context.namespaces:
        for pod in ClusterReader(system.kube).list(PodSnapshot, namespace, labels="role=alluxio-master"):
            done = system.kube.exec(
                namespace, pod.name, fluid_names.MASTER_CONTAINER, ["bash", "-c", script], timeout=50.0
            )
            found[f"{namespace}/{pod.name}.txt"] = done.stdout + done.stderr
    return found
