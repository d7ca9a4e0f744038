"""Conditions that administrators of other clusters create, each with its undoing.

An undoing needs nothing but the cluster: what a condition changed is in an annotation of the node, or has a
fixed name. So a later check undoes what a killed one left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from clusters.errors import FailureClass, InfrastructureError
from clusters.host.engine import Engine
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, items, text
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, POD_SECURITY
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.product import fluid
from clusters.providers.memory_tier import FOLDER
from clusters.waiting import wait
from tests.hostile_clusters import webhook
from tests.hostile_clusters.network import enforces_policies
from tests.hostile_clusters.objects import (
    LIMITS,
    NAME,
    POLICY,
    QUOTA,
    SMALL_LIMITS,
    fake_node,
    lease,
    remove,
    send,
)
from tests.hostile_clusters.webhook import Answer, Policy

#: Annotation of a node with what a condition changed there.
NOTE: Final = "hostile-clusters.example"
TAINT: Final[Mapping[str, str]] = {"key": "team.example/reserved", "effect": "NoSchedule"}
#: Size of the shared memory of a kind node, unless somebody enlarges it.
SMALL: Final = "64M"
#: Seconds until a node is reported as not ready (node-monitor-grace-period, 50 s), and until it is again.
NODE_SECONDS: Final = 180.0
#: Seconds between two renewals of a fake node, and between two looks for new namespaces.
RENEW_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.1
WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1"
#: Operating system, architecture and taints of the fake nodes; the taint is that of Kubernetes' own guide.
FAKE_NODES: Final[Mapping[str, tuple[str, str, tuple[Mapping[str, str], ...]]]] = {
    "hostile-windows": ("windows", "amd64", ({"key": "os", "value": "windows", "effect": "NoSchedule"},)),
    "hostile-windows-open": ("windows", "amd64", ()),
    "hostile-arm": ("linux", "arm64", ()),
}

#: How the taints of a node begin that does not answer.
NOT_READY: Final = "node.kubernetes.io/"

#: What a condition did so far; empty if it had no effect yet.
Effect = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kind cluster with Fluid.

    Attributes:
        kube: the cluster.
        engine: runs its nodes.
        image: toolbox image on its nodes.
        folder: for files of this check.
    """

    kube: Kube
    engine: Engine
    image: str
    folder: Path

    def nodes(self) -> tuple[NodeSnapshot, ...]:
        """All nodes."""
        return tuple(ClusterReader(self.kube).list(NodeSnapshot))

    @property
    def worker(self) -> str:
        """The node that a condition is about: one on which Pods may run, if possible no control plane."""
        usable = [node for node in self.nodes() if node.pods_may_run and node.name not in FAKE_NODES]
        return max(usable, key=lambda node: ("control-plane" not in node.name, node.name)).name

    @property
    def address(self) -> str:
        """The address of this machine as its nodes reach it."""
        route = self.engine.exec(self.worker, ["ip", "route", "show", "default"]).stdout.split()
        return route[route.index("via") + 1]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition.

    Attributes:
        name: of it, on the command line.
        says: what it is.
        sentence: what the refusal of a run says; empty if a run must pass.
        set_up: creates it while the context lasts; it is undone by ``undo``.
        undo: undoes it, also if nothing was done.
        checked: the check must refuse the cluster as the run does; False for what only a Pod can find out.
    """

    name: str
    says: str
    sentence: str
    set_up: Callable[[Cluster], AbstractContextManager[Effect]]
    undo: Callable[[Cluster], None]
    checked: bool = True

    @property
    def refused(self) -> bool:
        """A run must be refused."""
        return bool(self.sentence)


def _patch_node(cluster: Cluster, node: str, spec: Mapping[str, Any], note: str | None) -> None:
    body = {"metadata": {"annotations": {NOTE: note}}, "spec": dict(spec)}
    cluster.kube.patch(kinds.NODE, node, None, body)


def _noted(cluster: Cluster) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Nodes with a note: name, note, spec."""
    for node in cluster.kube.list(kinds.NODE):
        note = text(node, "metadata", "annotations", NOTE)
        if note:
            yield text(node, "metadata", "name"), note, at(node, "spec") or {}


@contextmanager
def _tainted(cluster: Cluster, *, every: bool) -> Iterator[Effect]:
    names = [node.name for node in cluster.nodes() if node.pods_may_run] if every else [cluster.worker]
    for node in cluster.kube.list(kinds.NODE):
        if (name := text(node, "metadata", "name")) in names:
            taints = [*(at(node, "spec", "taints") or ()), dict(TAINT)]
            _patch_node(cluster, name, {"taints": taints}, "taint")
    yield lambda: f"{len(names)} nodes tainted"


@contextmanager
def _cordoned(cluster: Cluster) -> Iterator[Effect]:
    node = cluster.worker
    _patch_node(cluster, node, {"unschedulable": True}, "cordon")
    yield lambda: f"{node} is cordoned"


def _undo_spec(cluster: Cluster) -> None:
    for name, note, spec in _noted(cluster):
        if note == "taint":
            kept = [taint for taint in spec.get("taints") or () if taint.get("key") != TAINT["key"]]
            _patch_node(cluster, name, {"taints": kept or None}, None)
        elif note == "cordon":
            _patch_node(cluster, name, {"unschedulable": None}, None)


@contextmanager
def _not_ready(cluster: Cluster, *, controllers: bool) -> Iterator[Effect]:
    node = _node_to_stop(cluster, controllers=controllers)
    _patch_node(cluster, node, {}, "kubelet")
    cluster.engine.exec(node, ["systemctl", "stop", "kubelet"])
    _wait_for_node(cluster, node, ready=False)
    yield lambda: f"{node} is not ready"


def _node_to_stop(cluster: Cluster, *, controllers: bool) -> str:
    """A node with a controller of Fluid, or one without; Kubernetes leaves Pods there for five minutes.

    Raises:
        InfrastructureError: there is none.
    """
    used = {
        text(pod, "spec", "nodeName")
        for pod in cluster.kube.list(kinds.POD, fluid.NAMESPACE)
        for owner in items(pod, "metadata", "ownerReferences")
        if text(owner, "kind") == "ReplicaSet"
    }
    found = [
        node for node in cluster.nodes() if node.name not in FAKE_NODES and (node.name in used) is controllers
    ]
    if not found:
        has = "no node has" if controllers else "each node has"
        message = f"{has} a controller of Fluid"
        raise InfrastructureError(message, advice="use a cluster with more nodes")
    return max(found, key=lambda node: (node.pods_may_run, node.name)).name


def _undo_not_ready(cluster: Cluster) -> None:
    for name, note, _ in _noted(cluster):
        if note == "kubelet":
            cluster.engine.exec(name, ["systemctl", "start", "kubelet"])
            _wait_for_node(cluster, name, ready=True)
            _patch_node(cluster, name, {}, None)


def _wait_for_node(cluster: Cluster, name: str, *, ready: bool) -> None:
    def observe() -> NodeSnapshot:
        return NodeSnapshot.of(cluster.kube.get(kinds.NODE, name) or {})

    def settled(seen: NodeSnapshot) -> bool:
        """Kubernetes also taints a node that is not ready, and removes that a moment later."""
        tainted = any(taint.startswith(NOT_READY) for taint in seen.taints)
        return seen.ready is ready and tainted is not ready

    wait(
        observe,
        settled,
        subject=f"node {name}",
        condition=f"state {'ready' if ready else 'not ready'}",
        timeout=NODE_SECONDS,
        delay=1.0,
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=cluster.kube.clock,
    )


@contextmanager
def _small_memory(cluster: Cluster) -> Iterator[Effect]:
    node = cluster.worker
    size = cluster.engine.exec(node, ["df", "--output=size", "-k", FOLDER]).stdout.split()[-1]
    _patch_node(cluster, node, {}, f"shm-{size}")
    cluster.engine.exec(node, ["mount", "-o", f"remount,size={SMALL}", FOLDER])
    yield lambda: f"{FOLDER} of {node} has {SMALL}"


def _undo_small_memory(cluster: Cluster) -> None:
    for name, note, _ in _noted(cluster):
        kind, _, size = note.partition("-")
        if kind == "shm":
            cluster.engine.exec(name, ["mount", "-o", f"remount,size={size}k", FOLDER])
            _patch_node(cluster, name, {}, None)


@contextmanager
def _fake_node(cluster: Cluster, name: str) -> Iterator[Effect]:
    """A node without a machine, kept ready by its Lease, as KWOK does."""
    send(cluster.kube, kinds.NODE.path(), fake_node(name, *FAKE_NODES[name]))
    send(cluster.kube, kinds.LEASE.path("kube-node-lease"), lease(name))

    def renew() -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        cluster.kube.patch(kinds.LEASE, name, "kube-node-lease", {"spec": {"renewTime": now}})

    with _repeating(renew, RENEW_SECONDS):
        system, architecture, taints = FAKE_NODES[name]
        wait(
            lambda: cluster.kube.get(kinds.NODE, name),
            lambda seen: len(at(seen, "spec", "taints") or ()) == len(taints),
            subject=f"node {name}",
            condition="removal of the taints of a new node",
            timeout=NODE_SECONDS,
            delay=1.0,
            describe=lambda seen: str(at(seen, "spec", "taints")),
            failure_class=FailureClass.INFRASTRUCTURE,
        )
        yield lambda: f"a ready node of {system}/{architecture}"


def _undo_fake_nodes(cluster: Cluster) -> None:
    for name in FAKE_NODES:
        remove(cluster.kube, kinds.NODE.path(None, name))
        remove(cluster.kube, kinds.LEASE.path("kube-node-lease", name))


@contextmanager
def _repeating(act: Callable[[], None], seconds: float) -> Iterator[None]:
    """Do something again and again on a thread while the context lasts; a refusal is not fatal."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(seconds):
            try:
                act()
            except KubeError:  # such as a namespace that is deleted
                continue

    thread = threading.Thread(target=loop, name="hostile-cluster", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def of_a_run(namespace: str) -> bool:
    """Whether a namespace belongs to a run; in ``default`` the check asks about Pods."""
    return namespace.startswith("fc-") or namespace == HARNESS_NAMESPACE


@contextmanager
def _in_each_namespace(cluster: Cluster, *objects: tuple[str, Mapping[str, Any]]) -> Iterator[Effect]:
    """A controller that creates objects in each new namespace, such as Kyverno's generate rules."""
    done: set[str] = set()

    def act() -> None:
        for obj in cluster.kube.list(kinds.NAMESPACE):
            name = text(obj, "metadata", "name")
            if of_a_run(name) and name not in done and text(obj, "status", "phase") == "Active":
                for path, body in objects:
                    send(cluster.kube, path.format(namespace=name), body)
                done.add(name)

    with _repeating(act, POLL_SECONDS):
        yield lambda: f"in {len(done)} namespaces" if done else ""


@contextmanager
def _network_policy(cluster: Cluster) -> Iterator[Effect]:
    enforced = enforces_policies(cluster.kube, cluster.image)
    with _in_each_namespace(cluster, POLICY) as effect:
        says = "enforced" if enforced else "not enforced by the network of this cluster"
        yield lambda: f"{found}, {says}" if (found := effect()) else ""


def _restrict(obj: Mapping[str, Any]) -> Answer | None:
    """Give each namespace of a run the PodSecurity level restricted."""
    if not of_a_run(str(obj["metadata"]["name"])):
        return None
    labels = {**(obj["metadata"].get("labels") or {}), POD_SECURITY: "restricted"}
    return Answer(patch=({"op": "add", "path": "/metadata/labels", "value": labels},))


def _refuse(obj: Mapping[str, Any]) -> Answer | None:
    """Refuse Pods without a label of their team."""
    metadata = obj["metadata"]
    asked = of_a_run(str(metadata.get("namespace"))) or metadata.get("namespace") == "default"
    if not asked or "team" in (metadata.get("labels") or {}):
        return None
    return Answer(refusal="each Pod needs the label team")


def _mesh(image: str, *, native: bool = False) -> Policy:
    """Inject a proxy into Pods that do not use the node's network, as Istio does.

    Args:
        image: of the proxy.
        native: as an init container that is restarted, with which a Job ends; else next to the others.
    """

    def inject(obj: Mapping[str, Any]) -> Answer | None:
        namespace, spec = str(obj["metadata"].get("namespace")), obj["spec"]
        if not (of_a_run(namespace) or namespace == "default") or spec.get("hostNetwork"):
            return None
        proxy = {
            "name": "mesh-proxy",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["bash", "-c", "trap 'exit 0' TERM; sleep infinity & wait"],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        }
        if not native:
            return Answer(patch=({"op": "add", "path": "/spec/containers/-", "value": proxy},))
        before = spec.get("initContainers") or []
        several = [{**proxy, "restartPolicy": "Always"}, *before]
        return Answer(patch=({"op": "add", "path": "/spec/initContainers", "value": several},))

    return inject


@contextmanager
def _webhook(cluster: Cluster, kind: str, policy: Policy, *, mutating: bool) -> Iterator[Effect]:
    with webhook.serving(cluster.address, cluster.folder, policy) as served:
        plural = f"{'mutating' if mutating else 'validating'}webhookconfigurations"
        send(cluster.kube, f"{WEBHOOKS}/{plural}", served.configuration(NAME, [kind], mutating=mutating))
        try:
            yield (
                lambda: (
                    f"{len(served.acted)} objects and {len(served.tried)} dry runs"
                    if served.acted or served.tried
                    else ""
                )
            )
        finally:
            _undo_webhook(cluster)


@contextmanager
def _mesh_webhook(cluster: Cluster, *, native: bool = False) -> Iterator[Effect]:
    with _webhook(cluster, "pods", _mesh(cluster.image, native=native), mutating=True) as effect:
        yield effect


@contextmanager
def _silent_webhook(cluster: Cluster) -> Iterator[Effect]:
    """A webhook that must answer, and does not: nothing listens there."""
    client = {"url": "https://127.0.0.1:9/"}
    body = webhook.configuration(NAME, ["pods"], client, mutating=False, policy="Fail")
    # Only where the harness creates Pods, so that nobody else is affected.
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [HARNESS_NAMESPACE, "default"]}
    body["webhooks"][0]["namespaceSelector"] = {"matchExpressions": [names]}
    send(cluster.kube, f"{WEBHOOKS}/validatingwebhookconfigurations", body)
    yield lambda: "no Pod is admitted in default and in the harness's namespace"


def _undo_webhook(cluster: Cluster) -> None:
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        remove(cluster.kube, f"{WEBHOOKS}/{plural}/{NAME}")


def _nothing(_: Cluster) -> None:
    """The namespaces of the run are deleted with all that is in them."""


CONDITIONS: Final = (
    Condition(
        "taint", "a node has a taint", sentence="", set_up=partial(_tainted, every=False), undo=_undo_spec
    ),
    Condition("cordoned", "a node is unschedulable", sentence="", set_up=_cordoned, undo=_undo_spec),
    Condition(
        "not-ready",
        "a node without a controller of Fluid is not ready",
        sentence="",
        set_up=partial(_not_ready, controllers=False),
        undo=_undo_not_ready,
    ),
    Condition(
        "controller-lost",
        "a node with a controller of Fluid is not ready",
        sentence="of Fluid is on node",
        set_up=partial(_not_ready, controllers=True),
        undo=_undo_not_ready,
    ),
    Condition(
        "windows",
        "a node runs Windows, and has a taint",
        sentence="",
        set_up=partial(_fake_node, name="hostile-windows"),
        undo=_undo_fake_nodes,
    ),
    Condition(
        "quota",
        "a ResourceQuota and a LimitRange in each namespace",
        sentence="",
        set_up=lambda cluster: _in_each_namespace(cluster, QUOTA, LIMITS),
        undo=_nothing,
    ),
    Condition(
        "network-policy",
        "a NetworkPolicy that denies all in each namespace",
        sentence="",
        set_up=_network_policy,
        undo=_nothing,
    ),
    Condition(
        "mesh", "a webhook adds a proxy to Pods", sentence="", set_up=_mesh_webhook, undo=_undo_webhook
    ),
    Condition(
        "mesh-native",
        "a webhook adds a proxy to Pods as a native sidecar, with which Jobs end",
        sentence="",
        set_up=partial(_mesh_webhook, native=True),
        undo=_undo_webhook,
    ),
    Condition(
        "windows-open",
        "a node runs Windows, and has no taint",
        sentence="runs windows without a taint",
        set_up=partial(_fake_node, name="hostile-windows-open"),
        undo=_undo_fake_nodes,
    ),
    Condition(
        "arm64",
        "a node has another architecture",
        sentence="different architectures",
        set_up=partial(_fake_node, name="hostile-arm"),
        undo=_undo_fake_nodes,
    ),
    Condition(
        "all-tainted",
        "all nodes have a taint",
        sentence="no node accepts Pods",
        set_up=partial(_tainted, every=True),
        undo=_undo_spec,
    ),
    Condition(
        "small-memory",
        "a node has little shared memory",
        sentence="Alluxio's memory tier needs",
        set_up=_small_memory,
        undo=_undo_small_memory,
        checked=False,
    ),
    Condition(
        "small-limits",
        "a LimitRange with a small default memory limit in each namespace",
        sentence="without a memory limit one of 256 MiB",
        set_up=lambda cluster: _in_each_namespace(cluster, SMALL_LIMITS),
        undo=_nothing,
        checked=False,
    ),
    Condition(
        "restricted",
        "a policy gives namespaces the PodSecurity level restricted",
        sentence="PodSecurity level restricted",
        set_up=partial(_webhook, kind="namespaces", policy=_restrict, mutating=True),
        undo=_undo_webhook,
    ),
    Condition(
        "refusing-webhook",
        "a webhook refuses Pods without a label",
        sentence="each Pod needs the label team",
        set_up=partial(_webhook, kind="pods", policy=_refuse, mutating=False),
        undo=_undo_webhook,
    ),
    Condition(
        "silent-webhook",
        "a webhook for Pods does not answer",
        sentence="failed calling webhook",
        set_up=_silent_webhook,
        undo=_undo_webhook,
    ),
)


def undo_all(cluster: Cluster) -> None:
    """Undo what a check that was killed left."""
    for undo in dict.fromkeys(condition.undo for condition in CONDITIONS):
        undo(cluster)


def chosen(names: str) -> tuple[Condition, ...]:
    """The conditions of a comma-separated list; all for an empty one.

    Raises:
        InfrastructureError: there is none of a name.
    """
    known = {condition.name: condition for condition in CONDITIONS}
    wanted = [name for name in names.split(",") if name] or list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise InfrastructureError(
            f"{', '.join(unknown)}: no condition", advice=f"choose from {', '.join(known)}"
        )
    return tuple(known[name] for name in wanted)
