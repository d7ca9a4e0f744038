"""Memory limits that a foreign cluster gives to containers without one, before a run starts any.

A policy may create a LimitRange in each new namespace, or a webhook may set limits. Alluxio's processes have
no limit of their own, so that a small one ends them in the middle of a run, as if that were Fluid's fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import items, quantity_at, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, is_managed
from clusters.providers import admission

LIMIT_RANGE: Final = Kind("LimitRange", "v1", "limitranges")
#: Bytes that the largest process without a limit uses: heap, memory outside it, and the memory tier of a
#: worker (workloads/models/small_runtime.py), which counts against the container that writes it.
NEEDED: Final = 2 * 1024**3
#: Of these namespaces nobody expects a team's policy.
_SYSTEM: Final = ("kube-", "fluid-system")
#: A LimitRange of one name in so many namespaces, and in this share of them, is one of a policy.
_LEAST: Final = 2
_SHARE: Final = 0.5
_FORBIDDEN: Final = 403
ADVICE: Final = f"exempt namespace {HARNESS_NAMESPACE}, and those named fc-…, from it, or raise it"


@dataclass(frozen=True, slots=True)
class DefaultLimit:
    """The memory limit of containers without one.

    Attributes:
        bytes: of it.
        source: where it comes from, as the subject of a sentence.
        certain: it is known to apply in the namespaces of a run; otherwise it is probable.
    """

    bytes: float
    source: str
    certain: bool

    @property
    def small(self) -> bool:
        """A run would fail because of it."""
        return self.bytes < NEEDED

    def __str__(self) -> str:
        where = "containers of a run" if self.certain else "containers"
        maybe = "" if self.certain else "; if a policy creates it, it does so in the namespaces of a run, too"
        return (
            f"{self.source} gives {where} without a memory limit one of {self.bytes / 1024**2:.0f} MiB, and "
            f"Alluxio's need {NEEDED / 1024**2:.0f} MiB{maybe}"
        )


def find(kube: Kube, image: str) -> DefaultLimit | None:
    """The smallest default limit that applies to a run, or probably does; None if none is known.

    Args:
        kube: the cluster.
        image: of the harness, for a Pod of a dry run.

    Raises:
        RefusalError: a webhook or a policy refuses Pods.
    """
    try:
        ranges, listed = kube.list(LIMIT_RANGE), kube.list(kinds.NAMESPACE)
    except KubeError as error:
        if error.status != _FORBIDDEN:
            raise
        return None
    namespaces = {text(obj, "metadata", "name"): obj for obj in listed}
    own = {name for name, obj in namespaces.items() if is_managed(obj)}
    found = [
        *_certain(ranges, own),
        *_probable(ranges, [name for name in namespaces if name not in own and not name.startswith(_SYSTEM)]),
    ]
    if not any(text(obj, "metadata", "namespace") == admission.NAMESPACE for obj in ranges):
        found += _of_webhooks(admission.created_pod(kube, image))
    return min(found, key=lambda one: (not one.certain, one.bytes), default=None)


def require(kube: Kube, image: str) -> tuple[str, ...]:
    """Refuse a cluster on which a run would fail by a small default limit.

    Returns:
        A sentence about a small limit that probably applies.

    Raises:
        RefusalError: it certainly does.
    """
    found = find(kube, image)
    if found is None or not found.small:
        return ()
    if found.certain:
        raise RefusalError(str(found), advice=ADVICE)
    return (str(found),)


def _certain(ranges: Sequence[Object], own: set[str]) -> Iterator[DefaultLimit]:
    """Of LimitRanges in namespaces of the harness, which it did not create itself."""
    for obj in ranges:
        namespace, name = text(obj, "metadata", "namespace"), text(obj, "metadata", "name")
        if namespace in own and not is_managed(obj) and (limit := _limit(obj)):
            yield DefaultLimit(limit, f"LimitRange {name} of the cluster, also in {namespace},", certain=True)


def _probable(ranges: Sequence[Object], foreign: Sequence[str]) -> Iterator[DefaultLimit]:
    """Of LimitRanges with one name in most other namespaces."""
    by_name: dict[str, list[float]] = defaultdict(list)
    for obj in ranges:
        if text(obj, "metadata", "namespace") in foreign and (limit := _limit(obj)):
            by_name[text(obj, "metadata", "name")].append(limit)
    for name, limits in by_name.items():
        if len(limits) >= max(_LEAST, _SHARE * len(foreign)):
            source = f"LimitRange {name}, in {len(limits)} of {len(foreign)} namespaces,"
            yield DefaultLimit(min(limits), source, certain=False)


def _of_webhooks(pod: Object) -> Iterator[DefaultLimit]:
    """Of a Pod that would be created without a limit, in a namespace without a LimitRange."""
    for container in items(pod, "spec", "containers"):
        limit = quantity_at(container, "resources", "limits", "memory")
        if text(container, "name") == admission.CONTAINER and limit:
            yield DefaultLimit(limit, "a webhook of the cluster", certain=True)


def _limit(limit_range: Object) -> float:
    """Bytes of the default memory limit of containers, which can be the largest one; 0 if there is none."""
    found = [
        quantity_at(one, "default", "memory") or quantity_at(one, "max", "memory")
        for one in items(limit_range, "spec", "limits")
        if text(one, "type") == "Container"
    ]
    return min(filter(None, found), default=0.0)
