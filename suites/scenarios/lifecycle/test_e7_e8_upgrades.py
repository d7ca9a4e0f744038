"""Fluid itself is upgraded, or uninstalled and installed again."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.images.charts import chart_folder
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.progress import Progress
from clusters.waiting import hold, is_gone, reason_if_any, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, fluid_upgrade, leaks
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset

#: Values that change the Pods of Fluid's controllers and of its CSI plugin, and little else: minimum time
#: between two reconciles of a runtime, failures before a warning about recovery, requests per second.
CHANGED: Final = {
    "runtime.syncRetryDuration": "14s",
    "csi.recoverWarningThreshold": "51",
    "dataset.kubeClientQPS": "21",
}
#: An unused Dataset without a runtime: only Fluid's finalizer delays its deletion.
SPARE: Final = "spare"
#: Seconds for which things that must not change are watched.
WATCH_SECONDS: Final = 25.0
#: Seconds until an unused Dataset is deleted. A new controller waits for the lease of the old one first.
SPARE_SECONDS: Final = 120.0


@scenario(
    "E7",
    Level.FULL,
    alone=True,
    issues=(2081,),
    disturbs={Disruption.FLUID_COMPONENTS: "upgrades Fluid's helm release"},
)
def test_fluid_can_be_upgraded_under_a_running_dataset(user: User, progress: Progress) -> None:
    """While Fluid is upgraded a Dataset stays Bound, its Pods are not replaced, and applications read.

    The administrator upgrades Fluid's helm release, here to the same version with other values, which
    replaces controllers and CSI plugin, starts another application, and deletes the Dataset later.
    """
    tools = fluid_upgrade.tools(user.system, progress)
    release = fluid_upgrade.release_of(user.system, tools)
    user.creates_dataset()
    user.waits_until_bound()
    reader = user.starts(user.application("e7-before", DATASET))
    checks.served_by_fluid(user, reader)
    user.reads_right(reader)
    fluid_upgrade.wait_for_other_deletions(user)
    before, old = fluid_upgrade.pods_of(user), fluid_upgrade.uids_of_components(user)
    with fluid_upgrade.restored(user, release):
        release.change(chart_folder(tools, release.helm), CHANGED)
        user.evidence.fact("Fluid", f"is upgraded with other values: {CHANGED}")
        fluid_upgrade.wait_until_replaced(user, reader, old)
        fluid_upgrade.check_still_serves(user, reader, before)
        new = user.starts(user.application("e7-after", DATASET, node=reader.node))
        checks.served_by_fluid(user, new)
        user.reads_right(new, who="application, started after the upgrade")
        user.stops(new)
        user.stops(reader)
        user.deletes_dataset()
        leaks.nothing_left(user)
    checks.source_unchanged(user)


@scenario(
    "E8",
    Level.FULL,
    alone=True,
    disturbs={Disruption.FLUID_COMPONENTS: "uninstalls Fluid and installs it again"},
)
def test_datasets_survive_the_uninstallation_of_fluid(user: User, progress: Progress) -> None:
    """Without Fluid applications still read, new ones are Pending and deletions wait; a new Fluid continues.

    The administrator uninstalls Fluid with helm while a Dataset is in use. Meanwhile an application is
    started and an unused Dataset is deleted. Then Fluid is installed again.
    """
    release = fluid_upgrade.release_of(user.system, fluid_upgrade.tools(user.system, progress))
    user.creates_dataset()
    user.waits_until_bound()
    reader = user.starts(user.application("e8-before", DATASET))
    checks.served_by_fluid(user, reader)
    user.reads_right(reader)
    _check_spare_can_be_deleted(user, "while Fluid runs")
    _create_spare(user)
    fluid_upgrade.wait_for_other_deletions(user)
    before = fluid_upgrade.pods_of(user)
    late = user.application("e8-late", DATASET, node=reader.node)
    with fluid_upgrade.restored(user, release):
        fluid_upgrade.uninstall(user, release)
        user.system.kube.delete(kinds.DATASET, SPARE, user.namespace)
        user.applies(late.manifest())
        wait_for_event(user, "Pod", late.name, reason="FailedMount", timeout=150.0)
        _check_nothing_changes(user, reader, late.name, before)
    pod = user.waits_until_running(late)
    checks.served_by_fluid(user, pod)
    user.reads_right(pod, who="application that waited for Fluid")
    fluid_upgrade.check_still_serves(user, reader, before)
    _wait_until_spare_gone(user, "after Fluid was installed again")


def _check_nothing_changes(
    user: User, reader: PodSnapshot, late: str, before: dict[str, tuple[str, int]]
) -> None:
    """During a window reads are right, the late application is Pending, and the deleted Dataset stays."""
    objects = user.observer.objects

    def observe() -> str:
        user.reads_right_quietly(reader)
        pod, spare = (
            objects.get(PodSnapshot, late, user.namespace),
            objects.get(DatasetSnapshot, SPARE, user.namespace),
        )
        if pod is None or pod.phase != "Pending":
            return f"the late application does not wait: {pod}"
        if spare is None or not spare.deleting or fluid_names.DATASET_FINALIZER not in spare.finalizers:
            return f"the deleted Dataset is not kept by its finalizer: {spare}"
        return fluid_upgrade.difference(before, fluid_upgrade.pods_of(user))

    with user.evidence.phase("window", "nothing changes without Fluid"):
        observations = hold(
            observe,
            reason_if_any,
            subject=f"namespace {user.namespace}",
            condition="the right data, a new application Pending, a deleted Dataset kept",
            window=WATCH_SECONDS,
            delay=2.0,
        )
    user.evidence.fact("application", "reads the right data without Fluid", looks=len(observations))
    user.evidence.fact(
        "Dataset", f"{SPARE} is deleted and stays, with finalizer {fluid_names.DATASET_FINALIZER}"
    )


def _create_spare(user: User) -> None:
    """Create the Dataset without a runtime, and wait until Fluid has set a phase."""
    user.creates_dataset(Dataset.over_claim(user.namespace, SPARE, SOURCE), without_runtime=True)
    user.waits_for_phase(SPARE)


def _check_spare_can_be_deleted(user: User, when: str) -> None:
    """Control: created and deleted while Fluid runs, the Dataset is deleted."""
    _create_spare(user)
    user.system.kube.delete(kinds.DATASET, SPARE, user.namespace)
    _wait_until_spare_gone(user, when)


def _wait_until_spare_gone(user: User, when: str) -> None:
    with user.evidence.phase("waiting", f"{SPARE} is deleted {when}"):
        wait(
            lambda: user.observer.objects.get(DatasetSnapshot, SPARE, user.namespace),
            is_gone,
            subject=f"Dataset {user.namespace}/{SPARE}",
            condition=f"deletion {when}",
            timeout=SPARE_SECONDS * user.timeout_factor,
            advice="check the log of the dataset-controller",
        )
    user.evidence.fact("Dataset", f"{SPARE} was deleted {when}")
