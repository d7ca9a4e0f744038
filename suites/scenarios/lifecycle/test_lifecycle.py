"""Group E: making and removing through Fluid's own resources."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_deleting
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, leaks
from suites.steps.user import DATASET, User, fluid_volume
from workloads.models.small_runtime import laptop_runtime

#: Seconds until all of a runtime is gone and its Dataset says so (measured for a Dataset: 54).
RUNTIME_GONE_SECONDS: Final = 240.0
#: Seconds until Fluid has begun to delete a runtime.
ASKED_SECONDS: Final = 60.0
#: Seconds for which a deleted runtime in use is watched: more than the 30 s after which Fluid takes the
#: protection of a claim away by force (pkg/utils/kubeclient/volume.go:30 of 1.0.8), and a try after that.
IN_USE_SECONDS: Final = 55.0


@scenario("E1", Level.SMOKE, untouched=True)
def test_deleting_a_dataset_removes_what_fluid_made(dataset_owner: User) -> None:
    """Deleting a Dataset that was used removes claim, volume, Pods, ConfigMaps and node labels.

    The user's application reads all files and ends; then the user deletes the Dataset. (E1, E3)
    """
    pod = dataset_owner.starts(dataset_owner.application("e1-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    before = leaks.of_dataset(dataset_owner)
    if not before.objects or not before.node_labels or not before.host_mounts or not before.tier_files:
        checks.fail(
            "the leak check does not see a Dataset that is in use",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="objects, node labels, mounts and data before it is deleted",
            seen=str(before),
        )
    dataset_owner.evidence.fact("leak check", f"sees the Dataset in use: {before.counts}")
    dataset_owner.stops(pod)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


@scenario("E3", Level.SMOKE)
def test_deleting_an_unused_dataset_leaves_nothing(dataset_owner: User) -> None:
    """Deleting a Dataset that nobody has used leaves nothing behind, and the source as it was.

    The user deletes a Bound Dataset before any application has mounted its claim.
    """
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


@scenario("E2", Level.CONFORMANCE)
def test_runtime_can_be_deleted_and_made_again(dataset_owner: User) -> None:
    """Deleting the runtime alone unbinds its Dataset and removes the claim; a new one brings both back.

    The user deletes the AlluxioRuntime of an unused Dataset and makes it again, say with another size.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    old = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, dataset_owner.namespace)
    _runtime_goes(dataset_owner)
    dataset_owner.applies(laptop_runtime(dataset_owner.namespace, DATASET).manifest())
    dataset_owner.waits_until_bound()
    new = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    if old is None or new is None or new.uid == old.uid:
        checks.fail(
            "the volume is still that of the runtime that was deleted",
            subject=f"volume {fluid_volume(dataset_owner)}",
            expected="a new volume",
            seen=f"before {old}, now {new}",
        )
    checks.claim_and_volume_of_fluid(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("e2-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)


def _runtime_goes(user: User) -> None:
    """Wait until the runtime is gone with all that Fluid made for it, and its Dataset says so."""
    kube, objects = user.system.kube, user.observer.objects

    def look() -> tuple[str, tuple[str, ...]]:
        left = (
            objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            objects.get(ClaimSnapshot, DATASET, user.namespace),
            objects.get(VolumeSnapshot, fluid_volume(user)),
            *objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}"),
        )
        return user.observer.dataset(user.namespace, DATASET).phase, tuple(str(o) for o in left if o)

    topics = [Topic(kinds.POD, user.namespace), Topic(kinds.ALLUXIO_RUNTIME, user.namespace)]
    with (
        user.evidence.phase("teardown", "the runtime is deleted"),
        kube.changes(kinds.DATASET, user.namespace, more=topics) as changed,
    ):
        wait(
            look,
            lambda seen: seen[0] == "NotBound" and not seen[1],
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase NotBound, without runtime, claim, volume and Pods,",
            timeout=RUNTIME_GONE_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: f"{seen[0] or 'no phase'}; {'; '.join(seen[1]) or 'all gone'}",
            advice="look at the events of the AlluxioRuntime",
        )
    user.evidence.fact("Dataset status", "NotBound; runtime, claim, volume and Pods are gone")


@scenario("E4", Level.FULL)
def test_runtime_that_an_application_uses_serves_until_that_ends(dataset_owner: User) -> None:
    """A runtime that is deleted while an application uses it serves on, and goes when the application ends.

    The user deletes the AlluxioRuntime while a Pod reads, and ends the Pod after more than the 30 s after
    which Fluid takes the protection of an unused claim away by force.
    """
    objects = dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e4-user", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.system.kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, dataset_owner.namespace)
    with dataset_owner.evidence.phase("waiting", "Fluid asks for the claim's deletion"):
        wait(
            lambda: objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace),
            is_deleting,
            subject=f"claim {dataset_owner.namespace}/{DATASET}",
            condition="a deletion timestamp",
            timeout=ASKED_SECONDS * dataset_owner.timeout_factor,
        )

    def wrong(_: None) -> str | None:
        claim, runtime = (
            objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace),
            objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace),
        )
        if claim is None or runtime is None:
            return f"{'the claim' if claim is None else 'the runtime'} went while the application uses it"
        fuse = dataset_owner.observer.fuse(dataset_owner.namespace, DATASET)
        return None if fuse.ready_on(pod.node) else f"the Fuse Pod went: {fuse}"

    with dataset_owner.evidence.phase("window", "the runtime waits for its user"):
        looks = hold(
            lambda: dataset_owner.reads_right_quietly(pod),
            wrong,
            subject=f"AlluxioRuntime {dataset_owner.namespace}/{DATASET}",
            condition="pending deletion with claim, Fuse Pod and correct reads",
            window=IN_USE_SECONDS,
            describe=lambda _: f"{objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace)}",
        )
    dataset_owner.evidence.fact("AlluxioRuntime", "waits while the application reads on", looks=len(looks))
    checks.reported_events(dataset_owner, DATASET, "AlluxioRuntime")
    dataset_owner.stops(pod)
    _runtime_goes(dataset_owner)
    left = wait(
        lambda: leaks.of_dataset(dataset_owner),
        lambda seen: seen.parts == (f"Dataset {DATASET}",),
        subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
        condition="removal of everything but the Dataset itself",
        timeout=leaks.GONE_SECONDS * dataset_owner.timeout_factor,
        delay=1.0,
    )
    dataset_owner.evidence.fact("leak check", f"of all that there was only this is left: {left.objects[0]}")
    checks.source_unchanged(dataset_owner)
