"""Deletion of a runtime, alone and while it is used."""

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

#: Seconds until a runtime is deleted and its Dataset is NotBound (measured for a Dataset: 54 s).
RUNTIME_GONE_SECONDS: Final = 240.0
#: Seconds until Fluid has begun to delete a runtime.
ASKED_SECONDS: Final = 60.0
#: Seconds for which a deleted runtime in use is watched: more than the 30 s after which Fluid removes the
#: protection of a claim by force (pkg/utils/kubeclient/volume.go:30 of 1.0.8), and one more attempt.
IN_USE_SECONDS: Final = 55.0


@scenario("E2", Level.CONFORMANCE)
def test_runtime_can_be_deleted_and_created_again(dataset_owner: User) -> None:
    """Deleting only the runtime unbinds its Dataset and removes the claim; a new runtime restores both.

    The user deletes the AlluxioRuntime of an unused Dataset and creates it again.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    old = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, dataset_owner.namespace)
    _wait_until_runtime_gone(dataset_owner)
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


def _wait_until_runtime_gone(user: User) -> None:
    """Wait until the runtime and its objects are deleted, and its Dataset is NotBound."""
    kube, objects = user.system.kube, user.observer.objects

    def observe() -> tuple[str, tuple[str, ...]]:
        left = (
            objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            objects.get(ClaimSnapshot, DATASET, user.namespace),
            objects.get(VolumeSnapshot, fluid_volume(user)),
            *objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}"),
        )
        return user.observer.dataset(user.namespace, DATASET).phase, tuple(str(o) for o in left if o)

    def is_unbound(seen: tuple[str, tuple[str, ...]]) -> bool:
        phase, left = seen
        return phase == "NotBound" and not left

    topics = [Topic(kinds.POD, user.namespace), Topic(kinds.ALLUXIO_RUNTIME, user.namespace)]
    with (
        user.evidence.phase("teardown", "the runtime is deleted"),
        kube.changes(kinds.DATASET, user.namespace, more=topics) as changed,
    ):
        wait(
            observe,
            is_unbound,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase NotBound, and deletion of runtime, claim, volume and Pods",
            timeout=RUNTIME_GONE_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: f"{seen[0] or 'no phase'}; {'; '.join(seen[1]) or 'all deleted'}",
            advice="check the events of the AlluxioRuntime",
        )
    user.evidence.fact("Dataset status", "NotBound; runtime, claim, volume and Pods are deleted")


@scenario("E4", Level.FULL)
def test_runtime_in_use_is_deleted_after_its_application(dataset_owner: User) -> None:
    """A runtime that is deleted while an application uses it still serves it, and is deleted after it.

    The user deletes the AlluxioRuntime while a Pod reads, and deletes the Pod later than the 30 s after
    which Fluid removes the protection of a claim by force.
    """
    objects = dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e4-user", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.system.kube.delete(kinds.ALLUXIO_RUNTIME, DATASET, dataset_owner.namespace)
    with dataset_owner.evidence.phase("waiting", "Fluid requests the claim's deletion"):
        wait(
            lambda: objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace),
            is_deleting,
            subject=f"claim {dataset_owner.namespace}/{DATASET}",
            condition="deletion with its runtime",
            timeout=ASKED_SECONDS * dataset_owner.timeout_factor,
        )

    def wrong(_: None) -> str | None:
        claim, runtime = (
            objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace),
            objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace),
        )
        if claim is None or runtime is None:
            return (
                f"{'the claim' if claim is None else 'the runtime'} was deleted while the application uses it"
            )
        fuse = dataset_owner.observer.fuse(dataset_owner.namespace, DATASET)
        return None if fuse.ready_on(pod.node) else f"the Fuse Pod is not ready: {fuse}"

    with dataset_owner.evidence.phase("window", "the runtime waits for its application"):
        observations = hold(
            lambda: dataset_owner.reads_right_quietly(pod),
            wrong,
            subject=f"AlluxioRuntime {dataset_owner.namespace}/{DATASET}",
            condition="pending deletion with claim, Fuse Pod and the right data",
            window=IN_USE_SECONDS,
            describe=lambda _: f"{objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace)}",
        )
    dataset_owner.evidence.fact(
        "AlluxioRuntime", "waits while the application reads", looks=len(observations)
    )
    checks.reported_events(dataset_owner, DATASET, "AlluxioRuntime")
    dataset_owner.stops(pod)
    _wait_until_runtime_gone(dataset_owner)

    def only_dataset_left(left: leaks.Leaks) -> bool:
        return left.parts == (f"Dataset {DATASET}",)

    left = wait(
        lambda: leaks.of_dataset(dataset_owner),
        only_dataset_left,
        subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
        condition="removal of all but the Dataset itself",
        timeout=leaks.GONE_SECONDS * dataset_owner.timeout_factor,
        delay=1.0,
    )
    dataset_owner.evidence.fact("leak check", f"only this is left: {left.objects[0]}")
    checks.source_unchanged(dataset_owner)
