"""Fluid's CSI plugin taken off every node, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from clusters import fluid, fluid_names, kinds
from clusters.errors import FailureClass
from clusters.kube import Kube
from clusters.reading import items, text
from clusters.snapshots import DaemonSetSnapshot
from clusters.views import View
from clusters.waiting import wait

#: Seconds until the plugin is gone from every node, back, or running with other arguments.
PLUGIN_SECONDS: Final = 120.0
PLUGIN_LABELS: Final = "app=csi-nodeplugin-fluid"
#: Label of a node that there is not.
NOWHERE: Final = "fluid-conformance/nowhere"


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
            f"wanted on {self.desired} nodes, Pods on {len(self.pods)}, ready on {len(self.ready)}, "
            f"known to the kubelet of {', '.join(sorted(self.registered)) or 'none'}"
        )


def state(kube: Kube) -> PluginState:
    """Where the plugin is at this moment."""
    pods = View(kube).pods(fluid.NAMESPACE, PLUGIN_LABELS)
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
def away(kube: Kube) -> Iterator[PluginState]:
    """No node has the plugin while the context lasts.

    Its DaemonSet asks for a node that there is not. Mounts that are there stay: they lie in the
    nodes' own mount namespaces. It touches the whole cluster.

    Raises:
        WaitTimeoutError: it did not go, or did not come back; an infrastructure failure.
    """
    try:
        _asks_for(kube, "true")
        yield _await(kube, lambda seen: seen.gone, "gone from every node")
    finally:
        _asks_for(kube, None)
        _await(kube, lambda seen: seen.back, "back on every node")


def _asks_for(kube: Kube, value: str | None) -> None:
    body = {"spec": {"template": {"spec": {"nodeSelector": {NOWHERE: value}}}}}
    kube.patch(kinds.DAEMON_SET, fluid.CSI_DAEMON_SET, fluid.NAMESPACE, body)


def _await(kube: Kube, ready: Callable[[PluginState], bool], condition: str) -> PluginState:
    with kube.changes(kinds.POD, fluid.NAMESPACE) as changed:
        return wait(
            lambda: state(kube),
            ready,
            subject=f"DaemonSet {fluid.NAMESPACE}/{fluid.CSI_DAEMON_SET}",
            condition=condition,
            timeout=PLUGIN_SECONDS,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
