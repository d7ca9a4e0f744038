"""Typed lookups."""

from __future__ import annotations

from typing import cast

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.controllers import (
    DaemonSetSnapshot,
    DeploymentSnapshot,
    JobSnapshot,
    StatefulSetSnapshot,
)
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DataLoadSnapshot, DatasetSnapshot
from tests.clusters.fake_kube import FakeKube


@pytest.fixture
def kube() -> FakeKube:
    """An empty cluster."""
    return FakeKube()


@pytest.fixture
def objects(kube: FakeKube) -> ClusterReader:
    """A reader of it."""
    return ClusterReader(cast("Kube", kube))


def test_a_missing_object_is_none(objects: ClusterReader) -> None:
    """Every lookup by name returns None if there is no such object."""
    found = [
        objects.get(PodSnapshot, "x", "demo"),
        objects.get(ClaimSnapshot, "x", "demo"),
        objects.get(VolumeSnapshot, "x"),
        objects.get(NodeSnapshot, "x"),
        objects.get(DaemonSetSnapshot, "x", "demo"),
        objects.get(StatefulSetSnapshot, "x", "demo"),
        objects.get(DeploymentSnapshot, "x", "demo"),
        objects.get(JobSnapshot, "x", "demo"),
        objects.get(DatasetSnapshot, "x", "demo"),
        objects.get(AlluxioRuntimeSnapshot, "x", "demo"),
        objects.get(DataLoadSnapshot, "x", "demo"),
    ]
    assert found == [None] * len(found)
    assert (
        objects.list(PodSnapshot)
        + objects.list(ClaimSnapshot)
        + objects.list(VolumeSnapshot)
        + objects.list(NodeSnapshot)
        + objects.events()
        == ()
    )


def test_objects_are_found_by_name_and_namespace(objects: ClusterReader, kube: FakeKube) -> None:
    """A Dataset of the same name in another namespace is another object."""
    kube.add(kinds.DATASET, "a", "other", status={"phase": "NotBound"})
    kube.add(kinds.DATASET, "a", "demo", status={"phase": "Bound"})
    found = objects.get(DatasetSnapshot, "a", "demo")
    assert found is not None
    assert found.bound
    assert [d.namespace for d in objects.list(DatasetSnapshot)] == ["other", "demo"]


def test_events_are_sorted_and_selected(objects: ClusterReader, kube: FakeKube) -> None:
    """The request selects the events of one object, and they are sorted by time."""
    kube.add(kinds.EVENT, "2", "demo", reason="Later", lastTimestamp="2026-11-22T15:20:02Z")
    kube.add(kinds.EVENT, "0", "demo", reason="Sometime")
    kube.add(kinds.EVENT, "1", "demo", reason="Earlier", lastTimestamp="2026-11-22T15:20:01Z")
    found = objects.events("demo", "a", "Dataset")
    assert [event.reason for event in found] == ["Sometime", "Earlier", "Later"]
    assert kube.fields == ["involvedObject.name=a,involvedObject.kind=Dataset"]
