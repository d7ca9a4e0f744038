"""Snapshots of API objects, whole and partial."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clusters.kubernetes import fields, snapshots
from clusters.kubernetes.snapshots import (
    AlluxioRuntimeSnapshot,
    CacheStates,
    ClaimSnapshot,
    DaemonSetSnapshot,
    DataLoadSnapshot,
    DatasetSnapshot,
    DeploymentSnapshot,
    EventSnapshot,
    JobSnapshot,
    NodeSnapshot,
    PodSnapshot,
    StatefulSetSnapshot,
    VolumeSnapshot,
)
from clusters.product import fluid_names

ALL: list[Any] = [
    AlluxioRuntimeSnapshot,
    ClaimSnapshot,
    DaemonSetSnapshot,
    DataLoadSnapshot,
    DatasetSnapshot,
    DeploymentSnapshot,
    EventSnapshot,
    JobSnapshot,
    NodeSnapshot,
    PodSnapshot,
    StatefulSetSnapshot,
    VolumeSnapshot,
]

PARTIAL: list[dict[str, Any]] = [
    {},
    {"metadata": None, "spec": None, "status": None},
    {"metadata": {}, "spec": {}, "status": {}},
    {"metadata": "?", "spec": [], "status": 7},
    {
        "spec": {"containers": [None, {}], "volumes": [{}], "mounts": [{}], "accessModes": None},
        "status": {"conditions": [{}, None], "containerStatuses": [{}], "phase": None, "cacheStates": None},
    },
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("obj", PARTIAL)
def test_a_partial_object_is_no_error(kind: Any, obj: dict[str, Any]) -> None:
    """Whatever is missing or odd, there is a snapshot, and it can be told and compared."""
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


def test_a_pod_tells_what_it_mounts_where() -> None:
    """Claims by volume, and the places of a claim in every container."""
    found = pod()
    assert found.claims == {"data": "imagenet", "other": "scratch"}
    assert found.claim_names == ("imagenet", "scratch")
    assert found.paths_of("imagenet") == (("prepare", "/data"), ("main", "/data"))
    assert found.paths_of("scratch") == ()
    assert found.host_paths == {"tmp": "/var/tmp"}
    main = found.container("main")
    assert main is not None
    assert main.mounts[0].read_only


def test_a_pod_tells_who_it_is() -> None:
    """Name, owner, node and birth are read."""
    found = pod()
    assert (found.namespace, found.name, found.uid, found.node) == ("demo", "reader", "u1", "n1")
    assert found.owner is not None
    assert (found.owner.kind, found.owner.name) == ("Job", "read")
    assert found.created == datetime(2026, 11, 22, 15, 20, 1, tzinfo=UTC)
    assert [(c.name, c.sidecar) for c in found.init_containers] == [("fuse", True), ("prepare", False)]


def test_a_ready_pod_is_told_in_few_words() -> None:
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
def test_a_container_tells_its_state(state: dict[str, Any], text: str, code: int | None) -> None:
    """State, reason and exit code are one text; the code is also a number."""
    main = pod(containerStatuses=[container(restarts=2, **state)]).container("main")
    assert main is not None
    assert (main.state, main.exit_code, main.restarts, main.image_id) == (text, code, 2, "sha256:1")


def test_a_pod_in_trouble_says_why() -> None:
    """The reasons of its containers stand in the text that a wait shows."""
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


def test_a_pod_that_is_not_scheduled_says_why() -> None:
    """The scheduler's message is there while it holds, and gone afterwards."""
    refused = {"type": "PodScheduled", "status": "False", "message": 'persistentvolumeclaim "x" not found'}
    waiting = PodSnapshot.of(
        {"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [refused]}}
    )
    assert waiting.scheduling == 'persistentvolumeclaim "x" not found'
    assert str(waiting) == 'Pod p Pending; not scheduled: persistentvolumeclaim "x" not found'
    scheduled = refused | {"status": "True"}
    assert PodSnapshot.of({"status": {"conditions": [scheduled]}}).scheduling == ""


def test_deletion_is_told() -> None:
    """An object that is being deleted says so."""
    obj = {
        "metadata": {"name": "c", "deletionTimestamp": "2026-11-22T15:20:01Z"},
        "status": {"phase": "Bound"},
    }
    assert ClaimSnapshot.of(obj).deleting
    assert str(ClaimSnapshot.of(obj)) == "claim c Bound, deleting"


def test_fluids_own_claim_is_told_from_a_users() -> None:
    """Only the annotation tells who made a claim; the name does not."""
    spec = {"volumeName": "demo-a", "storageClassName": "fluid", "accessModes": ["ReadOnlyMany"]}
    theirs = ClaimSnapshot.of(
        {
            "metadata": {"name": "a", "annotations": {"CreatedBy": "fluid"}},
            "spec": spec,
            "status": {"phase": "Bound"},
        }
    )
    users = ClaimSnapshot.of({"metadata": {"name": "a"}, "spec": spec})
    assert theirs.made_by_fluid
    assert not users.made_by_fluid
    assert str(theirs) == "claim a made by Fluid Bound to volume demo-a"
    assert theirs.access_modes == ("ReadOnlyMany",)


def test_a_volume_tells_driver_and_affinity() -> None:
    """Driver, attributes, claim and node affinity of Fluid's volume are read."""
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
                "nodeAffinity": {
                    "required": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}
                                ]
                            }
                        ]
                    }
                },
            },
            "status": {"phase": "Bound"},
        }
    )
    assert found.served_by_fluid
    assert found.made_by_fluid
    assert found.attributes["fluid_path"] == fluid_names.host_mount("demo", "a")
    assert found.node_affinity == ("disk In (ssd, nvme)",)
    assert found.capacity == 100 * 1024**5
    assert str(found) == "volume demo-a made by Fluid Bound for claim demo/a"


def test_an_nfs_volume_tells_its_server() -> None:
    """Server and export of an NFS volume are read, and it is not Fluid's."""
    found = VolumeSnapshot.of(
        {"spec": {"nfs": {"server": "10.0.0.7", "path": "/export"}, "mountOptions": ["nfsvers=4.1"]}}
    )
    assert (found.nfs_server, found.nfs_path, found.mount_options) == (
        "10.0.0.7",
        "/export",
        ("nfsvers=4.1",),
    )
    assert not found.served_by_fluid


def test_a_node_tells_what_a_report_needs() -> None:
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
            "nodeInfo": {"kernelVersion": "6.18.0", "containerRuntimeVersion": "containerd://1.6.20"},
        },
    }
    found = NodeSnapshot.of(obj)
    assert (found.cpu, found.memory, found.ip) == (1.5, 16 * 1024**3, "172.18.0.2")
    assert (found.kernel, found.container_runtime) == ("6.18.0", "containerd://1.6.20")
    assert found.ready
    assert not found.pods_may_run
    assert NodeSnapshot.of(obj | {"spec": {}}).pods_may_run
    assert not NodeSnapshot.of(obj | {"spec": {"unschedulable": True}}).pods_may_run


def test_workloads_tell_how_many_are_ready() -> None:
    """Counts of DaemonSets, StatefulSets and Deployments are read, also before any status is written."""
    daemon_set = DaemonSetSnapshot.of(
        {
            "metadata": {"name": "a-fuse", "generation": 2},
            "spec": {"template": {"spec": {"nodeSelector": {"fluid.io/f-demo-a": "true"}}}},
            "status": {"desiredNumberScheduled": 2, "numberReady": 1, "observedGeneration": 2},
        }
    )
    assert (daemon_set.desired, daemon_set.ready, daemon_set.observed) == (2, 1, True)
    assert daemon_set.node_selector == {"fluid.io/f-demo-a": "true"}
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
def test_a_job_tells_how_it_ended(kind: str, complete: bool, failed: bool) -> None:
    """A Job is under way until a condition says otherwise."""
    done = JobSnapshot.of({"status": {"conditions": [{"type": kind, "status": "True"}], "succeeded": 1}})
    assert (done.is_complete, done.has_failed) == (complete, failed)
    running = JobSnapshot.of({"metadata": {"name": "j"}, "status": {"active": 1}})
    assert (running.is_complete, running.has_failed) == (False, False)
    assert str(running) == "Job j under way (1 active, 0 succeeded, 0 failed)"


DATASET: dict[str, Any] = {
    "metadata": {"name": "imagenet", "namespace": "demo", "finalizers": [fluid_names.DATASET_FINALIZER]},
    "spec": {
        "mounts": [
            {"mountPoint": "pvc://nfs-src/train", "name": "nfs", "path": "/"},
            {"mountPoint": "https://mirror.example/x", "name": "web", "readOnly": True},
        ]
    },
    "status": {
        "phase": "Bound",
        "runtimes": [{"name": "imagenet", "type": "alluxio"}],
        "ufsTotal": "42.00MiB",
        "fileNum": "7",
        "cacheStates": {
            "cacheCapacity": "512.00MiB",
            "cached": "21.00MiB",
            "cachedPercentage": "50.0%",
            "cacheHitRatio": "99.5%",
            "localHitRatio": "0.0%",
            "remoteHitRatio": "",
        },
        "conditions": [{"type": "Ready", "status": "True", "reason": "DatasetReady", "message": "ready"}],
        "datasetRef": ["ns2/ref"],
    },
}


def test_a_dataset_tells_phase_source_and_cache() -> None:
    """Phase, source claims, sizes and cache are read; only ``pvc://`` names a claim."""
    found = DatasetSnapshot.of(DATASET)
    assert found.bound
    assert found.source_claims == ("nfs-src",)
    assert found.mounts[1].read_only
    assert found.runtimes == ("imagenet",)
    assert (found.ufs_total, found.file_num, found.dataset_ref) == ("42.00MiB", "7", ("ns2/ref",))
    assert found.finalizers == (fluid_names.DATASET_FINALIZER,)
    assert found.cache.cached_percentage == 50
    assert (found.cache.hit_ratio, found.cache.local_hit_ratio, found.cache.remote_hit_ratio) == (
        99.5,
        0,
        None,
    )
    assert str(found) == "Dataset imagenet Bound, 21.00MiB of 512.00MiB cached (50 %)"


def test_a_dataset_that_is_not_bound_says_why() -> None:
    """The newest condition stands in the text that a wait shows."""
    status = {
        "phase": "NotBound",
        "conditions": [
            {
                "type": "NotReady",
                "status": "True",
                "reason": "DatasetFailedToSetup",
                "message": "failed to  install",
            }
        ],
    }
    found = DatasetSnapshot.of(DATASET | {"status": status})
    assert str(found) == (
        "Dataset imagenet NotBound, NotReady=True (DatasetFailedToSetup): failed to install"
    )
    condition = found.condition("NotReady")
    assert condition is not None
    assert condition.status == "True"
    assert found.condition("Ready") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100.0%", 100),
        ("0.0%", 0),
        ("120.5%", 120.5),
        ("NaN%", None),
        ("+Inf%", None),
        ("", None),
        ("?", None),
    ],
)
def test_a_percentage_that_is_none_is_unknown(text: str, expected: float | None) -> None:
    """Unknown is not nought, and more than all is possible."""
    assert fields.percentage(text) == expected
    assert (
        CacheStates.of({"status": {"cacheStates": {"cachedPercentage": text}}}).cached_percentage == expected
    )


def test_a_runtime_tells_its_parts() -> None:
    """Phases and counts of master, workers and fuses are read."""
    found = AlluxioRuntimeSnapshot.of(
        {
            "metadata": {"name": "a"},
            "spec": {
                "replicas": 2,
                "fuse": {"cleanPolicy": "OnDemand"},
                "tieredstore": {"levels": [{"mediumtype": "MEM", "path": "/dev/shm", "quota": "512Mi"}]},
            },
            "status": {
                "masterPhase": "Ready",
                "desiredMasterNumberScheduled": 1,
                "masterNumberReady": 1,
                "workerPhase": "PartialReady",
                "desiredWorkerNumberScheduled": 2,
                "workerNumberReady": 1,
                "fusePhase": "Ready",
            },
        }
    )
    assert (found.replicas, found.clean_policy) == (2, "OnDemand")
    assert (found.worker.phase, found.worker.desired, found.worker.ready) == ("PartialReady", 2, 1)
    assert found.tiers == (("MEM", "/dev/shm", "512Mi"),)
    assert str(found) == "AlluxioRuntime a master Ready 1/1, worker PartialReady 1/2, fuse Ready 0/0"


def test_a_data_load_tells_its_end() -> None:
    """Phase, Dataset and reason of a data operation are read."""
    found = DataLoadSnapshot.of(
        {
            "metadata": {"name": "warm"},
            "spec": {"dataset": {"name": "a", "namespace": "demo"}},
            "status": {
                "phase": "Failed",
                "duration": "3s",
                "conditions": [{"message": "some paths not exist"}],
            },
        }
    )
    assert found.ended
    assert (found.dataset, found.duration) == (("demo", "a"), "3s")
    assert str(found) == "warm Failed: some paths not exist"


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
def test_an_event_of_either_kind_tells_when_and_how_often(times: dict[str, Any]) -> None:
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
    """A message of a page does not drown a log, and is kept in full in its field."""
    found = EventSnapshot.of({"message": "x" * 1000})
    assert len(str(found)) < snapshots.SHOWN_MESSAGE + 40
    assert len(found.message) == 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512Mi", 512 * 1024**2),
        ("250m", 0.25),
        ("2", 2),
        ("1.5Gi", 1.5 * 1024**3),
        ("4k", 4000),
        ("1e3", 1000),
    ],
)
def test_quantities_are_numbers(text: str, expected: float) -> None:
    """Kubernetes' decimal, binary and exponent forms are read."""
    assert fields.quantity(text) == expected


@pytest.mark.parametrize("text", ["", "Mi", "12 Mi", "1Xi", "-"])
def test_other_quantities_are_refused(text: str) -> None:
    """What is no quantity is not guessed at."""
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        fields.quantity(text)


def test_names_follow_fluid() -> None:
    """Labels and names are those of Fluid's source."""
    assert fluid_names.dataset_id("demo", "a") == "demo-a"
    assert fluid_names.fuse_label("demo", "a") == "fluid.io/f-demo-a"
    assert fluid_names.volume_name("demo", "a") == "demo-a"
    assert fluid_names.worker_labels("demo", "a") == (
        "fluid.io/s-demo-a",
        "fluid.io/s-alluxio-demo-a",
        "fluid.io/s-h-alluxio-m-demo-a",
        "fluid.io/s-h-alluxio-d-demo-a",
        "fluid.io/s-h-alluxio-t-demo-a",
    )
    assert fluid_names.exclusive_value("demo", "a") == "demo_a"


@pytest.mark.parametrize(("length", "short"), [(62, True), (63, False), (64, False)])
def test_a_long_name_gives_way_to_the_uid(length: int, short: bool) -> None:
    """From 63 characters of the whole key on, prefix included, the uid stands for the name."""
    name = "x" * (length - len("fluid.io/f-demo-"))
    label = fluid_names.fuse_label("demo", name, "uid-1")
    assert label == (f"fluid.io/f-demo-{name}" if short else "fluid.io/f-uid-1")
    assert fluid_names.fuse_label("demo", name) == f"fluid.io/f-demo-{name}"
