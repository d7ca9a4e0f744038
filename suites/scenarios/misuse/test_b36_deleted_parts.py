"""Parts of a runtime that its user deletes."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.product import fluid_names
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.defects import Defect, Leftover
from suites.steps import checks, fuse_pods, leaks, predicates, runtime_parts
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.object_copies import as_written
from suites.steps.reconcile import FULL_RECONCILE_DELAY
from suites.steps.user import DATASET, User
from workloads.models.base import Manifest

#: Seconds after a reconcile in which the controller does not reconcile by itself (it does after 90 s).
QUIET_SECONDS: Final = 60.0
#: Seconds until it has reconciled by itself, and reported.
LOOKED_SECONDS: Final = 150.0
NO_MASTER: Final = "blocks-left-without-master"


@scenario(
    "B36",
    Level.FULL,
    issues=(2389,),
    defects=(
        Defect(
            "master-loss-unseen",
            "A Dataset whose master's StatefulSet was deleted stays Bound: Fluid fails to update the cache "
            "states first, and never reaches the health check.",
            "pkg/ddc/base/syncs.go:36-45, pkg/ddc/alluxio/metadata.go:36-43 (1.0.8)",
        ),
        Defect(
            NO_MASTER,
            "When a Dataset without its master is deleted, cached blocks stay in the memory of the workers' "
            "nodes: only the master can free them.",
            "pkg/ddc/alluxio/shutdown.go:103-150, pkg/ddc/alluxio/cache.go:194-213 (1.0.8)",
        ),
    ),
    leftovers=(Leftover(NO_MASTER, r"/alluxioworker/"),),
    writes=(kinds.DAEMON_SET, kinds.STATEFUL_SET),
)
def test_deleted_parts_of_a_runtime_are_not_created_again(dataset_owner: User) -> None:
    """Fluid does not create a Fuse DaemonSet or a master's StatefulSet again that its user deleted.

    Without the DaemonSet the Dataset is Failed and mounts are dead, until the user restores it from
    a copy. Then the user deletes the master's StatefulSet.
    """
    application = dataset_owner.application("b36-reader", DATASET)
    pod = dataset_owner.starts(application)
    checks.served_by_fluid(dataset_owner, pod)
    name = fluid_names.fuse_name(DATASET)
    kept = _copy_of(dataset_owner, kinds.DAEMON_SET, name)
    runtime_parts.delete(dataset_owner, kinds.DAEMON_SET, name)
    fuse_pods.wait_until_gone(dataset_owner)
    checks.dead_mount(dataset_owner, pod)
    runtime_parts.wait_for_phase(dataset_owner, "Failed")
    runtime_parts.check_not_created_again(dataset_owner, kinds.DAEMON_SET, name)
    assert_diagnosis(
        dataset_owner,
        pod.name,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.FUSE_GONE,
        names=(pod.name, DATASET, name),
    )
    dataset_owner.stops(pod)
    dataset_owner.applies(kept)
    runtime_parts.wait_for_phase(dataset_owner, "Bound")
    bound_at = dataset_owner.system.kube.clock.now()
    again = dataset_owner.starts(application)
    checks.served_by_fluid(dataset_owner, again)
    dataset_owner.reads_right(again, who="application, DaemonSet restored")
    checks.all_cached(dataset_owner)
    _check_master_loss(dataset_owner, bound_at)


def _copy_of(user: User, kind: Kind, name: str) -> Manifest:
    """A copy of an object, to restore it later."""
    found = user.system.kube.get(kind, name, user.namespace)
    if found is None:
        checks.fail(
            f"{kind} {name} does not exist",
            subject=f"{kind} {user.namespace}/{name}",
            expected="created by Fluid",
            seen="no such object",
        )
    return as_written(found)


def _check_master_loss(user: User, bound_at: float) -> None:
    """Delete the master's StatefulSet: it is not created again; record whether the status shows it."""
    with user.evidence.phase("window", "the Dataset stays Bound with all its parts"):
        hold(
            lambda: user.observer.dataset(user.namespace, DATASET),
            predicates.why_not_bound,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound",
            window=FULL_RECONCILE_DELAY,
        )
    name = fluid_names.master_name(DATASET)
    before = runtime_parts.warnings(user)
    leaks.expect_on_worker_nodes(user)
    runtime_parts.delete(user, kinds.STATEFUL_SET, name)
    if user.system.kube.clock.now() - bound_at < QUIET_SECONDS:
        user.request_reconcile()

    def observe() -> tuple[frozenset[str], str]:
        return runtime_parts.warnings(user) - before, user.observer.dataset(user.namespace, DATASET).phase

    def has_noticed(seen: tuple[frozenset[str], str]) -> bool:
        warnings, phase = seen
        return bool(warnings) or phase != "Bound"

    with user.evidence.phase("waiting", "Fluid reconciles the Dataset"):
        warnings, _ = wait(
            observe,
            has_noticed,
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition="a warning or another phase without its master",
            timeout=LOOKED_SECONDS,
            describe=lambda seen: f"{'; '.join(seen[0]) or 'no new warning'}; phase {seen[1]}",
            advice="check whether the alluxioruntime-controller runs",
        )
    phases = runtime_parts.check_not_created_again(user, kinds.STATEFUL_SET, name)
    said = "; ".join(sorted(warnings))[:300] or "none"
    user.evidence.defect(
        "master-loss-unseen",
        seen=phases == ("Bound",),
        says=f"without its master the Dataset is {', then '.join(phases)}; warnings of the runtime: {said}",
    )
