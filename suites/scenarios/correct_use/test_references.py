"""Groups A, B and E: Datasets that refer to others, and runtimes that share a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product import fluid_names
from clusters.waiting import hold, is_gone, reason_if_any, wait
from suites.catalogue.scenario import Defect, Leftover, Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks, leaks
from suites.steps.dataset_references import (
    REFERENCE,
    creates_reference,
    deletes_reference,
    needs_controller,
    referring_user,
    waits_for_controller,
)
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User, fluid_volume, unique
from workloads.models.base import Manifest, metadata

#: Seconds for which things that must stay as they are get watched; Fluid tries a deletion again each 10 s.
WATCH_SECONDS: Final = 25.0
#: Seconds until Fluid has taken up a second runtime, or refused it.
DECIDED_SECONDS: Final = 90.0
#: Seconds until a runtime is gone that was deleted (the controller tries again each 20 s).
RUNTIME_GONE_SECONDS: Final = 180.0
#: What Fluid says to a runtime whose Dataset belongs to another (runtime_controller.go:150-158 of 1.0.8).
REFUSED: Final = "already bound to another runtime"

TAKES_ALONG: Final = "second-runtime-takes-the-first-along"


@scenario("A16", Level.FULL, issues=(2061, 199))
def test_dataset_of_another_namespace_is_read_through_its_own_fuse(shared_user: User) -> None:
    """A Dataset that refers to one of another namespace serves its data through that one's Fuse and cache.

    The user makes, in a namespace of their own, a Dataset whose mount point is dataset:// with
    namespace and name of a Dataset there, no runtime, and an application on the claim of its name.
    """
    needs_controller(shared_user)
    with referring_user(shared_user) as user:
        dataset = creates_reference(shared_user, user)
        user.evidence.fact("Dataset status", f"{dataset.name} is {dataset.phase}, without a runtime of ours")
        checks.claim_and_volume_of_fluid(user, REFERENCE)
        _same_volume(shared_user, user)
        _referred_to(shared_user, user)
        pod = user.starts(user.application("a16-reader", REFERENCE))
        checks.served_by_fluid(shared_user, pod)
        user.reads_right(pod, who="application in another namespace")
        _no_fuse_of_its_own(user, pod)
        checks.all_cached(shared_user)
        assert_diagnosis(user, pod.name, FindingCode.SERVED, names=(REFERENCE,))
        user.stops(pod)
        deletes_reference(shared_user, user)
    checks.source_unchanged(shared_user)


def _same_volume(owner: User, user: User) -> None:
    """The reference's volume is the same to Fluid's driver as that of the Dataset that it refers to."""
    objects = user.observer.objects
    own, borrowed = (
        objects.get(VolumeSnapshot, fluid_volume(owner)),
        objects.get(VolumeSnapshot, fluid_volume(user, REFERENCE)),
    )
    if own is None or borrowed is None or own.volume_handle != borrowed.volume_handle:
        checks.fail(
            "the reference's volume is not that of the Dataset that it refers to",
            subject=f"volume {fluid_volume(user, REFERENCE)}",
            expected=f"volumeHandle {own.volume_handle if own else '(no volume)'}",
            seen=f"{borrowed.volume_handle} of {borrowed}" if borrowed else "no volume",
        )
    user.evidence.fact("volumes", f"both have the handle {own.volume_handle}", volume=borrowed.name)


def _referred_to(owner: User, user: User) -> None:
    """The Dataset that is referred to knows by whom."""
    wanted = f"{user.namespace}/{REFERENCE}"
    found = owner.observer.dataset(owner.namespace, DATASET).dataset_ref
    if wanted not in found:
        checks.fail(
            "a Dataset does not know that another one refers to it",
            subject=f"Dataset {owner.namespace}/{DATASET}",
            expected=f"{wanted} in status.datasetRef",
            seen=", ".join(found) or "nobody",
        )
    user.evidence.fact("Dataset status", f"{DATASET} knows that {wanted} refers to it")


def _no_fuse_of_its_own(user: User, reader: PodSnapshot) -> None:
    """Over a window, while the application reads, its namespace has no other Pod and wants no Fuse."""

    def look() -> tuple[int, tuple[str, ...]]:
        user.reads_right_quietly(reader)
        others = [
            pod for pod in user.observer.objects.list(PodSnapshot, user.namespace) if pod.name != reader.name
        ]
        return user.observer.fuse(user.namespace, REFERENCE).desired, tuple(map(str, others))

    with user.evidence.phase("window", "no Fuse Pod of its own"):
        looks = hold(
            look,
            lambda seen: (
                f"{seen[0]} Fuse Pods are wanted; {'; '.join(seen[1]) or 'no Pods'}" if any(seen) else None
            ),
            subject=f"Dataset {user.namespace}/{REFERENCE}",
            condition="absence of Pods of a Fuse or a runtime",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    user.evidence.fact("Pods", "the application is the only one in its namespace", looks=len(looks))


@scenario("E10", Level.FULL)
def test_dataset_that_another_one_refers_to_is_not_deleted_before_it(dataset_owner: User) -> None:
    """A Dataset that is deleted while another one refers to it serves on, says who does, and goes then.

    The user deletes a Dataset that is referred to from another namespace; an application there is
    started and ended, then the reference is deleted, then the owner's own last application ends.
    """
    needs_controller(dataset_owner)
    with referring_user(dataset_owner) as user:
        creates_reference(dataset_owner, user)
        dataset_owner.system.kube.delete(kinds.DATASET, DATASET, dataset_owner.namespace)
        wait_for_event(
            dataset_owner,
            "Dataset",
            DATASET,
            reason="ErrorDeleteDataset",
            says=f"there are datasets [{user.namespace}/{REFERENCE}] mounted to it",
        )
        pod = user.starts(user.application("e10-reader", REFERENCE))
        checks.served_by_fluid(dataset_owner, pod)
        user.reads_right(pod, who="application in another namespace, Dataset deleted")
        checks.deletion_waits(dataset_owner, user, pod, "the application of the Dataset that refers to it")
        user.stops(pod)
        # It holds the Dataset until the reference is gone as a whole: a Dataset that goes before leaves the
        # ThinRuntime of a reference behind (pkg/ddc/thin/referencedataset/engine.go:204-208 of 1.0.8).
        holder = dataset_owner.starts(dataset_owner.application("e10-holder", DATASET))
        dataset_owner.reads_right(holder, who="application on the Dataset that is being deleted")
        deletes_reference(dataset_owner, user)
    dataset_owner.stops(holder)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


@scenario(
    "B13",
    Level.FULL,
    defects=(
        Defect(
            "second-kind-of-runtime-accepted",
            "A runtime of another kind, made with the name of a Dataset that is Bound, is taken up beside "
            "the first one, and nothing says so.",
            "api/v1alpha1/dataset_types.go:324-339 (1.0.8)",
        ),
        Defect(
            TAKES_ALONG,
            "When the second runtime is deleted, Fluid removes claim, volume and helm release of their "
            "common name: those of the first. Its node labels and cached blocks then stay for good.",
            "pkg/ddc/thin/shutdown.go:54-75 (1.0.8)",
        ),
    ),
    leftovers=(
        Leftover(TAKES_ALONG, r": fluid\.io/s-"),
        Leftover(TAKES_ALONG, r"/alluxioworker/"),
    ),
)
def test_second_runtime_of_another_kind_does_not_disturb_the_first(dataset_owner: User) -> None:
    """While a second runtime of another kind has the Dataset's name, applications go on reading right.

    The user makes a ThinRuntime with the name of a Dataset that an AlluxioRuntime serves already, sees
    the mistake, and deletes it again.
    """
    needs_controller(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("b13-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    leaks.expect_on_worker_nodes(dataset_owner)
    with _second_runtime(dataset_owner):
        waits_for_controller(dataset_owner)
        accepted = _taken_up(dataset_owner)
        _first_serves_on(dataset_owner, pod)
        dataset_owner.stops(pod)
        _deletes_second(dataset_owner)
    whole = _first_is_whole(dataset_owner) if accepted else True
    dataset_owner.evidence.defect(
        TAKES_ALONG,
        seen=not whole,
        says=f"with the ThinRuntime deleted, the AlluxioRuntime's own objects are {_there(whole)}",
    )
    if whole:
        again = dataset_owner.starts(dataset_owner.application("b13-after", DATASET))
        checks.served_by_fluid(dataset_owner, again)
        dataset_owner.reads_right(again, who="application, second runtime deleted")
        dataset_owner.stops(again)
    dataset_owner.deletes_dataset()
    if whole:
        leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


def _there(whole: bool) -> str:
    return "there" if whole else "gone as well"


@contextmanager
def _second_runtime(user: User) -> Iterator[None]:
    """A ThinRuntime with the Dataset's name, and the profile that it needs, while the context lasts."""
    profile = unique("fc-profile")
    image, _, tag = user.system.toolbox.rpartition(":")
    user.applies(_profile(profile, image, tag), _thin_runtime(user, profile))
    try:
        yield
    finally:
        user.system.kube.delete(kinds.THIN_RUNTIME, DATASET, user.namespace)
        user.system.kube.delete(kinds.THIN_RUNTIME_PROFILE, profile)


def _profile(name: str, image: str, tag: str) -> Manifest:
    """How its Fuse would be started; it never is, because the Dataset is set up already."""
    fuse = {"image": image, "imageTag": tag, "imagePullPolicy": "IfNotPresent"}
    kind = kinds.THIN_RUNTIME_PROFILE
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": metadata(name),
        "spec": {"fileSystemType": "nfs", "fuse": fuse},
    }


def _thin_runtime(user: User, profile: str) -> Manifest:
    kind = kinds.THIN_RUNTIME
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": metadata(DATASET, user.namespace),
        "spec": {"profileName": profile},
    }


def _taken_up(user: User) -> bool:
    """Wait until Fluid has taken up the second runtime, which its finalizer shows, or has refused it."""
    kube, objects = user.system.kube, user.observer.objects

    def look() -> tuple[tuple[str, ...], str]:
        obj: dict[str, Any] = kube.get(kinds.THIN_RUNTIME, DATASET, user.namespace) or {}
        events = objects.events(user.namespace, DATASET, kinds.THIN_RUNTIME.name)
        refused = next((event.message for event in events if REFUSED in event.message), "")
        return tuple(obj.get("metadata", {}).get("finalizers", ())), refused

    with user.evidence.phase("waiting", "Fluid decides on the second runtime"):
        finalizers, refused = wait(
            look,
            any,
            subject=f"ThinRuntime {user.namespace}/{DATASET}",
            condition="a workload or a refusal",
            timeout=DECIDED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: f"finalizers {', '.join(seen[0]) or 'none'}; {seen[1] or 'not refused'}",
            advice="look at the log of the thinruntime-controller",
        )
    user.evidence.defect(
        "second-kind-of-runtime-accepted",
        seen=not refused,
        says=f"it is refused: {refused[:300]}"
        if refused
        else f"it is taken up (finalizer {', '.join(finalizers)}), and no event refuses it",
    )
    return not refused


def _first_serves_on(user: User, reader: PodSnapshot) -> None:
    """Over a window the application reads right, the Dataset is Bound, and the master is the same."""
    objects, name = user.observer.objects, fluid_names.master_pod(DATASET)
    was = objects.get(PodSnapshot, name, user.namespace)

    def look() -> str:
        user.reads_right_quietly(reader)
        dataset, master = (
            user.observer.dataset(user.namespace, DATASET),
            objects.get(PodSnapshot, name, user.namespace),
        )
        if not dataset.bound:
            return f"the Dataset's phase is {dataset.phase}"
        same = was is not None and master is not None and master.uid == was.uid
        return "" if same else f"the master is another one: {master}"

    with user.evidence.phase("window", "the first runtime serves on"):
        looks = hold(
            look,
            reason_if_any,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound with the same Alluxio and correct reads",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    cache = user.observer.dataset(user.namespace, DATASET).cache
    user.evidence.fact("application", "reads right all the time", looks=len(looks))
    user.evidence.fact("Dataset status", f"cacheStates of both runtimes, in turn: {dict(cache.raw)}")


def _deletes_second(user: User) -> None:
    """Delete the second runtime, now that nobody uses the claim, and wait until it is gone."""
    kube = user.system.kube
    kube.delete(kinds.THIN_RUNTIME, DATASET, user.namespace)
    with user.evidence.phase("teardown", "the second runtime is deleted"):
        wait(
            lambda: kube.get(kinds.THIN_RUNTIME, DATASET, user.namespace),
            is_gone,
            subject=f"ThinRuntime {user.namespace}/{DATASET}",
            condition="deletion",
            timeout=RUNTIME_GONE_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: "gone" if seen is None else "there, being deleted",
            advice="look at its events",
        )


def _first_is_whole(user: User) -> bool:
    """Whether the first runtime still has its master and its claim, now that the second is gone."""
    objects = user.observer.objects
    master, claim = fluid_names.master_name(DATASET), objects.get(ClaimSnapshot, DATASET, user.namespace)
    there = objects.get(StatefulSetSnapshot, master, user.namespace) is not None
    kept = claim is not None and not claim.deleting
    user.evidence.fact("StatefulSet of the master", "there" if there else "gone")
    user.evidence.fact("claim", str(claim or "gone"))
    return there and kept
