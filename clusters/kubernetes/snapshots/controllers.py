"""Controllers of Pods: DaemonSet, StatefulSet, Deployment, Job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, at, items, moment, number, table, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.meta import Condition, Meta, ObjectSnapshot, is_true


@dataclass(frozen=True, slots=True)
class DaemonSetSnapshot(ObjectSnapshot):
    """A DaemonSet.

    Attributes:
        desired: number of nodes that should run its Pod.
        ready: number of nodes whose Pod is ready.
        node_selector: labels of the nodes that run its Pod.
        observed: the controller has seen the newest specification.
    """

    KIND: ClassVar[Kind] = kinds.DAEMON_SET

    desired: int
    ready: int
    node_selector: Mapping[str, str]
    observed: bool

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a DaemonSet."""
        meta = Meta.of(obj)
        return cls(
            meta=meta,
            desired=number(obj, "status", "desiredNumberScheduled"),
            ready=number(obj, "status", "numberReady"),
            node_selector=table(obj, "spec", "template", "spec", "nodeSelector"),
            observed=number(obj, "status", "observedGeneration") >= meta.generation,
        )

    def __str__(self) -> str:
        return self._with_deleting(f"DaemonSet {self.name} {self.ready}/{self.desired} ready")


@dataclass(frozen=True, slots=True)
class StatefulSetSnapshot(ObjectSnapshot):
    """A StatefulSet.

    Attributes:
        replicas: requested Pods.
        ready: ready Pods.
        observed: the controller has seen the newest specification.
    """

    KIND: ClassVar[Kind] = kinds.STATEFUL_SET

    replicas: int
    ready: int
    observed: bool

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a StatefulSet."""
        meta = Meta.of(obj)
        return cls(
            meta=meta,
            replicas=1 if at(obj, "spec", "replicas") is None else number(obj, "spec", "replicas"),
            ready=number(obj, "status", "readyReplicas"),
            observed=number(obj, "status", "observedGeneration") >= meta.generation,
        )

    @property
    def is_ready(self) -> bool:
        """All requested Pods of the newest specification are ready."""
        return self.observed and self.ready >= self.replicas

    def __str__(self) -> str:
        return self._with_deleting(f"StatefulSet {self.name} {self.ready}/{self.replicas} ready")


@dataclass(frozen=True, slots=True)
class DeploymentSnapshot(ObjectSnapshot):
    """A Deployment.

    Attributes:
        replicas: requested Pods.
        ready: ready Pods.
        updated: Pods of the newest template.
        available: Pods that are ready for ``minReadySeconds``.
        images: of its containers.
        observed: the controller has seen the newest specification.
    """

    KIND: ClassVar[Kind] = kinds.DEPLOYMENT

    replicas: int
    ready: int
    updated: int
    available: int
    images: tuple[str, ...]
    observed: bool

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Deployment."""
        meta = Meta.of(obj)
        containers = items(obj, "spec", "template", "spec", "containers")
        return cls(
            meta=meta,
            replicas=1 if at(obj, "spec", "replicas") is None else number(obj, "spec", "replicas"),
            ready=number(obj, "status", "readyReplicas"),
            updated=number(obj, "status", "updatedReplicas"),
            available=number(obj, "status", "availableReplicas"),
            images=tuple(text(container, "image") for container in containers),
            observed=number(obj, "status", "observedGeneration") >= meta.generation,
        )

    @property
    def is_ready(self) -> bool:
        """The roll-out of the newest specification is complete."""
        return self.observed and self.updated >= self.replicas and self.available >= self.replicas

    def __str__(self) -> str:
        return self._with_deleting(f"Deployment {self.name} {self.ready}/{self.replicas} ready")


@dataclass(frozen=True, slots=True)
class JobSnapshot(ObjectSnapshot):
    """A Job.

    Attributes:
        active: running Pods.
        succeeded: successful Pods.
        failed: failed Pods.
        conditions: all of them.
        started: start time.
        completed: completion time of a successful Job, else None.
    """

    KIND: ClassVar[Kind] = kinds.JOB

    active: int
    succeeded: int
    failed: int
    conditions: tuple[Condition, ...]
    started: datetime | None
    completed: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Job."""
        return cls(
            meta=Meta.of(obj),
            active=number(obj, "status", "active"),
            succeeded=number(obj, "status", "succeeded"),
            failed=number(obj, "status", "failed"),
            conditions=Condition.all_of(obj),
            started=moment(obj, "status", "startTime"),
            completed=moment(obj, "status", "completionTime"),
        )

    @property
    def is_complete(self) -> bool:
        """It succeeded."""
        return is_true(self.conditions, "Complete")

    @property
    def has_failed(self) -> bool:
        """It failed."""
        return is_true(self.conditions, "Failed")

    def __str__(self) -> str:
        state = "complete" if self.is_complete else "failed" if self.has_failed else "running"
        counts = f"{self.active} active, {self.succeeded} succeeded, {self.failed} failed"
        return self._with_deleting(f"Job {self.name} {state} ({counts})")
