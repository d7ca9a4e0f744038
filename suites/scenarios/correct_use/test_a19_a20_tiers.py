"""Size of the cache in one tier and in two."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import quantity_at
from clusters.product import fluid_names
from clusters.product.alluxio.output import Listing, find_blocks, parse_blocks
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.predicates import is_fully_cached
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, leaks, page_cache
from suites.steps.user import DATASET, User
from workloads.models.alluxio_runtime import Level as Tier
from workloads.models.alluxio_runtime import TieredStore
from workloads.models.small_runtime import laptop_runtime

#: Seconds until the status shows the capacity (steady reconcile: 90 s).
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
#: Without it Alluxio starts no block where less than 64 MB are free, and below 256 MB only a random part
#: of them (ProbabilisticBufferReviewer).
FILLED_TO_THE_END: Final = {
    "alluxio.worker.reviewer.class": "alluxio.worker.block.reviewer.AcceptingReviewer"
}
#: Folder of the second tier on a node; no other Dataset uses it.
DISK_TIER: Final = "/var/lib/fluid-conformance-tier"


@scenario(
    "A19",
    Level.CONFORMANCE,
    fields=(
        "AlluxioRuntime.spec.tieredstore.levels[].quota",
        "AlluxioRuntime.spec.tieredstore.levels[].path",
        "Dataset.status.cacheStates.cacheCapacity",
    ),
)
def test_quota_of_the_memory_tier_is_the_size_of_the_cache(shared_user: User) -> None:
    """The quota of a memory tier is the size of the cache, and the worker requests as much memory.

    The runtime has one tier of 512Mi in ``/dev/shm``.
    """
    quota = 512 * MEBIBYTE
    _check_capacity(shared_user, "512.00MiB", quota)
    name = fluid_names.worker_pod(DATASET)
    pod = shared_user.system.kube.get(kinds.POD, name, shared_user.namespace) or {}
    requests = {
        container["name"]: quantity_at(container, "resources", "requests", "memory")
        for container in pod.get("spec", {}).get("containers", [])
    }
    asked = requests.get(fluid_names.WORKER_CONTAINER, 0.0)
    if asked < quota:
        checks.fail(
            "the worker does not request the memory that its cache may use",
            subject=f"Pod {shared_user.namespace}/{name}",
            expected=f"requests.memory of {quota} bytes and more",
            seen=str(requests),
        )
    shared_user.evidence.fact("worker's requests", f"{asked / MEBIBYTE:g} MiB of memory", bytes=int(asked))
    reader = shared_user.starts(shared_user.application("a19-reader", DATASET))
    shared_user.reads_right(reader)
    checks.all_cached(shared_user)


def _check_capacity(user: User, shown: str, size: int) -> None:
    """The status shows that capacity, and Alluxio's master reports the same."""

    def shows_capacity(dataset: DatasetSnapshot) -> bool:
        return dataset.cache.capacity == shown

    with user.evidence.phase("waiting", "the status shows the capacity"):
        dataset = wait(
            lambda: user.observer.dataset(user.namespace, DATASET),
            shows_capacity,
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
    leaks.remove_empty_at_the_end(user, DISK_TIER)
    levels = (
        Tier(mediumtype="MEM", path="/dev/shm", quota=f"{RESERVED + MEMORY_LEFT}Mi"),  # noqa: S108 - the tier is memory
        Tier(mediumtype="SSD", path=DISK_TIER, quota=f"{RESERVED + DISK_LEFT}Mi"),
    )
    runtime = laptop_runtime(user.namespace, DATASET, properties=FILLED_TO_THE_END)
    user.creates_dataset(runtime=runtime.evolve(tieredstore=TieredStore(levels=levels)))


@scenario(
    "A20",
    Level.CONFORMANCE,
    alone=True,
    dataset=_two_tiers,
    fields=(
        "AlluxioRuntime.spec.tieredstore.levels[].quota",
        "AlluxioRuntime.spec.tieredstore.levels[].path",
        "Dataset.status.cacheStates.cacheCapacity",
    ),
    disturbs={Disruption.NODE_RESOURCES: "caches up to 1.3 GiB in the memory and on the disk of a node"},
)
def test_data_that_are_too_large_for_one_tier_are_cached_in_two(dataset_owner: User) -> None:
    """With a memory tier that is too small and a disk tier, all data are cached, some in each tier.

    The user gives the runtime 1072Mi in ``/dev/shm`` and 1280Mi on the node's disk. Alluxio keeps 1 GiB of
    each free, to move blocks between them.
    """
    _check_capacity(dataset_owner, "2.30GiB", (2 * RESERVED + MEMORY_LEFT + DISK_LEFT) * MEBIBYTE)
    pod = dataset_owner.starts(dataset_owner.application("a20-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)

    def observe() -> Listing:
        # A block for which a nearly full tier had no room is cached only when it is read again.
        page_cache.drop_files(dataset_owner, pod, silent=True)
        dataset_owner.reads_right_quietly(pod)
        return dataset_owner.observer.listing(dataset_owner.namespace, DATASET)

    with dataset_owner.evidence.phase("waiting", "all files are cached while they are read repeatedly"):
        listing = wait(
            observe,
            is_fully_cached,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition="100 % of every file in Alluxio",
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
            "the two tiers together do not hold the data",
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
