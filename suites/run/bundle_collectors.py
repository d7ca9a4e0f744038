"""What is collected when a scenario fails, so that a stranger finds the cause without the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import yaml

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.ownership import is_managed
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_names, nfs
from clusters.system import System
from suites.record.redaction import redacted_object
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


class BundleScope(StrEnum):
    """What a bundle may hold beyond objects of the harness and of the scenario."""

    FLUID = "fluid"
    NODES = "nodes"


def collectors(system: System, scopes: frozenset[BundleScope]) -> list[BundleCollector]:
    """All collectors for a system.

    Args:
        system: the system.
        scopes: what they may collect of others: Pods, events and logs of Fluid's components; nodes with their
            journals and all their mounts.
    """
    kube = system.kube
    shared = (nfs.NAMESPACE, *((fluid.NAMESPACE,) if BundleScope.FLUID in scopes else ()))
    found = [
        BundleCollector("events", lambda context: _events(kube, (*context.namespaces, *shared))),
        BundleCollector("objects", lambda context: _objects(kube, context, scopes)),
        BundleCollector("logs", lambda context: _logs(kube, context, shared), seconds=60.0),
        BundleCollector("mounts", lambda context: _mounts(system, context, scopes)),
        BundleCollector("alluxio", lambda context: _alluxio(system, context), seconds=60.0),
        BundleCollector("sent", lambda _: {"sent.yaml": yaml_of(*map(redacted_object, kube.sent))}),
    ]
    if BundleScope.NODES in scopes:
        found.append(BundleCollector("nodes", lambda _: system.provider.logs(), seconds=60.0))
    return found


def _events(kube: Kube, namespaces: Sequence[str]) -> Mapping[str, str]:
    objects = ClusterReader(kube)
    found = {}
    for namespace in namespaces:
        lines = [
            f"{event.last or ''}  x{event.count}  {event.type}  {event.reason}  "
            f"{event.kind} {event.name}: {event.message}"
            for event in objects.events(namespace)
        ]
        found[f"{namespace}.txt"] = "\n".join(lines)
    return found


def _objects(kube: Kube, context: FailureContext, scopes: frozenset[BundleScope]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for namespace in context.namespaces:
        for kind in _OBJECTS:
            _put(found, f"{namespace}/{kind.plural}.yaml", kube, kind, namespace)

    def is_own(volume: Mapping[str, Any]) -> bool:
        return is_managed(volume) or text(volume, "spec", "claimRef", "namespace") in context.namespaces

    _put(found, f"cluster/{kinds.VOLUME.plural}.yaml", kube, kinds.VOLUME, None, keep=is_own)
    if BundleScope.NODES in scopes:
        _put(found, f"cluster/{kinds.NODE.plural}.yaml", kube, kinds.NODE, None)
    if BundleScope.FLUID in scopes:
        _put(found, f"{fluid.NAMESPACE}/pods.yaml", kube, kinds.POD, fluid.NAMESPACE)
    return found


def _put(
    found: dict[str, str],
    name: str,
    kube: Kube,
    kind: Kind,
    namespace: str | None,
    *,
    keep: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> None:
    try:
        objects = [redacted_object(obj) for obj in kube.list(kind, namespace) if keep(obj)]
    except KubeError as error:
        found[name] = f"# {error.message}"
        return
    for obj in objects:
        obj.get("metadata", {}).pop("managedFields", None)
    if objects:
        found[name] = yaml.safe_dump_all(objects, sort_keys=False)


def _logs(kube: Kube, context: FailureContext, shared: Sequence[str]) -> Mapping[str, str]:
    since = max(1, int((datetime.now(UTC) - context.since).total_seconds()) + 1)
    found = {}
    for namespace in (*context.namespaces, *shared):
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


def _mounts(system: System, context: FailureContext, scopes: frozenset[BundleScope]) -> Mapping[str, str]:
    """The mounts of the nodes; without their scope, only those of the scenario's namespaces."""
    found = {}
    for node in system.nodes:
        said = system.provider.node_exec(node, ["cat", "/proc/self/mountinfo"]).stdout
        lines = [
            line
            for line in said.splitlines(keepends=True)
            if BundleScope.NODES in scopes or any(name in line for name in context.namespaces)
        ]
        found[f"{node}.mountinfo"] = "".join(lines)
    return found


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
