"""The dump of a cluster: what counts as a difference, and what does not."""

from __future__ import annotations

from typing import Any

from tests.clusters.stored_objects import StoredObjects
from tests.killed_runs.dump import differences, dump, unsettled

NODE = "/api/v1/nodes/n1"
PLUGIN = "/apis/apps/v1/namespaces/fluid-system/daemonsets/csi"


def a_cluster() -> StoredObjects:
    """Two kinds, one object each, and a Pod."""
    store = StoredObjects()
    store.objects["/apis"] = {"groups": [{"preferredVersion": {"groupVersion": "apps/v1"}}]}
    verbs = {"verbs": ["list"]}
    nodes, pods = {"name": "nodes", "kind": "Node", **verbs}, {"name": "pods", "kind": "Pod", **verbs}
    status = {"name": "nodes/status", "kind": "Node", "verbs": ["get"]}
    store.objects["/api/v1"] = {"resources": [nodes, status, pods]}
    store.objects["/apis/apps/v1"] = {"resources": [{"name": "daemonsets", "kind": "DaemonSet", **verbs}]}
    store.put(NODE, metadata={"name": "n1", "labels": {"a": "b"}}, status={"x": 1})
    store.put("/api/v1/namespaces/team/pods/app", metadata={"name": "app", "namespace": "team"})
    store.put(
        PLUGIN,
        metadata={"name": "csi", "namespace": "fluid-system"},
        spec={"template": {"spec": {"nodeSelector": {}}}},
        status={"desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 2},
    )
    return store


def changed(store: StoredObjects, path: str, **change: Any) -> str:
    """The difference that a change makes."""
    before = dump(store.kube(), None)
    store.objects[path] = {**store.objects[path], **change}
    return differences(before, dump(store.kube(), None))


def test_labels_and_specs_count() -> None:
    """The difference names the object."""
    says = changed(a_cluster(), NODE, metadata={"name": "n1", "labels": {}})
    assert "before /api/v1/nodes n1" in says
    assert "-    a: b" in says
    assert changed(a_cluster(), PLUGIN, spec={"template": {"spec": {"nodeSelector": {"no": "where"}}}})


def test_an_object_more_or_less_counts() -> None:
    """Such as a volume that was left."""
    store = a_cluster()
    before = dump(store.kube(), None)
    del store.objects[NODE]
    assert differences(before, dump(store.kube(), None))
    assert differences(dump(store.kube(), None), before)


def test_what_changes_by_itself_does_not_count() -> None:
    """Status, versions, Pods."""
    store = a_cluster()
    assert not changed(store, NODE, status={"x": 2})
    metadata = {"name": "n1", "labels": {"a": "b"}, "resourceVersion": "99", "managedFields": [{}]}
    assert not changed(store, NODE, metadata=metadata)
    before = dump(store.kube(), None)
    del store.objects["/api/v1/namespaces/team/pods/app"]
    assert not differences(before, dump(store.kube(), None))


def test_components_that_start_again_are_not_settled() -> None:
    """Before they are, the cluster is not compared."""
    store = a_cluster()
    assert unsettled(store.kube()) == ()
    store.objects[PLUGIN]["status"]["numberReady"] = 1
    assert unsettled(store.kube()) == ("DaemonSet fluid-system/csi",)
