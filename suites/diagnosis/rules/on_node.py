"""Pods on a node with the claim of a Dataset that is Bound: plugin, runtime, Fuse, mount, containers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot, made_by_fluid
from clusters.product.fuse import FuseSnapshot
from suites.diagnosis.causes.runtime_parts import fault_of
from suites.diagnosis.cluster_state import PATIENCE
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Cause, Evidence, Finding, Key
from suites.diagnosis.fluid_facts import CSI_DAEMON_SET, referred_dataset
from suites.diagnosis.objects import ContainerEnd, VolumeInfo
from suites.diagnosis.rules.claim_use import ClaimUse, claim_evidence, key_of, recreation
from suites.diagnosis.rules.fuse_on_node import (
    fuse_facts,
    fuse_ready,
    fuse_running_since,
    idle_containers,
    outlived_fuse,
    reports_dead_mount,
    why_no_fuse,
)
from suites.diagnosis.wording import clock_time, namespaced, shown


def on_node(
    use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo | None, dataset: DatasetSnapshot
) -> Finding:
    """What is true of a Pod that has a node."""
    node, state = use.pod.node, use.state
    if not use.info.volumes_mounted and state.sees(kinds.CSI_NODE):
        drivers = state.drivers.get(node, frozenset())
        if fluid_names.CSI_DRIVER_NAME not in drivers:
            return _no_plugin(use, drivers)
    served_by = _served_by(use, volume)
    fuse = state.fuse(*served_by)
    facts = (claim_evidence(claim), *fuse_facts(state, fuse, node))
    found = (
        _runtime_not_working(use, dataset, served_by, facts)
        or _node_not_ready(use, dataset, facts)
        or _not_seen(use, dataset, served_by, facts)
        or _fuse_not_ready(use, fuse, dataset, facts)
        or _dead_mount(use, fuse, dataset, facts)
        or _not_running(use, dataset, facts)
    )
    return found or use.finding(
        FindingCode.SERVED,
        f"{use.subject()} of Dataset {shown(dataset.name)}: it goes through Fluid.",
        "",
        *facts,
        *_remarks(use, claim, fuse),
        dataset=key_of(dataset),
        state=State.OK,
    )


def _served_by(use: ClaimUse, volume: VolumeInfo | None) -> Key:
    """The runtime that serves the claim: another one's if the Dataset refers to another."""
    if volume is not None and volume.runtime:
        return volume.runtime
    dataset = use.state.datasets_by_key.get(use.key)
    points = [mount.mount_point for mount in dataset.mounts] if dataset else []
    return next(filter(None, map(referred_dataset, points)), use.key)


def _remarks(use: ClaimUse, claim: ClaimSnapshot, fuse: FuseSnapshot) -> Iterator[Evidence]:
    """What is worth knowing of a Pod that is served."""
    if not made_by_fluid(claim):
        yield Evidence(f"claim {namespaced(claim)}", "lacks CreatedBy=fluid: its Dataset is not protected")
    sharing = use.state.datasets_by_fuse_label.get(fuse.label, ())
    others = [namespaced(other) for other in sharing if namespaced(other) != fuse.dataset]
    if others:
        yield Evidence(f"node label {fuse.label}", f"is also that of Dataset {', '.join(others)}")


def _no_plugin(use: ClaimUse, drivers: frozenset[str]) -> Finding:
    """B24: the kubelet does not know Fluid's driver; why depends on whether the plugin runs on the node."""
    node = use.pod.node
    plugin = use.state.csi_plugins.get(node)
    sets = [item for item in use.state.daemon_sets if item.name == CSI_DAEMON_SET]
    recent = use.state.recent(use.pod.started or use.pod.created)
    start = f"{use.subject('waits for')} on node {shown(node)}, where Fluid's CSI plugin is not registered"
    describe = f"DaemonSet {shown(CSI_DAEMON_SET)}"
    if plugin is not None and plugin.ready:
        says = (
            f"{start}, although its Pod {shown(plugin.name)} of {describe} is ready: the kubelet did "
            "not find it."
        )
        change = (
            f"Compare the root folder of the kubelet on {shown(node)} with csi.kubelet.rootDir of Fluid's "
            "chart "
            f"(by default /var/lib/kubelet); then delete Pod {shown(plugin.name)}, so that it registers "
            "again."
        )
    elif plugin is not None:
        says = f"{start}: its Pod {shown(plugin.name)} of {describe} is not ready."
        change = f"See the logs of Pod {shown(plugin.name)} in namespace {shown(plugin.namespace)}."
    elif use.state.csi_plugins or sets:
        says = f"{start}: {describe} has no Pod there."
        change = (
            f"See why {describe} has no ready Pod on node {shown(node)}: its nodeSelector, or taints "
            "of the node."
        )
    else:
        says = f"{start}."
        change = f"See why {describe} has no ready Pod on node {shown(node)}."
    snapshot = use.state.nodes_by_name.get(node)
    taints = snapshot.taints if snapshot and plugin is None else ()
    return use.finding(
        FindingCode.CSI_PLUGIN_MISSING,
        says,
        "" if recent and plugin is not None else change,
        Evidence(
            f"CSINode {node}",
            f"has drivers {', '.join(sorted(drivers)) or 'none'}, not {fluid_names.CSI_DRIVER_NAME}",
        ),
        Evidence("CSI plugin", str(plugin) if plugin else "no Pod on this node" if sets else "was not read"),
        *([Evidence(f"node {node}", f"has taints {', '.join(taints)}")] if taints else []),
        *(event for item in sets for event in use.state.quoted("DaemonSet", item.namespace, item.name)),
        *use.said(),
        dataset=use.key,
        state=State.WAITING if recent and plugin is not None else State.WRONG,
    )


def _runtime_not_working(
    use: ClaimUse, dataset: DatasetSnapshot, served_by: Key, facts: tuple[Evidence, ...]
) -> Finding | None:
    """D05: the Dataset is Bound and its master or its workers are not there or not ready."""
    served = use.state.datasets_by_key.get(served_by)
    fault = fault_of(use.state, served)
    if served is None or fault is None:
        return None
    recent = use.state.recent(fault.since)
    whose = (
        "" if served_by == key_of(dataset) else f" (Dataset {shown('/'.join(served_by))}, which it refers to)"
    )
    return use.finding(
        FindingCode.RUNTIME_NOT_WORKING,
        f"{use.subject('mounts' if use.info.volumes_mounted else 'waits for')} of Dataset "
        f"{shown(dataset.name)}, "
        f"which is {served.phase}{whose}, but {fault.cause.says}: what is not cached cannot be read.",
        fault.cause.change,
        *facts,
        *fault.cause.evidence,
        dataset=key_of(dataset),
        state=State.WAITING if recent else State.WRONG,
        causes=(fault.cause,),
    )


def _node_not_ready(use: ClaimUse, dataset: DatasetSnapshot, facts: tuple[Evidence, ...]) -> Finding | None:
    node = use.state.nodes_by_name.get(use.pod.node)
    if node is None or node.ready:
        return None
    return use.finding(
        FindingCode.NODE_NOT_READY,
        f"{use.subject()} of Dataset {shown(dataset.name)} on node {shown(node.name)}, which is not "
        "ready: what it "
        "reported last may not be true any more.",
        f"See why node {shown(node.name)} is not ready.",
        *facts,
        Evidence(f"node {node.name}", str(node)),
        dataset=key_of(dataset),
        state=State.UNKNOWN,
    )


def _not_seen(
    use: ClaimUse, dataset: DatasetSnapshot, served_by: Key, facts: tuple[Evidence, ...]
) -> Finding | None:
    """The Pods that serve it could not be read."""
    if use.state.sees(kinds.POD, served_by[0]):
        return None
    return use.finding(
        FindingCode.NOT_SEEN,
        f"{use.subject()} of Dataset {shown(dataset.name)}, and whether a Fuse serves it is not known: "
        "Pods of "
        f"namespace {shown(served_by[0])} could not be read.",
        f"Grant the right to list Pods in namespace {shown(served_by[0])}, or use --exec.",
        *facts,
        dataset=key_of(dataset),
        state=State.UNKNOWN,
    )


def _fuse_not_ready(
    use: ClaimUse, fuse: FuseSnapshot, dataset: DatasetSnapshot, facts: tuple[Evidence, ...]
) -> Finding | None:
    """B31, D8, and a Pod whose volumes are being set up: the plugin labels the node, waits and mounts."""
    ready = fuse_ready(use.state, fuse, use.pod.node)
    if use.info.volumes_mounted:
        if ready:
            return None
        why = why_no_fuse(use, fuse)
        return use.finding(
            FindingCode.FUSE_NOT_READY,
            f"{use.subject()} of Dataset {shown(dataset.name)}, and {why.says}: its reads fail.",
            why.change,
            *facts,
            *why.evidence,
            dataset=key_of(dataset),
            causes=why.causes,
        )
    recent = use.state.recent(use.pod.started or use.pod.created)
    says, change = (
        "the Fuse is ready and the volume is not mounted yet",
        "Correct what the events of this Pod say.",
    )
    evidence: tuple[Evidence, ...] = ()
    causes: tuple[Cause, ...] = ()
    if not ready:
        why = why_no_fuse(use, fuse)
        says, change, evidence, causes = why.says, why.change, why.evidence, why.causes
    return use.finding(
        FindingCode.STARTING if recent else FindingCode.FUSE_NOT_READY,
        f"{use.subject('waits for')} of Dataset {shown(dataset.name)}: {says}.",
        "" if recent else change,
        *facts,
        *evidence,
        *use.said(),
        dataset=key_of(dataset),
        state=State.WAITING if recent else State.WRONG,
        causes=causes,
    )


def _dead_mount(
    use: ClaimUse, fuse: FuseSnapshot, dataset: DatasetSnapshot, facts: tuple[Evidence, ...]
) -> Finding | None:
    """D1, D11: the Fuse started again after the volumes were mounted, or the kubelet reports ENOTCONN."""
    words = reports_dead_mount(use)
    started = outlived_fuse(use, fuse)
    if started is None and not words:
        return None
    idle = "; ".join(map(str, idle_containers(use)))
    stuck = f" Its container cannot run: {words or idle}." if words or idle else ""
    if started is None:
        return use.finding(
            FindingCode.DEAD_MOUNT,
            f"{use.subject()} of Dataset {shown(dataset.name)}, and the kubelet reports that its mount is "
            f"dead.{stuck}",
            recreation(use.pod),
            *facts,
            dataset=key_of(dataset),
        )
    mounted = use.info.mounted_by
    since = clock_time(mounted) if mounted and mounted < started else "an earlier time"
    doubt = "" if stuck else ", unless it was mounted again"
    return use.finding(
        FindingCode.FUSE_RESTARTED,
        f"{use.subject()} of Dataset {shown(dataset.name)}, and the Fuse on its node started again at "
        f"{clock_time(started)}, after this Pod's volumes were mounted: its mount is dead{doubt}.{stuck}",
        recreation(use.pod),
        *facts,
        Evidence(
            f"Fuse of {fuse.dataset}",
            f"runs since {clock_time(started)}, this Pod has its mount since {since}",
        ),
        dataset=key_of(dataset),
    )


def _not_running(use: ClaimUse, dataset: DatasetSnapshot, facts: tuple[Evidence, ...]) -> Finding | None:
    """The mount is alive as far as the objects show, and no container runs that could use it."""
    idle = idle_containers(use)
    if not idle:
        return None
    recent = use.state.recent(use.pod.started or use.pod.created) and not use.pod.restarts
    return use.finding(
        FindingCode.CONTAINER_NOT_RUNNING,
        f"{use.subject()} of Dataset {shown(dataset.name)}, and no container runs that mounts it: "
        f"{'; '.join(map(str, idle))}. The objects do not show a fault of Fluid.",
        ""
        if recent
        else f"See `kubectl logs --previous {use.pod.name} --container {idle[0].name} --namespace "
        f"{use.pod.namespace}`.",
        *facts,
        *use.said(),
        dataset=key_of(dataset),
        state=State.WAITING if recent else State.UNKNOWN,
    )


def ended(
    use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo | None, dataset: DatasetSnapshot
) -> Finding:
    """The Pod has ended: because of the Fuse, if that started again while it ran and it then failed."""
    fuse = use.state.fuse(*_served_by(use, volume))
    started = fuse_running_since(use.state, fuse, use.pod.node)
    users = use.info.users_of(use.claim_name)
    ends = [end for name, end in use.info.ends.items() if name in users]
    hit = next((end for end in ends if started is not None and _ran_over(end, started)), None)
    if hit is None or started is None or hit.finished is None:
        return use.finding(
            FindingCode.ENDED,
            f"{use.subject('mounted')} of Dataset {shown(dataset.name)} and has ended.",
            "",
            claim_evidence(claim),
            dataset=use.key,
            state=State.OK,
        )
    return use.finding(
        FindingCode.ENDED_WITH_FUSE,
        f"{use.subject('mounted')} of Dataset {shown(dataset.name)} and ended with exit code "
        f"{hit.exit_code} at "
        f"{clock_time(hit.finished)}; the Fuse on its node ended while it ran and started again at "
        f"{clock_time(started)}, which may be why.",
        "If it failed to read, run it again; see the logs of the Fuse's previous run for why that ended.",
        claim_evidence(claim),
        Evidence(f"Fuse of {fuse.dataset}", f"runs since {clock_time(started)}"),
        dataset=use.key,
        state=State.UNKNOWN,
    )


def _ran_over(end: ContainerEnd, started: datetime) -> bool:
    """Whether a run failed, and had begun before the Fuse started and ended at about that time or later."""
    if end.exit_code == 0 or end.started is None or end.finished is None:
        return False
    return end.started < started and end.finished > started - PATIENCE
