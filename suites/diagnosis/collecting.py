"""Looking at a cluster once, by lists alone: a page of 500 objects a request, whatever there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, KubeError
from clusters.kubernetes.fields import at, items, text
from clusters.kubernetes.kinds import Kind
from clusters.product.fluid import NAMESPACE as FLUID_NAMESPACE
from suites.diagnosis.cluster_state import RUNTIME_KINDS, ClusterState

_FORBIDDEN: Final = 403
_CLUSTER_WIDE: Final = (kinds.VOLUME, kinds.NODE, kinds.CSI_NODE)
_OF_PODS: Final = (kinds.POD, kinds.CLAIM, kinds.DAEMON_SET, kinds.STATEFUL_SET)


class CannotLookError(RefusalError):
    """The cluster cannot be looked at: rights are missing, or Fluid is not there.

    Attributes:
        missing: rights that are missing, such as ``list pods in namespace demo``.
    """

    def __init__(self, message: str, *, missing: tuple[str, ...] = (), advice: str = "") -> None:
        self.missing = missing
        super().__init__(message, advice=advice)


@dataclass
class _Look:
    kube: Kube
    objects: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def take(self, kind: Kind, namespace: str | None = None, fields: str = "") -> bool:
        """List a kind; False, and the right noted as missing, when that is forbidden."""
        try:
            self.objects += self.kube.list(kind, namespace, fields=fields)
        except KubeError as error:
            if error.status != _FORBIDDEN:
                raise
            self.missing.append(right("list", kind, namespace))
            return False
        return True

    def may_take(self, kind: Kind, namespace: str | None, without: str, fields: str = "") -> None:
        """List a kind that is not needed; a gap is noted when that is forbidden."""
        if not self.take(kind, namespace, fields):
            self.gaps.append(f"cannot {self.missing.pop()}: {without}")


def right(verb: str, kind: Kind, namespace: str | None) -> str:
    """A right by its name, as an administrator grants it."""
    group = kind.api_version.partition("/")[0] if "/" in kind.api_version else ""
    resource = f"{kind.plural}.{group}" if group else kind.plural
    return f"{verb} {resource}" + (f" in namespace {namespace}" if namespace else "")


def collect(kube: Kube, namespace: str | None = None, *, now: datetime | None = None) -> ClusterState:
    """Look at a cluster, or at one namespace of it and what serves that.

    Args:
        kube: the cluster.
        namespace: only the Pods of this one; Datasets are looked for in all, as far as allowed.
        now: the time; without it the host's.

    Raises:
        CannotLookError: a right is missing that a diagnosis cannot do without, or Fluid is not installed.
        KubeError: the cluster could not be reached.
    """
    look = _Look(kube)
    _datasets(look, namespace)
    for kind in _CLUSTER_WIDE:
        look.take(kind)
    for kind in _OF_PODS:
        look.take(kind, namespace)
    for kind in RUNTIME_KINDS:
        _runtimes(look, kind, namespace)
    if look.missing:
        raise CannotLookError(
            f"this user may not {', nor '.join(look.missing)}",
            missing=tuple(look.missing),
            advice="grant the rights of suites/doctor/cluster-role.yaml"
            + ("" if namespace else ", or look at one namespace with --namespace"),
        )
    for other in _others(look.objects, namespace):
        for kind in (kinds.POD, kinds.DAEMON_SET):
            look.may_take(kind, other, "what serves the Pods from there is not seen")
    look.may_take(kinds.DEPLOYMENT, FLUID_NAMESPACE, "whether Fluid's controllers run is not seen")
    look.may_take(kinds.EVENT, namespace, "no event is quoted", fields="type=Warning")
    taken = now or datetime.now(UTC)
    return ClusterState.of(look.objects, taken, whole=namespace is None, gaps=look.gaps)


def _datasets(look: _Look, namespace: str | None) -> None:
    try:
        if look.take(kinds.DATASET) or namespace is None:
            return
        look.missing.pop()
        if look.take(kinds.DATASET, namespace):
            look.gaps.append(
                f"cannot {right('list', kinds.DATASET, None)}: only Datasets of {namespace} are known"
            )
    except KubeError as error:
        if error.reason != "NoSuchKind":
            raise
        raise CannotLookError(
            "Fluid is not installed in this cluster: it does not know Datasets",
            advice="install Fluid, or name another cluster with --kubeconfig or --context",
        ) from error


def _runtimes(look: _Look, kind: Kind, namespace: str | None) -> None:
    """Runtimes of one kind; no cluster need know all of them."""
    try:
        if look.take(kind):
            return
        everywhere = look.missing.pop()
        if namespace is not None and look.take(kind, namespace):
            return
        if namespace is not None:
            look.missing.pop()
    except KubeError as error:
        if error.reason != "NoSuchKind":
            raise
        return
    if kind is kinds.ALLUXIO_RUNTIME:
        look.missing.append(everywhere)
    else:
        look.gaps.append(f"cannot {everywhere}: a Dataset that one serves may look as if it had no runtime")


def _others(objects: Iterable[dict[str, Any]], namespace: str | None) -> list[str]:
    """Further namespaces whose Pods serve those of this one: Fluid's own, and its volumes' runtimes'."""
    if namespace is None:
        return []
    found = {FLUID_NAMESPACE}
    for obj in objects:
        if obj.get("kind") == kinds.VOLUME.name and text(obj, "spec", "claimRef", "namespace") == namespace:
            found.add(text(at(obj, "spec", "csi", "volumeAttributes"), "runtime_namespace"))
        if obj.get("kind") == kinds.DATASET.name and text(obj, "metadata", "namespace") == namespace:
            found |= {_referred(text(mount, "mountPoint")) for mount in items(obj, "spec", "mounts")}
    return sorted(found - {namespace, ""})


def _referred(mount_point: str) -> str:
    """The namespace in ``dataset://namespace/name``."""
    scheme, _, rest = mount_point.partition("://")
    return rest.partition("/")[0] if scheme == "dataset" else ""
