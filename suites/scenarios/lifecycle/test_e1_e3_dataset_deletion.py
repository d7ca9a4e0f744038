"""Deletion of Datasets that were used, and of one that was not."""

from __future__ import annotations

from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, deletion, leaks
from suites.steps.user import DATASET, User


@scenario("E1", Level.SMOKE, untouched=True)
def test_deleting_a_dataset_removes_what_fluid_created(dataset_owner: User) -> None:
    """Deleting a Dataset that was used removes claim, volume, Pods, ConfigMaps, node labels and cached data.

    The user's application reads all files and is deleted; then the user deletes the Dataset.
    """
    pod = dataset_owner.starts(dataset_owner.application("e1-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    before = leaks.of_dataset(dataset_owner)
    if not before.objects or not before.node_labels or not before.host_mounts or not before.tier_files:
        checks.fail(
            "the leak check does not find the objects of a Dataset in use",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="objects, node labels, mounts and cached data before the deletion",
            seen=str(before),
        )
    dataset_owner.evidence.fact("leak check", f"sees the Dataset in use: {before.counts}")
    dataset_owner.stops(pod)
    dataset_owner.deletes_dataset()
    deletion.check_cache_removed(dataset_owner)
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


@scenario("E3", Level.SMOKE)
def test_deleting_an_unused_dataset_leaves_nothing(dataset_owner: User) -> None:
    """Deleting a Dataset that was not used leaves nothing behind and does not change the source.

    The user deletes a Bound Dataset before any application has mounted its claim.
    """
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)
