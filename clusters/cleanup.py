"""Cleaning up on a cluster that stays: what runs changed there is restored, what they created is removed.

Both need the Lease of the cluster, so that they never take a cluster away from a run that lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.images import on_nodes
from clusters.images.offline import definitions
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.cluster_use import ClusterUse
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, is_managed
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.product import fluid, fluid_release
from clusters.product.helm import Helm
from clusters.progress import Progress
from clusters.providers import existing_fluid
from clusters.providers.existing import ExistingProvider, own_namespaces, remove_leftovers

_FORBIDDEN: Final = 403


def restore(kubeconfig: Path, registry: str | None, progress: Progress) -> tuple[str, ...]:
    """Undo what killed runs changed outside the harness's namespaces; nothing is removed.

    What objects of a dead run still need, such as a controller that Fluid started for them, stays until
    `remove` has removed these.

    Args:
        kubeconfig: file that reaches the cluster.
        registry: mirror with the image for commands on nodes, if the nodes do not have it.
        progress: shows stages.

    Returns:
        What was undone, a sentence each.

    Raises:
        RefusalError: a run uses the cluster.
        InfrastructureError: not everything could be undone; the rest stays in the journal.
    """
    with _provider(kubeconfig, "restore", registry, progress) as provider:
        if not _was_used(provider.kube):
            return ()
        use = ClusterUse(provider.kube, provider.node_exec, progress)
        with use.held():
            left = own_namespaces(provider.kube)
            done = use.restore(late=not left)
            if left and (waiting := use.journal.entries()):
                progress.note(
                    f"not undone before {', '.join(left)} is removed (`fluid-conformance cluster down`): "
                    + "; ".join(entry.says for entry in waiting)
                )
            return done


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed from a cluster.

    Attributes:
        namespaces: their names.
        fluid_of: the run that had installed Fluid, which was uninstalled; empty if Fluid was not touched.
    """

    namespaces: tuple[str, ...]
    fluid_of: str = ""


def remove(kubeconfig: Path, registry: str | None, progress: Progress, helm: Callable[[], Helm]) -> Removed:
    """Restore the cluster, and remove the objects of all runs; the cluster stays.

    Fluid stays too, unless a run of the harness installed it, and nobody else uses it.

    Args:
        kubeconfig: file that reaches the cluster.
        registry: mirror with the image for commands on nodes, if the nodes do not have it.
        progress: shows stages.
        helm: finds helm, or builds it; called only if Fluid is to be uninstalled.

    Raises:
        RefusalError: a run uses the cluster.
        HarnessError: something could not be restored or removed.
    """
    with _provider(kubeconfig, "down", registry, progress) as provider:
        if not _was_used(provider.kube):
            removed = remove_leftovers(provider.kube, progress)
            return Removed(removed, _uninstall_fluid(provider, helm))
        use = ClusterUse(provider.kube, provider.node_exec, progress)
        with use.held():
            if use.restore(late=False) and existing_fluid.has_fluid(provider.kube):
                existing_fluid.wait_for_fluid(provider.kube, progress)  # it must be whole to delete Datasets
            removed = remove_leftovers(provider.kube, progress)
            use.restore(late=True)
            fluid_of = _uninstall_fluid(provider, helm)
            use.stop_renewing()
            provider.remove_folders(removed)
            # The NFS server, in the harness's namespace, must run while Datasets are deleted.
            provider.down()
        return Removed((*removed, HARNESS_NAMESPACE), fluid_of)


def _uninstall_fluid(provider: ExistingProvider, helm: Callable[[], Helm]) -> str:
    """Uninstall Fluid if a run installed it and did not live to its end, or kept it; returns that run."""
    try:
        run = fluid_release.installed_by(provider.kube)
    except KubeError as error:
        if error.status != _FORBIDDEN:
            raise
        provider.progress.note(
            f"this user may not list Secrets in {fluid.NAMESPACE}: if a run of the harness installed Fluid, "
            "it stays"
        )
        return ""
    if not run:
        return ""
    release = fluid.release(helm(), provider.kubeconfig)
    return run if fluid_release.uninstall(provider.kube, release, provider.progress) else ""


def _was_used(kube: Kube) -> bool:
    """Whether the harness's namespace exists; without it there is no journal, and no run lives."""
    return is_managed(kube.get(kinds.NAMESPACE, HARNESS_NAMESPACE) or {})


@contextmanager
def _provider(
    kubeconfig: Path, run: str, registry: str | None, progress: Progress
) -> Iterator[ExistingProvider]:
    kube = Kube.connect(kubeconfig, run=run)
    try:
        yield ExistingProvider(kubeconfig, kube, _toolbox(kube, registry), progress)
    finally:
        kube.close()


def _toolbox(kube: Kube, registry: str | None) -> str:
    """The image for commands on nodes; empty if it is nowhere, which matters only if one is needed."""
    nodes = ClusterReader(kube).list(NodeSnapshot)
    usable = [node for node in nodes if node.pods_may_run]
    try:
        return on_nodes.harness_image(definitions.toolbox(), usable or nodes, registry)
    except RefusalError:
        return ""
