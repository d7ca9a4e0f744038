"""Tiers of volume type emptyDir."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, items, text
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.kubernetes.snapshots.pod import ContainerSnapshot, PodSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.output import find_blocks, parse_blocks
from clusters.product.predicates import is_fully_cached
from clusters.waiting import WaitError, exists, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import Level as Tier
from workloads.models.alluxio_runtime import TieredStore
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: The Dataset with a tier on disk, next to the first.
SECOND: Final = "second"
MEMORY_FOLDER: Final = "/dev/shm"  # noqa: S108 - the tier is memory
DISK_FOLDER: Final = "/fluid-conformance-tier"
QUOTA: Final = "256Mi"
#: Seconds until Fluid has created the objects of a runtime.
MADE_SECONDS: Final = 90.0
#: Seconds until a worker has been started, after its master.
START_SECONDS: Final = 240.0
#: Seconds in which a worker ends that cannot use its tier: the start of a JVM, and more.
ENDS_SECONDS: Final = 60.0
#: Lines of a worker's log that are kept.
LOG_LINES: Final = 80
NO_VOLUME: Final = "empty-dir-without-medium-has-no-volume"


@scenario(
    "A21",
    Level.FULL,
    defects=(
        Defect(
            NO_VOLUME,
            "A tier whose volumeSource is an emptyDir without a medium (on disk) has no volume and no medium "
            "type.",
            "pkg/ddc/alluxio/transform.go:588-598, charts/alluxio/templates/_helpers.tpl:182-271 (1.0.8)",
        ),
    ),
    fields=(
        "AlluxioRuntime.spec.tieredstore.levels[].volumeType",
        "AlluxioRuntime.spec.tieredstore.levels[].volumeSource",
    ),
)
def test_tier_of_type_empty_dir_is_a_volume_of_the_worker(user: User) -> None:
    """A tier of volume type emptyDir is a volume of the worker's Pod, and no folder of the node.

    The user sets ``volumeType: emptyDir`` on a tier in memory. For a second Dataset the tier is on disk:
    its ``volumeSource`` is an emptyDir without a medium.
    """
    _create(user, DATASET, Tier(mediumtype="MEM", path=MEMORY_FOLDER, quota=QUOTA, volume_type="emptyDir"))
    user.waits_until_bound()
    _check_volume_in_memory(user)
    pod = user.starts(user.application("a21-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    _check_cached_in_volume(user)
    user.stops(pod)
    # The next Dataset can use its memory.
    user.system.kube.delete(kinds.DATASET, DATASET, user.namespace)
    _check_without_medium(user)


def _create(user: User, name: str, tier: Tier) -> None:
    dataset = Dataset.over_claim(user.namespace, name, SOURCE).evolve(placement="Shared")
    runtime = laptop_runtime(user.namespace, name).evolve(tieredstore=TieredStore(levels=(tier,)))
    user.creates_dataset(dataset, runtime)


def _folder(user: User, name: str, path: str) -> str:
    """Folder of the tier in the worker: Fluid adds namespace and name to its path."""
    return f"{path}/{user.namespace}/{name}"


def _volume_at(user: User, name: str, folder: str) -> Mapping[str, Any] | None:
    """The volume of the workers at a folder by their StatefulSet, or None.

    The StatefulSet exists as soon as Fluid has set up the runtime; its Pods start after the master.
    """
    workers = user.system.kube.get(kinds.STATEFUL_SET, fluid_names.worker_name(name), user.namespace)
    pod = at(workers, "spec", "template", "spec")
    mounts = {
        text(mount, "mountPath"): text(mount, "name")
        for container in items(pod, "containers")
        if text(container, "name") == fluid_names.WORKER_CONTAINER
        for mount in items(container, "volumeMounts")
    }
    volumes = {text(volume, "name"): volume for volume in items(pod, "volumes")}
    return volumes.get(mounts.get(folder, ""))


def _check_volume_in_memory(user: User) -> None:
    """The tier's folder is an emptyDir by the workers' StatefulSet, and a tmpfs inside the worker."""
    folder = _folder(user, DATASET, MEMORY_FOLDER)
    volume = _volume_at(user, DATASET, folder)
    mount = user.observer.worker_mount(user.namespace, DATASET, folder)
    if volume is None or "emptyDir" not in volume or mount.mount_point != folder or mount.fs_type != "tmpfs":
        checks.fail(
            "a tier of type emptyDir is not a volume in memory",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"an emptyDir at {folder} in the worker, of type tmpfs",
            seen=f"{dict(volume) if volume else 'no volume'}; {mount}",
        )
    user.evidence.fact("workers' StatefulSet", f"{folder} is volume {dict(volume)}")
    user.evidence.fact("worker's mountinfo", f"{folder} is of type {mount.fs_type}")


def _check_cached_in_volume(user: User) -> None:
    """All files are cached, in blocks in the worker's volume and none in the folder of the node."""
    observer, total = user.observer, user.files.total_bytes
    with user.evidence.phase("waiting", "all files are cached"):
        listing = wait(
            lambda: observer.listing(user.namespace, DATASET),
            is_fully_cached,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="100 % of every file in Alluxio",
            timeout=checks.CACHED_SECONDS * user.timeout_factor,
            delay=2.0,
        )
    done = observer.in_worker(
        user.namespace, DATASET, find_blocks(fluid_names.tier_folder(user.namespace, DATASET))
    )
    held = sum(block.bytes for block in parse_blocks(done.stdout) if not block.temporary)
    outside = observer.blocks(user.namespace, DATASET)
    if held < total or outside:
        checks.fail(
            "the cache is not in the worker's volume",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{total} bytes in blocks inside the worker, none in {MEMORY_FOLDER} of a node",
            seen=f"{held} bytes; {len(outside)} blocks on nodes; {done.stderr.strip()}",
        )
    user.evidence.fact(
        "Alluxio listing", f"{listing.percentage:.1f} % of {len(listing.files)} files cached", bytes=total
    )
    user.evidence.fact("worker's volume", "whole blocks of all files, and none on the node", bytes=held)


def _check_without_medium(user: User) -> None:
    """Whether a tier in an emptyDir without a medium has its volume, and what happens to its worker."""
    folder = _folder(user, SECOND, DISK_FOLDER)
    tier = Tier(
        mediumtype="SSD",
        path=DISK_FOLDER,
        quota=QUOTA,
        volume_type="emptyDir",
        volume_source={"emptyDir": {}},
    )
    _create(user, SECOND, tier)
    _wait_for_workers(user)
    volume = _volume_at(user, SECOND, folder)
    if volume is None:
        outcome = _describe_outcome(user)
        says = f"the worker has no volume at {folder}; it {outcome}"
        user.evidence.defect(NO_VOLUME, seen=True, says=says)
        return
    user.evidence.defect(NO_VOLUME, seen=False, says=f"the worker has {dict(volume)} at {folder}")
    user.waits_until_bound(SECOND)
    pod = user.starts(user.application("a21-disk", SECOND))
    checks.served_by_fluid(user, pod, SECOND)
    user.reads_right(pod)


def _wait_for_workers(user: User) -> None:
    """Wait until Fluid has created the workers' StatefulSet of the second runtime."""
    objects, name = user.observer.objects, fluid_names.worker_name(SECOND)
    with user.evidence.phase("waiting", f"the workers of {SECOND} are created"):
        wait(
            lambda: objects.get(StatefulSetSnapshot, name, user.namespace),
            exists,
            subject=f"StatefulSet {user.namespace}/{name}",
            condition="creation by Fluid",
            timeout=MADE_SECONDS * user.timeout_factor,
            advice="check the events of Dataset and AlluxioRuntime",
        )


def _container(pod: PodSnapshot | None) -> ContainerSnapshot | None:
    return pod.container(fluid_names.WORKER_CONTAINER) if pod is not None else None


def _has_ended(pod: PodSnapshot | None) -> bool:
    found = _container(pod)
    return found is not None and (found.restarts > 0 or found.exit_code is not None)


def _was_started(pod: PodSnapshot | None) -> bool:
    found = _container(pod)
    return _has_ended(pod) or (found is not None and found.running)


def _describe_outcome(user: User) -> str:
    """What happens to a worker whose tier has no volume, as the end of a sentence; its log is attached."""
    kube, objects = user.system.kube, user.observer.objects
    name = fluid_names.worker_pod(SECOND)

    def observe() -> PodSnapshot | None:
        user.request_reconcile(SECOND)
        return objects.get(PodSnapshot, name, user.namespace)

    subject, pod = f"Pod {user.namespace}/{name}", None
    with user.evidence.phase("waiting", "the worker without its volume starts, or ends"):
        try:
            wait(
                observe, _was_started, subject=subject, condition="a start", timeout=START_SECONDS, delay=5.0
            )
        except WaitError as error:
            return f"was not started: {error.last_seen}"
        try:
            pod = wait(observe, _has_ended, subject=subject, condition="the end", timeout=ENDS_SECONDS)
        except WaitError:
            return "runs, with its cache in the container's own layer"
    try:
        log = kube.logs(user.namespace, name, fluid_names.WORKER_CONTAINER, tail=LOG_LINES)
    except KubeError as error:
        log = error.message
    user.evidence.attach(f"log of {name}", log)
    return f"does not stay up: {_container(pod)}"
