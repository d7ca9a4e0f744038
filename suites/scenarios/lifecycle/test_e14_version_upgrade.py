"""Fluid is upgraded to another version while what the old one made is in use."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.product import fluid_names
from clusters.progress import Progress
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, data_loads, fluid_upgrade, helm_records, leaks, version_upgrade, workers
from suites.steps.dataset_references import deletes_reference
from suites.steps.user import DATASET, User
from suites.steps.version_upgrade import WRITABLE, InUse
from workloads.models.data_load import DataLoad

#: DataLoads of the scenario: one of the old version, one of the new.
OLD_LOAD: Final = "before"
NEW_LOAD: Final = "after"


@scenario(
    "E14",
    Level.FULL,
    alone=True,
    issues=(2630,),
    defects=helm_records.DEFECTS,
    disturbs={Disruption.FLUID_COMPONENTS: "upgrades Fluid to another version"},
)
def test_fluid_is_upgraded_to_another_version_under_load(user: User, progress: Progress) -> None:
    """Upgraded to another version, Fluid disturbs no reader and does all it must with what the old one made.

    The administrator upgrades the CRDs and the chart as Fluid documents, while applications read and write
    through Datasets of the old version and through a reference to one. Then what the old version made is
    scaled, loaded, written to, recovered, cleaned up and deleted. Only with ``--upgrade-from``.
    """
    to = version_upgrade.target(user)
    tools = fluid_upgrade.tools(user.system, progress)
    release = fluid_upgrade.release_of(user.system, tools)
    old = user.system.fluid.version
    try:
        with ExitStack() as stack:
            with progress.stage(f"applications use Datasets of Fluid {old}"):
                used = stack.enter_context(version_upgrade.in_use(user))
                noticed = _loads(user, OLD_LOAD)
                job = helm_records.job_of_load(user, OLD_LOAD)
                before = {name: fluid_upgrade.pods_of(user, name) for name in (DATASET, WRITABLE)}
                fluid_upgrade.wait_for_other_deletions(user)
            with progress.stage(f"Fluid {old} is upgraded to {to.version} while they read"):
                version_upgrade.upgrade(user, release, to, used)
            with progress.stage("they read on, and a new one starts"):
                fluid_upgrade.check_still_serves(user, used.reader, before[DATASET])
                _check_same_pods(user, before)
                _check_new_application(user, used)
            with progress.stage("Datasets of before are loaded, scaled, recovered and written to"):
                if not noticed:
                    helm_records.check_load_under_way(user, OLD_LOAD, job)
                _check_load_and_scale(user, used)
                _check_recovery(user, used)
                _check_writes_and_clean_up(user, used)
            with progress.stage("Datasets of before are deleted"):
                _check_deletion(user, used)
    finally:
        version_upgrade.ensure_upgraded(user, release, to)
    checks.source_unchanged(user)


def _loads(user: User, name: str) -> bool:
    """Load with the old version; False if it never notices that the load has ended.

    That is a defect of the old version (`data_loads.NOT_NOTICED`), which this row does not judge.
    """
    user.applies(DataLoad.whole(user.namespace, name, DATASET).manifest())
    load = user.waits_for_load(name, given_up=data_loads.UnnoticedCompletion(user))
    if not load.ended:
        user.evidence.fact("DataLoad status", f"{load}, its Job complete: the old version does not notice it")
    return load.ended


def _check_same_pods(user: User, before: dict[str, dict[str, tuple[str, int]]]) -> None:
    """The Pods of all Datasets are those of before the upgrade, not restarted."""
    changed = [
        difference
        for name, pods in before.items()
        if (difference := fluid_upgrade.difference(pods, fluid_upgrade.pods_of(user, name)))
    ]
    if changed:
        checks.fail(
            "the upgrade of Fluid replaced Pods of Datasets in use",
            subject=f"namespace {user.namespace}",
            expected="the same Pods, not restarted",
            seen="; ".join(changed),
        )
    user.evidence.fact("Pods", "masters, workers and Fuses of all Datasets are the same, not restarted")


def _check_new_application(user: User, used: InUse) -> None:
    """An application that starts after the upgrade is served through the Fuse of before."""
    pod = user.starts(user.application("e14-new", DATASET, node=used.reader.node))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod, who="application, started after the upgrade")
    user.stops(pod)


def _check_load_and_scale(user: User, used: InUse) -> None:
    """The new version loads a Dataset of the old one, and changes the number of its workers."""
    user.applies(DataLoad.whole(user.namespace, NEW_LOAD, DATASET).manifest())
    # Not `data_loads.completes`: what is known of the old version excuses nothing here.
    user.waits_for_load(NEW_LOAD)
    checks.all_cached(user)
    for name in (OLD_LOAD, NEW_LOAD):
        user.system.kube.delete(kinds.DATA_LOAD, name, user.namespace)
    if len(user.system.nodes) > 1:
        for replicas in (2, 1):
            workers.scale(user, DATASET, replicas)
            workers.wait_for_ready(user, replicas)
            user.reads_right(used.reader, who=f"application, with {replicas} workers")
    else:
        user.evidence.fact("harness", "scaling was not tried: it needs a second node")


def _check_recovery(user: User, used: InUse) -> None:
    """A worker of the old version that is deleted is created again by the new one, and reads continue."""
    version_upgrade.replaces_worker(user)
    version_upgrade.wait_until_read_back(user, used)
    user.reads_right(used.reader, who="application of the other Dataset")
    used.guest.reads_right(used.guest_reader, who="application in another namespace")


def _check_writes_and_clean_up(user: User, used: InUse) -> None:
    """A Dataset of the old version is still written to, and its Fuse Pod on demand is deleted."""
    used.writes(user, "after-the-upgrade.txt")
    used.reads_back(user)
    user.stops(used.writer)
    version_upgrade.check_fuse_cleaned_up(user)


def _check_deletion(user: User, used: InUse) -> None:
    """The new version deletes all that the old one made, and leaves nothing behind."""
    used.guest.stops(used.guest_reader)
    deletes_reference(user, used.guest)
    user.stops(used.reader)
    for name in (DATASET, WRITABLE):
        records = helm_records.secrets_of(user, name)
        user.deletes_dataset(name)
        leaks.nothing_left(user, name, but=records)
    helm_records.check_none_left(
        user, (DATASET, WRITABLE, *(fluid_names.data_load_release(name) for name in (OLD_LOAD, NEW_LOAD)))
    )
