"""Pods and their containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, at, flag, items, moment, number, text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.meta import (
    Condition,
    Meta,
    ObjectSnapshot,
    Owner,
    find_condition,
    is_true,
    shortened,
)


@dataclass(frozen=True, slots=True)
class MountPath:
    """A volume mounted in a container."""

    volume: str
    path: str
    read_only: bool = False
    propagation: str = ""

    @classmethod
    def all_of(cls, container: Json) -> tuple[Self, ...]:
        """The volumes mounted in a container."""
        return tuple(
            cls(
                volume=text(item, "name"),
                path=text(item, "mountPath"),
                read_only=flag(item, "readOnly"),
                propagation=text(item, "mountPropagation"),
            )
            for item in items(container, "volumeMounts")
        )


@dataclass(frozen=True, slots=True)
class ContainerSnapshot:
    """A container of a Pod.

    Attributes:
        name: unique in the Pod.
        image: as in the specification.
        image_id: the running image, with its digest if known.
        ready: its readiness probe succeeds.
        restarts: number of restarts.
        state: such as ``running``, ``waiting: CrashLoopBackOff``, ``terminated: OOMKilled (137)``.
        exit_code: None while it runs or waits.
        message: of the state.
        mounts: its volumes.
        init: it is an init container.
        sidecar: it is an init container with restartPolicy Always.
    """

    name: str
    image: str
    image_id: str
    ready: bool
    restarts: int
    state: str
    exit_code: int | None
    message: str
    mounts: tuple[MountPath, ...]
    init: bool = False
    sidecar: bool = False

    @classmethod
    def of(cls, spec: Json, status: Json, *, init: bool = False) -> Self:
        """Read a container from its specification and its status."""
        state, exit_code, message = _state(at(status, "state"))
        return cls(
            name=text(spec, "name") or text(status, "name"),
            image=text(spec, "image"),
            image_id=text(status, "imageID"),
            ready=flag(status, "ready"),
            restarts=number(status, "restartCount"),
            state=state,
            exit_code=exit_code,
            message=message,
            mounts=MountPath.all_of(spec),
            init=init,
            sidecar=init and text(spec, "restartPolicy") == "Always",
        )

    @property
    def running(self) -> bool:
        """Its state is running."""
        return self.state == "running"

    def __str__(self) -> str:
        restarts = f", {self.restarts} restarts" if self.restarts else ""
        message = f": {shortened(self.message)}" if self.message and not self.running else ""
        return f"{self.name} {self.state}{restarts}{message}"


def _state(state: object) -> tuple[str, int | None, str]:
    """A container's state as text, its exit code, its message."""
    for word in ("running", "waiting", "terminated"):
        found = at(state, word)
        if isinstance(found, Mapping):
            reason = text(found, "reason")
            code = number(found, "exitCode") if word == "terminated" else None
            shown = f"{word}: {reason}" if reason else word
            return (f"{shown} ({code})" if code is not None else shown), code, text(found, "message")
    return "waiting", None, ""


@dataclass(frozen=True, slots=True)
class PodSnapshot(ObjectSnapshot):
    """A Pod.

    Attributes:
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Unknown``.
        reason: of the phase, such as ``Evicted``; or empty.
        message: of the phase.
        node: the node that it is bound to, or empty.
        ready: the condition Ready is True.
        scheduling: why it was not scheduled, or empty.
        containers: in the order of the specification.
        init_containers: the same, sidecars included.
        claims: claim name by volume name.
        host_paths: path on the node by volume name.
        ip: its address.
        started: when the kubelet accepted it.
    """

    KIND: ClassVar[Kind] = kinds.POD

    phase: str
    reason: str
    message: str
    node: str
    ready: bool
    scheduling: str
    containers: tuple[ContainerSnapshot, ...]
    init_containers: tuple[ContainerSnapshot, ...]
    claims: Mapping[str, str]
    host_paths: Mapping[str, str]
    ip: str
    started: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Pod."""
        conditions = Condition.all_of(obj)
        scheduled = find_condition(conditions, "PodScheduled")
        unscheduled = scheduled is not None and scheduled.status == "False"
        volumes = items(obj, "spec", "volumes")
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            reason=text(obj, "status", "reason"),
            message=text(obj, "status", "message"),
            node=text(obj, "spec", "nodeName"),
            ready=is_true(conditions, "Ready"),
            scheduling=scheduled.message or scheduled.reason if scheduled and unscheduled else "",
            containers=_containers(obj, "containers", "containerStatuses"),
            init_containers=_containers(obj, "initContainers", "initContainerStatuses", init=True),
            claims={
                text(volume, "name"): text(volume, "persistentVolumeClaim", "claimName")
                for volume in volumes
                if at(volume, "persistentVolumeClaim")
            },
            host_paths={
                text(volume, "name"): text(volume, "hostPath", "path")
                for volume in volumes
                if at(volume, "hostPath")
            },
            ip=text(obj, "status", "podIP"),
            started=moment(obj, "status", "startTime"),
        )

    @property
    def created(self) -> datetime | None:
        """Its creation timestamp."""
        return self.meta.created

    @property
    def owner(self) -> Owner | None:
        """Its first owner, such as a Job or a DaemonSet."""
        return next(iter(self.meta.owners), None)

    @property
    def ended(self) -> bool:
        """It ran to its end, successfully or not."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def restarts(self) -> int:
        """Number of restarts of all its containers."""
        return sum(container.restarts for container in (*self.init_containers, *self.containers))

    @property
    def claim_names(self) -> tuple[str, ...]:
        """The claims that it uses, each once."""
        return tuple(dict.fromkeys(self.claims.values()))

    def container(self, name: str) -> ContainerSnapshot | None:
        """The container or init container of that name."""
        found = (*self.containers, *self.init_containers)
        return next((container for container in found if container.name == name), None)

    def paths_of(self, claim: str) -> tuple[tuple[str, str], ...]:
        """Where a claim is mounted: (container, path), init containers included."""
        volumes = {volume for volume, name in self.claims.items() if name == claim}
        return tuple(
            (container.name, mount.path)
            for container in (*self.init_containers, *self.containers)
            for mount in container.mounts
            if mount.volume in volumes
        )

    def __str__(self) -> str:
        parts = [f"Pod {self.name} {self.reason or self.phase or 'without phase'}"]
        if self.phase == "Running":
            parts[0] += " and ready" if self.ready else ", not ready"
        if self.node:
            parts[0] += f" on {self.node}"
        if self.scheduling:
            parts.append(f"not scheduled: {shortened(self.scheduling)}")
        if self.message:
            parts.append(shortened(self.message))
        waiting = self.init_containers if not self.ready else ()
        shown = [c for c in (*waiting, *self.containers) if c.restarts or not (c.running or c.exit_code == 0)]
        if self.node and not self.ready:
            parts += [str(container) for container in shown]
        elif self.restarts:
            parts.append(f"{self.restarts} restarts")
        return self._with_deleting("; ".join(parts))


def _containers(obj: Json, specs: str, statuses: str, *, init: bool = False) -> tuple[ContainerSnapshot, ...]:
    status = {text(item, "name"): item for item in items(obj, "status", statuses)}
    return tuple(
        ContainerSnapshot.of(item, status.get(text(item, "name"), {}), init=init)
        for item in items(obj, "spec", specs)
    )
