"""A second runtime with the name of the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.waiting import hold, is_gone, reason_if_any, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect, Leftover
from suites.steps import checks, leaks
from suites.steps.dataset_references import (
    needs_controller,
    waits_for_controller,
)
from suites.steps.reconcile import TWO_RETRIES
from suites.steps.user import DATASET, User, unique
from workloads.models.base import Manifest, metadata

#: Seconds until Fluid has accepted a second runtime, or refused it.
DECIDED_SECONDS: Final = 90.0
#: Seconds until a runtime is deleted (the controller tries again every 20 s).
RUNTIME_GONE_SECONDS: Final = 180.0
#: What Fluid says to a runtime whose Dataset belongs to another (runtime_controller.go:150-158 of 1.0.8).
REFUSED: Final = "already bound to another runtime"
TAKES_ALONG: Final = "second-runtime-takes-the-first-along"


@scenario(
    "B13",
    Level.FULL,
    disturbs={Disruption.FLUID_COMPONENTS: "lets Fluid start its thinruntime-controller"},
    defects=(
        Defect(
            "second-kind-of-runtime-accepted",
            "A second runtime, of another kind and with the name of a Dataset that is Bound, is accepted, "
            "and no event says so.",
            "api/v1alpha1/dataset_types.go:324-339 (1.0.8)",
        ),
        Defect(
            TAKES_ALONG,
            "When the second runtime is deleted, Fluid removes claim, volume and helm release of their "
            "common name, which belong to the first. Its node labels and cached blocks are never removed.",
            "pkg/ddc/thin/shutdown.go:54-75 (1.0.8)",
        ),
    ),
    leftovers=(
        Leftover(TAKES_ALONG, r": fluid\.io/s-"),
        Leftover(TAKES_ALONG, r"/alluxioworker/"),
    ),
    writes=(kinds.THIN_RUNTIME, kinds.THIN_RUNTIME_PROFILE),
)
def test_second_runtime_of_another_kind_does_not_disturb_the_first(dataset_owner: User) -> None:
    """A second runtime of another kind with the Dataset's name does not disturb applications that read.

    The user creates a ThinRuntime with the name of a Dataset that an AlluxioRuntime serves, notices
    the mistake, and deletes it.
    """
    needs_controller(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("b13-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    leaks.expect_on_worker_nodes(dataset_owner)
    with _second_runtime(dataset_owner):
        waits_for_controller(dataset_owner)
        accepted = _wait_until_accepted(dataset_owner)
        _check_first_serves(dataset_owner, pod)
        dataset_owner.stops(pod)
        _delete_second(dataset_owner)
    whole = _first_is_whole(dataset_owner) if accepted else True
    dataset_owner.evidence.defect(
        TAKES_ALONG,
        seen=not whole,
        says=f"after the deletion of the ThinRuntime the AlluxioRuntime's objects {_exist(whole)}",
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


def _exist(whole: bool) -> str:
    return "still exist" if whole else "are deleted as well"


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
    """Profile of its Fuse, which is never started because the Dataset is already set up."""
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


def _wait_until_accepted(user: User) -> bool:
    """Wait until Fluid has accepted the second runtime, which its finalizer shows, or has refused it."""
    kube, objects = user.system.kube, user.observer.objects

    def observe() -> tuple[tuple[str, ...], str]:
        obj: dict[str, Any] = kube.get(kinds.THIN_RUNTIME, DATASET, user.namespace) or {}
        events = objects.events(user.namespace, DATASET, kinds.THIN_RUNTIME.name)
        refused = next((event.message for event in events if REFUSED in event.message), "")
        return tuple(obj.get("metadata", {}).get("finalizers", ())), refused

    with user.evidence.phase("waiting", "Fluid decides on the second runtime"):
        finalizers, refused = wait(
            observe,
            any,
            subject=f"ThinRuntime {user.namespace}/{DATASET}",
            condition="acceptance or refusal by Fluid",
            timeout=DECIDED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: f"finalizers {', '.join(seen[0]) or 'none'}; {seen[1] or 'not refused'}",
            advice="check the log of the thinruntime-controller",
        )
    user.evidence.defect(
        "second-kind-of-runtime-accepted",
        seen=not refused,
        says=f"it is refused: {refused[:300]}"
        if refused
        else f"it is accepted (finalizer {', '.join(finalizers)}), and no event refuses it",
    )
    return not refused


def _check_first_serves(user: User, reader: PodSnapshot) -> None:
    """During a window the application reads right, the Dataset is Bound, and the master is the same."""
    objects, name = user.observer.objects, fluid_names.master_pod(DATASET)
    was = objects.get(PodSnapshot, name, user.namespace)

    def observe() -> str:
        user.reads_right_quietly(reader)
        dataset, master = (
            user.observer.dataset(user.namespace, DATASET),
            objects.get(PodSnapshot, name, user.namespace),
        )
        if not dataset.bound:
            return f"the Dataset's phase is {dataset.phase}"
        same = was is not None and master is not None and master.uid == was.uid
        return "" if same else f"the master was replaced: {master}"

    with user.evidence.phase("window", "the first runtime still serves"):
        observations = hold(
            user.with_reconcile_requests(observe),
            reason_if_any,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound with the same master and the right data",
            # The controller of the second runtime is not asked: it works when it tries again.
            window=max(user.two_reconciles, TWO_RETRIES),
            delay=2.0,
        )
    cache = user.observer.dataset(user.namespace, DATASET).cache
    user.evidence.fact("application", "reads the right data during the whole window", looks=len(observations))
    user.evidence.fact("Dataset status", f"cacheStates of both runtimes, in turn: {dict(cache.raw)}")


def _delete_second(user: User) -> None:
    """Delete the second runtime, when no application uses the claim, and wait until it is deleted."""
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
            describe=lambda seen: "deleted" if seen is None else "still exists",
            advice="check its events",
        )


def _first_is_whole(user: User) -> bool:
    """Whether the first runtime still has its master and its claim after the second was deleted."""
    objects = user.observer.objects
    master, claim = fluid_names.master_name(DATASET), objects.get(ClaimSnapshot, DATASET, user.namespace)
    there = objects.get(StatefulSetSnapshot, master, user.namespace) is not None
    kept = claim is not None and not claim.deleting
    user.evidence.fact("StatefulSet of the master", "exists" if there else "deleted")
    user.evidence.fact("claim", str(claim or "deleted"))
    return there and kept
