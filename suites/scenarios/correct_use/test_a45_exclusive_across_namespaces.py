"""Exclusive Datasets of two namespaces."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, workers
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset, NodeAffinity

ONE_NAMESPACE: Final = "exclusive-in-its-namespace-alone"
#: Ends the name of the second namespace.
OTHER: Final = "other"


@scenario(
    "A45",
    Level.FULL,
    nodes=2,
    alone=True,
    defects=(
        Defect(
            ONE_NAMESPACE,
            "Exclusive placement holds only between Datasets of one namespace: the anti-affinity of their "
            "workers names no namespaces, so Datasets of two namespaces share a node, and the node's label "
            "fluid_exclusive is that of the later one.",
            "pkg/ctrl/affinity.go:77-93 (1.0.8)",
        ),
    ),
    fields=("Dataset.spec.placement",),
)
def test_exclusive_datasets_of_two_namespaces_do_not_share_a_node(user: User) -> None:
    """Workers of Exclusive Datasets of two namespaces never share a node.

    Two users, each in a namespace of their own, create a Dataset without a placement, which is Exclusive.
    Both are to be cached on the same node, so the second worker has to wait.
    """
    node = user.system.nodes[0]
    _creates_exclusive(user, node)
    user.waits_until_bound()
    first = workers.find(user, DATASET)
    other = replace(user, namespace=f"{user.namespace}-{OTHER}", sent=[])
    user.creates_extra_namespace(other.namespace)
    try:
        other.creates_source(SOURCE)
        _creates_exclusive(other, node)
        _judge(user, other, first.node)
    finally:
        other.removes_everything()


def _creates_exclusive(user: User, node: str) -> None:
    dataset = Dataset.over_claim(user.namespace, DATASET, SOURCE)
    user.creates_dataset(dataset.evolve(node_affinity=NodeAffinity.on(node)))


def _judge(user: User, other: User, node: str) -> None:
    """The second worker is placed by the scheduler, or not: it must not be where the first one is."""
    from_scheduler = workers.wait_until_decided(other)
    shares = from_scheduler.node == node
    label = ""
    if shares:
        other.waits_until_bound()
        found = user.observer.objects.get(NodeSnapshot, node)
        label = found.labels.get(fluid_names.EXCLUSIVE_LABEL, "") if found is not None else ""
    elif from_scheduler.node:
        checks.fail(
            "the second worker is on a node that its Dataset excludes",
            subject=f"Dataset {other.namespace}/{DATASET}",
            expected=f"no node, or {node}",
            seen=str(from_scheduler),
        )
    says = (
        f"workers of {user.namespace}/{DATASET} and {other.namespace}/{DATASET} share {node}; "
        f"{fluid_names.EXCLUSIVE_LABEL}={label or '(none)'}"
        if shares
        else f"the second worker has no node: {from_scheduler.scheduling}"
    )
    user.evidence.defect(ONE_NAMESPACE, seen=shares, says=says)
