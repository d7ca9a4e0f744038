"""What scenarios send, and what counts as a refusal."""

import pytest

from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.scenarios.correct_use.test_a27_edited_mounts import why_edit_broke_dataset
from suites.scenarios.misuse.test_b2_claim_with_datasets_name import refusal_of_claim
from suites.scenarios.misuse.test_b27_missing_folder import refusals_of_folder
from suites.scenarios.misuse.test_b29_b30_names_and_mounts import REFUSED_MOUNTS
from suites.steps.object_copies import as_written

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


def test_object_written_again_has_nothing_that_the_api_added() -> None:
    """Names, labels, owners and the specification stay; uid, versions, finalizers and status go."""
    written = as_written(FOUND)
    assert written["metadata"] == {
        "name": "demo-fuse",
        "namespace": "ns",
        "labels": {"release": "demo"},
        "annotations": {"CreatedBy": "fluid"},
        "ownerReferences": [{"kind": "AlluxioRuntime", "name": "demo"}],
    }
    assert written.keys() == {"apiVersion", "kind", "metadata", "spec"}


def test_object_written_again_is_a_copy() -> None:
    """Changing it does not change what was found."""
    written = as_written(FOUND)
    written["spec"]["selector"]["matchLabels"]["release"] = "other"
    written["metadata"]["labels"]["release"] = "other"
    assert "other" not in str(FOUND)


def test_mount_point_may_be_missing_up_to_0_9() -> None:
    """The CRD of 0.9.3 does not require it, that of 1.0.8 does."""
    assert "without mountPoint" not in REFUSED_MOUNTS.of("v0.9.3-4f0aab7")
    assert "without mountPoint" in REFUSED_MOUNTS.of("v1.0.8-6533239")
    assert "with an empty list of mounts" in REFUSED_MOUNTS.of("v0.9.3")


def event(
    kind: str, name: str, message: str, *, reason: str = "Failed", severity: str = "Warning"
) -> EventSnapshot:
    """An event about an object."""
    about = {"kind": kind, "namespace": "ns", "name": name}
    return EventSnapshot.of({"type": severity, "reason": reason, "message": message, "involvedObject": about})


def test_refusal_of_a_claim_names_that_claim() -> None:
    """It is about the Dataset or its runtime."""
    refused = event(
        "AlluxioRuntime", "demo", 'persistentvolumeclaims "demo" already exists', reason="ErrorProcess"
    )
    assert refusal_of_claim([refused], "demo") == 'ErrorProcess: persistentvolumeclaims "demo" already exists'


@pytest.mark.parametrize(
    "other",
    [
        event("Pod", "demo-master-0", 'persistentvolumeclaim "nfs-src" not found'),
        event("Pod", "demo", 'persistentvolumeclaim "demo" not found'),
        event("Dataset", "demo", 'persistentvolumeclaim "demo-2" not found'),
        event("Dataset", "demo", 'persistentvolumeclaim "demo" is Bound', severity="Normal"),
        event("Dataset", "demo", "dataset demo is not ready"),
    ],
)
def test_other_warnings_are_no_refusal_of_a_claim(other: EventSnapshot) -> None:
    """A master that waits for the source claim says nothing about the Dataset's name."""
    assert refusal_of_claim([other], "demo") is None


def test_only_a_failed_mount_of_the_folder_is_a_refusal() -> None:
    """A Secret or ConfigMap that is not there yet fails to mount as well."""
    folder = "/var/lib/fluid-conformance-missing-ns"
    says = f'MountVolume.SetUp failed for volume "l": hostPath type check failed: {folder} is not a directory'
    right = event("Pod", "demo-master-0", says, reason="FailedMount")
    others = [
        event("Pod", "demo-master-0", 'configmap "demo-config" not found', reason="FailedMount"),
        event("Pod", "demo-master-0", says.replace(folder, "/other"), reason="FailedMount"),
        event("Pod", "demo-master-0", says, reason="FailedCreate"),
    ]
    assert refusals_of_folder([*others, right], folder) == (right,)


@pytest.mark.parametrize(
    ("phase", "is_right"), [("Bound", True), ("Updating", True), ("Failed", False), ("", False)]
)
def test_edit_of_a_mount_point_must_not_break_the_dataset(phase: str, is_right: bool) -> None:
    """A Dataset that is Failed after an edit is a defect, and no sign that the edit was honoured."""
    dataset = DatasetSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": phase}})
    assert (why_edit_broke_dataset(dataset) is None) is is_right
