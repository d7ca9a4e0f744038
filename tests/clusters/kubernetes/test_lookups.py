"""Typed look-ups, and what is true of a Dataset's Fuse."""

from __future__ import annotations

from typing import Any, cast

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.lookups import ClusterReader

FUSE_LABEL = "fluid.io/f-demo-a"


class Shelf:
    """A cluster that holds what a test puts there, and understands simple label selectors."""

    def __init__(self) -> None:
        self.objects: list[tuple[Kind, dict[str, Any]]] = []
        self.fields: list[str] = []

    def put(self, kind: Kind, name: str, namespace: str = "", **rest: Any) -> None:
        """Put an object there."""
        metadata = {"name": name, "namespace": namespace, **rest.pop("metadata", {})}
        self.objects.append((kind, {"metadata": metadata, **rest}))

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """As `Kube.get`."""
        found = (o for o in self.list(kind, namespace) if o["metadata"]["name"] == name)
        return next(found, None)

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """As `Kube.list`."""
        self.fields.append(fields)
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            obj
            for held, obj in self.objects
            if held is kind
            and (not namespace or obj["metadata"]["namespace"] == namespace)
            and wanted.items() <= obj["metadata"].get("labels", {}).items()
        ]


@pytest.fixture
def shelf() -> Shelf:
    """An empty cluster."""
    return Shelf()


@pytest.fixture
def view(shelf: Shelf) -> ClusterReader:
    """A look at it."""
    return ClusterReader(cast("Kube", shelf))


def put_fuse_pod(shelf: Shelf, name: str, node: str, *, ready: bool = True, **metadata: Any) -> None:
    """A Fuse Pod of Dataset ``demo/a``."""
    shelf.put(
        kinds.POD,
        name,
        "demo",
        metadata={"labels": {"role": "alluxio-fuse", "release": "a"}, **metadata},
        spec={"nodeName": node},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    )


def put_daemon_set(shelf: Shelf, desired: int, ready: int) -> None:
    """The Fuse DaemonSet of Dataset ``demo/a``."""
    status = {"desiredNumberScheduled": desired, "numberReady": ready}
    shelf.put(kinds.DAEMON_SET, "a-fuse", "demo", status=status)


def test_what_is_not_there_is_none(view: ClusterReader) -> None:
    """Every look-up by name answers None for what does not exist."""
    found = [
        view.pod("demo", "x"),
        view.claim("demo", "x"),
        view.volume("x"),
        view.node("x"),
        view.daemon_set("demo", "x"),
        view.stateful_set("demo", "x"),
        view.deployment("demo", "x"),
        view.job("demo", "x"),
        view.dataset("demo", "x"),
        view.runtime("demo", "x"),
        view.data_load("demo", "x"),
    ]
    assert found == [None] * len(found)
    assert view.pods() + view.claims() + view.volumes() + view.nodes() + view.events() == ()


def test_objects_are_found_by_name_and_namespace(view: ClusterReader, shelf: Shelf) -> None:
    """A Dataset of the same name elsewhere is another one."""
    shelf.put(kinds.DATASET, "a", "other", status={"phase": "NotBound"})
    shelf.put(kinds.DATASET, "a", "demo", status={"phase": "Bound"})
    found = view.dataset("demo", "a")
    assert found is not None
    assert found.bound
    assert [d.namespace for d in view.datasets()] == ["other", "demo"]


def test_no_fuse_is_absent(view: ClusterReader, shelf: Shelf) -> None:
    """A Dataset that nobody mounts has a DaemonSet, and nothing else of a Fuse."""
    put_daemon_set(shelf, 0, 0)
    shelf.put(kinds.NODE, "n1")
    fuse = view.fuse("demo", "a")
    assert fuse.absent
    assert fuse.label == FUSE_LABEL
    assert str(fuse) == "Fuse of demo/a: 0/0 ready, Pods: none, labelled: none"


@pytest.mark.parametrize("trace", ["desired", "pod", "unplaced", "label"])
def test_any_trace_of_a_fuse_is_not_absent(view: ClusterReader, shelf: Shelf, trace: str) -> None:
    """A label, a Pod or a wanted Pod each alone shows that somebody mounts the Dataset."""
    put_daemon_set(shelf, int(trace == "desired"), 0)
    if trace in ("pod", "unplaced"):
        put_fuse_pod(shelf, "a-fuse-1", "n1" if trace == "pod" else "")
    shelf.put(kinds.NODE, "n1", metadata={"labels": {FUSE_LABEL: "true"} if trace == "label" else {}})
    assert not view.fuse("demo", "a").absent


def test_a_fuse_is_ready_where_label_and_ready_pod_meet(view: ClusterReader, shelf: Shelf) -> None:
    """A label without a Pod, or a Pod that is not ready, is no Fuse."""
    put_daemon_set(shelf, 3, 1)
    for node in ("n1", "n2", "n3"):
        shelf.put(kinds.NODE, node, metadata={"labels": {FUSE_LABEL: "true"}})
    shelf.put(kinds.NODE, "n4")
    put_fuse_pod(shelf, "a-fuse-1", "n1")
    put_fuse_pod(shelf, "a-fuse-2", "n2", ready=False)
    put_fuse_pod(shelf, "a-fuse-4", "n4")
    fuse = view.fuse("demo", "a")
    assert [fuse.ready_on(node) for node in ("n1", "n2", "n3", "n4")] == [True, False, False, False]
    assert fuse.labelled == ("n1", "n2", "n3")
    assert (fuse.desired, fuse.ready) == (3, 1)


def test_another_datasets_fuse_is_not_counted(view: ClusterReader, shelf: Shelf) -> None:
    """Pods of another release, and nodes labelled for another Dataset, are not this one's."""
    put_fuse_pod(shelf, "b-fuse-1", "n1", labels={"role": "alluxio-fuse", "release": "b"})
    shelf.put(kinds.NODE, "n1", metadata={"labels": {"fluid.io/f-demo-b": "true"}})
    fuse = view.fuse("demo", "a")
    assert fuse.absent
    assert str(fuse) == "Fuse of demo/a: no DaemonSet"


@pytest.mark.parametrize("order", [0, 1])
def test_of_two_pods_on_a_node_the_one_that_stays_counts(
    view: ClusterReader, shelf: Shelf, order: int
) -> None:
    """While a Fuse Pod is replaced, the one that is being deleted is not taken for the node's."""
    pods: list[dict[str, Any]] = [{"deletionTimestamp": "2026-11-22T15:20:01Z"}, {}]
    for index in (order, 1 - order):
        put_fuse_pod(shelf, f"a-fuse-{index}", "n1", **pods[index])
    found = view.fuse("demo", "a").pod_on("n1")
    assert found is not None
    assert found.name == "a-fuse-1"


def test_a_long_name_is_looked_up_by_the_datasets_uid(view: ClusterReader, shelf: Shelf) -> None:
    """Where Fluid labels nodes with the Dataset's uid, so is it looked for."""
    name = "x" * 60
    shelf.put(kinds.DATASET, name, "demo", metadata={"uid": "u-1"})
    shelf.put(kinds.NODE, "n1", metadata={"labels": {"fluid.io/f-u-1": "true"}})
    assert view.fuse("demo", name).labelled == ("n1",)
    assert view.fuse("demo", name, "u-1").labelled == ("n1",)
    shelf.objects.clear()
    assert view.fuse("demo", name).absent


def test_events_come_in_order_and_are_narrowed(view: ClusterReader, shelf: Shelf) -> None:
    """The server is asked for one object's events only, and they are put in order of time."""
    shelf.put(kinds.EVENT, "2", "demo", reason="Later", lastTimestamp="2026-11-22T15:20:02Z")
    shelf.put(kinds.EVENT, "0", "demo", reason="Sometime")
    shelf.put(kinds.EVENT, "1", "demo", reason="Earlier", lastTimestamp="2026-11-22T15:20:01Z")
    found = view.events("demo", "a", "Dataset")
    assert [event.reason for event in found] == ["Sometime", "Earlier", "Later"]
    assert shelf.fields == ["involvedObject.name=a,involvedObject.kind=Dataset"]
