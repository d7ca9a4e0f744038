"""A Dataset that is created again under its old name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import VolumeSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, workers
from suites.steps.user import DATASET, User, fluid_volume
from workloads.data import DataFile, Files
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: Seconds until Dataset and runtime are deleted.
OBJECTS_SECONDS: Final = 240.0
#: A claim whose files have the names and sizes of the others, and other contents.
AGAIN: Final = "nfs-again"
#: Size of the new cache, other than that of the old one, and how Fluid writes it on the worker's node.
QUOTA: Final = "384Mi"
QUOTA_ON_NODE: Final = "384MiB"
#: Seconds to create them.
DATA_SECONDS: Final = 300.0


@scenario("E6", Level.FULL)
def test_dataset_created_again_under_its_name_has_new_data(dataset_owner: User) -> None:
    """A Dataset that is created again under its old name has a new volume, new data, and nothing cached.

    The user deletes a Dataset that is completely cached and, as soon as it and its runtime are deleted,
    creates it again with a smaller cache over another claim, whose files have the same names and sizes and
    other contents.
    """
    objects = dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e6-before", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    old = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    assert old is not None
    dataset_owner.stops(pod)
    with _other_data(dataset_owner) as other:
        _delete_dataset_and_runtime(dataset_owner)
        dataset_owner.creates_dataset(
            Dataset.over_claim(dataset_owner.namespace, DATASET, AGAIN).evolve(placement="Shared"),
            laptop_runtime(dataset_owner.namespace, DATASET, quota=QUOTA),
        )
        dataset_owner.waits_until_bound()
        new = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
        if new is None or new.uid == old.uid:
            checks.fail(
                "the volume is still that of the deleted Dataset",
                subject=f"volume {fluid_volume(dataset_owner)}",
                expected="a new volume",
                seen=f"before {old} {old.uid}, now {new} {new.uid if new else ''}",
            )
        checks.claim_and_volume_of_fluid(other)
        checks.fuse_absent(other, other.observer.fuse(other.namespace, DATASET))
        checks.nothing_cached(other)
        reader = other.starts(other.application("e6-after", DATASET))
        checks.served_by_fluid(other, reader)
        other.reads_right(reader, who="application on the new Dataset")
        checks.all_cached(other)
        # Fluid sets the label from what its engine remembers of the runtime, not from the runtime's object.
        label = fluid_names.cache_size_label(other.namespace, DATASET)
        workers.check_node_label(other, workers.find(other, DATASET).node, label, QUOTA_ON_NODE)
        other.stops(reader)


@contextmanager
def _other_data(user: User) -> Iterator[User]:
    """The same user over a second claim, with files of the same names and sizes and of other contents."""
    source = user.system.nfs
    folder = source.folder(f"again-{user.namespace}")
    files = Files(tuple(DataFile(file.path, file.size, f"again-{file.seed}") for file in user.files.files))
    script = files.shell(source.inside(folder)).encode()
    try:
        source.execute("bash", "-s", stdin=script, timeout=DATA_SECONDS)
        user.creates_source(AGAIN, folder=folder)
        yield replace(user, folder=folder, files=files)
    finally:
        source.empty(folder)


def _delete_dataset_and_runtime(user: User) -> None:
    """Delete the Dataset and wait until it and its runtime are deleted, as ``kubectl delete`` does."""
    kube, objects = user.system.kube, user.observer.objects
    kube.delete(kinds.DATASET, DATASET, user.namespace)

    def are_gone(seen: tuple[object | None, object | None]) -> bool:
        return seen == (None, None)

    with (
        user.evidence.phase("teardown", "Dataset and runtime are deleted"),
        kube.changes(
            kinds.DATASET, user.namespace, more=[Topic(kinds.ALLUXIO_RUNTIME, user.namespace)]
        ) as changed,
    ):
        wait(
            lambda: (
                objects.get(DatasetSnapshot, DATASET, user.namespace),
                objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            ),
            are_gone,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="deletion with its runtime",
            timeout=OBJECTS_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: "; ".join(str(item) for item in seen if item) or "both deleted",
        )
    left = objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}")
    user.evidence.fact(
        "Pods", f"{len(left)} Pods of the old runtime still exist when the Dataset is created again"
    )
