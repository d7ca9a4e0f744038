"""Fluid's helm release: upgraded, uninstalled, and restored at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.errors import FailureClass
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.tools import Tools
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.paths import cache_root
from clusters.product import fluid
from clusters.product.fluid import FluidState
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.helm import HelmRelease
from clusters.progress import Progress
from clusters.system import System
from clusters.waiting import hold, is_empty, reason_if_any, wait
from suites.record.run import cannot_run_here
from suites.steps.user import DATASET, User

#: Components of Fluid that these values replace in every version, with the label of their Pods.
REPLACED: Final = {
    "alluxioruntime-controller": "control-plane=alluxioruntime-controller",
    fluid.CSI_DAEMON_SET: f"app={fluid.CSI_DAEMON_SET}",
}
#: Seconds until no other Dataset is being deleted.
QUIET_SECONDS: Final = 420.0
#: Seconds until Fluid's Pods are replaced, or deleted.
FLUID_SECONDS: Final = 180.0


def tools(system: System, progress: Progress) -> Tools:
    """The tools that the harness built or downloaded, such as helm."""
    return Tools(system.options, system.host, ArtifactCache(cache_root(), SystemCommands(), progress))


def release_of(system: System, tools: Tools) -> HelmRelease:
    """Fluid's helm release; only on a cluster that the harness created."""
    if system.cluster.provider != "kind":
        cannot_run_here("it changes Fluid itself, and this cluster was not created by the harness")
    return fluid.release(tools.helm(), system.cluster.kubeconfig)


@contextmanager
def restored(user: User, release: HelmRelease) -> Iterator[None]:
    """Restore the current revision of Fluid when the context ends, and wait until it is ready."""
    revision = release.revision()
    try:
        yield
    finally:
        release.restore(revision)
        wait_until_settled(user)
        user.evidence.fact("Fluid", f"is restored to revision {revision} of its release")


def wait_until_settled(
    user: User,
    phase: str = "Fluid is restored",
    failure_class: FailureClass = FailureClass.INFRASTRUCTURE,
) -> None:
    """Wait until Fluid is ready as at the start, and none of its Pods is starting or being deleted."""
    expected = user.system.fluid.desired.keys()

    def observe() -> tuple[FluidState, tuple[PodSnapshot, ...]]:
        pods = user.observer.objects.list(PodSnapshot, fluid.NAMESPACE)
        return fluid.state(user.system.kube), tuple(pod for pod in pods if pod.deleting or not pod.ready)

    def is_restored(seen: tuple[FluidState, tuple[PodSnapshot, ...]]) -> bool:
        state, unsettled = seen
        return state.ready and state.desired.keys() >= expected and not unsettled

    with user.evidence.phase("waiting", phase):
        wait(
            observe,
            is_restored,
            subject="Fluid",
            condition="readiness, with no Pod starting or being deleted",
            timeout=FLUID_SECONDS,
            # A roll-out begins a moment after it was requested.
            successes=5,
            delay=1.0,
            describe=lambda seen: "; ".join(map(str, (seen[0], *seen[1]))),
            failure_class=failure_class,
        )


def wait_for_other_deletions(user: User) -> None:
    """Wait until no other Dataset is being deleted: without Fluid its deletion would time out."""

    def observe() -> tuple[str, ...]:
        datasets = user.observer.objects.list(DatasetSnapshot)
        return tuple(f"{one.namespace}/{one}" for one in datasets if one.deleting)

    with user.evidence.phase("waiting", "other Datasets are deleted"):
        wait(
            observe,
            is_empty,
            subject="Datasets of other scenarios",
            condition="the end of all deletions",
            timeout=QUIET_SECONDS,
            successes=10,
            delay=1.0,
            describe=lambda seen: "; ".join(seen) or "none",
            failure_class=FailureClass.HARNESS,
        )


def uids_of_components(user: User) -> dict[str, frozenset[str]]:
    """Uids of the Pods that an upgrade replaces, by component."""
    objects = user.observer.objects
    return {
        name: frozenset(
            pod.uid for pod in objects.list(PodSnapshot, fluid.NAMESPACE, labels=labels) if not pod.deleting
        )
        for name, labels in REPLACED.items()
    }


def uids_of_controller(user: User) -> frozenset[str]:
    """Uids of the Pods of Alluxio's controller."""
    return uids_of_components(user)["alluxioruntime-controller"]


def wait_for_new_controller(user: User, old: frozenset[str]) -> None:
    """Wait until Alluxio's controller runs in new Pods, as after a change of its values.

    Args:
        user: whose cluster it is.
        old: uids of its Pods before.
    """

    def observe() -> tuple[frozenset[str], FluidState]:
        return uids_of_controller(user), fluid.state(user.system.kube)

    def is_new(seen: tuple[frozenset[str], FluidState]) -> bool:
        uids, state = seen
        return state.ready and bool(uids) and not uids & old

    with user.evidence.phase("waiting", "Alluxio's controller runs in new Pods"):
        wait(
            observe,
            is_new,
            subject="Deployment fluid-system/alluxioruntime-controller",
            condition="readiness with new Pods",
            timeout=FLUID_SECONDS,
            delay=1.0,
            describe=lambda seen: f"{seen[1]}; Pods {', '.join(sorted(seen[0])) or 'none'}",
            failure_class=FailureClass.INFRASTRUCTURE,
        )


def wait_until_replaced(
    user: User,
    reader: PodSnapshot,
    old: dict[str, frozenset[str]],
    failure_class: FailureClass = FailureClass.INFRASTRUCTURE,
) -> None:
    """Wait until Fluid runs in new Pods, while the application reads the right data."""

    def observe() -> tuple[dict[str, frozenset[str]], FluidState]:
        user.reads_right_quietly(reader)
        return uids_of_components(user), fluid.state(user.system.kube)

    def done(seen: tuple[dict[str, frozenset[str]], FluidState]) -> bool:
        return seen[1].ready and all(pods and not pods & old[name] for name, pods in seen[0].items())

    with user.evidence.phase("waiting", "Fluid runs in new Pods"):
        wait(
            observe,
            done,
            subject="Fluid",
            condition=f"readiness with new Pods of {' and '.join(REPLACED)}",
            timeout=FLUID_SECONDS,
            delay=1.0,
            describe=lambda seen: f"{seen[1]}; Pods {seen[0]}",
            failure_class=failure_class,
        )
    user.evidence.fact("Fluid", f"{' and '.join(REPLACED)} run in new Pods; the reads were right meanwhile")


def uninstall(user: User, release: HelmRelease) -> None:
    """Uninstall Fluid, and wait until none of its Pods runs."""
    release.uninstall(keep_history=True)
    objects = user.observer.objects
    with user.evidence.phase("waiting", "Fluid is uninstalled"):
        wait(
            lambda: objects.list(PodSnapshot, fluid.NAMESPACE),
            is_empty,
            subject=f"namespace {fluid.NAMESPACE}",
            condition="the absence of Pods",
            timeout=FLUID_SECONDS,
            describe=lambda seen: "; ".join(map(str, seen)) or "no Pod",
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    user.evidence.fact("Fluid", "is uninstalled: no controller and no CSI plugin runs")


def pods_of(user: User, dataset: str = DATASET) -> dict[str, tuple[str, int]]:
    """Uid and restarts of the Pods of a runtime and its Fuse, by name."""
    pods = user.observer.objects.list(PodSnapshot, user.namespace, labels=f"release={dataset}")
    return {pod.name: (pod.uid, pod.restarts) for pod in pods}


def check_still_serves(user: User, reader: PodSnapshot, before: dict[str, tuple[str, int]]) -> None:
    """During a window the Dataset is Bound, all Pods of its runtime are the same, and reads are right."""

    def observe() -> str:
        user.reads_right_quietly(reader)
        dataset, pods = user.observer.dataset(user.namespace, DATASET), pods_of(user)
        if not dataset.bound:
            return f"the Dataset's phase is {dataset.phase}"
        return difference(before, pods)

    with user.evidence.phase("window", "the Dataset still serves"):
        observations = hold(
            user.with_reconcile_requests(observe),
            reason_if_any,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound with the same Pods and the right data",
            window=user.two_reconciles,
            delay=2.0,
        )
    user.evidence.fact(
        "Dataset", f"is Bound and served by the same {len(before)} Pods", looks=len(observations)
    )


def difference(before: dict[str, tuple[str, int]], now: dict[str, tuple[str, int]]) -> str:
    """Pods of the runtime that were deleted, replaced or restarted."""
    changed = [name for name, was in before.items() if now.get(name) != was]
    return "; ".join(f"{name} was {before[name]} and is {now.get(name, 'deleted')}" for name in changed)
