"""Group B: Datasets and runtimes that cannot get Bound, and what then has to be seen and said."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DataLoadSnapshot
from clusters.waiting import exists, hold, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.versions import ByVersion
from suites.run.dataset_pool import ReadyDataset
from suites.run.unbindable import APPLICATION, ELSEWHERE, MISSING, OTHER_CLAIM, WatchResult
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.data_load import DataLoad, TargetDataset

#: Seconds until the master's first start-up probe has failed (delay 5, period 20, timeout 15).
PROBE_SECONDS = 180.0
#: How Fluid tells that Alluxio cannot mount a source: object, reason and words of an event. Up to 0.9 its
#: controller mounts (pkg/ddc/alluxio/ufs_internal.go:233 of 0.9.3), later the master's start-up probe.
MOUNT_REFUSED: Final = ByVersion(
    {
        "0.9": ("AlluxioRuntime", DATASET, "ErrorProcessRuntime", "setup ddc engine"),
        "1.0": ("Pod", fluid_names.master_pod(DATASET), "Unhealthy", "Startup probe"),
    }
)
#: Reason of the event about a DataLoad whose Dataset is not there; up to 0.9 only the controller's log
#: says so (pkg/controllers/operation_controller.go:120-126 of 0.9.3).
DATASET_NOT_FOUND: Final = ByVersion({"0.9": "", "1.0": "TargetDatasetNotFound"})
#: Seconds until Fluid has made the master, once there is a Dataset for a waiting runtime.
MASTER_SECONDS = 90.0
#: Seconds until Fluid has refused a DataLoad.
REFUSED_SECONDS = 60.0
#: Seconds for which a DataLoad that waits is watched: more than Fluid's 20 s between two tries.
WAITING_SECONDS = 25.0


@scenario("B11", Level.SMOKE)
def test_dataset_without_a_runtime_does_not_get_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset without a runtime does not get Bound and gets no claim, and its status says so.

    The user makes a Dataset and forgets the AlluxioRuntime.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    _no_pods(unbindable_dataset)
    checks.no_such_claim(user, DATASET)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NO_RUNTIME,
        names=(DATASET, "AlluxioRuntime"),
    )


@scenario("B12", Level.CONFORMANCE)
def test_runtime_without_a_dataset_waits_and_says_so(unbindable_dataset: WatchResult) -> None:
    """A runtime without a Dataset starts nothing and says why; it goes on when the Dataset comes.

    The user makes an AlluxioRuntime and forgets the Dataset, sees the event, and makes it then.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    _no_pods(unbindable_dataset)
    wait_for_event(
        user, "AlluxioRuntime", DATASET, reason="ErrorProcessRuntime", says="No dataset can be bound"
    )
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NO_DATASET,
        names=(DATASET, "AlluxioRuntime"),
    )
    user.creates_dataset()
    name = fluid_names.master_name(DATASET)
    with user.evidence.phase("waiting", "Fluid starts the master"):
        wait(
            lambda: user.observer.objects.get(StatefulSetSnapshot, name, user.namespace),
            exists,
            subject=f"StatefulSet {user.namespace}/{name}",
            condition="creation",
            timeout=MASTER_SECONDS,
            describe=lambda seen: "there" if seen else "not there",
            advice="look at the events of the AlluxioRuntime",
        )
    user.evidence.fact("control", "with a Dataset of its name the same runtime starts its master")


@scenario("B14", Level.CONFORMANCE)
def test_mount_point_of_scheme_nfs_never_gets_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset whose mount point is nfs:// never gets Bound: Alluxio has no under store for it.

    The user writes the NFS server into the mount point instead of pvc:// and a claim.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    _mount_refused(user)
    pod = fluid_names.master_pod(DATASET)
    logs = user.system.kube.logs(user.namespace, pod, fluid_names.MASTER_CONTAINER, tail=400)
    said = next((line.strip() for line in logs.splitlines() if "nfs://" in line), "")
    user.evidence.attach("master's log", logs)
    user.evidence.fact("master's log", said[:400] or "it says nothing of the mount point")
    _still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.UNSUPPORTED_SCHEME,
        names=(DATASET, "nfs://", "pvc://"),
    )


@scenario("B15", Level.FULL)
def test_scheme_in_capitals_never_gets_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset whose mount point begins with PVC:// never gets Bound: Fluid knows pvc:// alone.

    The user writes the scheme in capitals.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    _mount_refused(user)
    _still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.UNSUPPORTED_SCHEME,
        names=(DATASET, f"Write `pvc://{SOURCE}`"),
    )


@scenario("B16", Level.CONFORMANCE)
def test_source_claim_that_is_not_there_keeps_the_master_pending(unbindable_dataset: WatchResult) -> None:
    """A Dataset over a claim that is not there never gets Bound; its master waits for the claim.

    The user misspells the source claim in the Dataset's mount point.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    _master_waits_for(user, MISSING, where="there")
    checks.reported_events(user, DATASET, "Dataset")
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.SOURCE_CLAIM_MISSING,
        names=(DATASET, MISSING),
    )


@scenario("B17", Level.FULL)
def test_source_claim_of_another_namespace_keeps_the_master_pending(unbindable_dataset: WatchResult) -> None:
    """A Dataset over a claim that is in another namespace never gets Bound: a claim serves its own alone.

    The user's NFS claim is in a namespace beside the Dataset's.
    """
    user = unbindable_dataset.user
    elsewhere = f"{user.namespace}-{ELSEWHERE}"
    try:
        _never_bound(unbindable_dataset)
        _master_waits_for(user, OTHER_CLAIM, where="in its namespace")
        assert_diagnosis(
            user,
            APPLICATION,
            FindingCode.DATASET_NOT_BOUND,
            cause=CauseCode.SOURCE_CLAIM_ELSEWHERE,
            names=(DATASET, OTHER_CLAIM, elsewhere),
        )
    finally:
        user.removes_namespace(elsewhere)


@scenario(
    "B18",
    Level.CONFORMANCE,
    defects=(
        Defect(
            "same-claim-twice",
            "A Dataset that mounts two folders of one claim cannot be installed: Fluid calls a volume of "
            "its Pods as the claim, once for each mount.",
            "pkg/ddc/alluxio/transform_ufs.go:47-67 (1.0.8)",
        ),
    ),
)
def test_one_claim_in_two_mounts_never_gets_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset that mounts the same claim twice never gets Bound; only the master's StatefulSet says why.

    The user wants two folders of one NFS claim and writes a mount for each.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    master = fluid_names.master_name(DATASET)
    event = wait_for_event(user, "StatefulSet", master, reason="FailedCreate", says=SOURCE)
    user.evidence.defect(
        "same-claim-twice",
        seen="Duplicate value" in event.message,
        says=f"no master Pod can be made of the StatefulSet that Fluid wrote: {event.message[:300]}",
    )
    _still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.SAME_CLAIM_TWICE,
        names=(DATASET, SOURCE, "once"),
    )


@scenario("B20", Level.CONFORMANCE)
def test_cache_larger_than_the_workers_memory_limit_is_refused(unbindable_dataset: WatchResult) -> None:
    """A memory tier larger than the worker's memory limit is refused, and an event names both sizes.

    The user gives the worker a limit of 256Mi and its cache in memory a quota of 512Mi.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    wait_for_event(
        user,
        "AlluxioRuntime",
        DATASET,
        reason="ErrorProcessRuntime",
        says="is greater than worker limits memory",
    )
    _no_pods(unbindable_dataset)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.QUOTA_OVER_LIMIT,
        names=(DATASET, "512 MiB", "256 MiB"),
    )


@scenario("B22", Level.FULL)
def test_tier_without_a_quota_is_refused(unbindable_dataset: WatchResult) -> None:
    """A tier without a quota is refused, and an event says what is missing.

    The user gives the runtime a tier in memory and forgets its size.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    wait_for_event(user, "AlluxioRuntime", DATASET, says="quota")
    _no_pods(unbindable_dataset)
    assert_diagnosis(
        user, APPLICATION, FindingCode.DATASET_NOT_BOUND, cause=CauseCode.NO_QUOTA, names=(DATASET, "quota")
    )


@scenario(
    "B38",
    Level.CONFORMANCE,
    defects=(
        Defect(
            "refused-load-vanishes",
            "A DataLoad that names a Dataset of another namespace is given that one as its owner, which no "
            "object of another namespace may be: Kubernetes then deletes it, and the reason with it.",
            "pkg/controllers/operation_controller.go:197-200 (1.0.8)",
        ),
    ),
)
def test_data_load_that_cannot_reach_its_dataset_loads_nothing(
    unbindable_dataset: WatchResult, ready_dataset: ReadyDataset
) -> None:
    """A DataLoad for a Dataset elsewhere, not there or not Bound starts no Job, and each says why.

    The user makes three: one names a Dataset of another namespace, one a Dataset that is not
    there, one a Dataset that is not Bound.
    """
    user = unbindable_dataset.user
    _never_bound(unbindable_dataset)
    other = TargetDataset(name=DATASET, namespace=ready_dataset.namespace)
    user.applies(DataLoad.whole(user.namespace, "load-elsewhere", DATASET).evolve(dataset=other).manifest())
    if DATASET_NOT_FOUND.on(user.system):
        wait_for_event(user, "DataLoad", "load-missing", reason=DATASET_NOT_FOUND.on(user.system))
    wait_for_event(user, "DataLoad", "load-not-bound", reason="RuntimeNotReady")
    wait_for_event(user, "DataLoad", "load-elsewhere", reason="TargetDatasetNamespaceNotSame")
    objects = user.observer.objects
    wait_for_event(user, "DataLoad", "load-elsewhere", reason="DataOperationNotValid")
    refused = wait(
        lambda: objects.get(DataLoadSnapshot, "load-elsewhere", user.namespace),
        lambda seen: seen is None or seen.ended,
        subject=f"DataLoad {user.namespace}/load-elsewhere",
        condition="phase Failed or deletion",
        timeout=REFUSED_SECONDS,
    )
    if refused is not None and refused.phase != "Failed":
        checks.fail(
            "a DataLoad for a Dataset of another namespace was not refused",
            subject=f"DataLoad {user.namespace}/load-elsewhere",
            expected="phase Failed",
            seen=str(refused),
        )
    user.evidence.fact("DataLoad status", str(refused or "load-elsewhere is gone"))
    waiting = ("load-missing", "load-not-bound")

    def look() -> dict[str, DataLoadSnapshot | None]:
        return {name: objects.get(DataLoadSnapshot, name, user.namespace) for name in waiting}

    with user.evidence.phase("window", "the other two go on waiting"):
        hold(
            look,
            lambda seen: (
                "; ".join(f"{name} is {load.phase}" for name, load in seen.items() if load and load.phase)
                or None
            ),
            subject=f"DataLoads of {user.namespace}",
            condition="absence of a phase",
            window=WAITING_SECONDS,
        )
    left = objects.get(DataLoadSnapshot, "load-elsewhere", user.namespace)
    user.evidence.defect(
        "refused-load-vanishes",
        seen=left is None,
        says=f"the refused DataLoad {'is gone, and its status with it' if left is None else 'is kept'}",
    )
    jobs = user.system.kube.list(kinds.JOB, user.namespace)
    if jobs:
        checks.fail(
            "a DataLoad that cannot reach its Dataset started a Job",
            subject=f"namespace {user.namespace}",
            expected="no Job",
            seen=", ".join(job["metadata"]["name"] for job in jobs),
        )
    user.evidence.fact("DataLoad status", "the other two have no phase, and no Job was started")


def _mount_refused(user: User) -> None:
    """Wait until it is told that the source cannot be mounted, as this version of Fluid tells it."""
    kind, name, reason, says = MOUNT_REFUSED.on(user.system)
    wait_for_event(user, kind, name, reason=reason, says=says, timeout=PROBE_SECONDS)


def _never_bound(watched: WatchResult) -> None:
    """All through the common window it was not Bound, had no claim, and its application waited."""
    user = watched.user
    if watched.wrong:
        checks.fail(
            f"{watched.wrong}, though this Dataset cannot work",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase NotBound, no claim, the application Pending",
            seen=f"{watched.last.dataset}; {watched.last.application}",
        )
    phase = watched.last.dataset.phase if watched.last.dataset else "no Dataset"
    user.evidence.fact(
        "Dataset status",
        f"{phase}, no claim, and the application waits",
        looks=watched.looks,
        watched_together=watched.together,
    )


def _still_not_bound(user: User) -> None:
    dataset = user.observer.dataset(user.namespace, DATASET)
    if dataset.phase != "NotBound":
        checks.fail(
            f"the Dataset's phase is {dataset.phase or 'empty'}, though it cannot work",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase NotBound",
            seen=str(dataset),
        )
    conditions = ", ".join(f"{c} {c.message[:120]}".strip() for c in dataset.conditions) or "none"
    user.evidence.fact("Dataset status", f"still NotBound; conditions: {conditions}")


def _no_pods(watched: WatchResult) -> None:
    user = watched.user
    pods = user.observer.objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}")
    if pods:
        checks.fail(
            "a runtime that cannot work started Pods",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="no Pods of the runtime",
            seen="; ".join(map(str, pods)),
        )
    user.evidence.fact("Pods", "none of the runtime was started")


def _master_waits_for(user: User, claim: str, *, where: str) -> None:
    """The master is Pending for want of a source claim that is not ``where`` it would have to be."""
    pod = fluid_names.master_pod(DATASET)
    user.waits_for_scheduling_verdict(user.namespace, pod)
    master = user.observer.objects.get(PodSnapshot, pod, user.namespace)
    if master is None or master.node or claim not in master.scheduling:
        checks.fail(
            f"the master does not wait for the claim that is not {where}",
            subject=f"Pod {user.namespace}/{pod}",
            expected=f'Pending, persistentvolumeclaim "{claim}" not found',
            seen=str(master),
        )
    user.evidence.fact("Pod condition", master.scheduling, pod=pod)
