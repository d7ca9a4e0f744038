"""Group A: what users do rightly, and what Fluid then has to do."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import quantity_at
from clusters.product import fluid_names
from clusters.product.alluxio.output import Listing, find_blocks, parse_blocks
from clusters.product.fuse import FuseSnapshot
from clusters.product.predicates import fuse_is_absent, has_capacity, is_fully_cached
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.run.dataset_pool import ReadyDataset
from suites.steps import checks, data_loads, source_files
from suites.steps.user import DATASET, User
from workloads.models.alluxio_runtime import Fuse, TieredStore
from workloads.models.alluxio_runtime import Level as Tier
from workloads.models.data_load import DataLoad
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which a Fuse Pod that must stay is watched; the plugin and the DaemonSet act within a few.
STAYS_SECONDS: Final = 20.0
#: Seconds until a Fuse Pod that nobody needs is gone.
GOES_SECONDS: Final = 90.0
#: Seconds until the status tells the capacity (steady reconcile: 90 s).
CAPACITY_SECONDS: Final = 180.0
MEBIBYTE: Final = 2**20
#: Alluxio prints sizes with two decimals of their unit.
ROUNDING: Final = 0.001
#: What Alluxio keeps free of each tier where there are several, to move blocks between them; a smaller
#: tier caches nothing at all (`alluxio.worker.management.tier.align.reserved.bytes`).
RESERVED: Final = 1024
#: What is left of the tiers for blocks: too little memory for the data, and disk enough.
MEMORY_LEFT: Final = 48
DISK_LEFT: Final = 256
#: Without it Alluxio begins no block where less than 64 MB are free, and a part of them below 256 MB, by
#: lot (ProbabilisticBufferReviewer).
FILLED_TO_THE_END: Final = {
    "alluxio.worker.reviewer.class": "alluxio.worker.block.reviewer.AcceptingReviewer"
}
#: Where the second tier lies on a node; under a folder of ours, so that it can be told apart.
DISK_TIER: Final = "/var/lib/fluid-conformance-tier"


@scenario("A1", Level.SMOKE, issues=(4388,), untouched=True)
def test_dataset_over_an_nfs_claim_gets_bound_without_a_fuse_pod(
    shared_user: User, ready_dataset: ReadyDataset
) -> None:
    """A Dataset over an NFS claim gets Bound; Fluid makes claim and volume, and no Fuse Pod yet.

    The user makes a Dataset whose mount point is pvc:// and the name of an NFS claim, and an
    AlluxioRuntime of the same name. No application runs.
    """
    shared_user.evidence.phases.extend(ready_dataset.phases)
    shared_user.evidence.fact(
        "Dataset status", f"phase {ready_dataset.dataset.phase}", ufs_total=ready_dataset.dataset.ufs_total
    )
    checks.claim_and_volume_of_fluid(shared_user)
    checks.fuse_absent(shared_user, ready_dataset.fuse)


@scenario("A2", Level.SMOKE, issues=(4388,))
def test_application_on_fluids_claim_reads_through_a_fuse_pod(shared_user: User) -> None:
    """An application on Fluid's claim reads the right data through a Fuse Pod on its own node.

    The user starts a Pod that mounts the claim which Fluid made, the one with the Dataset's name.
    """
    pod = shared_user.starts(shared_user.application("a2-right", DATASET))
    checks.served_by_fluid(shared_user, pod)
    shared_user.reads_right(pod)


@scenario("A3", Level.SMOKE)
def test_applications_on_one_node_share_one_fuse_pod(shared_user: User) -> None:
    """Three applications on one node share one Fuse Pod, and one of them may go without harm.

    The user starts three Pods on the same node, all on Fluid's claim, then deletes one.
    """
    warm = shared_user.observer.fuse(shared_user.namespace, DATASET).pods.keys()
    first = shared_user.starts(shared_user.application("a3-first", DATASET))
    others = [shared_user.application(f"a3-{name}", DATASET, node=first.node) for name in ("second", "third")]
    for other in others:
        shared_user.applies(other.manifest())
    pods = [first, *(shared_user.waits_until_running(other) for other in others)]
    for pod in pods:
        checks.served_by_fluid(shared_user, pod)
    checks.one_fuse_pod(shared_user, first.node, warm=warm)
    shared_user.stops(first)
    for pod in pods[1:]:
        shared_user.reads_right(pod, who=f"application {pod.name}, after another one went")
    checks.one_fuse_pod(shared_user, first.node, warm=warm)


@scenario("A13", Level.SMOKE)
def test_default_access_is_read_only(shared_user: User) -> None:
    """A Dataset without access modes is read-only: a write is refused and the source stays as it was.

    The user's application tries to write a file into the claim that Fluid made.
    """
    pod = shared_user.starts(shared_user.application("a13-writer", DATASET))
    checks.served_by_fluid(shared_user, pod)
    with source_files.restored(shared_user):
        result = shared_user.observer.write(pod, "/data/written-by-a13")
        if result.written or not result.refused:
            checks.fail(
                "a write through a read-only Dataset was not refused",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="Read-only file system",
                seen=result.message or "it was written",
            )
        shared_user.evidence.fact("application", f"a write is refused: {result.message.splitlines()[-1]}")
        checks.source_unchanged(shared_user)


@scenario("A22", Level.SMOKE, defects=(data_loads.NOT_NOTICED,), untouched=True)
def test_data_load_caches_everything_before_anyone_reads(dataset_owner: User) -> None:
    """A DataLoad takes a Dataset from nothing cached to all cached, before any application runs.

    The user makes a DataLoad for the whole Dataset and waits until it is Complete.
    """
    checks.nothing_cached(dataset_owner)
    dataset_owner.applies(DataLoad.whole(dataset_owner.namespace, "a22-load", DATASET).manifest())
    data_loads.completes(dataset_owner, "a22-load")
    checks.all_cached(dataset_owner, status_too=True)
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))


@scenario("A6", Level.CONFORMANCE)
def test_fuse_pod_stays_warm_after_the_last_application(dataset_owner: User) -> None:
    """By default a Fuse Pod stays after its last application ended, and serves the next one at once.

    The user's only application ends; a while later another one starts on the same node. (A5, A6)
    """
    pod = dataset_owner.starts(dataset_owner.application("a6-first", DATASET))
    before = checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.stops(pod)
    _same_fuse_stays(dataset_owner, before, pod.node)
    again = dataset_owner.starts(dataset_owner.application("a6-next", DATASET, node=pod.node))
    checks.served_by_fluid(dataset_owner, again)
    dataset_owner.reads_right(again)
    _same_fuse_stays(dataset_owner, before, pod.node, window=0.0)


def _same_fuse_stays(user: User, before: FuseSnapshot, node: str, window: float = STAYS_SECONDS) -> None:
    """All through the window the node is labelled and its Fuse Pod is the same and ready."""
    was = before.pod_on(node)
    assert was is not None

    def wrong(fuse: FuseSnapshot) -> str | None:
        pod = fuse.pod_on(node)
        if not fuse.ready_on(node) or pod is None:
            return "the Fuse Pod went"
        return None if pod.uid == was.uid and pod.restarts == was.restarts else "the Fuse Pod was replaced"

    with user.evidence.phase("window", "the Fuse Pod stays"):
        looks = hold(
            lambda: user.observer.fuse(user.namespace, DATASET),
            wrong,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"the same ready Fuse Pod on {node}",
            window=window,
        )
    user.evidence.fact("Fuse DaemonSet", f"the same Fuse Pod all the time: {was.name}", looks=len(looks))


def _on_demand(user: User) -> None:
    runtime = laptop_runtime(user.namespace, DATASET)
    fuse = (runtime.fuse or Fuse()).evolve(clean_policy="OnDemand")
    user.creates_dataset(runtime=runtime.evolve(fuse=fuse))


@scenario("A7", Level.CONFORMANCE, issues=(3552,), dataset=_on_demand)
def test_fuse_pod_on_demand_goes_with_the_last_application(dataset_owner: User) -> None:
    """With cleanPolicy OnDemand the Fuse Pod goes with the last application of its node, not before.

    The user sets ``fuse.cleanPolicy: OnDemand``, starts two applications on one node, and ends
    one after the other.
    """
    first = dataset_owner.starts(dataset_owner.application("a7-first", DATASET))
    second = dataset_owner.starts(dataset_owner.application("a7-second", DATASET, node=first.node))
    before = checks.served_by_fluid(dataset_owner, first)
    checks.served_by_fluid(dataset_owner, second)
    dataset_owner.stops(first)
    _same_fuse_stays(dataset_owner, before, first.node)
    dataset_owner.reads_right(second, who="the other application")
    dataset_owner.stops(second)
    with dataset_owner.evidence.phase("waiting", "the Fuse Pod goes"):
        wait(
            lambda: dataset_owner.observer.fuse(dataset_owner.namespace, DATASET),
            fuse_is_absent,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition="removal of Fuse Pods and node labels after the last use",
            timeout=GOES_SECONDS,
            advice="look at the CSI plugin's log for NodeUnstageVolume",
        )
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))
    again = dataset_owner.starts(dataset_owner.application("a7-again", DATASET))
    checks.served_by_fluid(dataset_owner, again)


@scenario("A19", Level.CONFORMANCE)
def test_quota_of_the_memory_tier_is_the_caches_size(shared_user: User) -> None:
    """The quota of a memory tier is the cache's size, and the worker asks for as much memory.

    The user gives the runtime one tier of 512Mi in ``/dev/shm``.
    """
    quota = 512 * MEBIBYTE
    _capacity(shared_user, "512.00MiB", quota)
    name = fluid_names.worker_pod(DATASET)
    pod = shared_user.system.kube.get(kinds.POD, name, shared_user.namespace) or {}
    requests = {
        container["name"]: quantity_at(container, "resources", "requests", "memory")
        for container in pod.get("spec", {}).get("containers", [])
    }
    asked = requests.get(fluid_names.WORKER_CONTAINER, 0.0)
    if asked < quota:
        checks.fail(
            "the worker does not ask for the memory that its cache may take",
            subject=f"Pod {shared_user.namespace}/{name}",
            expected=f"requests.memory of {quota} bytes and more",
            seen=str(requests),
        )
    shared_user.evidence.fact("worker's requests", f"{asked / MEBIBYTE:g} MiB of memory", bytes=int(asked))
    reader = shared_user.starts(shared_user.application("a19-reader", DATASET))
    shared_user.reads_right(reader)
    checks.all_cached(shared_user)


def _capacity(user: User, shown: str, size: int) -> None:
    """The status tells that capacity, and Alluxio's master the same."""
    with user.evidence.phase("waiting", "the status tells the capacity"):
        dataset = wait(
            lambda: user.observer.dataset(user.namespace, DATASET),
            has_capacity(shown),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"cacheCapacity {shown}",
            timeout=CAPACITY_SECONDS,
            describe=lambda seen: seen.cache.capacity or "no capacity",
            advice="the controller refreshes cacheStates every 90 s",
        )
    user.evidence.fact("Dataset status", f"cacheCapacity {dataset.cache.capacity}")
    summary = user.observer.alluxio(user.namespace, DATASET).summary()
    if abs(summary.capacity - size) > ROUNDING * size:
        checks.fail(
            "the status and Alluxio's master disagree on the cache's size",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{size} bytes",
            seen=str(summary),
        )
    user.evidence.fact("Alluxio report", f"capacity {summary.capacity / MEBIBYTE:g} MiB")


def _two_tiers(user: User) -> None:
    levels = (
        Tier(mediumtype="MEM", path="/dev/shm", quota=f"{RESERVED + MEMORY_LEFT}Mi"),  # noqa: S108 - the tier is memory
        Tier(mediumtype="SSD", path=DISK_TIER, quota=f"{RESERVED + DISK_LEFT}Mi"),
    )
    runtime = laptop_runtime(user.namespace, DATASET, properties=FILLED_TO_THE_END)
    user.creates_dataset(runtime=runtime.evolve(tieredstore=TieredStore(levels=levels)))


@scenario("A20", Level.CONFORMANCE, alone=True, dataset=_two_tiers)
def test_two_tiers_hold_together_what_one_could_not(dataset_owner: User) -> None:
    """With a memory tier too small for the data and a disk tier below, all is cached, in both.

    The user gives the runtime 1072Mi in ``/dev/shm`` and 1280Mi on the node's disk; Alluxio keeps 1 GiB of
    each free, to move blocks between them.
    """
    _capacity(dataset_owner, "2.30GiB", (2 * RESERVED + MEMORY_LEFT + DISK_LEFT) * MEBIBYTE)
    pod = dataset_owner.starts(dataset_owner.application("a20-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)

    def look() -> Listing:
        # A block for which a nearly full tier had no room is not tried again before somebody reads it.
        dataset_owner.observer.drop_page_cache(pod.node)
        dataset_owner.reads_right_quietly(pod)
        return dataset_owner.observer.listing(dataset_owner.namespace, DATASET)

    with dataset_owner.evidence.phase("waiting", "Alluxio holds all files, which are read again and again"):
        listing = wait(
            look,
            is_fully_cached,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition="100 % of every file in the cache",
            timeout=checks.CACHED_SECONDS,
            delay=10.0,
            describe=lambda seen: f"{seen.percentage:.1f} % of {len(seen.files)} files",
        )
    dataset_owner.evidence.fact(
        "Alluxio listing", f"{listing.percentage:.1f} % of {len(listing.files)} files cached"
    )
    held = {
        "memory": sum(
            block.bytes for block in dataset_owner.observer.blocks(dataset_owner.namespace, DATASET)
        ),
        "disk": _disk_bytes(dataset_owner),
    }
    if min(held.values()) == 0 or sum(held.values()) < dataset_owner.files.total_bytes:
        checks.fail(
            "the two tiers do not hold the data together",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected=f"{dataset_owner.files.total_bytes} bytes in blocks, some in each tier",
            seen=str(held),
        )
    dataset_owner.evidence.fact("workers' tier folders", f"blocks in both: {held}", **held)


def _disk_bytes(user: User) -> int:
    found = 0
    argv = find_blocks(fluid_names.tier_folder(user.namespace, DATASET, DISK_TIER))
    for node in user.system.nodes:
        blocks = parse_blocks(user.system.provider.node_exec(node, argv).stdout)
        found += sum(block.bytes for block in blocks if not block.temporary)
    return found
