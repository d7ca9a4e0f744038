"""Group A: how data are mounted: a folder of Fluid's claim, a folder of the node, read-only."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.scenarios.correct_use.test_sources import WRITE_THROUGH, WRITTEN
from suites.steps import checks
from suites.steps.user import DATASET, User
from workloads.application import CONTAINER, Application
from workloads.models.dataset import Dataset, Mount, NodeAffinity
from workloads.models.small_runtime import laptop_runtime
from workloads.node_setup import nfs_mounted

#: A folder of the smoke data, and one that is not there.
FOLDER: Final = "labels"
NO_FOLDER: Final = "no-such-folder"
#: Seconds until the kubelet has tried to start a container whose folder is not there.
TRIED_SECONDS: Final = 120.0
#: Seconds for which that container is watched; the kubelet tries again every few seconds.
STAYS_SECONDS: Final = 15.0
#: Where an administrator mounts NFS on a node; the namespace follows.
NODE_FOLDER: Final = "/var/lib/fluid-conformance-nfs"
#: Where the workers see the source (Fluid's common.LocalStorageRootPath, 1.0.8).
UNDER_STORE: Final = "/underFSStorage"


@scenario("A10", Level.FULL)
def test_folder_of_fluids_claim_can_be_mounted_alone(shared_user: User) -> None:
    """An application that mounts a folder of Fluid's claim reads that folder alone, through the Fuse.

    The user sets ``subPath: labels`` on the volumeMount. Another Pod names a folder that is not
    there: its container does not start, and no folder is made at the source.
    """
    reader = replace(shared_user, files=shared_user.files.below(FOLDER))
    pod = reader.starts(reader.application("a10-folder", DATASET, sub_path=FOLDER))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)
    root = shared_user.observer.mount(pod).root
    shared_user.evidence.fact(
        "application mountinfo", f"/data is {root} of the Fuse's file system", root=root
    )
    _does_not_start(
        shared_user, shared_user.application("a10-nowhere", DATASET, sub_path=NO_FOLDER, node=pod.node)
    )
    checks.source_unchanged(shared_user)


def _does_not_start(user: User, application: Application) -> None:
    """The kubelet has tried to start the container, and it never runs."""
    objects = user.observer.objects

    def look() -> PodSnapshot | None:
        return objects.get(PodSnapshot, application.name, application.namespace)

    def state(pod: PodSnapshot | None) -> str:
        found = pod.container(CONTAINER) if pod is not None else None
        return found.state if found is not None else ""

    def runs(pod: PodSnapshot | None) -> str | None:
        ran = pod is None or pod.ready or pod.restarts or not state(pod).startswith("waiting")
        return f"its container ran: {pod}" if ran else None

    user.applies(application.manifest())
    subject = f"Pod {application.namespace}/{application.name}"
    with user.evidence.phase("waiting", "the kubelet tries to start a container without its folder"):
        wait(
            look,
            # Only these two say that the kubelet has not come to the container yet.
            lambda pod: state(pod) not in ("", "waiting", "waiting: ContainerCreating"),
            subject=subject,
            condition="a first attempt of the kubelet to start the container",
            timeout=TRIED_SECONDS * user.timeout_factor,
            failed=lambda pod: None if pod is None else runs(pod),
            advice="look whether its volume was mounted",
        )
    with user.evidence.phase("window", "its container does not start"):
        looks = hold(
            look, runs, subject=subject, condition="a container that does not start", window=STAYS_SECONDS
        )
    last = looks[-1]
    assert last is not None
    user.evidence.fact("Pod status", f"{last}", looks=len(looks), sub_path=application.sub_path)


@scenario("A12", Level.FULL, issues=(1935,))
def test_nfs_that_is_mounted_on_a_node_can_be_cached_from_there(user: User) -> None:
    """A Dataset over a node's folder where NFS is mounted has master and worker there, and serves the data.

    The administrator mounts the export on one node; the user's mount point is ``local://`` and
    that folder, and the Dataset's nodeAffinity names the node. The application may run elsewhere.
    """
    node, folder = user.system.nodes[0], f"{NODE_FOLDER}-{user.namespace}"
    source = Mount(mount_point=f"local://{folder}", name="nfs", path="/")
    dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=(source,), placement="Shared")
    run = user.observer.on_node(node)
    with nfs_mounted(run, user.system.nfs.address, user.folder, folder) as mount:
        says = f"{folder} of {node} is of type {mount.fs_type}"
        user.evidence.fact("node's mounts", says, mounted_from=mount.source)
        user.creates_dataset(dataset.evolve(node_affinity=NodeAffinity.on(node)))
        user.waits_until_bound()
        _runs_on(user, node)
        _worker_reads_nfs(user, mount.source)
        pod = user.starts(user.application("a12-reader", DATASET, node=user.system.nodes[-1]))
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        checks.all_cached(user)
        user.stops(pod)


def _runs_on(user: User, node: str) -> None:
    """Master and worker are where the folder is."""
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


def _worker_reads_nfs(user: User, source: str) -> None:
    """What the worker has as its source is the node's mount of NFS, and not an empty folder."""
    mount = user.observer.worker_mount(user.namespace, DATASET, UNDER_STORE)
    if mount.serves != "nfs" or mount.source != source:
        checks.fail(
            "the worker does not have the node's mount of NFS as its source",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{source} at {UNDER_STORE} in the worker",
            seen=str(mount),
            advice="look whether NFS was mounted on the node before the worker started",
        )
    user.evidence.fact(
        "worker's mountinfo", f"{UNDER_STORE} is of type {mount.fs_type}", mounted_from=mount.source
    )


@scenario(
    "A15",
    Level.FULL,
    issues=(998,),
    defects=(
        Defect(
            "read-only-claim-mount-writable",
            "A mount of a claim with readOnly true lets writes through to the source where the Dataset is "
            "read-write.",
            "pkg/ddc/alluxio/transform_ufs.go:44-66 (1.0.8)",
        ),
    ),
)
def test_write_through_a_read_only_mount_of_a_claim(user: User) -> None:
    """A write to a read-write Dataset does not reach a source whose mount has ``readOnly: true``.

    The user makes a Dataset with ``accessModes: [ReadWriteMany]`` whose only mount is a claim that
    is set read-only, and the application writes a file; A14 is the same without ``readOnly``.
    """
    server, folder = user.system.nfs, f"/export/written-{user.namespace}"
    server.run("mkdir", "-m", "777", "-p", folder)
    try:
        user.creates_source("nfs-rw", folder=folder)
        mount = Mount(mount_point="pvc://nfs-rw", name="nfs-rw", path="/", read_only=True)
        dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=(mount,), placement="Shared")
        user.creates_dataset(
            dataset.evolve(access_modes=("ReadWriteMany",)),
            laptop_runtime(user.namespace, DATASET, properties=WRITE_THROUGH),
        )
        user.waits_until_bound()
        pod = user.starts(user.application("a15-writer", DATASET))
        checks.served_by_fluid(user, pod)
        result = user.observer.write(pod, "/data/by-a15.txt")
        there = dict(user.observer.at_the_source(folder))
        through = there == {"by-a15.txt": hashlib.sha256(WRITTEN.encode()).hexdigest()}
        if not through and (result.written or there):
            checks.fail(
                "a write was neither kept from the source nor carried there",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="a refusal and nothing at the source, or the file",
                seen=f"written: {result.written}; {result.message}; at the source: {there or 'nothing'}",
            )
        user.evidence.defect(
            "read-only-claim-mount-writable",
            seen=through,
            says="the file that was written lies on the NFS server"
            if through
            else f"the write did not reach the source: {result.message.splitlines()[-1]}",
            files=len(there),
        )
    finally:
        # The folder stays: it is mounted until the Dataset is gone.
        server.run("find", folder, "-mindepth", "1", "-delete")
