"""Cleaning up on a cluster that stays: what runs changed there is restored, what they created is removed.

Both need the Lease of the cluster, so that they never take a cluster away from a run that lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters.errors import RefusalError
from clusters.images import on_nodes
from clusters.images.offline import definitions
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.cluster_use import ClusterUse
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, is_managed
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.progress import Progress
from clusters.providers import existing_fluid
from clusters.providers.existing import ExistingProvider, own_namespaces, remove_leftovers


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


def remove(kubeconfig: Path, registry: str | None, progress: Progress) -> tuple[str, ...]:
    """Restore the cluster, and remove the objects of all runs; Fluid and the cluster stay.

    Returns:
        The namespaces that were removed.

    Raises:
        RefusalError: a run uses the cluster.
        HarnessError: something could not be restored or removed.
    """
    with _provider(kubeconfig, "down", registry, progress) as provider:
        if not _was_used(provider.kube):
            return remove_leftovers(provider.kube, progress)
        use = ClusterUse(provider.kube, provider.node_exec, progress)
        with use.held():
            if use.restore(late=False) and existing_fluid.has_fluid(provider.kube):
                existing_fluid.wait_for_fluid(provider.kube, progress)  # it must be whole to delete Datasets
            removed = remove_leftovers(provider.kube, progress)
            use.restore(late=True)
            use.stop_renewing()
            provider.remove_folders(removed)
            # The NFS server, in the harness's namespace, must run while Datasets are deleted.
            provider.down()
        return (*removed, HARNESS_NAMESPACE)


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
