"""The size of Fluid's claim, and the count of files in the status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import ByVersion
from suites.steps import checks, dataset_status
from suites.steps.user import DATASET, SOURCE, User, fluid_volume
from workloads.models.alluxio_runtime import Management, MetadataSyncPolicy
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: The annotation that sets the size of Fluid's claim (pkg/utils/dataset.go:33 of 1.0.8), and a size.
SIZE: Final = "pvc.fluid.io/resources.requests.storage"
GIBIBYTE: Final = 2**30
#: Bytes that claim and volume then have: Fluid 0.9.3 ignores the annotation and always uses 100Pi
#: (pkg/utils/dataset/volume/create.go:68).
CLAIM_BYTES: Final = ByVersion({"0.9": 100 * 2**50, "1.0": GIBIBYTE})
#: Seconds until the status shows what is cached (periodic reconcile: 90 s).
STATUS_SECONDS: Final = 240.0


@scenario("A32", Level.FULL)
def test_size_of_fluids_claim_can_be_set(user: User) -> None:
    """Fluid's claim and volume have the size that the Dataset's annotation sets, and serve the data.

    The user sets ``pvc.fluid.io/resources.requests.storage: 1Gi`` on the Dataset, for a quota that
    counts what claims request; without it a claim requests 100Pi.
    """
    dataset = Dataset.over_claim(user.namespace, DATASET, SOURCE)
    user.creates_dataset(dataset.evolve(placement="Shared", annotations={SIZE: "1Gi"}))
    user.waits_until_bound()
    objects = user.observer.objects
    claim, volume = (
        objects.get(ClaimSnapshot, DATASET, user.namespace),
        objects.get(VolumeSnapshot, fluid_volume(user)),
    )
    sizes = {"claim": claim.requested if claim else 0.0, "volume": volume.capacity if volume else 0.0}
    expected = CLAIM_BYTES.on(user.system)
    if set(sizes.values()) != {expected}:
        checks.fail(
            "Fluid's claim and volume do not have the size that the Dataset's annotation sets",
            subject=f"claim {user.namespace}/{DATASET}",
            expected=f"{expected} bytes, with {SIZE}: 1Gi",
            seen=str(sizes),
        )
    user.evidence.fact("claim and volume", f"both of {expected / GIBIBYTE:g} GiB", **sizes)
    checks.claim_and_volume_of_fluid(user)
    pod = user.starts(user.application("a32-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)


@scenario(
    "A33",
    Level.FULL,
    fields=(
        "AlluxioRuntime.spec.management.metadataSyncPolicy.autoSync",
        "Dataset.status.fileNum",
        "Dataset.status.ufsTotal",
    ),
)
def test_count_of_files_can_be_disabled_and_enabled(user: User) -> None:
    """With the count of files disabled the status has no count and data are served; enabled, it has one.

    The user sets ``management.metadataSyncPolicy.autoSync: false`` on the runtime, for a source with
    very many files, and ``true`` later.
    """
    policy = MetadataSyncPolicy(auto_sync=False)
    runtime = laptop_runtime(user.namespace, DATASET)
    user.creates_dataset(runtime=runtime.evolve(management=Management(metadata_sync_policy=policy)))
    user.waits_until_bound()
    pod = user.starts(user.application("a33-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    checks.all_cached(user)
    _check_no_count(user)
    body = {"spec": {"management": {"metadataSyncPolicy": {"autoSync": True}}}}
    user.system.kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace, body)
    user.evidence.fact("AlluxioRuntime", "the user enables the count")
    dataset_status.check_counts(user)


def _look(user: User) -> Callable[[], DatasetSnapshot]:
    """Observe the Dataset, and request a reconcile now and then."""
    return user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET))


def _why_counted(dataset: DatasetSnapshot) -> str | None:
    """Fields of the status that need a count, or None."""
    counted = {
        "ufsTotal": dataset.ufs_total,
        "fileNum": dataset.file_num,
        "cachedPercentage": dataset.cache.raw.get("cachedPercentage", ""),
    }
    return ", ".join(f"{name} is {value}" for name, value in counted.items() if value) or None


def _described(dataset: DatasetSnapshot) -> str:
    return f"{dataset}, ufsTotal “{dataset.ufs_total}”, fileNum “{dataset.file_num}”"


def _check_no_count(user: User) -> None:
    """The status shows the cached bytes, so it is updated, and it has no count."""
    observe, subject = _look(user), f"Dataset {user.namespace}/{DATASET}"

    def shows_cached_bytes(dataset: DatasetSnapshot) -> bool:
        return dataset.cache.cached not in ("", "0.00B")

    with user.evidence.phase("waiting", "the status shows what is cached"):
        wait(
            observe,
            shows_cached_bytes,
            subject=subject,
            condition="cacheStates.cached of what was read",
            timeout=STATUS_SECONDS * user.timeout_factor,
            failed=_why_counted,
            describe=_described,
            advice="the controller refreshes cacheStates every 90 s",
        )
    with user.evidence.phase("window", "the status has no count"):
        observations = hold(
            observe,
            _why_counted,
            subject=subject,
            condition="the absence of ufsTotal, fileNum and cachedPercentage",
            window=user.two_reconciles,
            describe=_described,
        )
    user.evidence.fact(
        "Dataset status",
        f"{observations[-1].cache.cached} cached, and no ufsTotal, fileNum or cachedPercentage",
        looks=len(observations),
        window=user.two_reconciles,
    )
