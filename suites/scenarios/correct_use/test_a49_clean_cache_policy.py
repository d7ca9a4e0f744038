"""How often and how long Fluid tries to free the cache of a Dataset that is deleted."""

from __future__ import annotations

from typing import Final

from clusters.errors import HarnessError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from clusters.waiting import is_empty, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect, Leftover
from suites.steps import checks, deletion, leaks, source_files
from suites.steps.user import DATASET, GONE_SECONDS, User
from workloads.models.alluxio_runtime import CleanCachePolicy, Management
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: What the user sets; Fluid's defaults are 60 s and 3.
GRACE_SECONDS: Final = 45
ATTEMPTS: Final = 2
#: Alluxio's property for writes into the cache alone. Such a file cannot be freed.
CACHE_ONLY: Final = {"alluxio.user.file.writetype.default": "MUST_CACHE"}
SOURCE_CLAIM: Final = "nfs-rw"
NOT_FREED: Final = "unfreed-blocks-outlive-the-dataset"
#: Where the master's container keeps what `WATCH` finds, and seconds for one read of it.
RECORD: Final = "/tmp/fluid-conformance-frees"  # noqa: S108 - in the master's own container
READ_SECONDS: Final = 10.0

#: Write the process id and the words of each command with which Fluid frees the cache to a file. Fluid runs
#: ``timeout SECONDS alluxio fs free -f /`` there (pkg/ddc/alluxio/operations/cached.go:64-75 of 1.0.8), and
#: ``timeout`` stays for as long as the Java program needs, which is a second at least.
WATCH: Final = r"""
while :; do
  for file in /proc/[0-9]*/cmdline; do
    words=$(tr '\0' ' ' < "$file" 2> /dev/null) || continue
    case $words in
    "timeout "*" alluxio fs free "*) process=${file%/cmdline}; echo "${process#/proc/} $words" ;;
    esac
  done
  sleep 0.2
done > "$1"
"""
_DETACHED: Final = 'bash -c "$1" watch "$2" > /dev/null 2>&1 < /dev/null &'


def _written_into_the_cache_alone(user: User) -> None:
    folder = source_files.folder_for_writing(user)
    user.system.nfs.create_writable(folder)
    user.creates_source(SOURCE_CLAIM, folder=folder)
    policy = CleanCachePolicy(grace_period_seconds=GRACE_SECONDS, max_retry_attempts=ATTEMPTS)
    runtime = laptop_runtime(user.namespace, DATASET, quota="128Mi", properties=CACHE_ONLY)
    user.creates_dataset(
        Dataset.over_claim(user.namespace, DATASET, SOURCE_CLAIM).evolve(
            placement="Shared", access_modes=("ReadWriteMany",)
        ),
        runtime.evolve(management=Management(clean_cache_policy=policy)),
    )


@scenario(
    "A49",
    Level.FULL,
    dataset=_written_into_the_cache_alone,
    defects=(
        Defect(
            NOT_FREED,
            "A file that was written into the cache alone cannot be freed. Fluid gives up after "
            "maxRetryAttempts and ends the workers; the blocks stay in the memory of their nodes for ever.",
            "pkg/ddc/alluxio/shutdown.go:39-66, pkg/ddc/alluxio/cache.go:194-220 (1.0.8)",
        ),
    ),
    leftovers=(Leftover(NOT_FREED, r"/alluxioworker/"),),
    fields=(
        "AlluxioRuntime.spec.management.cleanCachePolicy.gracePeriodSeconds",
        "AlluxioRuntime.spec.management.cleanCachePolicy.maxRetryAttempts",
    ),
)
def test_cache_is_freed_as_often_and_as_long_as_the_policy_says(dataset_owner: User) -> None:
    """A deleted Dataset is freed as often, and each time as long, as the runtime's cleanCachePolicy says.

    The user sets ``cleanCachePolicy`` to 45 s and 2 attempts. An application writes a file into the cache
    alone, so that no attempt succeeds, and is deleted; then the user deletes the Dataset.
    """
    user = dataset_owner
    pod = user.starts(user.application("a49-writer", DATASET))
    checks.served_by_fluid(user, pod)
    result = user.observer.write(pod, "/data/by-a49.txt")
    if not result.written or not user.observer.blocks(user.namespace, DATASET):
        checks.fail(
            "a file that is written into the cache is not there",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="a block of it in the tier of a worker",
            seen=result.message or "it was written, and no worker has a block",
        )
    user.stops(pod)
    leaks.expect_on_worker_nodes(user)
    _watch(user)
    deletion.request_deletion(user)
    attempts = _wait_until_deleted(user)
    expected = (f"timeout {GRACE_SECONDS} alluxio fs free -f /",) * ATTEMPTS
    if attempts != expected:
        checks.fail(
            "Fluid did not try to free the cache as the runtime's cleanCachePolicy says",
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            expected=f"{ATTEMPTS} times `{expected[0]}` in the master",
            seen="; ".join(attempts) or "no such command",
        )
    user.evidence.fact("processes of the master", f"{len(attempts)} times `{attempts[0]}`")
    left = user.observer.blocks(user.namespace, DATASET)
    user.evidence.defect(
        NOT_FREED,
        seen=bool(left),
        says=f"{len(left)} blocks stay after the workers have ended" if left else "no block is left",
    )


def _watch(user: User) -> None:
    """Let the master's container record the commands with which Fluid frees the cache."""
    argv = ("sh", "-c", _DETACHED, "detach", WATCH, RECORD)
    user.system.kube.exec(
        user.namespace,
        fluid_names.master_pod(DATASET),
        fluid_names.MASTER_CONTAINER,
        argv,
        timeout=READ_SECONDS,
    )


def _wait_until_deleted(user: User) -> tuple[str, ...]:
    """Wait until the Dataset, its runtime and their Pods are gone; return the commands that were recorded."""
    seen: dict[str, str] = {}
    kube, objects = user.system.kube, user.observer.objects

    def observe() -> tuple[str, ...]:
        try:
            done = kube.exec(
                user.namespace,
                fluid_names.master_pod(DATASET),
                fluid_names.MASTER_CONTAINER,
                ("cat", RECORD),
                timeout=READ_SECONDS,
            )
        except HarnessError:
            pass  # the master has ended
        else:
            for line in done.stdout.splitlines():
                process, _, words = line.strip().partition(" ")
                seen[process] = words
        left = (
            objects.get(DatasetSnapshot, DATASET, user.namespace),
            objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            *objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}"),
        )
        return tuple(str(one) for one in left if one is not None)

    with user.evidence.phase("teardown", f"Dataset {DATASET} is deleted"), user.explaining(DATASET):
        wait(
            observe,
            is_empty,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="deletion with runtime and Pods",
            timeout=GONE_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda left: "; ".join((*left, *seen.values())) or "all gone",
        )
    return tuple(seen.values())
