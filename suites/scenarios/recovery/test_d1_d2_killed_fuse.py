"""A Fuse process that is killed."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.errors import InfrastructureError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fuse import FuseSnapshot
from clusters.waiting import WaitError
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.record.defects import Defect
from suites.steps import checks, fuse_pods, fuse_recovery
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User
from workloads.faults import kill_process

#: Seconds until a killed Fuse has restarted and its mount is on the node again.
FUSE_BACK_SECONDS: Final = 120.0
#: Seconds until a restored mount has reached the application (Fluid checks every 5 s).
RECOVERED_SECONDS: Final = 90.0


@scenario("D1", Level.CONFORMANCE, issues=(1279,))
def test_killed_fuse_serves_new_applications_but_not_old_ones(dataset_owner: User) -> None:
    """A killed Fuse restarts in its Pod and serves new applications; older ones must be created again.

    The Fuse's process is killed while the user's application has the claim mounted. By
    default Fluid does not restore mounts (FuseRecovery=false).
    """
    if fuse_recovery.is_enabled(dataset_owner):
        raise InfrastructureError(
            "the CSI plugin of this cluster restores mounts (FuseRecovery), which this scenario excludes"
        )
    old = dataset_owner.starts(dataset_owner.application("d1-before", DATASET))
    before = checks.served_by_fluid(dataset_owner, old)
    dataset_owner.reads_right(old)
    _kill_fuse(dataset_owner, old.node, before)
    checks.dead_mount(dataset_owner, old)
    assert_diagnosis(
        dataset_owner,
        old.name,
        FindingCode.DEAD_MOUNT,
        names=(old.name, f"Delete Pod `{old.name}`"),
        inside=True,
    )
    new = dataset_owner.starts(dataset_owner.application("d1-after", DATASET, node=old.node))
    checks.served_by_fluid(dataset_owner, new)
    dataset_owner.reads_right(new)
    dataset_owner.stops(old)
    again = dataset_owner.starts(dataset_owner.application("d1-before", DATASET, node=old.node))
    dataset_owner.reads_right(again, who="application, created again")


@scenario(
    "D2",
    Level.CONFORMANCE,
    disturbs={Disruption.FLUID_COMPONENTS: "restarts Fluid's CSI plugin on every node twice"},
    alone=True,
    issues=(2719, 3399, 5416),
    defects=(
        Defect(
            "recovered-event-without-recovery",
            "An event says that a mount was restored although the application cannot read.",
            "pkg/csi/recover/recover.go:169-181 (1.0.8)",
        ),
    ),
)
def test_mount_is_restored_after_the_fuse_was_killed(dataset_owner: User) -> None:
    """With FuseRecovery, an application with mount propagation reads again after its Fuse was killed.

    The administrator enables the feature. Two applications run, one with mountPropagation HostToContainer
    and one without; then the Fuse is killed.
    """
    with fuse_recovery.enabled(dataset_owner):
        propagated = dataset_owner.starts(
            dataset_owner.application("d2-propagated", DATASET, mount_propagation="HostToContainer")
        )
        private = dataset_owner.starts(dataset_owner.application("d2-private", DATASET, node=propagated.node))
        before = checks.served_by_fluid(dataset_owner, propagated)
        checks.served_by_fluid(dataset_owner, private)
        _kill_fuse(dataset_owner, propagated.node, before)
        try:
            advice = "check the CSI plugin's log for `recover`"
            checks.reads_again(dataset_owner, propagated, RECOVERED_SECONDS, advice=advice)
        except WaitError:
            events = _recovered_events(dataset_owner)
            if events:
                says = f"the application cannot read, and events say: {events}"
                dataset_owner.evidence.defect("recovered-event-without-recovery", seen=True, says=says)
            raise
        dataset_owner.reads_right(propagated, who="application with mount propagation")
        wait_for_event(dataset_owner, "Dataset", DATASET, reason="FuseRecoverSucceed", says=propagated.uid)
        dataset_owner.evidence.fact("events", _recovered_events(dataset_owner))
        checks.dead_mount(dataset_owner, private)


def _recovered_events(user: User) -> str:
    events = user.observer.objects.events(user.namespace)
    return "; ".join(f"{e.reason}: {e.message}" for e in events if e.reason.startswith("FuseRecover"))


def _kill_fuse(user: User, node: str, before: FuseSnapshot) -> None:
    """Kill the process of this Dataset's Fuse, and wait until the same Pod has mounted again."""
    was = before.pod_on(node)
    assert was is not None
    mount_point = fluid_names.host_mount(user.namespace, DATASET)
    # Only this Fuse has the mount point in its arguments.
    fault = kill_process(user.observer.on_node(node, Disruption.NOTHING), mount_point)
    user.evidence.fact("fault", fault.says, node=node)

    def has_restarted(pod: PodSnapshot) -> bool:
        return pod.restarts > was.restarts

    pod = fuse_pods.wait_until_mounted(
        user, node, has_restarted, "restart, and its mount on the node", FUSE_BACK_SECONDS
    )
    if pod.uid != was.uid:
        checks.fail(
            "the Fuse Pod was replaced instead of restarted",
            subject=f"Fuse of {user.namespace}/{DATASET}",
            expected=f"Pod {was.name}",
            seen=str(pod),
        )
    user.evidence.fact("Fuse Pod", f"{pod.name} restarted and mounted", restarts=pod.restarts)
