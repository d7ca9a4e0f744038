"""Group E: Fluid itself is upgraded, or goes and comes back, while Datasets are in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.errors import FailureClass
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.charts import chart_folder
from clusters.images.tools import Tools
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.paths import cache_root
from clusters.product import fluid, fluid_names
from clusters.product.fluid import FluidState
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.helm import HelmRelease
from clusters.progress import Progress
from clusters.system import System
from clusters.waiting import hold, is_empty, is_gone, reason_if_any, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.run import cannot_run_here
from suites.steps import checks, leaks
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset

#: Values that change the Pods of Fluid's controllers and of its CSI plugin, and little else: the least time
#: between two looks at a runtime, the failures after which a recovery is warned of, requests a second.
CHANGED: Final = {
    "runtime.syncRetryDuration": "14s",
    "csi.recoverWarningThreshold": "51",
    "dataset.kubeClientQPS": "21",
}
#: What of Fluid runs anew with these values, in every version: its Pods by this label.
REPLACED: Final = {
    "alluxioruntime-controller": "control-plane=alluxioruntime-controller",
    fluid.CSI_DAEMON_SET: f"app={fluid.CSI_DAEMON_SET}",
}
#: A Dataset without a runtime, which nobody uses: nothing but Fluid's finalizer keeps it.
SPARE: Final = "spare"
#: Seconds for which things that must stay as they are get watched.
WATCH_SECONDS: Final = 25.0
#: Seconds until no other Dataset is being deleted any more.
QUIET_SECONDS: Final = 420.0
#: Seconds until Fluid's Pods have been replaced, or are gone.
FLUID_SECONDS: Final = 180.0
#: Seconds until a Dataset that nobody uses is gone. A new controller waits for the old one's lease first.
SPARE_SECONDS: Final = 120.0


@scenario("E7", Level.FULL, alone=True, issues=(2081,))
def test_fluid_can_be_upgraded_under_a_running_dataset(user: User, progress: Progress) -> None:
    """While Fluid is upgraded a running Dataset stays Bound, its Pods stay, and applications read on.

    The administrator upgrades Fluid's helm release, here to the same version with other values, which
    replaces controllers and CSI plugin; starts one more application, and deletes the Dataset later.
    """
    tools = _tools(user.system, progress)
    release = _release(user.system, tools)
    user.creates_dataset()
    user.waits_until_bound()
    reader = user.starts(user.application("e7-before", DATASET))
    checks.served_by_fluid(user, reader)
    user.reads_right(reader)
    _quiet(user)
    before, old = _pods_of(user), _fluids_pods(user)
    with _as_it_was(user, release):
        release.change(chart_folder(tools, release.helm), CHANGED)
        user.evidence.fact("Fluid", f"is upgraded to other values: {CHANGED}")
        _replaced(user, reader, old)
        _serves_on(user, reader, before)
        new = user.starts(user.application("e7-after", DATASET, node=reader.node))
        checks.served_by_fluid(user, new)
        user.reads_right(new, who="application, started after the upgrade")
        user.stops(new)
        user.stops(reader)
        user.deletes_dataset()
        leaks.nothing_left(user)
    checks.source_unchanged(user)


@scenario("E8", Level.FULL, alone=True)
def test_datasets_outlive_fluid_and_are_taken_up_by_it_again(user: User, progress: Progress) -> None:
    """Without Fluid applications read on, new ones wait, a deleted Dataset stays; Fluid takes all up again.

    The administrator uninstalls Fluid by helm while a Dataset is in use; an application is started and
    an unused Dataset deleted meanwhile; then Fluid is installed again.
    """
    release = _release(user.system, _tools(user.system, progress))
    user.creates_dataset()
    user.waits_until_bound()
    reader = user.starts(user.application("e8-before", DATASET))
    checks.served_by_fluid(user, reader)
    user.reads_right(reader)
    _spare_goes(user, "with Fluid there")
    _makes_spare(user)
    _quiet(user)
    before = _pods_of(user)
    late = user.application("e8-late", DATASET, node=reader.node)
    with _as_it_was(user, release):
        _uninstalls(user, release)
        user.system.kube.delete(kinds.DATASET, SPARE, user.namespace)
        user.applies(late.manifest())
        wait_for_event(user, "Pod", late.name, reason="FailedMount", timeout=150.0)
        _nothing_moves(user, reader, late.name, before)
    pod = user.waits_until_running(late)
    checks.served_by_fluid(user, pod)
    user.reads_right(pod, who="application that waited for Fluid")
    _serves_on(user, reader, before)
    _spare_gone(user, "with Fluid back")


def _tools(system: System, progress: Progress) -> Tools:
    return Tools(system.options, system.host, ArtifactCache(cache_root(), SystemCommands(), progress))


def _release(system: System, tools: Tools) -> HelmRelease:
    """Fluid's release; only where it is ours to change."""
    if system.cluster.provider != "kind":
        cannot_run_here("it changes Fluid itself, which is left alone on a cluster that is not ours")
    return fluid.release(tools.helm(), system.cluster.kubeconfig)


@contextmanager
def _as_it_was(user: User, release: HelmRelease) -> Iterator[None]:
    """Bring Fluid back as it is now when the context ends, and wait until it is ready."""
    revision = release.revision()
    try:
        yield
    finally:
        release.restore(revision)
        _settled(user)
        user.evidence.fact("Fluid", f"is back at revision {revision} of its release")


def _settled(user: User) -> None:
    """Wait until Fluid is ready as it was at first, and none of its Pods is coming or going any more."""
    wanted = user.system.fluid.wanted.keys()

    def look() -> tuple[FluidState, tuple[PodSnapshot, ...]]:
        pods = user.observer.objects.list(PodSnapshot, fluid.NAMESPACE)
        return fluid.state(user.system.kube), tuple(pod for pod in pods if pod.deleting or not pod.ready)

    with user.evidence.phase("waiting", "Fluid is as it was"):
        wait(
            look,
            lambda seen: seen[0].ready and seen[0].wanted.keys() >= wanted and not seen[1],
            subject="Fluid",
            condition="readiness without starting or ending Pods",
            timeout=FLUID_SECONDS,
            # A roll-out begins a moment after it was asked for.
            successes=5,
            delay=1.0,
            describe=lambda seen: "; ".join(map(str, (seen[0], *seen[1]))),
            failure_class=FailureClass.INFRASTRUCTURE,
        )


def _quiet(user: User) -> None:
    """Wait until no other Dataset is being deleted, for a while: without Fluid it would not go in time."""

    def look() -> tuple[str, ...]:
        datasets = user.observer.objects.list(DatasetSnapshot)
        return tuple(f"{one.namespace}/{one}" for one in datasets if one.deleting)

    with user.evidence.phase("waiting", "other Datasets are gone"):
        wait(
            look,
            is_empty,
            subject="Datasets of other scenarios",
            condition="the end of all deletions",
            timeout=QUIET_SECONDS,
            successes=10,
            delay=1.0,
            describe=lambda seen: "; ".join(seen) or "none",
            failure_class=FailureClass.HARNESS,
        )


def _pods_of(user: User) -> dict[str, tuple[str, int]]:
    """The Pods of the runtime, those of its Fuse among them: uid and restarts by name."""
    pods = user.observer.objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}")
    return {pod.name: (pod.uid, pod.restarts) for pod in pods}


def _fluids_pods(user: User) -> dict[str, frozenset[str]]:
    """Uids of the Pods of what an upgrade replaces."""
    objects = user.observer.objects
    return {
        name: frozenset(
            pod.uid for pod in objects.list(PodSnapshot, fluid.NAMESPACE, labels=labels) if not pod.deleting
        )
        for name, labels in REPLACED.items()
    }


def _replaced(user: User, reader: PodSnapshot, old: dict[str, frozenset[str]]) -> None:
    """Wait until Fluid runs in new Pods; the application reads right all the time."""

    def look() -> tuple[dict[str, frozenset[str]], FluidState]:
        user.reads_right_quietly(reader)
        return _fluids_pods(user), fluid.state(user.system.kube)

    def done(seen: tuple[dict[str, frozenset[str]], FluidState]) -> bool:
        return seen[1].ready and all(pods and not pods & old[name] for name, pods in seen[0].items())

    with user.evidence.phase("waiting", "Fluid runs in new Pods"):
        wait(
            look,
            done,
            subject="Fluid",
            condition=f"readiness with new Pods of {' and '.join(REPLACED)}",
            timeout=FLUID_SECONDS,
            delay=1.0,
            describe=lambda seen: f"{seen[1]}; Pods {seen[0]}",
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    user.evidence.fact("Fluid", f"{' and '.join(REPLACED)} run in new Pods; reads went right meanwhile")


def _serves_on(user: User, reader: PodSnapshot, before: dict[str, tuple[str, int]]) -> None:
    """Over a window the Dataset is Bound, all Pods of its runtime are the same, and reads are right."""

    def look() -> str:
        user.reads_right_quietly(reader)
        dataset, pods = user.observer.dataset(user.namespace, DATASET), _pods_of(user)
        if not dataset.bound:
            return f"the Dataset's phase is {dataset.phase}"
        return _difference(before, pods)

    with user.evidence.phase("window", "the Dataset serves on"):
        looks = hold(
            look,
            reason_if_any,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound with the same Pods and correct reads",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    user.evidence.fact("Dataset", f"is Bound and served by the same {len(before)} Pods", looks=len(looks))


def _difference(before: dict[str, tuple[str, int]], now: dict[str, tuple[str, int]]) -> str:
    """Which Pods of the runtime are gone, were replaced or restarted."""
    changed = [name for name, was in before.items() if now.get(name) != was]
    return "; ".join(f"{name} was {before[name]} and is {now.get(name, 'gone')}" for name in changed)


def _uninstalls(user: User, release: HelmRelease) -> None:
    """Uninstall Fluid, and wait until nothing of it runs."""
    release.uninstall(keep_history=True)
    objects = user.observer.objects
    with user.evidence.phase("waiting", "Fluid goes"):
        wait(
            lambda: objects.list(PodSnapshot, fluid.NAMESPACE),
            is_empty,
            subject=f"namespace {fluid.NAMESPACE}",
            condition="deletion of all Pods",
            timeout=FLUID_SECONDS,
            describe=lambda seen: "; ".join(map(str, seen)) or "no Pod",
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    user.evidence.fact("Fluid", "is uninstalled: no controller and no CSI plugin runs")


def _nothing_moves(user: User, reader: PodSnapshot, late: str, before: dict[str, tuple[str, int]]) -> None:
    """Over a window: reads go right, the late application waits, the deleted Dataset stays."""
    objects = user.observer.objects

    def look() -> str:
        user.reads_right_quietly(reader)
        pod, spare = (
            objects.get(PodSnapshot, late, user.namespace),
            objects.get(DatasetSnapshot, SPARE, user.namespace),
        )
        if pod is None or pod.phase != "Pending":
            return f"the late application does not wait: {pod}"
        if spare is None or not spare.deleting or fluid_names.DATASET_FINALIZER not in spare.finalizers:
            return f"the deleted Dataset is not kept by its finalizer: {spare}"
        return _difference(before, _pods_of(user))

    with user.evidence.phase("window", "nothing moves without Fluid"):
        looks = hold(
            look,
            reason_if_any,
            subject=f"namespace {user.namespace}",
            condition="correct reads by the same Pods, a waiting application and a Dataset under deletion",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    user.evidence.fact("application", "reads right without Fluid", looks=len(looks))
    user.evidence.fact(
        "Dataset", f"{SPARE} is deleted and stays, with finalizer {fluid_names.DATASET_FINALIZER}"
    )


def _makes_spare(user: User) -> None:
    """Make the Dataset without a runtime, and wait until Fluid has taken it up."""
    user.creates_dataset(Dataset.over_claim(user.namespace, SPARE, SOURCE), without_runtime=True)
    user.waits_for_phase(SPARE)


def _spare_goes(user: User, when: str) -> None:
    """The control: made and deleted while Fluid runs, it goes by itself."""
    _makes_spare(user)
    user.system.kube.delete(kinds.DATASET, SPARE, user.namespace)
    _spare_gone(user, when)


def _spare_gone(user: User, when: str) -> None:
    with user.evidence.phase("waiting", f"{SPARE} goes {when}"):
        wait(
            lambda: user.observer.objects.get(DatasetSnapshot, SPARE, user.namespace),
            is_gone,
            subject=f"Dataset {user.namespace}/{SPARE}",
            condition=f"deletion, {when},",
            timeout=SPARE_SECONDS * user.timeout_factor,
            advice="look at the log of the dataset-controller",
        )
    user.evidence.fact("Dataset", f"{SPARE} went {when}")
