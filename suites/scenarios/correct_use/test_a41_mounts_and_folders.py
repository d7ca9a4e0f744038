"""A mount point without a path, and a tier of two folders on disk."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.product import fluid_names
from clusters.product.alluxio.output import find_blocks, parse_blocks
from clusters.product.predicates import has_capacity
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, leaks
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import Level as Tier
from workloads.models.alluxio_runtime import TieredStore
from workloads.models.dataset import Dataset, Mount
from workloads.models.small_runtime import laptop_runtime

#: Folders of the tier on a node; no other Dataset uses them.
FOLDERS: Final = ("/var/lib/fluid-conformance-a41-first", "/var/lib/fluid-conformance-a41-second")
#: Sizes of the folders, in MiB. Alluxio puts a block where most is free, so that the smaller one is used as
#: soon as the difference is filled.
QUOTAS: Final = (512, 513)
MEBIBYTE: Final = 2**20
#: Their sum, as the status shows it.
CAPACITY: Final = "1.00GiB"
#: Name of the mount, and so of its folder in the Dataset.
NAME: Final = "named"
#: Seconds until the status shows the capacity (periodic reconcile: 90 s).
CAPACITY_SECONDS: Final = 180.0


def _named_on_disk(user: User) -> None:
    for folder in FOLDERS:
        leaks.remove_empty_at_the_end(user, folder)
    mounts = (Mount(mount_point=f"pvc://{SOURCE}", name=NAME),)
    tier = Tier(
        mediumtype="SSD",
        path=",".join(FOLDERS),
        quota_list=",".join(f"{quota}Mi" for quota in QUOTAS),
    )
    user.creates_dataset(
        Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"),
        laptop_runtime(user.namespace, DATASET).evolve(tieredstore=TieredStore(levels=(tier,))),
    )


@scenario(
    "A41",
    Level.FULL,
    dataset=_named_on_disk,
    disturbs={Disruption.NODE_RESOURCES: "caches on the disk of a node"},
    fields=(
        "AlluxioRuntime.spec.tieredstore.levels[].path",
        "AlluxioRuntime.spec.tieredstore.levels[].quotaList",
        "Dataset.spec.mounts[].name",
        "Dataset.status.cacheStates.cacheCapacity",
    ),
)
def test_mount_without_a_path_is_cached_in_two_folders_on_disk(dataset_owner: User) -> None:
    """A mount without a path is a folder with its name, and is cached in both folders of a disk tier.

    The user gives the mount a name and no path, and the runtime one tier on disk, of two folders with the
    sizes in ``quotaList``.
    """
    reader = dataset_owner.seeing(dataset_owner.files.under(NAME))
    pod = reader.starts(reader.application("a41-reader", DATASET))
    checks.served_by_fluid(reader, pod)
    reader.reads_right(pod)
    _check_capacity(dataset_owner)
    _check_blocks_in_both(dataset_owner)


def _check_capacity(user: User) -> None:
    with user.evidence.phase("waiting", "the status shows the capacity"):
        dataset = wait(
            user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET)),
            has_capacity(CAPACITY),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"cacheCapacity {CAPACITY}, the sum of quotaList",
            timeout=CAPACITY_SECONDS,
            describe=lambda seen: seen.cache.capacity or "no capacity",
        )
    user.evidence.fact("Dataset status", f"cacheCapacity {dataset.cache.capacity}")
    summary = user.observer.alluxio(user.namespace, DATASET).summary()
    if round(summary.capacity / MEBIBYTE) != sum(QUOTAS):
        checks.fail(
            "the size of the cache is not the sum of quotaList",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{sum(QUOTAS)} MiB",
            seen=str(summary),
        )
    user.evidence.fact("Alluxio report", f"capacity {summary.capacity / MEBIBYTE:g} MiB")


def _check_blocks_in_both(user: User) -> None:
    """All bytes are in blocks in the two folders, some in each, and none in memory."""
    total = user.files.total_bytes

    def observe() -> dict[str, int]:
        return {folder: _bytes_in(user, folder) for folder in FOLDERS}

    def all_there(held: dict[str, int]) -> bool:
        return sum(held.values()) >= total

    with user.evidence.phase("waiting", "all files are cached"):
        held = wait(
            observe,
            all_there,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"{total} bytes in blocks in the folders of its tier",
            timeout=checks.CACHED_SECONDS * user.timeout_factor,
            delay=2.0,
        )
    in_memory = sum(block.bytes for block in user.observer.blocks(user.namespace, DATASET))
    if min(held.values()) == 0 or in_memory:
        checks.fail(
            "the cache is not in both folders of the tier, and only there",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"blocks in each of {', '.join(FOLDERS)}, none in memory",
            seen=f"{held}; {in_memory} bytes in memory",
        )
    user.evidence.fact("worker's tier folders", f"whole blocks in both: {held}", **held)


def _bytes_in(user: User, folder: str) -> int:
    argv = find_blocks(fluid_names.tier_folder(user.namespace, DATASET, folder))
    return sum(
        block.bytes
        for node in user.system.nodes
        for block in parse_blocks(user.observer.find_on_node(node, argv))
        if not block.temporary
    )
