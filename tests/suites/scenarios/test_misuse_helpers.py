"""What scenarios of misuse send: objects written anew by hand, and mounts that the API refuses."""

from suites.scenarios.misuse.test_fields import REFUSED_MOUNTS
from suites.scenarios.misuse.test_manual_changes import _as_written

FOUND = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {
        "name": "demo-fuse",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-22T18:55:42Z",
        "finalizers": ["kubernetes.io/pvc-protection"],
        "managedFields": [{}],
        "labels": {"release": "demo"},
        "annotations": {
            "CreatedBy": "fluid",
            "pv.kubernetes.io/bind-completed": "yes",
            "deprecated.daemonset.template.generation": "1",
        },
        "ownerReferences": [{"kind": "AlluxioRuntime", "name": "demo"}],
    },
    "spec": {"selector": {"matchLabels": {"release": "demo"}}},
    "status": {"desiredNumberScheduled": 1},
}


def test_object_written_anew_has_nothing_that_the_api_added() -> None:
    """Names, labels, owners and the specification stay; uid, versions, finalizers and status go."""
    written = _as_written(FOUND)
    assert written["metadata"] == {
        "name": "demo-fuse",
        "namespace": "ns",
        "labels": {"release": "demo"},
        "annotations": {"CreatedBy": "fluid"},
        "ownerReferences": [{"kind": "AlluxioRuntime", "name": "demo"}],
    }
    assert written.keys() == {"apiVersion", "kind", "metadata", "spec"}


def test_object_written_anew_is_a_copy() -> None:
    """Changing it does not change what was found."""
    written = _as_written(FOUND)
    written["spec"]["selector"]["matchLabels"]["release"] = "other"
    written["metadata"]["labels"]["release"] = "other"
    assert "other" not in str(FOUND)


def test_mount_point_may_be_missing_up_to_0_9() -> None:
    """The CRD of 0.9.3 does not ask for it, that of 1.0.8 does."""
    assert "without mountPoint" not in REFUSED_MOUNTS.of("v0.9.3-4f0aab7")
    assert "without mountPoint" in REFUSED_MOUNTS.of("v1.0.8-6533239")
    assert "with an empty list of mounts" in REFUSED_MOUNTS.of("v0.9.3")
