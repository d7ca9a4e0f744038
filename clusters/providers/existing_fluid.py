"""Fluid on a cluster that the harness did not create."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from clusters.errors import FailureClass, RefusalError
from clusters.images import charts, on_nodes
from clusters.images.tools import Tools
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import text
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.options import Options
from clusters.pins import Versions
from clusters.product import fluid, fluid_chart, fluid_release
from clusters.product.fluid import DATASET_CONTROLLER
from clusters.progress import Progress
from clusters.providers.existing import ExistingProvider
from clusters.waiting import wait

#: What to do where a part of Fluid is not ready.
WAIT_FOR_PODS: Final = f"wait until the Pods of {fluid.NAMESPACE} are ready, or mend that node"


def has_fluid(kube: Kube) -> bool:
    """Whether Fluid runs in its chart's namespace; its CRDs alone do not count.

    Raises:
        RefusalError: it runs in another namespace.
    """
    found = [
        text(obj, "metadata", "namespace")
        for obj in kube.list(kinds.DEPLOYMENT, fields=f"metadata.name={DATASET_CONTROLLER}")
    ]
    if fluid.NAMESPACE in found:
        return True
    if found:
        raise RefusalError(
            f"Fluid runs in namespace {found[0]} of this cluster, and the harness expects {fluid.NAMESPACE}",
            advice=f"install Fluid in {fluid.NAMESPACE}, its chart's own namespace",
        )
    return False


def wait_for_fluid(kube: Kube, progress: Progress) -> fluid.FluidState:
    """Wait until the Fluid of the cluster is ready for a Dataset.

    Fluid starts the controller of a kind of runtime with the first such runtime (since 0.7), so that a
    controller that is not needed may be missing. Its CSI plugin cannot be ready on nodes that are not ready,
    or that run Windows.

    Raises:
        RefusalError: a controller is on a node that is not ready.
        WaitTimeoutError: Fluid does not get ready.
    """
    if lost := lost_controller(kube, fluid.state(kube)):
        raise RefusalError(lost, advice=WAIT_FOR_PODS)
    with (
        progress.stage("find Fluid") as stage,
        kube.changes(kinds.DEPLOYMENT, fluid.NAMESPACE) as changes,
    ):
        return wait(
            lambda: fluid.state(kube),
            lambda seen: _usable(seen, _nodes_without_plugin(kube)),
            subject="Fluid",
            condition="readiness of controllers and CSI plugin",
            timeout=fluid.READY_SECONDS,
            changes=changes,
            on_change=lambda seen, _: stage.says(seen),
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"see the Pods of {fluid.NAMESPACE}",
        )


def versions_there(kube: Kube, state: fluid.FluidState) -> Versions:
    """The versions that the cluster reports; one that it does not report is ``unknown``."""
    return Versions(
        kubernetes=_plain(kube.server_version()),
        fluid=_plain(state.version),
        alluxio=_plain(fluid.alluxio_image(kube).rpartition(":")[2]),
    )


def why_not_usable(kube: Kube, state: fluid.FluidState) -> str:
    """Why Fluid cannot serve a Dataset now; empty if it can."""
    if _usable(state, _nodes_without_plugin(kube)):
        return ""
    return lost_controller(kube, state) or "Fluid is not ready"


def lost_controller(kube: Kube, state: fluid.FluidState) -> str:
    """Which controller is missing because its node is not ready; else empty.

    Kubernetes starts it on another node only after the five minutes for which a Pod tolerates that.
    """
    if not state.incomplete:
        return ""
    reader = ClusterReader(kube)
    lost = {node.name for node in reader.list(NodeSnapshot) if not node.ready}
    for name in state.incomplete:
        on = {pod.node for pod in fluid.pods_of(reader, name) if not pod.deleting}
        if on and on <= lost:
            return f"{name} of Fluid is on node {', '.join(sorted(on))}, which is not ready"
    return ""


def _nodes_without_plugin(kube: Kube) -> int:
    nodes = ClusterReader(kube).list(NodeSnapshot)
    return sum(not node.ready or node.system not in ("", "linux") for node in nodes)


def _usable(state: fluid.FluidState, without_plugin: int = 0) -> bool:
    """Whether Fluid can serve a Dataset.

    Args:
        state: of Fluid.
        without_plugin: nodes on which its CSI plugin cannot be ready.
    """
    return (
        state.controllers.get(DATASET_CONTROLLER, 0) > 0
        and not state.incomplete
        and state.csi_ready > 0
        and state.csi_ready + without_plugin >= state.csi_desired
    )


def _plain(version: str) -> str:
    """``1.0.8`` of ``v1.0.8-6533239``."""
    found = re.search(r"\d+\.\d+\.\d+", version)
    return found.group() if found else version or "unknown"


def install(
    provider: ExistingProvider,
    tools: Tools,
    options: Options,
    nodes: Sequence[NodeSnapshot],
    progress: Progress,
) -> None:
    """Install Fluid with images that the nodes have, or pull: from --registry, else as published.

    Raises:
        RefusalError: images that were built are asked for, and the nodes do not have them; or there is a
            foreign release of Fluid that does not run, which would be changed and then removed.
    """
    helm = tools.helm()
    release = fluid.release(helm, provider.kubeconfig)
    chart = charts.chart_folder(tools, helm)
    alluxio = f"alluxio/alluxio-dev:{options.versions.alluxio}"
    built = on_nodes.built_fluid(options.versions, nodes) if options.registry is None else {}
    if options.images == "build" and not built:
        raise RefusalError(
            "the nodes of this cluster do not have Fluid's and Alluxio's images as they are built here",
            advice="push them with python -m clusters.registry push HOST --all, and add --registry HOST",
        )
    if status := release.status():
        if run := fluid_release.installed_by(provider.kube):
            raise RefusalError(
                f"run {run} was ended before it had installed or removed Fluid, and left helm release "
                f"{release.name} with status {status}",
                advice="remove it: fluid-conformance cluster down --kubeconfig FILE",
            )
        raise RefusalError(
            f"helm has a release {release.name} in namespace {release.namespace} with status {status}, but "
            "its Fluid does not run; the harness does not change what it did not install",
            advice=f"repair it, or remove it: helm uninstall {release.name} --namespace {release.namespace}",
        )
    chart_values = fluid_chart.values(chart, alluxio, built, mirror=options.registry)
    provider.installs_fluid(release)
    fluid.install(
        provider.kube,
        helm=helm,
        chart=chart,
        chart_values=fluid_release.marked(chart_values, provider.kube.run),
        kubeconfig=provider.kubeconfig,
        folder=tools.cache.root / "existing",
        progress=progress,
    )
