"""Pods that are being deleted or have ended: what is still worth saying about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clusters.kubernetes.snapshots.node import NodeSnapshot
from suites.diagnosis.cluster_state import PATIENCE, ClusterState
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Evidence, Finding
from suites.diagnosis.objects import PodInfo
from suites.diagnosis.wording import clock_time, shown

#: Findings whose Pod has a mount behind which no Fuse lives.
WITHOUT_FUSE: Final = frozenset(
    {FindingCode.FUSE_RESTARTED, FindingCode.FUSE_NOT_READY, FindingCode.DEAD_MOUNT}
)


def adjusted(state: ClusterState, pod: PodInfo, finding: Finding) -> Finding:
    """The finding, adjusted if the Pod has ended or is being deleted."""
    if pod.snapshot.ended and finding.state in (State.WRONG, State.WAITING):
        return replace(
            finding,
            code=FindingCode.ENDED,
            state=State.OK,
            says=f"{finding.says} The Pod has ended.",
            change="",
            causes=(),
        )
    if pod.snapshot.deleting and not pod.snapshot.ended:
        return _being_deleted(state, pod, finding)
    return finding


def _being_deleted(state: ClusterState, pod: PodInfo, finding: Finding) -> Finding:
    """D04: since when, until when its containers have time, and what can hold it."""
    name, node = pod.snapshot.name, state.nodes_by_name.get(pod.snapshot.node)
    deadline = pod.deletion_deadline
    overdue = deadline is not None and state.taken > deadline + PATIENCE
    since = f" since {clock_time(pod.deletion_requested)}" if pod.deletion_requested else ""
    says = f"Pod {shown(name)} uses claim {shown(finding.claim)} and is being deleted{since}"
    if not finding.claim:
        says = f"Pod {shown(name)} is being deleted{since}"
    if overdue:
        says += ", and is still there"
    elif deadline is not None and deadline > state.taken:
        says += f"; its containers have until {clock_time(deadline)} to end"
    if finding.code in WITHOUT_FUSE:
        says += ". Its mount is dead: no Fuse serves it any more"
    return replace(
        finding,
        code=FindingCode.POD_BEING_DELETED,
        state=State.WRONG if overdue else State.WAITING,
        says=f"{says}.",
        change=_what_holds_it(pod, node) if overdue else "",
        evidence=(
            *finding.evidence,
            *state.quoted("Pod", *pod.key),
            Evidence(f"Pod {'/'.join(pod.key)}", "has a deletion timestamp"),
        ),
        causes=(),
    )


def _what_holds_it(pod: PodInfo, node: NodeSnapshot | None) -> str:
    finalizers = pod.snapshot.meta.finalizers
    if finalizers:
        return f"See who is to remove the finalizers {', '.join(finalizers)} of the Pod."
    if node is not None and not node.ready:
        return f"Bring node {shown(node.name)} back: its kubelet has to confirm that the Pod has ended."
    where = f" on node {shown(pod.snapshot.node)}" if pod.snapshot.node else ""
    return (
        f"See in the log of the kubelet{where} which container does not stop or which volume is not "
        "unmounted."
    )
