"""The Dataset of a benchmark and its runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suites.steps import workers
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

QUOTA: Final = "1536Mi"
DIRECT: Final = "1g"
#: Alluxio's property for the target of a write: the cache and the source at once.
WRITE_THROUGH: Final = {"alluxio.user.file.writetype.default": "CACHE_THROUGH"}


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the Dataset of a profile.

    Attributes:
        workers: how many, each on a node of its own.
        writable: applications write through it, to the cache and to NFS at once.
    """

    workers: int = 1
    writable: bool = False


def creates_dataset(user: User, variant: Variant) -> None:
    """Create the Dataset over the source claim."""
    dataset = Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared")
    if variant.writable:
        dataset = dataset.evolve(access_modes=("ReadWriteMany",))
    runtime = laptop_runtime(
        user.namespace,
        DATASET,
        replicas=variant.workers,
        quota=QUOTA,
        direct=DIRECT,
        quick=False,
        properties=WRITE_THROUGH if variant.writable else None,
    )
    user.creates_dataset(dataset, runtime)


def reader_node(user: User, variant: Variant) -> str | None:
    """The node of the readers: that of the first worker if there are several, else any."""
    if variant.workers == 1:
        return None
    return workers.wait_for_ready(user, variant.workers)[0].node
