"""Snapshots of Fluid's objects, whole and partial."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.kubernetes import fields
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import (
    DATA_OPERATIONS,
    AlluxioRuntimeSnapshot,
    CacheStates,
    DataLoadSnapshot,
    DatasetSnapshot,
    made_by_fluid,
)
from tests.clusters.fake_kube import PARTIAL


@pytest.mark.parametrize(
    "kind",
    [AlluxioRuntimeSnapshot, DatasetSnapshot, *DATA_OPERATIONS.values()],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("obj", PARTIAL)
def test_a_partial_object_of_fluid_is_no_error(kind: Any, obj: dict[str, Any]) -> None:
    """Whatever is missing or malformed, there is a snapshot with a text, and it equals itself."""
    found = kind.of(obj)
    assert str(found)
    assert found == kind.of(obj)


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


def test_phase_sources_and_cache_of_a_dataset() -> None:
    """Phase, source claims, sizes and cache are read; only ``pvc://`` names a claim."""
    found = DatasetSnapshot.of(DATASET)
    assert found.bound
    assert found.source_claims == ("nfs-src",)
    assert [mount.name for mount in found.mounts] == ["nfs", "web"]
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


def test_text_of_a_dataset_that_is_not_bound() -> None:
    """The text contains the newest condition."""
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
    assert [(one.type, one.status) for one in found.conditions] == [("NotReady", "True")]


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
def test_a_missing_percentage_is_unknown(text: str, expected: float | None) -> None:
    """Unknown is not zero, and more than 100 % is possible."""
    assert fields.percentage(text) == expected
    assert (
        CacheStates.of({"status": {"cacheStates": {"cachedPercentage": text}}}).cached_percentage == expected
    )


def test_components_of_a_runtime() -> None:
    """Phases and counts of master, workers and fuses are read."""
    found = AlluxioRuntimeSnapshot.of(
        {
            "metadata": {"name": "a"},
            "spec": {
                "replicas": 2,
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
    assert found.replicas == 2
    assert (found.worker.phase, found.worker.desired, found.worker.ready) == ("PartialReady", 2, 1)
    assert str(found) == "AlluxioRuntime a master Ready 1/1, worker PartialReady 1/2, fuse Ready 0/0"


def test_end_of_a_data_load() -> None:
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
    assert str(found) == "warm Failed: some paths not exist"


def test_fluids_claim_has_an_annotation() -> None:
    """Only the annotation shows who created a claim; the name does not."""
    spec = {"volumeName": "demo-a", "storageClassName": "fluid", "accessModes": ["ReadOnlyMany"]}
    theirs = ClaimSnapshot.of(
        {
            "metadata": {"name": "a", "annotations": {"CreatedBy": "fluid"}},
            "spec": spec,
            "status": {"phase": "Bound"},
        }
    )
    users = ClaimSnapshot.of({"metadata": {"name": "a"}, "spec": spec})
    assert made_by_fluid(theirs)
    assert not made_by_fluid(users)
    assert str(theirs) == "claim a (created by fluid) Bound to volume demo-a"
    assert theirs.access_modes == ("ReadOnlyMany",)
