"""A Job whose Pod has the Fuses of two Datasets as sidecars."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis.fluid_facts import SERVERLESS_LABEL, SIDECAR_CONTAINER
from suites.record.defects import Leftover
from suites.steps import checks, script_results, sidecars, webhook
from suites.steps.user import APPLICATION_SECONDS, DATASET, LOAD_SECONDS, SOURCE, User
from workloads.application import CONTAINER
from workloads.data_process_script import reading_script
from workloads.models.dataset import Dataset, Mount
from workloads.models.small_runtime import laptop_runtime
from workloads.pod_commands import ReadResult

JOB: Final = "a40-job"
#: The second Dataset, the folder of the source that it shows, and where the Job mounts it.
SECOND: Final = "second"
FOLDER: Final = "labels"
PATH: Final = "/second"
#: Between the outputs of the two reads.
BETWEEN: Final = "----"
#: Reads both Datasets one after the other, and fails if a read does.
SCRIPT: Final = f"""
({reading_script("/data")}) ; first=$?
echo {BETWEEN}
({reading_script(PATH)}) ; exit $((first + $?))
"""


def _two_datasets(user: User) -> None:
    user.creates_dataset()
    mount = Mount(mount_point=f"pvc://{SOURCE}/{FOLDER}", name=FOLDER, path="/")
    user.creates_dataset(
        Dataset(namespace=user.namespace, name=SECOND, mounts=(mount,), placement="Shared"),
        laptop_runtime(user.namespace, SECOND, quota="128Mi"),
    )


@scenario(
    "A40",
    Level.FULL,
    alone=True,
    dataset=_two_datasets,
    defects=(sidecars.SCRIPT_STAYS,),
    leftovers=(Leftover(sidecars.SCRIPT_STAYS.key, sidecars.SCRIPT_PATTERN),),
    writes=(kinds.JOB,),
)
def test_job_with_sidecars_of_two_datasets_ends_by_itself(dataset_owner: User) -> None:
    """A Job whose Pod requests sidecars reads two Datasets, and is Complete when its own container has ended.

    The user labels the Pods of a Job with ``serverless.fluid.io/inject=true``; they use the claims of two
    Datasets.
    """
    user = dataset_owner
    webhook.needed(user)
    webhook.knows_the_dataset(user)
    user.waits_until_bound(SECOND)
    application = user.application(
        JOB,
        DATASET,
        labels={SERVERLESS_LABEL: "true"},
        other_claims={PATH: SECOND},
        grace_seconds=sidecars.GRACE_SECONDS,
    )
    user.applies(application.job("bash", "-c", SCRIPT))
    _wait_until_complete(user)
    pod = _pod(user)
    _check_sidecars_ended(user, pod)
    first, _, second = user.system.kube.logs(user.namespace, pod.name, CONTAINER).partition(f"\n{BETWEEN}\n")
    _check_read(user, script_results.of_log(user, pod.name, first).read, DATASET)
    below = user.seeing(user.files.below(FOLDER))
    _check_read(below, script_results.of_log(user, pod.name, second).read, SECOND)
    for dataset in (DATASET, SECOND):
        fuse = user.observer.fuse(user.namespace, dataset)
        if fuse.pods:
            checks.fail(
                f"the Job has sidecars, and {dataset} has a Fuse Pod",
                subject=f"Dataset {user.namespace}/{dataset}",
                expected="no Fuse Pod",
                seen=str(fuse),
            )
    user.evidence.fact("Fuse DaemonSets", "neither Dataset has a Fuse Pod")


def _wait_until_complete(user: User) -> None:
    def is_complete(job: JobSnapshot | None) -> bool:
        return job is not None and job.is_complete

    def why_failed(job: JobSnapshot | None) -> str | None:
        return str(job) if job is not None and job.has_failed else None

    with user.evidence.phase("waiting", f"Job {JOB} is Complete"):
        job = wait(
            lambda: user.observer.objects.get(JobSnapshot, JOB, user.namespace),
            is_complete,
            subject=f"Job {user.namespace}/{JOB}",
            condition="condition Complete after its own container has ended",
            timeout=(APPLICATION_SECONDS + LOAD_SECONDS) * user.timeout_factor,
            failed=why_failed,
            delay=1.0,
            describe=lambda job: f"{job}; {', '.join(map(str, _pods(user))) or 'no Pod'}",
            advice="check the log of fluidapp-controller, which ends the sidecars",
        )
    user.evidence.fact("Job", str(job))


def _pods(user: User) -> tuple[PodSnapshot, ...]:
    return user.observer.objects.list(PodSnapshot, user.namespace, labels=f"job-name={JOB}")


def _pod(user: User) -> PodSnapshot:
    found = _pods(user)
    if len(found) != 1:
        checks.fail(
            "the Job did not run one Pod",
            subject=f"Job {user.namespace}/{JOB}",
            expected="one Pod",
            seen="; ".join(map(str, found)) or "none",
        )
    return found[0]


def _check_sidecars_ended(user: User, pod: PodSnapshot) -> None:
    """The Pod had a sidecar for each of its Datasets, and all its containers have ended."""
    expected = {CONTAINER, f"{SIDECAR_CONTAINER}-0", f"{SIDECAR_CONTAINER}-1"}
    names = {container.name for container in pod.containers}
    if names != expected or pod.phase != "Succeeded":
        checks.fail(
            "the Pod of the Job did not run with a sidecar for each Dataset to its end",
            subject=f"Pod {user.namespace}/{pod.name}",
            expected=f"phase Succeeded, containers {', '.join(sorted(expected))}",
            seen=f"phase {pod.phase}, containers {', '.join(sorted(names))}",
        )
    user.evidence.fact("Pod", f"{pod.name} Succeeded, with containers {', '.join(sorted(names))}")


def _check_read(user: User, read: ReadResult, dataset: str) -> None:
    """The Job has read what the Dataset shows, and nothing else."""
    difference = user.files.difference(read.checksums)
    if difference or read.message:
        checks.fail(
            f"the Job did not read the files of {dataset}",
            subject=f"Job {user.namespace}/{JOB}",
            expected=f"{len(user.files.files)} files with their checksums",
            seen=f"{difference}; {read.message}".strip("; "),
        )
    user.evidence.fact("Job", f"read {len(user.files.files)} files of {dataset}, checksums right")
