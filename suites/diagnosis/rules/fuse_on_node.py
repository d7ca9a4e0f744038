"""The Fuse on the node of a Pod: whether it is ready, why not, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import DaemonSetSnapshot
from clusters.kubernetes.snapshots.pod import ContainerSnapshot, PodSnapshot
from clusters.product.fuse import FuseSnapshot
from suites.diagnosis.causes.pod_creation import not_created
from suites.diagnosis.cluster_state import PATIENCE, ClusterState
from suites.diagnosis.findings import Cause, Evidence
from suites.diagnosis.rules.claim_use import ClaimUse, recreation
from suites.diagnosis.wording import namespaced, shown

#: The kernel's ENOTCONN: the process behind a FUSE mount has ended. The words of glibc and of musl.
DEAD_MOUNT_WORDS: Final = ("transport endpoint is not connected", "socket not connected")


@dataclass(frozen=True, slots=True)
class FuseTrouble:
    """Why no Fuse serves a node.

    Attributes:
        says: the reason, as part of a sentence.
        change: the one change that corrects it.
        evidence: the facts that prove it.
        causes: the same as a cause, if it has a code of its own.
    """

    says: str
    change: str
    evidence: tuple[Evidence, ...] = ()
    causes: tuple[Cause, ...] = ()


def fuse_ready(state: ClusterState, fuse: FuseSnapshot, node: str) -> bool:
    """Whether the Fuse on a node is ready; the node's label counts only if nodes were read."""
    pod = fuse.pod_on(node)
    ready = pod is not None and pod.ready and not pod.deleting
    return ready and (node in fuse.labelled or not state.sees(kinds.NODE))


def fuse_facts(state: ClusterState, fuse: FuseSnapshot, node: str) -> tuple[Evidence, ...]:
    """The node's label and the Fuse Pod on the node as evidence."""
    pod = fuse.pod_on(node)
    expected = str(fuse.daemon_set) if fuse.daemon_set else "no DaemonSet"
    label = "has" if node in fuse.labelled else "lacks"
    found = [Evidence(f"node {node}", f"{label} label {fuse.label}")] if state.sees(kinds.NODE) else []
    return (*found, Evidence(f"Fuse of {fuse.dataset}", str(pod) if pod else f"no Pod on {node}; {expected}"))


def why_no_fuse(use: ClaimUse, fuse: FuseSnapshot) -> FuseTrouble:
    """Why no ready Fuse is on the node of a Pod."""
    node = use.pod.node
    pod = fuse.pod_on(node)
    if use.state.sees(kinds.NODE) and node not in fuse.labelled:
        if use.info.volumes_mounted:
            return FuseTrouble(
                f"node {shown(node)} has lost the label that requests a Fuse",
                f"{recreation(use.pod)} The node is labelled again then.",
            )
        return FuseTrouble(
            "the plugin has not labelled the node", "See the logs of Fluid's CSI plugin on the node."
        )
    if pod is not None:
        return _not_ready(use.state, pod)
    if fuse.daemon_set is None and not use.state.sees(kinds.DAEMON_SET, fuse.dataset.partition("/")[0]):
        return FuseTrouble(
            f"no Fuse Pod is on node {shown(node)}",
            "See why; without the right to list DaemonSets the doctor cannot.",
        )
    if fuse.daemon_set is None:
        return FuseTrouble(
            "the Fuse DaemonSet does not exist",
            "Delete the runtime and create it again; applications that use the Dataset must end first.",
        )
    return _no_pod(use, fuse, fuse.daemon_set)


def _not_ready(state: ClusterState, pod: PodSnapshot) -> FuseTrouble:
    waiting = [str(container) for container in (*pod.init_containers, *pod.containers) if not container.ready]
    what = "is being deleted" if pod.deleting else "is not ready"
    return FuseTrouble(
        f"Fuse Pod {shown(pod.name)} {what}" + (f" ({'; '.join(waiting)})" if waiting else ""),
        f"See the logs of Pod {shown(pod.name)}.",
        state.quoted("Pod", pod.namespace, pod.name),
    )


def _no_pod(use: ClaimUse, fuse: FuseSnapshot, daemon_set: DaemonSetSnapshot) -> FuseTrouble:
    """No Fuse Pod runs on the node: it has no node yet, was refused, or the node is not for it."""
    node = use.pod.node
    snapshot = use.state.nodes_by_name.get(node)
    for unplaced in fuse.unplaced:
        info = use.state.pods_by_key.get((unplaced.namespace, unplaced.name))
        if info is None or (snapshot is not None and not info.placement.selects(snapshot)):
            continue
        words = unplaced.scheduling
        return FuseTrouble(
            f"Fuse Pod {shown(unplaced.name)} has no node yet"
            + (f"; the scheduler says: {words}" if words else ""),
            f"Make room for Pod {shown(unplaced.name)} on node {shown(node)}.",
            (Evidence(f"Pod {namespaced(unplaced)}", str(unplaced)),),
        )
    cause = not_created(use.state, "DaemonSet", daemon_set.meta, "the Fuse Pod")
    if use.state.events_of("DaemonSet", daemon_set.namespace, daemon_set.name, "FailedCreate"):
        return FuseTrouble(cause.says, cause.change, cause.evidence, (cause,))
    missing = {
        key: value
        for key, value in daemon_set.node_selector.items()
        if snapshot is not None and snapshot.labels.get(key) != value and key != fuse.label
    }
    if missing:
        labels = ", ".join(f"{key}={value}" for key, value in missing.items())
        return FuseTrouble(
            f"the Fuse may not run on node {shown(node)}, which lacks {labels}",
            "Change spec.fuse.nodeSelector of the runtime, or let the Pod run on other nodes.",
        )
    taints = (
        f", and node {shown(node)} has taints {', '.join(snapshot.taints)}"
        if snapshot and snapshot.taints
        else ""
    )
    return FuseTrouble(
        f"no Fuse Pod is on node {shown(node)}{taints}",
        f"See `kubectl describe daemonset {daemon_set.name} --namespace {daemon_set.namespace}`: "
        "it says why it has no Pod there.",
        use.state.quoted("DaemonSet", daemon_set.namespace, daemon_set.name),
    )


def fuse_running_since(state: ClusterState, fuse: FuseSnapshot, node: str) -> datetime | None:
    """Start of the current run of the Fuse on a node.

    Others may have added containers to its Pod, such as a proxy; those do not count if one is named for the
    Fuse.
    """
    pod = fuse.pod_on(node)
    info = state.pods_by_key.get((pod.namespace, pod.name)) if pod else None
    runs = info.running_since if info else {}
    named = [when for name, when in runs.items() if "fuse" in name]
    return max(named or runs.values(), default=None)


def outlived_fuse(use: ClaimUse, fuse: FuseSnapshot) -> datetime | None:
    """When the Fuse started again after the Pod's volumes were mounted; None if the mount is alive.

    A Pod's volumes are mounted once, before its first container starts; a container that starts again has
    the same mount. So a mount is dead if the Fuse behind it started later than the first container. If that
    start is not known any more, a Pod that the kubelet had accepted long before the Fuse started decides it.
    """
    started = fuse_running_since(use.state, fuse, use.pod.node)
    if started is None or _recovered(use, started):
        return None
    mounted = use.info.mounted_by
    if mounted is not None and started > mounted:
        return started
    accepted = use.pod.started
    guess = not use.info.first_start_known and use.pod.restarts and accepted is not None
    return started if guess and accepted is not None and accepted + PATIENCE < started else None


def _recovered(use: ClaimUse, started: datetime) -> bool:
    """The plugin mounted again (FuseRecovery), and the containers see that mount.

    A container sees it if mounts made later on the node propagate to it, or if it started later.
    """
    if not use.state.fuse_recovery:
        return False
    volumes = {volume for volume, claim in use.pod.claims.items() if claim == use.claim_name}
    for container in use.pod.containers:
        mounts = [mount for mount in container.mounts if mount.volume in volumes]
        since = use.info.running_since.get(container.name)
        propagates = all(mount.propagation in ("HostToContainer", "Bidirectional") for mount in mounts)
        if mounts and not propagates and not (since is not None and since > started):
            return False
    return True


def idle_containers(use: ClaimUse) -> tuple[ContainerSnapshot, ...]:
    """The containers that mount the claim, if none of them runs."""
    users = use.info.users_of(use.claim_name)
    mine = tuple(c for c in (*use.pod.containers, *use.pod.init_containers) if c.name in users)
    return () if any(container.running for container in mine) else mine


def reports_dead_mount(use: ClaimUse) -> str:
    """The kubelet's words for a dead mount in the state of a container that mounts the claim; or empty."""
    users = use.info.users_of(use.claim_name)
    for container in (*use.pod.containers, *use.pod.init_containers):
        if container.name in users and any(word in container.message.lower() for word in DEAD_MOUNT_WORDS):
            return str(container)
    return ""
