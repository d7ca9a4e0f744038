"""Fuse Pods on the nodes that have applications."""

from __future__ import annotations

from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fuse import FuseSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.node_placement import STAYS_SECONDS
from suites.steps.user import DATASET, User


@scenario("A4", Level.CONFORMANCE, nodes=2)
def test_only_nodes_with_an_application_have_a_fuse_pod(dataset_owner: User) -> None:
    """Each node with an application has a Fuse Pod of its own, and no other node has one.

    The user starts an application on one node, and then another one on a second node.
    """
    first = dataset_owner.starts(
        dataset_owner.application("a4-first", DATASET, node=dataset_owner.system.nodes[0])
    )
    checks.served_by_fluid(dataset_owner, first)
    _check_fuse_pods_only_on(dataset_owner, first)
    second = dataset_owner.starts(
        dataset_owner.application("a4-second", DATASET, node=dataset_owner.system.nodes[1])
    )
    for pod in (first, second):
        checks.served_by_fluid(dataset_owner, pod)
        dataset_owner.reads_right(pod, who=f"application on {pod.node}")
    _check_fuse_pods_only_on(dataset_owner, first, second)


def _check_fuse_pods_only_on(user: User, *pods: PodSnapshot) -> None:
    """During a window only the nodes of these applications are labelled and have a Fuse Pod."""
    nodes = {pod.node for pod in pods}
    others = [node.name for node in user.observer.objects.list(NodeSnapshot) if node.name not in nodes]

    def why_elsewhere(fuse: FuseSnapshot) -> str | None:
        right = set(fuse.labelled) == nodes == set(fuse.pods) and fuse.desired == len(nodes)
        return None if right else str(fuse)

    with user.evidence.phase("window", "no Fuse Pod on other nodes"):
        observations = hold(
            lambda: user.observer.fuse(user.namespace, DATASET),
            why_elsewhere,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"Fuse Pods only on {', '.join(sorted(nodes))}",
            window=STAYS_SECONDS,
        )
    user.evidence.fact(
        "Fuse DaemonSet",
        f"Fuse Pods on {', '.join(sorted(nodes))}, none on {', '.join(others) or 'any other'}",
        looks=len(observations),
        desired=observations[-1].desired,
    )
