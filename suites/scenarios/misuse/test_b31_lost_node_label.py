"""A node that loses the Fuse's label."""

from __future__ import annotations

from clusters.disruption import Disruption
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks, fuse_pods
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User
from workloads.faults import without_node_label


@scenario(
    "B31",
    Level.FULL,
    disturbs={Disruption.NODE_LABELS: "removes the label of its Dataset's Fuse from a node"},
)
def test_removing_the_fuses_node_label_kills_the_mounts_on_the_node(dataset_owner: User) -> None:
    """A node without the Fuse's label has no Fuse Pod; mounts there are dead until Pods are created again.

    The user removes the label from the node while an application reads, and later creates the application's
    Pod again, which labels the node.
    """
    old = dataset_owner.starts(dataset_owner.application("b31-reader", DATASET))
    before = checks.served_by_fluid(dataset_owner, old)
    dataset_owner.reads_right(old)
    with without_node_label(dataset_owner.system.journal, old.node, before.label) as fault:
        dataset_owner.evidence.fact("fault", fault.says)
        fuse_pods.wait_until_gone(dataset_owner)
        checks.dead_mount(dataset_owner, old)
        reconciled = dataset_owner.with_reconcile_requests(lambda: None)
        checks.no_fuse_over_window(dataset_owner, dataset_owner.two_reconciles, reconciled)
        assert_diagnosis(
            dataset_owner,
            old.name,
            FindingCode.FUSE_NOT_READY,
            names=(old.name, old.node, "lost the label", f"Delete Pod `{old.name}`"),
        )
        dataset_owner.stops(old)
        new = dataset_owner.starts(dataset_owner.application("b31-reader", DATASET, node=old.node))
        checks.served_by_fluid(dataset_owner, new)
        dataset_owner.reads_right(new, who="application, created again")
