"""Named conditions over snapshots, for `clusters.waiting.wait` and `hold`.

A missing object is None; only `is_replaced` and `is_deleting` are true of it. Conditions over any observation
(`exists`, `is_gone`, `is_empty`, `opposite`, `objection`) are in `clusters.waiting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot, StatefulSetSnapshot
from clusters.kubernetes.snapshots.meta import ObjectSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot


class _HasPhase(Protocol):
    @property
    def phase(self) -> str: ...


class _CanEnd(Protocol):
    @property
    def ended(self) -> bool: ...


def is_deleting(obj: ObjectSnapshot | None) -> bool:
    """It has a deletion timestamp, or is gone already."""
    return obj is None or obj.deleting


def is_replaced(uid: str) -> Callable[[ObjectSnapshot | None], bool]:
    """The object of that uid is gone; another one may have its name."""
    return lambda obj: obj is None or obj.uid != uid


def has_label(key: str, value: str | None) -> Callable[[ObjectSnapshot | None], bool]:
    """Its label has that value; None: it lacks the label."""
    return lambda obj: obj is not None and obj.labels.get(key) == value


def has_phase(*phases: str) -> Callable[[_HasPhase | None], bool]:
    """Its phase is one of these."""
    return lambda obj: obj is not None and obj.phase in phases


def has_any_phase(obj: _HasPhase | None) -> bool:
    """Its controller has set a phase."""
    return obj is not None and bool(obj.phase)


def has_ended(obj: _CanEnd | None) -> bool:
    """It ran to its end, successfully or not: a Pod, a data operation."""
    return obj is not None and obj.ended


def is_ready(pod: PodSnapshot | None) -> bool:
    """The Pod's condition Ready is True."""
    return pod is not None and pod.ready


def is_ready_on(node: str) -> Callable[[PodSnapshot | None], bool]:
    """The Pod is ready on that node."""
    return lambda pod: pod is not None and pod.ready and pod.node == node


def is_on(node: str) -> Callable[[PodSnapshot | None], bool]:
    """The Pod is bound to that node."""
    return lambda pod: pod is not None and pod.node == node


def is_decided(pod: PodSnapshot | None) -> bool:
    """The scheduler bound the Pod to a node, or said why it cannot."""
    return pod is not None and bool(pod.scheduling or pod.node)


def is_rolled_out(workload: DeploymentSnapshot | StatefulSetSnapshot | None) -> bool:
    """All Pods of the newest specification are ready."""
    return workload is not None and workload.is_ready
