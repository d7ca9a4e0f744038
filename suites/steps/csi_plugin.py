"""Fluid's CSI plugin on the nodes: removed and restored, and restarted with another argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from clusters.errors import FailureClass, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import STRATEGIC_PATCH, Kube
from clusters.kubernetes.fields import items, text
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.controllers import DaemonSetSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.undo import Patch
from clusters.product import fluid, fluid_names
from clusters.waiting import wait

#: Seconds until the plugin is gone from every node, back, or running with other arguments.
PLUGIN_SECONDS: Final = 120.0
PLUGIN_LABELS: Final = "app=csi-nodeplugin-fluid"
#: Label that no node has.
NOWHERE: Final = "fluid-conformance/nowhere"
#: The plugin's own container, next to the one that registers it.
CONTAINER: Final = "plugins"
SUBJECT: Final = f"DaemonSet {fluid.NAMESPACE}/{fluid.CSI_DAEMON_SET}"


@dataclass(frozen=True, slots=True)
class PluginState:
    """Where the plugin is.

    Attributes:
        desired: nodes that should run it.
        pods: nodes that have a Pod of it, be it ready or going.
        ready: nodes where it is ready.
        registered: nodes whose kubelet knows the driver.
    """

    desired: int
    pods: frozenset[str]
    ready: frozenset[str]
    registered: frozenset[str]

    @property
    def gone(self) -> bool:
        """No node has it, and every kubelet knows that."""
        return not (self.desired or self.pods or self.registered)

    @property
    def back(self) -> bool:
        """It serves wherever it should."""
        return 0 < self.desired == len(self.ready) and self.ready <= self.registered

    def __str__(self) -> str:
        return (
            f"needed on {self.desired} nodes, Pods on {len(self.pods)}, ready on {len(self.ready)}, "
            f"known to the kubelet of {', '.join(sorted(self.registered)) or 'none'}"
        )


def state(kube: Kube) -> PluginState:
    """Where the plugin is at this moment."""
    pods = ClusterReader(kube).list(PodSnapshot, fluid.NAMESPACE, labels=PLUGIN_LABELS)
    found = kube.get(kinds.DAEMON_SET, fluid.CSI_DAEMON_SET, fluid.NAMESPACE)
    return PluginState(
        desired=DaemonSetSnapshot.of(found or {}).desired,
        pods=frozenset(pod.node for pod in pods),
        ready=frozenset(pod.node for pod in pods if pod.ready and not pod.deleting),
        registered=frozenset(
            text(node, "metadata", "name")
            for node in kube.list(kinds.CSI_NODE)
            if any(
                text(item, "name") == fluid_names.CSI_DRIVER_NAME for item in items(node, "spec", "drivers")
            )
        ),
    )


@contextmanager
def removed(journal: Journal) -> Iterator[PluginState]:
    """No node has the plugin while the context lasts.

    Its DaemonSet selects a node that does not exist. Existing mounts stay, in the nodes' own mount
    namespaces. It affects the whole cluster.

    Raises:
        WaitTimeoutError: it was not removed, or not restored; an infrastructure failure.
    """
    kube = journal.kube
    change = {"spec": {"template": {"spec": {"nodeSelector": {NOWHERE: "true"}}}}}
    try:
        with journal.patched(kinds.DAEMON_SET, fluid.CSI_DAEMON_SET, fluid.NAMESPACE, change):
            _delete_pods(kube, "no node shall have the CSI plugin")
            yield _await(kube, lambda seen: seen.gone, "removal from every node")
    finally:
        _await(kube, lambda seen: seen.back, "readiness on every node")


def arguments(kube: Kube) -> tuple[str, ...]:
    """What the plugin is started with.

    Raises:
        InfrastructureError: there is no such DaemonSet.
    """
    for container in items(_daemon_set(kube), "spec", "template", "spec", "containers"):
        if container["name"] == CONTAINER:
            return tuple(container.get("args", ()))
    raise InfrastructureError(f"Fluid's CSI plugin has no container {CONTAINER}")


@contextmanager
def argument_replaced(journal: Journal, old: str, new: str) -> Iterator[None]:
    """The plugin runs with another argument on every node while the context lasts.

    It affects the whole cluster.

    Raises:
        InfrastructureError: the plugin is not there, or has no such argument.
        WaitTimeoutError: it was not ready again in time; an infrastructure failure.
    """
    before = list(arguments(journal.kube))
    if old not in before:
        raise InfrastructureError(f"the CSI plugin is not started with {old}")
    after = [new if word == old else word for word in before]
    undo = Patch.of(kinds.DAEMON_SET, fluid.CSI_DAEMON_SET, fluid.NAMESPACE, _with(before), STRATEGIC_PATCH)
    try:
        with journal.undoing(f"the CSI plugin is started with {new}", undo):
            journal.kube.patch(
                kinds.DAEMON_SET,
                fluid.CSI_DAEMON_SET,
                fluid.NAMESPACE,
                _with(after),
                content_type=STRATEGIC_PATCH,
            )
            _restart_with(journal.kube, new)
            yield
    finally:
        _restart_with(journal.kube, old)


def _with(words: list[str]) -> dict[str, Any]:
    """A strategic merge patch, which finds the container by its name."""
    containers = [{"name": CONTAINER, "args": words}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def _restart_with(kube: Kube, new: str) -> None:
    """Replace the Pods of the plugin, and wait until it runs with an argument on every node."""
    _delete_pods(kube, "the CSI plugin starts with other arguments")
    wait(
        lambda: _running_with(kube, new),
        lambda seen: seen[0] == seen[1] > 0,
        subject=SUBJECT,
        condition=f"Pods with {new} on every node",
        timeout=PLUGIN_SECONDS,
        describe=lambda seen: f"{seen[0]} of {seen[1]}",
        failure_class=FailureClass.INFRASTRUCTURE,
    )


def _daemon_set(kube: Kube) -> dict[str, Any]:
    found = kube.get(kinds.DAEMON_SET, fluid.CSI_DAEMON_SET, fluid.NAMESPACE)
    if found is None:
        raise InfrastructureError("there is no CSI plugin of Fluid")
    return found


def _running_with(kube: Kube, argument: str) -> tuple[int, int]:
    """On how many nodes the plugin is ready with an argument, and on how many it should be."""
    running = 0
    for pod in kube.list(kinds.POD, fluid.NAMESPACE, labels=PLUGIN_LABELS):
        seen = PodSnapshot.of(pod)
        words = [word for item in items(pod, "spec", "containers") for word in item.get("args", ())]
        running += int(argument in words and seen.ready and not seen.deleting)
    return running, DaemonSetSnapshot.of(_daemon_set(kube)).desired


def _delete_pods(kube: Kube, because: str) -> None:
    """Delete all Pods of the plugin at once.

    The DaemonSet itself works node by node, each time with 30 s of grace for a plugin that ignores signals.
    """
    for pod in ClusterReader(kube).list(PodSnapshot, fluid.NAMESPACE, labels=PLUGIN_LABELS):
        kube.delete(kinds.POD, pod.name, fluid.NAMESPACE, because=because, grace_seconds=1)


def _await(kube: Kube, ready: Callable[[PluginState], bool], condition: str) -> PluginState:
    with kube.changes(kinds.POD, fluid.NAMESPACE) as changed:
        return wait(
            lambda: state(kube),
            ready,
            subject=SUBJECT,
            condition=condition,
            timeout=PLUGIN_SECONDS,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
