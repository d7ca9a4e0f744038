"""A Dataset over a folder of a node."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, User
from workloads.models.dataset import Dataset, Mount, NodeAffinity
from workloads.node_setup import nfs_mounted

#: Where an administrator mounts NFS on a node; the namespace follows.
NODE_FOLDER: Final = "/var/lib/fluid-conformance-nfs"
#: Where the workers see the source (Fluid's common.LocalStorageRootPath, 1.0.8).
UNDER_STORE: Final = "/underFSStorage"


@scenario(
    "A12",
    Level.FULL,
    issues=(1935,),
    disturbs={Disruption.NODE: "mounts NFS on a folder of a node"},
    fields=("Dataset.spec.nodeAffinity.required",),
)
def test_nfs_that_is_mounted_on_a_node_can_be_cached(user: User) -> None:
    """A Dataset over an NFS mount of a node has its master and worker on that node, and serves the data.

    The administrator mounts the export on one node. The user's mount point is ``local://`` and
    that folder, and the Dataset's nodeAffinity names the node. The application may run on another node.
    """
    node, folder = user.system.nodes[0], f"{NODE_FOLDER}-{user.namespace}"
    source = Mount(mount_point=f"local://{folder}", name="nfs", path="/")
    dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=(source,), placement="Shared")
    mounting = nfs_mounted(
        user.system.journal,
        node,
        user.system.nfs.address,
        user.folder,
        folder,
        options=user.system.nfs.mount_options,
    )
    with mounting as mount:
        says = f"{folder} of {node} is of type {mount.fs_type}"
        user.evidence.fact("node's mounts", says, mounted_from=mount.source)
        user.creates_dataset(dataset.evolve(node_affinity=NodeAffinity.on(node)))
        user.waits_until_bound()
        _check_runs_on(user, node)
        _check_worker_reads_nfs(user, mount.source)
        pod = user.starts(user.application("a12-reader", DATASET, node=user.system.nodes[-1]))
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        checks.all_cached(user)
        user.stops(pod)


def _check_runs_on(user: User, node: str) -> None:
    """Master and worker run on the node that has the folder."""
    names = (fluid_names.master_pod(DATASET), fluid_names.worker_pod(DATASET))
    pods = {name: user.observer.objects.get(PodSnapshot, name, user.namespace) for name in names}
    where = {name: pod.node if pod else "" for name, pod in pods.items()}
    if set(where.values()) != {node}:
        checks.fail(
            "parts of a Dataset over a folder of a node are not on that node",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"master and worker on {node}, which the Dataset's nodeAffinity names",
            seen=str(where),
        )
    user.evidence.fact("Pods", f"master and worker run on {node}")


def _check_worker_reads_nfs(user: User, source: str) -> None:
    """What the worker has as its source is the node's mount of NFS, and not an empty folder."""
    mount = user.observer.worker_mount(user.namespace, DATASET, UNDER_STORE)
    if mount.serves != "nfs" or mount.source != source:
        checks.fail(
            "the worker does not have the node's mount of NFS as its source",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{source} at {UNDER_STORE} in the worker",
            seen=str(mount),
            advice="check whether NFS was mounted on the node before the worker started",
        )
    user.evidence.fact(
        "worker's mountinfo", f"{UNDER_STORE} is of type {mount.fs_type}", mounted_from=mount.source
    )
