"""Objects of a cluster as they were at one moment: typed, frozen, complete with defaults.

API objects are often partial, so a missing field is an empty value, never an error.
``str()`` of a snapshot is the short text that a wait logs and a failure shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from clusters.kubernetes.fields import (
    Json,
    at,
    flag,
    items,
    moment,
    number,
    percentage,
    quantity_at,
    table,
    text,
    texts,
)
from clusters.product import fluid_names

#: Characters of a message that `str()` of a snapshot shows.
SHOWN_MESSAGE: Final = 160


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= SHOWN_MESSAGE else line[: SHOWN_MESSAGE - 1] + "…"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of an object's status."""

    type: str
    status: str
    reason: str = ""
    message: str = ""

    @classmethod
    def all_of(cls, obj: Json) -> tuple[Self, ...]:
        """The conditions in an object's status."""
        return tuple(
            cls(text(item, "type"), text(item, "status"), text(item, "reason"), text(item, "message"))
            for item in items(obj, "status", "conditions")
        )

    def __str__(self) -> str:
        return f"{self.type}={self.status}" + (f" ({self.reason})" if self.reason else "")


def _condition(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def _is_true(conditions: tuple[Condition, ...], kind: str) -> bool:
    found = _condition(conditions, kind)
    return found is not None and found.status == "True"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns an object, by its ownerReferences."""

    kind: str
    name: str
    uid: str

    @classmethod
    def all_of(cls, obj: Json) -> tuple[Self, ...]:
        """The owners of an object."""
        return tuple(
            cls(text(item, "kind"), text(item, "name"), text(item, "uid"))
            for item in items(obj, "metadata", "ownerReferences")
        )


@dataclass(frozen=True, slots=True)
class Meta:
    """What every object has.

    Attributes:
        namespace: empty for what lives in none.
        name: unique in its namespace, for its kind.
        uid: unique for all times.
        labels: set by whoever.
        annotations: the same.
        owners: the objects with which it goes.
        finalizers: what must happen before it goes.
        deleting: its deletion was asked for.
        created: when.
        generation: how often its specification changed.
        resource_version: changes with each write.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    deleting: bool
    created: datetime | None
    generation: int
    resource_version: str

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an object's metadata."""
        return cls(
            namespace=text(obj, "metadata", "namespace"),
            name=text(obj, "metadata", "name"),
            uid=text(obj, "metadata", "uid"),
            labels=table(obj, "metadata", "labels"),
            annotations=table(obj, "metadata", "annotations"),
            owners=Owner.all_of(obj),
            finalizers=texts(obj, "metadata", "finalizers"),
            deleting=bool(text(obj, "metadata", "deletionTimestamp")),
            created=moment(obj, "metadata", "creationTimestamp"),
            generation=number(obj, "metadata", "generation"),
            resource_version=text(obj, "metadata", "resourceVersion"),
        )

    @property
    def made_by_fluid(self) -> bool:
        """It carries the annotation that Fluid puts on its claims and volumes (fluid_names)."""
        return self.annotations.get(fluid_names.MADE_BY_ANNOTATION) == fluid_names.MADE_BY_FLUID

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class _Named:
    """Shortcuts to an object's metadata."""

    meta: Meta

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.meta.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.meta.name

    @property
    def uid(self) -> str:
        """Its uid."""
        return self.meta.uid

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.meta.labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return self.meta.annotations

    @property
    def deleting(self) -> bool:
        """Its deletion was asked for."""
        return self.meta.deleting

    def _with_deleting(self, state: str) -> str:
        return f"{state}, deleting" if self.deleting else state


@dataclass(frozen=True, slots=True)
class MountPath:
    """A volume in a container."""

    volume: str
    path: str
    sub_path: str = ""
    read_only: bool = False
    propagation: str = ""

    @classmethod
    def all_of(cls, container: Json) -> tuple[Self, ...]:
        """The volumes mounted in a container."""
        return tuple(
            cls(
                volume=text(item, "name"),
                path=text(item, "mountPath"),
                sub_path=text(item, "subPath"),
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
        image: as the Pod asks for it.
        image_id: what really runs, with its digest where known.
        ready: its readiness probe holds.
        restarts: how often it was started again.
        state: such as ``running``, ``waiting: CrashLoopBackOff``, ``terminated: OOMKilled (137)``.
        last_state: how its run before the last start ended, or empty.
        exit_code: of the ended run, or None while it runs or waits.
        message: of the state.
        mounts: its volumes.
        container_id: what the container runtime calls it.
        init: it is an init container.
        sidecar: it is an init container that goes on beside the others (restartPolicy Always).
    """

    name: str
    image: str
    image_id: str
    ready: bool
    restarts: int
    state: str
    last_state: str
    exit_code: int | None
    message: str
    mounts: tuple[MountPath, ...]
    container_id: str
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
            last_state=_state(at(status, "lastState"))[0] if at(status, "lastState") else "",
            exit_code=exit_code,
            message=message,
            mounts=MountPath.all_of(spec),
            container_id=text(status, "containerID"),
            init=init,
            sidecar=init and text(spec, "restartPolicy") == "Always",
        )

    @property
    def running(self) -> bool:
        """It runs now."""
        return self.state == "running"

    def __str__(self) -> str:
        restarts = f", {self.restarts} restarts" if self.restarts else ""
        message = f": {_short(self.message)}" if self.message and not self.running else ""
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
class PodSnapshot(_Named):
    """A Pod.

    Attributes:
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Unknown``.
        reason: why it has its phase, such as ``Evicted``; or empty.
        message: the same in words.
        node: where it runs, or empty.
        ready: the condition Ready holds.
        conditions: all of them.
        scheduling: why it was not scheduled, or empty.
        containers: those of the specification, in its order.
        init_containers: the same for init containers and sidecars.
        claims: claim name by volume name.
        host_paths: path on the node by volume name.
        ip: address of the Pod.
        host_ip: address of its node.
        host_network: it uses the node's network.
        service_account: whom it is for the API.
        node_selector: labels that its node must have.
        started: when the kubelet took it up.
    """

    phase: str
    reason: str
    message: str
    node: str
    ready: bool
    conditions: tuple[Condition, ...]
    scheduling: str
    containers: tuple[ContainerSnapshot, ...]
    init_containers: tuple[ContainerSnapshot, ...]
    claims: Mapping[str, str]
    host_paths: Mapping[str, str]
    ip: str
    host_ip: str
    host_network: bool
    service_account: str
    node_selector: Mapping[str, str]
    started: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Pod."""
        conditions = Condition.all_of(obj)
        scheduled = _condition(conditions, "PodScheduled")
        unscheduled = scheduled is not None and scheduled.status == "False"
        volumes = items(obj, "spec", "volumes")
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            reason=text(obj, "status", "reason"),
            message=text(obj, "status", "message"),
            node=text(obj, "spec", "nodeName"),
            ready=_is_true(conditions, "Ready"),
            conditions=conditions,
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
            host_ip=text(obj, "status", "hostIP"),
            host_network=flag(obj, "spec", "hostNetwork"),
            service_account=text(obj, "spec", "serviceAccountName"),
            node_selector=table(obj, "spec", "nodeSelector"),
            started=moment(obj, "status", "startTime"),
        )

    @property
    def created(self) -> datetime | None:
        """When it was created."""
        return self.meta.created

    @property
    def owner(self) -> Owner | None:
        """Who made it, such as its Job or DaemonSet."""
        return next(iter(self.meta.owners), None)

    @property
    def ended(self) -> bool:
        """It has run to its end, well or not."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def restarts(self) -> int:
        """Restarts of all its containers together."""
        return sum(container.restarts for container in (*self.init_containers, *self.containers))

    @property
    def claim_names(self) -> tuple[str, ...]:
        """The claims that it uses, each once."""
        return tuple(dict.fromkeys(self.claims.values()))

    def container(self, name: str) -> ContainerSnapshot | None:
        """The container of that name, init containers among them."""
        found = (*self.containers, *self.init_containers)
        return next((container for container in found if container.name == name), None)

    def paths_of(self, claim: str) -> tuple[tuple[str, str], ...]:
        """Where a claim is mounted: (container, path), init containers among them."""
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
            parts.append(f"not scheduled: {_short(self.scheduling)}")
        if self.message:
            parts.append(_short(self.message))
        waiting = self.init_containers if not self.ready else ()
        told = [c for c in (*waiting, *self.containers) if c.restarts or not (c.running or c.exit_code == 0)]
        if self.node and not self.ready:
            parts += [str(container) for container in told]
        elif self.restarts:
            parts.append(f"{self.restarts} restarts")
        return self._with_deleting("; ".join(parts))


def _containers(obj: Json, specs: str, statuses: str, *, init: bool = False) -> tuple[ContainerSnapshot, ...]:
    status = {text(item, "name"): item for item in items(obj, "status", statuses)}
    return tuple(
        ContainerSnapshot.of(item, status.get(text(item, "name"), {}), init=init)
        for item in items(obj, "spec", specs)
    )


@dataclass(frozen=True, slots=True)
class ClaimSnapshot(_Named):
    """A PersistentVolumeClaim.

    Attributes:
        phase: ``Pending``, ``Bound``, ``Lost``.
        volume_name: its volume, or empty.
        storage_class: empty text and none at all are the same here.
        access_modes: as asked for.
        requested: bytes asked for.
    """

    phase: str
    volume_name: str
    storage_class: str
    access_modes: tuple[str, ...]
    requested: float

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a claim."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            volume_name=text(obj, "spec", "volumeName"),
            storage_class=text(obj, "spec", "storageClassName"),
            access_modes=texts(obj, "spec", "accessModes"),
            requested=quantity_at(obj, "spec", "resources", "requests", "storage"),
        )

    @property
    def made_by_fluid(self) -> bool:
        """Fluid made it: its annotation says so."""
        return self.meta.made_by_fluid

    def __str__(self) -> str:
        maker = " made by Fluid" if self.made_by_fluid else ""
        volume = f" to volume {self.volume_name}" if self.volume_name else ""
        return self._with_deleting(f"claim {self.name}{maker} {self.phase or 'without phase'}{volume}")


@dataclass(frozen=True, slots=True)
class VolumeSnapshot(_Named):
    """A PersistentVolume.

    Attributes:
        phase: ``Available``, ``Bound``, ``Released``, ``Failed``.
        claim_namespace: of the claim that it is for, or empty.
        claim_name: of that claim.
        claim_uid: of the claim that it is bound to, or empty.
        reclaim: ``Retain`` or ``Delete``.
        access_modes: as offered.
        storage_class: the same word as in its claim.
        capacity: bytes.
        driver: the CSI driver, or empty.
        volume_handle: the CSI driver's own name for it.
        attributes: what the CSI driver is told.
        nfs_server: of an NFS volume, or empty.
        nfs_path: the export.
        mount_options: given to mount.
        node_affinity: terms such as ``disk In (ssd)``; all of a term must hold, and one term.
    """

    phase: str
    claim_namespace: str
    claim_name: str
    claim_uid: str
    reclaim: str
    access_modes: tuple[str, ...]
    storage_class: str
    capacity: float
    driver: str
    volume_handle: str
    attributes: Mapping[str, str]
    nfs_server: str
    nfs_path: str
    mount_options: tuple[str, ...]
    node_affinity: tuple[str, ...]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a volume."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            claim_namespace=text(obj, "spec", "claimRef", "namespace"),
            claim_name=text(obj, "spec", "claimRef", "name"),
            claim_uid=text(obj, "spec", "claimRef", "uid"),
            reclaim=text(obj, "spec", "persistentVolumeReclaimPolicy"),
            access_modes=texts(obj, "spec", "accessModes"),
            storage_class=text(obj, "spec", "storageClassName"),
            capacity=quantity_at(obj, "spec", "capacity", "storage"),
            driver=text(obj, "spec", "csi", "driver"),
            volume_handle=text(obj, "spec", "csi", "volumeHandle"),
            attributes=table(obj, "spec", "csi", "volumeAttributes"),
            nfs_server=text(obj, "spec", "nfs", "server"),
            nfs_path=text(obj, "spec", "nfs", "path"),
            mount_options=texts(obj, "spec", "mountOptions"),
            node_affinity=tuple(
                _term(term) for term in items(obj, "spec", "nodeAffinity", "required", "nodeSelectorTerms")
            ),
        )

    @property
    def made_by_fluid(self) -> bool:
        """Fluid made it: its annotation says so."""
        return self.meta.made_by_fluid

    @property
    def served_by_fluid(self) -> bool:
        """Its data come through Fluid's CSI driver, whoever made it."""
        return self.driver == fluid_names.CSI_DRIVER_NAME

    def __str__(self) -> str:
        maker = " made by Fluid" if self.made_by_fluid else ""
        claim = f" for claim {self.claim_namespace}/{self.claim_name}" if self.claim_name else ""
        return self._with_deleting(f"volume {self.name}{maker} {self.phase or 'without phase'}{claim}")


def _term(term: Json) -> str:
    """A term of a node selector as text."""
    found = [*items(term, "matchExpressions"), *items(term, "matchFields")]
    return " and ".join(
        f"{text(item, 'key')} {text(item, 'operator')}"
        + (f" ({', '.join(texts(item, 'values'))})" if texts(item, "values") else "")
        for item in found
    )


@dataclass(frozen=True, slots=True)
class NodeSnapshot(_Named):
    """A node.

    Attributes:
        ready: the condition Ready holds.
        unschedulable: it is cordoned.
        taints: such as ``node-role.kubernetes.io/control-plane:NoSchedule``.
        conditions: all of them.
        kernel: release.
        os_image: such as ``Debian GNU/Linux 12 (bookworm)``.
        container_runtime: such as ``containerd://1.6.20``.
        kubelet_version: such as ``v1.33.13``.
        architecture: such as ``amd64``.
        cpu: cores that Pods may use.
        memory: bytes that Pods may use.
        ip: internal address.
        images: names of the images that it holds, as far as the kubelet tells (50 by default).
    """

    ready: bool
    unschedulable: bool
    taints: tuple[str, ...]
    conditions: tuple[Condition, ...]
    kernel: str
    os_image: str
    container_runtime: str
    kubelet_version: str
    architecture: str
    cpu: float
    memory: float
    ip: str
    images: tuple[str, ...]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a node."""
        conditions = Condition.all_of(obj)
        addresses = items(obj, "status", "addresses")
        return cls(
            meta=Meta.of(obj),
            ready=_is_true(conditions, "Ready"),
            unschedulable=flag(obj, "spec", "unschedulable"),
            taints=tuple(f"{text(t, 'key')}:{text(t, 'effect')}" for t in items(obj, "spec", "taints")),
            conditions=conditions,
            kernel=text(obj, "status", "nodeInfo", "kernelVersion"),
            os_image=text(obj, "status", "nodeInfo", "osImage"),
            container_runtime=text(obj, "status", "nodeInfo", "containerRuntimeVersion"),
            kubelet_version=text(obj, "status", "nodeInfo", "kubeletVersion"),
            architecture=text(obj, "status", "nodeInfo", "architecture"),
            cpu=quantity_at(obj, "status", "allocatable", "cpu"),
            memory=quantity_at(obj, "status", "allocatable", "memory"),
            ip=next((text(a, "address") for a in addresses if text(a, "type") == "InternalIP"), ""),
            images=tuple(name for image in items(obj, "status", "images") for name in texts(image, "names")),
        )

    @property
    def pods_may_run(self) -> bool:
        """Ordinary Pods may be scheduled on it."""
        keeps_out = any(taint.endswith((":NoSchedule", ":NoExecute")) for taint in self.taints)
        return self.ready and not self.unschedulable and not keeps_out

    def __str__(self) -> str:
        state = "ready" if self.ready else "not ready"
        return self._with_deleting(f"node {self.name} {state}{', cordoned' if self.unschedulable else ''}")


@dataclass(frozen=True, slots=True)
class DaemonSetSnapshot(_Named):
    """A DaemonSet.

    Attributes:
        desired: nodes that should run its Pod.
        current: nodes that should and do.
        ready: nodes whose Pod is ready.
        updated: nodes whose Pod is of the newest template.
        misscheduled: nodes that run it and should not.
        selector: labels of its Pods.
        node_selector: labels of the nodes that it is for.
        observed: the controller has seen the newest specification.
    """

    desired: int
    current: int
    ready: int
    updated: int
    misscheduled: int
    selector: Mapping[str, str]
    node_selector: Mapping[str, str]
    observed: bool

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a DaemonSet."""
        meta = Meta.of(obj)
        return cls(
            meta=meta,
            desired=number(obj, "status", "desiredNumberScheduled"),
            current=number(obj, "status", "currentNumberScheduled"),
            ready=number(obj, "status", "numberReady"),
            updated=number(obj, "status", "updatedNumberScheduled"),
            misscheduled=number(obj, "status", "numberMisscheduled"),
            selector=table(obj, "spec", "selector", "matchLabels"),
            node_selector=table(obj, "spec", "template", "spec", "nodeSelector"),
            observed=number(obj, "status", "observedGeneration") >= meta.generation,
        )

    def __str__(self) -> str:
        return self._with_deleting(f"DaemonSet {self.name} {self.ready}/{self.desired} ready")


@dataclass(frozen=True, slots=True)
class StatefulSetSnapshot(_Named):
    """A StatefulSet.

    Attributes:
        replicas: Pods asked for.
        current: Pods there are.
        ready: Pods that are ready.
        updated: Pods of the newest template.
        selector: labels of its Pods.
        observed: the controller has seen the newest specification.
    """

    replicas: int
    current: int
    ready: int
    updated: int
    selector: Mapping[str, str]
    observed: bool

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a StatefulSet."""
        meta = Meta.of(obj)
        return cls(
            meta=meta,
            replicas=1 if at(obj, "spec", "replicas") is None else number(obj, "spec", "replicas"),
            current=number(obj, "status", "replicas"),
            ready=number(obj, "status", "readyReplicas"),
            updated=number(obj, "status", "updatedReplicas"),
            selector=table(obj, "spec", "selector", "matchLabels"),
            observed=number(obj, "status", "observedGeneration") >= meta.generation,
        )

    @property
    def is_ready(self) -> bool:
        """As many Pods are ready as were asked for, after the newest specification."""
        return self.observed and self.ready >= self.replicas

    def __str__(self) -> str:
        return self._with_deleting(f"StatefulSet {self.name} {self.ready}/{self.replicas} ready")


@dataclass(frozen=True, slots=True)
class DeploymentSnapshot(_Named):
    """A Deployment.

    Attributes:
        replicas: Pods asked for.
        ready: Pods that are ready.
        updated: Pods of the newest template.
        available: Pods ready for long enough.
        selector: labels of its Pods.
        images: of its containers.
        observed: the controller has seen the newest specification.
    """

    replicas: int
    ready: int
    updated: int
    available: int
    selector: Mapping[str, str]
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
            selector=table(obj, "spec", "selector", "matchLabels"),
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
class JobSnapshot(_Named):
    """A Job.

    Attributes:
        active: Pods that run.
        succeeded: Pods that ended well.
        failed: Pods that did not.
        conditions: all of them.
        started: when.
        completed: when all ended well, else None.
    """

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
        """It ended well."""
        return _is_true(self.conditions, "Complete")

    @property
    def has_failed(self) -> bool:
        """It was given up."""
        return _is_true(self.conditions, "Failed")

    def __str__(self) -> str:
        state = "complete" if self.is_complete else "failed" if self.has_failed else "under way"
        counts = f"{self.active} active, {self.succeeded} succeeded, {self.failed} failed"
        return self._with_deleting(f"Job {self.name} {state} ({counts})")


@dataclass(frozen=True, slots=True)
class CacheStates:
    """What Fluid says about a Dataset's cache; it lags by up to 2.5 minutes (Fluid 1.0.8).

    Attributes:
        capacity: as Fluid writes it, such as ``512.00MiB``.
        cached: the same.
        cached_percentage: of the data at the source; None while unknown. Can exceed 100.
        hit_ratio: per cent of bytes read from the cache; None before the first sample.
        local_hit_ratio: from a worker on the reader's node.
        remote_hit_ratio: from other workers.
        raw: all of it as the API gives it.
    """

    capacity: str
    cached: str
    cached_percentage: float | None
    hit_ratio: float | None
    local_hit_ratio: float | None
    remote_hit_ratio: float | None
    raw: Mapping[str, str]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read it from the status of a Dataset or of a runtime."""
        raw = table(obj, "status", "cacheStates")
        return cls(
            capacity=raw.get("cacheCapacity", ""),
            cached=raw.get("cached", ""),
            cached_percentage=percentage(raw.get("cachedPercentage", "")),
            hit_ratio=percentage(raw.get("cacheHitRatio", "")),
            local_hit_ratio=percentage(raw.get("localHitRatio", "")),
            remote_hit_ratio=percentage(raw.get("remoteHitRatio", "")),
            raw=raw,
        )

    def __str__(self) -> str:
        if not self.raw:
            return "cache not reported"
        share = f" ({self.cached_percentage:g} %)" if self.cached_percentage is not None else ""
        return f"{self.cached or '?'} of {self.capacity or '?'} cached{share}"


@dataclass(frozen=True, slots=True)
class DatasetMount:
    """A mount point of a Dataset."""

    mount_point: str
    name: str = ""
    path: str = ""
    read_only: bool = False

    @classmethod
    def all_of(cls, obj: Json, part: str) -> tuple[Self, ...]:
        """The mounts in ``spec`` or ``status``."""
        return tuple(
            cls(
                mount_point=text(item, "mountPoint"),
                name=text(item, "name"),
                path=text(item, "path"),
                read_only=flag(item, "readOnly"),
            )
            for item in items(obj, part, "mounts")
        )

    @property
    def source_claim(self) -> str:
        """The claim that ``pvc://claim/folder`` names, or empty for any other scheme."""
        scheme, _, rest = self.mount_point.partition("://")
        return rest.partition("/")[0] if scheme == "pvc" else ""


@dataclass(frozen=True, slots=True)
class DatasetSnapshot(_Named):
    """A Dataset.

    Attributes:
        phase: ``NotBound``, ``Bound``, ``Failed``, ``Updating``, …; empty before Fluid has seen it.
        conditions: all of them.
        mounts: as asked for.
        status_mounts: as Fluid says that they are.
        runtimes: names of the runtimes bound to it.
        ufs_total: bytes at the source as Fluid writes them; ``[Calculating]`` meanwhile.
        file_num: files at the source, the same.
        cache: what Fluid says about the cache.
        access_modes: as asked for; none means ReadOnlyMany.
        placement: ``Exclusive`` (also when empty) or ``Shared``.
        dataset_ref: Datasets ``namespace/name`` that refer to this one.
        operations: names of data operations under way, by their kind.
    """

    phase: str
    conditions: tuple[Condition, ...]
    mounts: tuple[DatasetMount, ...]
    status_mounts: tuple[DatasetMount, ...]
    runtimes: tuple[str, ...]
    ufs_total: str
    file_num: str
    cache: CacheStates
    access_modes: tuple[str, ...]
    placement: str
    dataset_ref: tuple[str, ...]
    operations: Mapping[str, str]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a Dataset."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            conditions=Condition.all_of(obj),
            mounts=DatasetMount.all_of(obj, "spec"),
            status_mounts=DatasetMount.all_of(obj, "status"),
            runtimes=tuple(text(item, "name") for item in items(obj, "status", "runtimes")),
            ufs_total=text(obj, "status", "ufsTotal"),
            file_num=text(obj, "status", "fileNum"),
            cache=CacheStates.of(obj),
            access_modes=texts(obj, "spec", "accessModes"),
            placement=text(obj, "spec", "placement"),
            dataset_ref=texts(obj, "status", "datasetRef"),
            operations=table(obj, "status", "operationRef"),
        )

    @property
    def finalizers(self) -> tuple[str, ...]:
        """What must happen before it goes."""
        return self.meta.finalizers

    @property
    def bound(self) -> bool:
        """Its phase is Bound."""
        return self.phase == "Bound"

    @property
    def source_claims(self) -> tuple[str, ...]:
        """The claims that hold its data; applications should not mount these."""
        return tuple(dict.fromkeys(mount.source_claim for mount in self.mounts if mount.source_claim))

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type."""
        return _condition(self.conditions, kind)

    def __str__(self) -> str:
        last = self.conditions[-1] if self.conditions and not self.bound else None
        why = f", {last}: {_short(last.message)}" if last and last.message else ""
        cache = f", {self.cache}" if self.cache.raw else ""
        return self._with_deleting(f"Dataset {self.name} {self.phase or 'without phase'}{cache}{why}")


@dataclass(frozen=True, slots=True)
class Component:
    """Master, workers or fuses of a runtime, as its status tells.

    Attributes:
        phase: ``NotReady``, ``PartialReady``, ``Ready`` or empty. Fluid 1.0.8 says Ready of fuses always.
        desired: Pods that should be.
        current: Pods that are.
        ready: Pods that are ready.
        reason: why not.
    """

    phase: str
    desired: int
    current: int
    ready: int
    reason: str = ""

    @classmethod
    def of(cls, obj: Json, name: str) -> Self:
        """Read ``Master``, ``Worker`` or ``Fuse``."""
        lower = name.lower()
        return cls(
            phase=text(obj, "status", f"{lower}Phase"),
            desired=number(obj, "status", f"desired{name}NumberScheduled"),
            current=number(obj, "status", f"current{name}NumberScheduled"),
            ready=number(obj, "status", f"{lower}NumberReady"),
            reason=text(obj, "status", f"{lower}Reason"),
        )

    def __str__(self) -> str:
        return f"{self.phase or 'unknown'} {self.ready}/{self.desired}"


@dataclass(frozen=True, slots=True)
class AlluxioRuntimeSnapshot(_Named):
    """An AlluxioRuntime.

    Attributes:
        replicas: workers asked for.
        master: as the status tells.
        worker: the same.
        fuse: the same; never evidence of a fuse in Fluid 1.0.8.
        conditions: all of them.
        cache: what Fluid says about the cache.
        clean_policy: of fuses: ``OnRuntimeDeleted`` (also when empty), ``OnDemand``, ``OnFuseChanged``.
        fuse_node_selector: labels of the nodes that may run a Fuse Pod.
        setup_duration: as Fluid writes it.
        tiers: (medium, path, quota) of each level.
    """

    replicas: int
    master: Component
    worker: Component
    fuse: Component
    conditions: tuple[Condition, ...]
    cache: CacheStates
    clean_policy: str
    fuse_node_selector: Mapping[str, str]
    setup_duration: str
    tiers: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an AlluxioRuntime."""
        return cls(
            meta=Meta.of(obj),
            replicas=number(obj, "spec", "replicas"),
            master=Component.of(obj, "Master"),
            worker=Component.of(obj, "Worker"),
            fuse=Component.of(obj, "Fuse"),
            conditions=Condition.all_of(obj),
            cache=CacheStates.of(obj),
            clean_policy=text(obj, "spec", "fuse", "cleanPolicy"),
            fuse_node_selector=table(obj, "spec", "fuse", "nodeSelector"),
            setup_duration=text(obj, "status", "setupDuration"),
            tiers=tuple(
                (text(level, "mediumtype"), text(level, "path"), text(level, "quota"))
                for level in items(obj, "spec", "tieredstore", "levels")
            ),
        )

    @property
    def finalizers(self) -> tuple[str, ...]:
        """What must happen before it goes."""
        return self.meta.finalizers

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type."""
        return _condition(self.conditions, kind)

    def __str__(self) -> str:
        state = f"AlluxioRuntime {self.name} master {self.master}, worker {self.worker}, fuse {self.fuse}"
        return self._with_deleting(state)


@dataclass(frozen=True, slots=True)
class DataLoadSnapshot(_Named):
    """A DataLoad, or another data operation of Fluid; their status is the same.

    Attributes:
        phase: ``Pending``, ``Executing``, ``Complete``, ``Failed``; empty before Fluid has taken it up.
        conditions: all of them.
        duration: as Fluid writes it; ``Unfinished`` meanwhile.
        dataset: (namespace, name) of its Dataset; an empty namespace is its own.
        last_scheduled: of a cron operation, else None.
    """

    phase: str
    conditions: tuple[Condition, ...]
    duration: str
    dataset: tuple[str, str]
    last_scheduled: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read a data operation."""
        return cls(
            meta=Meta.of(obj),
            phase=text(obj, "status", "phase"),
            conditions=Condition.all_of(obj),
            duration=text(obj, "status", "duration"),
            dataset=(text(obj, "spec", "dataset", "namespace"), text(obj, "spec", "dataset", "name")),
            last_scheduled=moment(obj, "status", "lastScheduleTime"),
        )

    @property
    def ended(self) -> bool:
        """It is over, well or not."""
        return self.phase in ("Complete", "Failed")

    def __str__(self) -> str:
        last = self.conditions[-1] if self.conditions else None
        why = f": {_short(last.message)}" if last and last.message and self.phase != "Complete" else ""
        return self._with_deleting(f"{self.name} {self.phase or 'without phase'}{why}")


@dataclass(frozen=True, slots=True)
class EventSnapshot:
    """An Event.

    Attributes:
        type: ``Normal`` or ``Warning``.
        reason: one word.
        message: in words.
        kind: of the object that it is about.
        namespace: of that object.
        name: of that object.
        component: who says so.
        count: how often it was said.
        last: when last; None where nobody tells.
    """

    type: str
    reason: str
    message: str
    kind: str
    namespace: str
    name: str
    component: str
    count: int
    last: datetime | None

    @classmethod
    def of(cls, obj: Json) -> Self:
        """Read an Event of either generation of the API."""
        last = (
            moment(obj, "series", "lastObservedTime")
            or moment(obj, "lastTimestamp")
            or moment(obj, "eventTime")
            or moment(obj, "metadata", "creationTimestamp")
        )
        return cls(
            type=text(obj, "type"),
            reason=text(obj, "reason"),
            message=text(obj, "message"),
            kind=text(obj, "involvedObject", "kind"),
            namespace=text(obj, "involvedObject", "namespace"),
            name=text(obj, "involvedObject", "name"),
            component=text(obj, "source", "component") or text(obj, "reportingComponent"),
            count=number(obj, "series", "count") or number(obj, "count") or 1,
            last=last,
        )

    def __str__(self) -> str:
        times = f" (x{self.count})" if self.count > 1 else ""
        return f"{self.type} {self.reason} of {self.kind} {self.name}: {_short(self.message)}{times}"
