"""A cluster of API objects, for tests of the diagnosis: without a fault until a test adds one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import KINDS, Kind
from clusters.product import fluid_names
from suites.diagnosis import ClusterState, Finding, diagnose
from suites.diagnosis.fluid_facts import RUNTIME_KINDS

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
MARK = {"CreatedBy": "fluid"}
Object = dict[str, Any]


def stamp(when: datetime) -> str:
    """A time as the API writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def meta(namespace: str, name: str, **more: Any) -> Object:
    """An object's metadata."""
    made = more.pop("created", LONG_AGO)
    found: Object = {"name": name, "uid": f"uid-{namespace}-{name}", "creationTimestamp": stamp(made), **more}
    return found | ({"namespace": namespace} if namespace else {})


def make(kind: Kind, namespace: str, name: str, **parts: Any) -> Object:
    """An object; ``metadata`` adds to what every object has."""
    metadata = meta(namespace, name, **parts.pop("metadata", {}))
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **parts}


def owned_by(kind: str, name: str) -> list[Object]:
    """Owner references."""
    return [{"kind": kind, "name": name, "uid": f"uid-{name}"}]


def container(name: str = "main", *, claim: str = "data", **more: Any) -> Object:
    """A container that mounts the Pod's volume at ``/data``."""
    return {"name": name, "image": "i", "volumeMounts": [{"name": claim, "mountPath": "/data"}], **more}


def running(name: str = "main", since: datetime = NOW - timedelta(minutes=30), **more: Any) -> Object:
    """The status of a container that runs."""
    state = {"running": {"startedAt": stamp(since)}}
    return {"name": name, "ready": True, "restartCount": 0, "state": state, **more}


def creating(name: str = "main") -> Object:
    """The status of a container whose volumes are being set up."""
    state = {"waiting": {"reason": "ContainerCreating"}}
    return {"name": name, "ready": False, "restartCount": 0, "state": state}


def application(
    name: str = "train-0", claim: str = "demo", namespace: str = "demo", node: str = "n1", **more: Any
) -> Object:
    """A user's Pod that runs and mounts a claim."""
    spec: Object = {
        "nodeName": node,
        "containers": [container()],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        **more.pop("spec", {}),
    }
    status: Object = {
        "phase": "Running",
        "startTime": stamp(LONG_AGO),
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [running()],
        **more.pop("status", {}),
    }
    return make(kinds.POD, namespace, name, spec=spec, status=status, **more)


def unscheduled(obj: Object, says: str = "0/1 nodes are available") -> Object:
    """The Pod, without a node."""
    found = copy.deepcopy(obj)
    del found["spec"]["nodeName"]
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": says}
    found["status"] = {"phase": "Pending", "conditions": [condition]}
    return found


def waiting(obj: Object, since: datetime = LONG_AGO) -> Object:
    """The Pod on its node, while its volumes are being set up."""
    found = copy.deepcopy(obj)
    found["status"] = {
        "phase": "Pending",
        "startTime": stamp(since),
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [creating()],
    }
    return found


def part(kind: str, owner: str, name: str, namespace: str = "demo", node: str = "n1", **more: Any) -> Object:
    """A Pod of a StatefulSet or DaemonSet, running and ready."""
    metadata = {"ownerReferences": owned_by(kind, owner), **more.pop("metadata", {})}
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "i"}], **more.pop("spec", {})}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [running(since=NOW - timedelta(minutes=50))],
        **more.pop("status", {}),
    }
    return make(kinds.POD, namespace, name, metadata=metadata, spec=spec, status=status)


def dataset(name: str = "demo", namespace: str = "demo", source: str = "nfs-src", **more: Any) -> Object:
    """A Dataset that is Bound."""
    spec: Object = {"mounts": [{"mountPoint": f"pvc://{source}", "path": "/"}], **more.pop("spec", {})}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp(LONG_AGO)}
    status = {"phase": "Bound", "conditions": [ready], **more.pop("status", {})}
    return make(kinds.DATASET, namespace, name, spec=spec, status=status, **more)


def runtime(name: str = "demo", namespace: str = "demo", **spec: Any) -> Object:
    """An AlluxioRuntime with 512 MiB of memory to cache in."""
    levels = [{"mediumtype": "MEM", "path": "/dev/shm", "quota": "512Mi"}]
    whole = {"replicas": 1, "tieredstore": {"levels": levels}, **spec}
    return make(kinds.ALLUXIO_RUNTIME, namespace, name, spec=whole)


def nfs_volume(name: str, claim: tuple[str, str], path: str = "/export") -> Object:
    """A volume on an NFS export, bound to a claim."""
    spec = {
        "claimRef": {"namespace": claim[0], "name": claim[1], "uid": f"uid-{claim[0]}-{claim[1]}"},
        "nfs": {"server": "nfs.example", "path": path},
    }
    return make(kinds.VOLUME, "", name, spec=spec, status={"phase": "Bound"})


def claim(name: str, volume: str = "", namespace: str = "demo", **more: Any) -> Object:
    """A claim, bound where it has a volume."""
    status = {"phase": "Bound" if volume else "Pending"}
    return make(kinds.CLAIM, namespace, name, spec={"volumeName": volume}, status=status, **more)


def fluid_volume(name: str = "demo", namespace: str = "demo", **more: Any) -> Object:
    """The volume that Fluid creates for a Dataset, or a copy of it."""
    attributes = {
        "fluid_path": fluid_names.host_mount(namespace, name),
        "mount_type": "fuse.alluxio-fuse",
        "runtime_namespace": namespace,
        "runtime_name": name,
    } | more.pop("attributes", {})
    volume = more.pop("volume", fluid_names.volume_name(namespace, name))
    spec = {
        "claimRef": {"namespace": namespace, "name": name, "uid": f"uid-{namespace}-{name}"},
        "csi": {
            "driver": fluid_names.CSI_DRIVER_NAME,
            "volumeHandle": volume,
            "volumeAttributes": {k: v for k, v in attributes.items() if v},
        },
        **more.pop("spec", {}),
    }
    metadata = {"annotations": MARK, **more.pop("metadata", {})}
    return make(kinds.VOLUME, "", volume, metadata=metadata, spec=spec, status={"phase": "Bound"})


def fluid_claim(name: str = "demo", namespace: str = "demo", **more: Any) -> Object:
    """The claim that Fluid creates for a Dataset."""
    label = fluid_names.common_label(namespace, name)
    metadata = {"annotations": MARK, "labels": {label: "true"}, **more.pop("metadata", {})}
    volume = more.pop("volume", fluid_names.volume_name(namespace, name))
    return claim(name, volume, namespace, metadata=metadata, **more)


def node(name: str = "n1", memory: str = "4Gi", **more: Any) -> Object:
    """A node that is ready."""
    labels = {"kubernetes.io/hostname": name, **more.pop("labels", {})}
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "allocatable": {"memory": memory, "cpu": "4"},
    }
    return make(kinds.NODE, "", name, metadata={"labels": labels}, spec=more.pop("spec", {}), status=status)


def csi_node(name: str = "n1", *drivers: str) -> Object:
    """The CSI drivers of a node."""
    return make(kinds.CSI_NODE, "", name, spec={"drivers": [{"name": driver} for driver in drivers]})


def fuse_labels(*keys: tuple[str, str]) -> dict[str, str]:
    """The node labels that request the Fuses of Datasets."""
    return {fluid_names.fuse_label(*key): "true" for key in keys}


def served(name: str = "demo", namespace: str = "demo", on: str = "n1") -> Iterator[Object]:
    """All that there is of a Dataset that is Bound and whose Fuse is on a node."""
    yield dataset(name, namespace, f"{name}-src")
    yield runtime(name, namespace)
    yield claim(f"{name}-src", f"nfs-{namespace}-{name}", namespace)
    yield nfs_volume(f"nfs-{namespace}-{name}", (namespace, f"{name}-src"), f"/export/{namespace}/{name}")
    yield fluid_claim(name, namespace)
    yield fluid_volume(name, namespace)
    for suffix in ("master", "worker"):
        owner = f"{name}-{suffix}"
        yield make(kinds.STATEFUL_SET, namespace, owner, spec={"replicas": 1}, status={"readyReplicas": 1})
        pod = part("StatefulSet", owner, f"{owner}-0", namespace, on)
        pod["spec"]["volumes"] = [{"name": "src", "persistentVolumeClaim": {"claimName": f"{name}-src"}}]
        yield pod
    fuse = f"{name}-fuse"
    yield make(kinds.DAEMON_SET, namespace, fuse, status={"desiredNumberScheduled": 1, "numberReady": 1})
    yield part("DaemonSet", fuse, f"{fuse}-x1", namespace, on)


@dataclass
class Cluster:
    """Objects of a cluster; a test adds, removes and changes them."""

    objects: list[Object] = field(default_factory=list)

    @classmethod
    def right(cls) -> Cluster:
        """One node, and Dataset ``demo`` over claim ``demo-src`` in namespace ``demo``; no application."""
        plugin = "csi-nodeplugin-fluid"
        controllers = ("dataset-controller", "alluxioruntime-controller")
        return cls(
            [
                node(labels=fuse_labels(("demo", "demo"))),
                csi_node("n1", fluid_names.CSI_DRIVER_NAME),
                *served(),
                make(kinds.DAEMON_SET, "fluid-system", plugin),
                part("DaemonSet", plugin, f"{plugin}-a", "fluid-system"),
                *(
                    make(kinds.DEPLOYMENT, "fluid-system", name, status={"readyReplicas": 1})
                    for name in controllers
                ),
            ]
        )

    def add(self, *objects: Object) -> Cluster:
        """Add objects; one of the same kind and name is replaced."""
        for obj in objects:
            self.drop(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
            self.objects.append(obj)
        return self

    def drop(self, kind: str, name: str, namespace: str = "demo") -> Cluster:
        """Take an object away."""
        key = (kind, name)
        self.objects = [
            obj
            for obj in self.objects
            if (obj["kind"], obj["metadata"]["name"]) != key
            or obj["metadata"].get("namespace", "") not in ("", namespace)
        ]
        return self

    def get(self, kind: str, name: str) -> Object:
        """An object, to be changed."""
        return next(o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind, name))

    def state(self, *, scope: Mapping[str, frozenset[str]] | None = None) -> ClusterState:
        """As a diagnosis reads it.

        Args:
            scope: the namespaces that were read of a kind that was not read completely.
        """
        return ClusterState.of(self.objects, NOW, scope=scope)

    def findings(self) -> tuple[Finding, ...]:
        """What the diagnosis says."""
        return diagnose(self.state())

    def finding(self) -> Finding:
        """The only thing that the diagnosis says."""
        (found,) = self.findings()
        return found

    def lists(self, namespaces: tuple[str, ...] = ()) -> dict[str, list[Object]]:
        """Its objects by the API path of their list; also by namespace, for the namespaces named."""
        known = {*KINDS.values(), *RUNTIME_KINDS}
        found: dict[str, list[Object]] = {kind.path(): [] for kind in known}
        found |= {kind.path(ns): [] for kind in known if kind.namespaced for ns in namespaces}
        by_name = {(kind.api_version, kind.name): kind for kind in known}
        for obj in self.objects:
            kind = by_name[obj["apiVersion"], obj["kind"]]
            bare = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
            found[kind.path()].append(bare)
            namespace = obj["metadata"].get("namespace")
            if namespace in namespaces:
                found[kind.path(namespace)].append(bare)
        return found


def all_evidence(finding: Finding) -> str:
    """All of a finding's evidence as one text."""
    return "\n".join(map(str, finding.evidence))
