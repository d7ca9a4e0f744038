"""Group E: making and removing through Fluid's own resources."""

from __future__ import annotations

from typing import Final

from clusters import kinds
from clusters.waiting import wait
from clusters.watches import Topic
from suites import checks, leaks
from suites.scenario import Level, scenario
from suites.user import DATASET, User, fluid_volume
from workloads.models.laptop import laptop_runtime

#: Seconds until all of a runtime is gone and its Dataset says so (measured for a Dataset: 54).
RUNTIME_GONE_SECONDS: Final = 240.0


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


@scenario("E2", Level.CONFORMANCE)
def test_runtime_can_be_deleted_and_made_again(fresh: User) -> None:
    """Deleting the runtime alone unbinds its Dataset and removes the claim; a new one brings both back.

    The user deletes the AlluxioRuntime of an unused Dataset and makes it again, say with another size.
    """
    kube, view = fresh.system.kube, fresh.observer.view
    old = view.volume(fluid_volume(fresh))
    kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, fresh.namespace)

    def look() -> tuple[str, tuple[str, ...]]:
        left = (
            view.runtime(fresh.namespace, DATASET),
            view.claim(fresh.namespace, DATASET),
            view.volume(fluid_volume(fresh)),
            *view.pods(fresh.namespace, f"release={DATASET}"),
        )
        return fresh.observer.dataset(fresh.namespace, DATASET).phase, tuple(str(o) for o in left if o)

    topics = [Topic(kinds.POD, fresh.namespace), Topic(kinds.ALLUXIO_RUNTIME, fresh.namespace)]
    with (
        fresh.evidence.phase("teardown", "the runtime is deleted"),
        kube.changes(kinds.DATASET, fresh.namespace, more=topics) as changed,
    ):
        wait(
            look,
            lambda seen: seen[0] == "NotBound" and not seen[1],
            subject=f"Dataset {fresh.namespace}/{DATASET}",
            condition="NotBound, with runtime, claim, volume and Pods gone",
            timeout=RUNTIME_GONE_SECONDS,
            changes=changed,
            describe=lambda seen: f"{seen[0] or 'no phase'}; {'; '.join(seen[1]) or 'all gone'}",
            advice="look at the events of the AlluxioRuntime",
        )
    fresh.evidence.fact("Dataset status", "NotBound; runtime, claim, volume and Pods are gone")
    fresh.applies(laptop_runtime(fresh.namespace, DATASET).manifest())
    fresh.waits_until_bound()
    new = view.volume(fluid_volume(fresh))
    if old is None or new is None or new.uid == old.uid:
        raise checks.fail(
            "the volume is still that of the runtime that was deleted",
            subject=f"volume {fluid_volume(fresh)}",
            expected="a new volume",
            seen=f"before {old}, now {new}",
        )
    checks.claim_and_volume_of_fluid(fresh)
    pod = fresh.starts(fresh.application("e2-reader", DATASET))
    checks.served_by_fluid(fresh, pod)
    fresh.reads_right(pod)
