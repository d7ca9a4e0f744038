"""The Fuse of a Dataset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.product.fuse import read_fuse
from suites.diagnosis.cluster_state import ClusterState
from tests.clusters.fake_kube import FakeKube

FUSE_LABEL = "fluid.io/f-demo-a"


@pytest.fixture
def kube() -> FakeKube:
    """An empty cluster."""
    return FakeKube()


@pytest.fixture
def objects(kube: FakeKube) -> ClusterReader:
    """A reader of it."""
    return ClusterReader(cast("Kube", kube))


def add_fuse_pod(kube: FakeKube, name: str, node: str, *, ready: bool = True, **metadata: Any) -> None:
    """A Fuse Pod of Dataset ``demo/a``."""
    kube.add(
        kinds.POD,
        name,
        "demo",
        metadata={"labels": {"role": "alluxio-fuse", "release": "a"}, **metadata},
        spec={"nodeName": node},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    )


def add_daemon_set(kube: FakeKube, desired: int, ready: int) -> None:
    """The Fuse DaemonSet of Dataset ``demo/a``."""
    status = {"desiredNumberScheduled": desired, "numberReady": ready}
    kube.add(kinds.DAEMON_SET, "a-fuse", "demo", status=status)


def test_no_fuse_is_absent(objects: ClusterReader, kube: FakeKube) -> None:
    """A Dataset that no Pod mounts has a DaemonSet and nothing else of a Fuse."""
    add_daemon_set(kube, 0, 0)
    kube.add(kinds.NODE, "n1")
    fuse = read_fuse(objects, "demo", "a")
    assert fuse.absent
    assert fuse.label == FUSE_LABEL
    assert str(fuse) == "Fuse of demo/a: 0/0 ready, Pods: none, labelled: none"


@pytest.mark.parametrize("trace", ["desired", "pod", "unplaced", "label"])
def test_any_part_of_a_fuse_is_not_absent(objects: ClusterReader, kube: FakeKube, trace: str) -> None:
    """One label, Pod or requested Pod is enough."""
    add_daemon_set(kube, int(trace == "desired"), 0)
    if trace in ("pod", "unplaced"):
        add_fuse_pod(kube, "a-fuse-1", "n1" if trace == "pod" else "")
    kube.add(kinds.NODE, "n1", metadata={"labels": {FUSE_LABEL: "true"} if trace == "label" else {}})
    assert not read_fuse(objects, "demo", "a").absent


def test_a_fuse_is_ready_where_label_and_ready_pod_meet(objects: ClusterReader, kube: FakeKube) -> None:
    """A label without a Pod, or a Pod that is not ready, is not a ready Fuse."""
    add_daemon_set(kube, 3, 1)
    for node in ("n1", "n2", "n3"):
        kube.add(kinds.NODE, node, metadata={"labels": {FUSE_LABEL: "true"}})
    kube.add(kinds.NODE, "n4")
    add_fuse_pod(kube, "a-fuse-1", "n1")
    add_fuse_pod(kube, "a-fuse-2", "n2", ready=False)
    add_fuse_pod(kube, "a-fuse-4", "n4")
    fuse = read_fuse(objects, "demo", "a")
    assert [fuse.ready_on(node) for node in ("n1", "n2", "n3", "n4")] == [True, False, False, False]
    assert fuse.labelled == ("n1", "n2", "n3")
    assert (fuse.desired, fuse.ready) == (3, 1)


def test_another_datasets_fuse_is_not_counted(objects: ClusterReader, kube: FakeKube) -> None:
    """Pods of another release, and nodes labelled for another Dataset, are not this one's."""
    add_fuse_pod(kube, "b-fuse-1", "n1", labels={"role": "alluxio-fuse", "release": "b"})
    kube.add(kinds.NODE, "n1", metadata={"labels": {"fluid.io/f-demo-b": "true"}})
    fuse = read_fuse(objects, "demo", "a")
    assert fuse.absent
    assert str(fuse) == "Fuse of demo/a: no DaemonSet"


@pytest.mark.parametrize("order", [0, 1])
def test_the_deleted_one_of_two_pods_on_a_node_does_not_count(
    objects: ClusterReader, kube: FakeKube, order: int
) -> None:
    """While a Fuse Pod is being replaced, the new one counts."""
    pods: list[dict[str, Any]] = [{"deletionTimestamp": "2026-11-22T15:20:01Z"}, {}]
    for index in (order, 1 - order):
        add_fuse_pod(kube, f"a-fuse-{index}", "n1", **pods[index])
    found = read_fuse(objects, "demo", "a").pod_on("n1")
    assert found is not None
    assert found.name == "a-fuse-1"


def test_a_long_name_is_looked_up_by_the_datasets_uid(objects: ClusterReader, kube: FakeKube) -> None:
    """If Fluid labels nodes with the Dataset's uid, the reader searches for that label."""
    name = "x" * 60
    kube.add(kinds.DATASET, name, "demo", metadata={"uid": "u-1"})
    kube.add(kinds.NODE, "n1", metadata={"labels": {"fluid.io/f-u-1": "true"}})
    assert read_fuse(objects, "demo", name).labelled == ("n1",)
    assert read_fuse(objects, "demo", name, "u-1").labelled == ("n1",)
    kube.objects.clear()
    assert read_fuse(objects, "demo", name).absent


def test_two_pods_on_a_node_are_reported(objects: ClusterReader, kube: FakeKube) -> None:
    """A second Fuse Pod that is neither ended nor deleted is in `doubled`, and in the text."""
    add_daemon_set(kube, 1, 1)
    add_fuse_pod(kube, "a-fuse-1", "n1")
    add_fuse_pod(kube, "a-fuse-2", "n1")
    fuse = read_fuse(objects, "demo", "a")
    assert [pod.name for pod in fuse.doubled] == ["a-fuse-1"]
    assert "and also a-fuse-1" in str(fuse)


def test_cluster_state_builds_the_same_fuse(objects: ClusterReader, kube: FakeKube) -> None:
    """The diagnosis and the scenarios see the same Fuse in the same objects."""
    owner = {"kind": "DaemonSet", "name": "a-fuse", "uid": "u"}
    add_daemon_set(kube, 1, 1)
    for number, when in enumerate(("", "", "2026-11-22T15:20:01Z")):
        add_fuse_pod(kube, f"a-fuse-{number}", "n1", ownerReferences=[owner], deletionTimestamp=when)
    kube.add(kinds.NODE, "n1", metadata={"labels": {FUSE_LABEL: "true"}})
    all_objects = [{"kind": kind.name, **obj} for kind, obj in kube.objects]
    state = ClusterState.of(all_objects, datetime(2026, 11, 22, tzinfo=UTC))
    fuse = read_fuse(objects, "demo", "a")
    assert state.fuse("demo", "a") == fuse
    assert len(fuse.doubled) == 1
