"""Group E: making and removing through Fluid's own resources."""

from __future__ import annotations

from suites import checks, leaks
from suites.scenario import Level, scenario
from suites.user import DATASET, User


@scenario("E1", Level.SMOKE)
def test_deleting_a_dataset_removes_what_fluid_made(fresh: User) -> None:
    """Deleting a Dataset that was used removes claim, volume, Pods, ConfigMaps and node labels.

    The user's application reads all files and ends; then the user deletes the Dataset. (E1, E3)
    """
    pod = fresh.starts(fresh.application("e1-reader", DATASET))
    checks.served_by_fluid(fresh, pod)
    fresh.reads_right(pod)
    checks.all_cached(fresh)
    before = leaks.of_dataset(fresh)
    if not before.objects or not before.node_labels or not before.host_mounts or not before.tier_files:
        raise checks.fail(
            "the leak check does not see a Dataset that is in use",
            subject=f"Dataset {fresh.namespace}/{DATASET}",
            expected="objects, node labels, mounts and data before it is deleted",
            seen=str(before),
        )
    fresh.evidence.fact("leak check", f"sees the Dataset in use: {before.counts}")
    fresh.stops(pod)
    fresh.deletes_dataset()
    leaks.nothing_left(fresh)
    checks.source_unchanged(fresh)


@scenario("E3", Level.SMOKE)
def test_deleting_an_unused_dataset_leaves_nothing(fresh: User) -> None:
    """Deleting a Dataset that nobody has used leaves nothing behind, and the source as it was.

    The user deletes a Bound Dataset before any application has mounted its claim.
    """
    fresh.deletes_dataset()
    leaks.nothing_left(fresh)
    checks.source_unchanged(fresh)
