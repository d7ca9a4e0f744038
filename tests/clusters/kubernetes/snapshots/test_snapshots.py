"""Snapshots of API objects, whole and partial."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clusters.kubernetes.snapshots.controllers import (
    DaemonSetSnapshot,
    DeploymentSnapshot,
    JobSnapshot,
    StatefulSetSnapshot,
)
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.meta import SHOWN_MESSAGE
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import (
    made_by_fluid,
    uses_fluid_driver,
)
from tests.clusters.fake_kube import PARTIAL

ALL: list[Any] = [
    ClaimSnapshot,
    DaemonSetSnapshot,
    DeploymentSnapshot,
    EventSnapshot,
    JobSnapshot,
    NodeSnapshot,
    PodSnapshot,
    StatefulSetSnapshot,
    VolumeSnapshot,
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("obj", PARTIAL)
def test_a_partial_object_is_no_error(kind: Any, obj: dict[str, Any]) -> None:
    """Whatever is missing or malformed, there is a snapshot with a text, and it equals itself."""
    found = kind.of(obj)
    assert str(found)
    assert found == kind.of(obj)


def pod(**status: Any) -> PodSnapshot:
    """A Pod that mounts two claims, with a sidecar."""
    mounts = [{"name": "data", "mountPath": "/data", "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}]
    return PodSnapshot.of(
        {
            "metadata": {
                "namespace": "demo",
                "name": "reader",
                "uid": "u1",
                "labels": {"app": "reader"},
                "creationTimestamp": "2026-11-22T15:20:01Z",
                "ownerReferences": [{"kind": "Job", "name": "read", "uid": "u0"}],
            },
            "spec": {
                "nodeName": "n1",
                "volumes": [
                    {"name": "data", "persistentVolumeClaim": {"claimName": "imagenet"}},
                    {"name": "other", "persistentVolumeClaim": {"claimName": "scratch"}},
                    {"name": "tmp", "hostPath": {"path": "/var/tmp"}},
                ],
                "initContainers": [
                    {"name": "fuse", "image": "f", "restartPolicy": "Always"},
                    {"name": "prepare", "image": "p", "volumeMounts": mounts[:1]},
                ],
                "containers": [{"name": "main", "image": "debian:12", "volumeMounts": mounts}],
            },
            "status": {"phase": "Running", **status},
        }
    )


def container(name: str = "main", restarts: int = 0, **state: Any) -> dict[str, Any]:
    """A container's status."""
    return {
        "name": name,
        "restartCount": restarts,
        "state": state,
        "imageID": "sha256:1",
        "ready": "running" in state,
    }


def test_claims_and_paths_of_a_pod() -> None:
    """Claims by volume, and the places of a claim in every container."""
    found = pod()
    assert found.claims == {"data": "imagenet", "other": "scratch"}
    assert found.claim_names == ("imagenet", "scratch")
    assert found.paths_of("imagenet") == (("prepare", "/data"), ("main", "/data"))
    assert found.paths_of("scratch") == ()
    assert found.host_paths == {"tmp": "/var/tmp"}
    main = found.container("main")
    assert main is not None
    assert [(mount.path, mount.read_only) for mount in main.mounts] == [("/data", True), ("/tmp", False)]


def test_identity_of_a_pod() -> None:
    """Name, owner, node and creation are read."""
    found = pod()
    assert (found.namespace, found.name, found.uid, found.node) == ("demo", "reader", "u1", "n1")
    assert found.owner is not None
    assert (found.owner.kind, found.owner.name) == ("Job", "read")
    assert found.created == datetime(2026, 11, 22, 15, 20, 1, tzinfo=UTC)
    assert [(c.name, c.sidecar) for c in found.init_containers] == [("fuse", True), ("prepare", False)]


def test_text_of_a_ready_pod() -> None:
    """A Pod that runs well is a short line."""
    found = pod(conditions=[{"type": "Ready", "status": "True"}], containerStatuses=[container(running={})])
    assert found.ready
    assert str(found) == "Pod reader Running and ready on n1"


@pytest.mark.parametrize(
    ("state", "text", "code"),
    [
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "waiting: CrashLoopBackOff",
            None,
        ),
        ({"terminated": {"reason": "OOMKilled", "exitCode": 137}}, "terminated: OOMKilled (137)", 137),
        ({"terminated": {"exitCode": 0}}, "terminated (0)", 0),
        ({"running": {"startedAt": "2026-11-22T15:20:01Z"}}, "running", None),
        ({}, "waiting", None),
    ],
)
def test_state_of_a_container(state: dict[str, Any], text: str, code: int | None) -> None:
    """State, reason and exit code are one text; the code is also a number."""
    main = pod(containerStatuses=[container(restarts=2, **state)]).container("main")
    assert main is not None
    assert (main.state, main.exit_code, main.restarts, main.image_id) == (text, code, 2, "sha256:1")


def test_text_of_a_failing_pod() -> None:
    """The text that a wait shows contains the reasons of its containers."""
    found = pod(
        conditions=[{"type": "Ready", "status": "False"}],
        containerStatuses=[
            container(restarts=3, waiting={"reason": "ImagePullBackOff", "message": "no such"})
        ],
        initContainerStatuses=[
            container("fuse", running={}),
            container("prepare", terminated={"exitCode": 0}),
        ],
    )
    assert str(found) == (
        "Pod reader Running, not ready on n1; main waiting: ImagePullBackOff, 3 restarts: no such"
    )


def test_text_of_an_unscheduled_pod() -> None:
    """The scheduler's message is there while it is valid, and not afterwards."""
    refused = {"type": "PodScheduled", "status": "False", "message": 'persistentvolumeclaim "x" not found'}
    waiting = PodSnapshot.of(
        {"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [refused]}}
    )
    assert waiting.scheduling == 'persistentvolumeclaim "x" not found'
    assert str(waiting) == 'Pod p Pending; not scheduled: persistentvolumeclaim "x" not found'
    scheduled = refused | {"status": "True"}
    assert PodSnapshot.of({"status": {"conditions": [scheduled]}}).scheduling == ""


def test_text_of_a_deleted_object() -> None:
    """An object that is being deleted says so."""
    obj = {
        "metadata": {"name": "c", "deletionTimestamp": "2026-11-22T15:20:01Z"},
        "status": {"phase": "Bound"},
    }
    assert ClaimSnapshot.of(obj).deleting
    assert str(ClaimSnapshot.of(obj)) == "claim c Bound, deleting"


def test_driver_of_a_volume() -> None:
    """Driver, attributes and claim of Fluid's volume are read."""
    found = VolumeSnapshot.of(
        {
            "metadata": {"name": "demo-a", "annotations": {"CreatedBy": "fluid"}},
            "spec": {
                "capacity": {"storage": "100Pi"},
                "claimRef": {"namespace": "demo", "name": "a", "uid": "u"},
                "csi": {
                    "driver": "fuse.csi.fluid.io",
                    "volumeHandle": "demo-a",
                    "volumeAttributes": {"fluid_path": "/runtime-mnt/alluxio/demo/a/alluxio-fuse"},
                },
            },
            "status": {"phase": "Bound"},
        }
    )
    assert uses_fluid_driver(found)
    assert made_by_fluid(found)
    assert found.attributes["fluid_path"] == fluid_names.host_mount("demo", "a")
    assert found.capacity == 100 * 1024**5
    assert str(found) == "volume demo-a (created by fluid) Bound for claim demo/a"


def test_server_of_an_nfs_volume() -> None:
    """Server and export of an NFS volume are read, and it is not Fluid's."""
    found = VolumeSnapshot.of({"spec": {"nfs": {"server": "10.0.0.7", "path": "/export"}}})
    assert (found.nfs_server, found.nfs_path) == ("10.0.0.7", "/export")
    assert not uses_fluid_driver(found)


def test_properties_of_a_node() -> None:
    """Versions, resources and state of a node are read."""
    obj = {
        "metadata": {"name": "n1", "labels": {"fluid.io/f-demo-a": "true"}},
        "spec": {"taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"cpu": "1500m", "memory": "16Gi"},
            "addresses": [
                {"type": "Hostname", "address": "n1"},
                {"type": "InternalIP", "address": "172.18.0.2"},
            ],
            "nodeInfo": {"kernelVersion": "6.18.0"},
        },
    }
    found = NodeSnapshot.of(obj)
    assert (found.cpu, found.memory, found.ip) == (1.5, 16 * 1024**3, "172.18.0.2")
    assert found.kernel == "6.18.0"
    assert found.ready
    assert not found.pods_may_run
    assert NodeSnapshot.of(obj | {"spec": {}}).pods_may_run
    assert not NodeSnapshot.of(obj | {"spec": {"unschedulable": True}}).pods_may_run


def test_ready_pods_of_controllers() -> None:
    """Counts of DaemonSets, StatefulSets and Deployments are read, also before any status is written."""
    daemon_set = DaemonSetSnapshot.of(
        {
            "metadata": {"name": "a-fuse", "generation": 2},
            "status": {"desiredNumberScheduled": 2, "numberReady": 1, "observedGeneration": 2},
        }
    )
    assert (daemon_set.desired, daemon_set.ready, daemon_set.observed) == (2, 1, True)
    assert str(daemon_set) == "DaemonSet a-fuse 1/2 ready"
    scaled_to_none = StatefulSetSnapshot.of({"spec": {"replicas": 0}})
    assert scaled_to_none.is_ready
    fresh = StatefulSetSnapshot.of({"metadata": {"generation": 1}, "spec": {"replicas": 1}})
    assert not fresh.is_ready
    assert StatefulSetSnapshot.of({"spec": {}}).replicas == 1
    status = {"readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
    ready = {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": status}
    assert DeploymentSnapshot.of(ready).is_ready
    assert not DeploymentSnapshot.of(ready | {"metadata": {"generation": 2}}).is_ready


@pytest.mark.parametrize(("kind", "complete", "failed"), [("Complete", True, False), ("Failed", False, True)])
def test_end_of_a_job(kind: str, complete: bool, failed: bool) -> None:
    """A Job is under way until a condition says otherwise."""
    done = JobSnapshot.of({"status": {"conditions": [{"type": kind, "status": "True"}], "succeeded": 1}})
    assert (done.is_complete, done.has_failed) == (complete, failed)
    running = JobSnapshot.of({"metadata": {"name": "j"}, "status": {"active": 1}})
    assert (running.is_complete, running.has_failed) == (False, False)
    assert str(running) == "Job j running (1 active, 0 succeeded, 0 failed)"


@pytest.mark.parametrize(
    "times",
    [
        {"lastTimestamp": "2026-11-22T15:20:01Z", "count": 4},
        {
            "eventTime": "2026-11-22T15:19:01.5Z",
            "series": {"count": 4, "lastObservedTime": "2026-11-22T15:20:01Z"},
        },
    ],
)
def test_time_and_count_of_an_event(times: dict[str, Any]) -> None:
    """Old and new events carry their count and last time in different places."""
    found = EventSnapshot.of(
        {
            "type": "Warning",
            "reason": "ErrorDeleteDataset",
            "message": "Pod x is using it",
            "involvedObject": {"kind": "Dataset", "namespace": "demo", "name": "a"},
            **times,
        }
    )
    assert (found.count, found.last) == (4, datetime(2026, 11, 22, 15, 20, 1, tzinfo=UTC))
    assert str(found) == "Warning ErrorDeleteDataset of Dataset a: Pod x is using it (x4)"


def test_long_messages_are_cut() -> None:
    """The text has one short line; the field has the whole message."""
    found = EventSnapshot.of({"message": "x" * 1000})
    assert len(str(found)) < SHOWN_MESSAGE + 40
    assert len(found.message) == 1000
