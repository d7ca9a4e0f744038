"""Reads a cluster by lists only: 500 objects a request, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, items, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.object_cache import Objects
from clusters.product.fluid import NAMESPACE as FLUID_NAMESPACE
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.fluid_facts import RUNTIME_KINDS, referred_dataset

#: Reason of the Events that the doctor creates itself; they prove nothing.
DOCTORS_REASON: Final = "NotServedByFluid"
_FORBIDDEN: Final = 403
_NO_SUCH_KIND: Final = "NoSuchKind"
#: What does not follow if a kind cannot be read. Of the whole cluster all of these are needed.
_CLUSTER_WIDE: Final = {
    kinds.VOLUME: "volumes made by hand, and claims of one NFS export, are not recognized",
    kinds.NODE: "labels, taints and memory of nodes are not known",
    kinds.CSI_NODE: "whether Fluid's CSI plugin is registered on a node is not known",
}
_CONTROLLERS: Final = {
    kinds.DAEMON_SET: "whether a Fuse DaemonSet exists is not known",
    kinds.STATEFUL_SET: "whether masters and workers exist is not known",
}


class Lists(Protocol):
    """Lists objects: `clusters.kubernetes.client.Kube`, or `clusters.kubernetes.object_cache.ObjectCache`."""

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Objects:
        """All objects of a kind, in one namespace or in all, narrowed by selectors."""
        ...


class CannotDiagnoseError(RefusalError):
    """The cluster cannot be diagnosed: rights are missing, or Fluid is not installed.

    Attributes:
        missing: the missing rights, such as ``list pods in namespace demo``.
    """

    def __init__(self, message: str, *, missing: tuple[str, ...] = (), advice: str = "") -> None:
        self.missing = missing
        super().__init__(message, advice=advice)


@dataclass
class _Reading:
    """The objects read so far, and what could not be read."""

    kube: Lists
    objects: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    scope: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, kind: Kind, namespace: str | None = None, fields: str = "") -> bool:
        """List a kind; False if that is forbidden."""
        try:
            self.objects += self.kube.list(kind, namespace, fields=fields)
        except KubeError as error:
            if error.status != _FORBIDDEN:
                raise
            self.scope.setdefault(kind.name, frozenset())
            return False
        if namespace is not None:
            self.scope[kind.name] = self.scope.get(kind.name, frozenset()) | {namespace}
        return True

    def require(self, kind: Kind, namespace: str | None = None) -> None:
        """List a kind that a diagnosis needs."""
        if not self.read(kind, namespace):
            self.missing.append(right("list", kind, namespace))

    def try_to_read(self, kind: Kind, namespace: str | None, without: str, fields: str = "") -> None:
        """List a kind that is not needed; record what follows if it is forbidden."""
        if not self.read(kind, namespace, fields):
            self.gaps.append(f"cannot {right('list', kind, namespace)}: {without}")


def right(verb: str, kind: Kind, namespace: str | None) -> str:
    """The name of a right, such as ``list daemonsets.apps in namespace demo``."""
    group = kind.api_version.partition("/")[0] if "/" in kind.api_version else ""
    resource = f"{kind.plural}.{group}" if group else kind.plural
    return f"{verb} {resource}" + (f" in namespace {namespace}" if namespace else "")


def collect(kube: Lists, namespace: str | None = None, *, now: datetime | None = None) -> ClusterState:
    """Read a cluster, or one namespace of it and what serves its Pods.

    In one namespace, rights on Pods, claims and Datasets there are enough; the state says what was not read.

    Args:
        kube: the cluster.
        namespace: read only the Pods of this one; Datasets are read in all namespaces if that is allowed.
        now: the time; the host's by default.

    Raises:
        CannotDiagnoseError: a right that is needed is missing, or Fluid is not installed.
        KubeError: the cluster could not be reached.
    """
    reading = _Reading(kube)
    _read_datasets(reading, namespace)
    _read_or_note(reading, _CLUSTER_WIDE, namespace)
    for kind in (kinds.POD, kinds.CLAIM):
        reading.require(kind, namespace)
    _read_or_note(reading, _CONTROLLERS, namespace)
    for kind in RUNTIME_KINDS:
        _read_runtimes(reading, kind, namespace)
    if reading.missing:
        raise CannotDiagnoseError(
            f"this user may not {', nor '.join(reading.missing)}",
            missing=tuple(reading.missing),
            advice="grant the rights of suites/doctor/cluster-role.yaml"
            + ("" if namespace else ", or check one namespace with --namespace"),
        )
    serving = _serving_namespaces(reading.objects, namespace)
    for other in serving:
        for kind in (kinds.POD, *_CONTROLLERS):
            reading.try_to_read(kind, other, "what serves Pods from there is not known")
    reading.try_to_read(kinds.DEPLOYMENT, FLUID_NAMESPACE, "whether Fluid's controllers run is not known")
    for place in (namespace, *serving):
        reading.try_to_read(
            kinds.EVENT,
            place,
            "no event from there is quoted" if place else "no event is quoted",
            f"type=Warning,reason!={DOCTORS_REASON}",
        )
    return ClusterState.of(reading.objects, now or datetime.now(UTC), scope=reading.scope, gaps=reading.gaps)


def _read_or_note(reading: _Reading, without: Mapping[Kind, str], namespace: str | None) -> None:
    """Kinds that are needed for a whole cluster, and not for one namespace."""
    for kind, lost in without.items():
        if namespace is None:
            reading.require(kind)
        else:
            reading.try_to_read(kind, namespace if kind.namespaced else None, lost)


def _read_datasets(reading: _Reading, namespace: str | None) -> None:
    try:
        if reading.read(kinds.DATASET):
            return
        if namespace is None:
            reading.missing.append(right("list", kinds.DATASET, None))
        elif reading.read(kinds.DATASET, namespace):
            everywhere = right("list", kinds.DATASET, None)
            reading.gaps.append(f"cannot {everywhere}: only Datasets of {namespace} are known")
        else:
            reading.missing.append(right("list", kinds.DATASET, namespace))
    except KubeError as error:
        if error.reason != _NO_SUCH_KIND:
            raise
        raise CannotDiagnoseError(
            "Fluid is not installed in this cluster: it does not know Datasets",
            advice="install Fluid, or name another cluster with --kubeconfig or --context",
        ) from error


def _read_runtimes(reading: _Reading, kind: Kind, namespace: str | None) -> None:
    """Runtimes of one kind; a cluster need not know all kinds."""
    try:
        if reading.read(kind) or (namespace is not None and reading.read(kind, namespace)):
            return
    except KubeError as error:
        if error.reason != _NO_SUCH_KIND:
            raise
        return
    everywhere = right("list", kind, None)
    if kind is kinds.ALLUXIO_RUNTIME and namespace is None:
        reading.missing.append(everywhere)
    else:
        reading.gaps.append(f"cannot {everywhere}: whether a Dataset has such a runtime is not known")


def _serving_namespaces(objects: Iterable[dict[str, Any]], namespace: str | None) -> list[str]:
    """Further namespaces whose Pods serve those of one: Fluid's own, and those of its volumes' runtimes."""
    if namespace is None:
        return []
    found = {FLUID_NAMESPACE}
    for obj in objects:
        if obj.get("kind") == kinds.VOLUME.name and text(obj, "spec", "claimRef", "namespace") == namespace:
            found.add(text(at(obj, "spec", "csi", "volumeAttributes"), "runtime_namespace"))
        if obj.get("kind") == kinds.DATASET.name and text(obj, "metadata", "namespace") == namespace:
            referred = map(
                referred_dataset, (text(mount, "mountPoint") for mount in items(obj, "spec", "mounts"))
            )
            found |= {key[0] for key in referred if key}
    return sorted(found - {namespace, ""})
