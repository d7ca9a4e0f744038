"""Why no node accepts a Pod of a runtime; decided by the nodes, with the scheduler's words as evidence."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence
from suites.diagnosis.fluid_facts import PLACEMENT_LABEL, WORKER_OF_LABEL
from suites.diagnosis.objects import PodInfo
from suites.diagnosis.wording import mebibytes, namespaced, shown


def not_scheduled(state: ClusterState, dataset: DatasetSnapshot, pod: PodInfo, part: str) -> Cause:
    """B21, B26, A17: why the Pod of a master or worker has no node.

    Args:
        state: the cluster.
        dataset: whose Pod it is.
        pod: the Pod.
        part: ``master`` or ``worker``.
    """
    pending = next(_pending_sources(state, dataset), None)
    if pending is not None:
        return pending
    place = f"Pod {pod.snapshot.namespace}/{pod.snapshot.name}"
    words = pod.snapshot.scheduling
    said = Evidence(place, f"not scheduled: {words or 'no reason given'}")
    if state.sees(kinds.NODE):
        found = _by_nodes(state, dataset, pod, part, said)
        if found is not None:
            return found
    return Cause(
        CauseCode.PART_NOT_SCHEDULED,
        f"its {part} has no node" + (f"; the scheduler says: {words}" if words else ""),
        f"Make room for Pod {shown(pod.snapshot.name)} as the scheduler says."
        if words
        else f"See whether the scheduler runs: it has not reported on Pod {shown(pod.snapshot.name)}.",
        (said,),
    )


def _by_nodes(
    state: ClusterState, dataset: DatasetSnapshot, pod: PodInfo, part: str, said: Evidence
) -> Cause | None:
    fitting = [node for node in state.nodes if pod.placement.may_use(node)]
    if not fitting:
        selected = [node for node in state.nodes if pod.placement.selects(node)]
        taints = [Evidence(f"node {node.name}", f"has taints {', '.join(node.taints)}") for node in selected]
        return Cause(
            CauseCode.NO_NODE_FITS,
            f"no node fits its {part}, which asks for {pod.placement}",
            f"Change the {part}'s nodeSelector or the Dataset's nodeAffinity, or label a node accordingly.",
            (said, Evidence("nodes", f"{len(state.nodes)}, none fits"), *taints),
        )
    free = [node for node in fitting if not _excluded(state, dataset, pod, node, part)]
    if not free:
        return Cause(
            CauseCode.NODES_TAKEN,
            f"every node that fits its {part} already runs a worker, and not all Datasets share nodes",
            "Set placement: Shared in all the Datasets concerned, or add a node.",
            (said, *(Evidence(f"node {node.name}", "already runs a worker") for node in fitting)),
        )
    room = {node.name: _free_memory(state, node) for node in free}
    if pod.memory > max(room.values()):
        best = max(room, key=lambda name: room[name])
        return Cause(
            CauseCode.TOO_LITTLE_MEMORY,
            f"its {part} requests {mebibytes(pod.memory)} of memory, and no node has that much free",
            "Lower the quota of the cache in memory, or add memory.",
            (said, Evidence(f"node {best}", f"{mebibytes(room[best])} free, the most of all that fit")),
        )
    return None


def _pending_sources(state: ClusterState, dataset: DatasetSnapshot) -> Iterator[Cause]:
    for name in dataset.source_claims:
        claim = state.claims_by_key.get((dataset.namespace, name))
        if claim is not None and claim.phase != "Bound":
            yield Cause(
                CauseCode.SOURCE_CLAIM_PENDING,
                f"its source, claim {shown(name)}, has no volume",
                f"See that a PersistentVolume fits claim {shown(name)}.",
                (Evidence(f"claim {namespaced(claim)}", str(claim)),),
            )


def _excluded(
    state: ClusterState, dataset: DatasetSnapshot, pod: PodInfo, node: NodeSnapshot, part: str
) -> bool:
    """Whether another worker of the namespace on the node excludes this one (pkg/ctrl/affinity.go:77-126)."""
    if part != "worker":
        return False
    others = [
        other.snapshot
        for other in state.pods_by_node.get(node.name, ())
        if other.snapshot.namespace == pod.snapshot.namespace and WORKER_OF_LABEL in other.snapshot.labels
    ]
    if dataset.placement != "Shared":
        return bool(others)
    return any(other.labels.get(PLACEMENT_LABEL) == "Exclusive" for other in others)


def _free_memory(state: ClusterState, node: NodeSnapshot) -> float:
    """Memory of a node that no Pod requests; all of it if not all Pods were read."""
    if not state.sees(kinds.POD):
        return node.memory
    running = state.pods_by_node.get(node.name, ())
    return node.memory - sum(pod.memory for pod in running if not pod.snapshot.ended)
