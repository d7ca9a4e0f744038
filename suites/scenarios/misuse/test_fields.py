"""Group B: names and figures that Fluid, or the API by Fluid's rules, does not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Defect, Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.record.versions import ByVersion
from suites.run.unbindable import APPLICATION, DIGIT, DOT, WatchResult
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.base import Manifest
from workloads.models.dataset import Dataset

#: The API server's answer to an object that breaks a rule of its kind.
UNPROCESSABLE: Final = 422
#: Seconds for which a change that must do no harm is watched; Fluid tries again each 20 s.
WATCH_SECONDS: Final = 25.0


@scenario("B29", Level.FULL)
def test_dataset_of_a_name_that_fluid_does_not_take_stays_without_a_phase(
    unbindable_dataset: WatchResult,
) -> None:
    """A Dataset whose name is no DNS label of Fluid's is never taken up, and events say why.

    The user calls a Dataset and its runtime ``20-hbase``, and another Dataset ``imagenet.2012``; the
    API takes both names.
    """
    user = unbindable_dataset.user
    try:
        _never_taken_up(unbindable_dataset)
        for name in (DIGIT, DOT):
            wait_for_event(user, "Dataset", name, reason="ErrorCreateDataset", says=name)
        wait_for_event(user, "AlluxioRuntime", DIGIT, reason="ErrorProcessRuntime", says=DIGIT)
        checks.no_such_claim(user, DIGIT)
        assert_diagnosis(
            user,
            APPLICATION,
            FindingCode.DATASET_NOT_BOUND,
            cause=CauseCode.INVALID_NAME,
            names=(DIGIT, "begin with a letter", "another name"),
        )
    finally:
        # Fluid never made it the Dataset's own, so it does not go with the Dataset.
        user.system.kube.delete(kinds.ALLUXIO_RUNTIME, DIGIT, user.namespace)


def _never_taken_up(watched: WatchResult) -> None:
    """All through the common window it had no phase, no claim and no Pods, and its application waited."""
    user, dataset = watched.user, watched.last.dataset
    acquired = dataset is None or dataset.phase or dataset.finalizers
    if watched.wrong or acquired or watched.last.pods:
        checks.fail(
            f"Dataset {watched.name} was taken up, or its application does not wait",
            subject=f"Dataset {user.namespace}/{watched.name}",
            expected="no phase, no finalizer, no claim, no Pods, the application Pending",
            seen=watched.wrong or "; ".join(map(str, (dataset, *watched.last.pods))),
        )
    user.evidence.fact(
        "Dataset status",
        "no phase and no finalizer of Fluid's, no claim, no Pods, and the application waits",
        looks=watched.looks,
        watched_together=watched.together,
    )


#: Lists of mounts that the API refuses, in words. Up to 0.9 a mount may do without any mountPoint
#: (charts/fluid/fluid/crds/data.fluid.io_datasets.yaml of 0.9.3 and of 1.0.8).
_SHORT: Final[Mapping[str, Sequence[Manifest]]] = {
    "with mountPoint “nfs”": ({"mountPoint": "nfs", "name": "nfs"},),
    "with an empty list of mounts": (),
}
REFUSED_MOUNTS: Final = ByVersion(
    {"0.9": _SHORT, "1.0": {**_SHORT, "without mountPoint": ({"name": "nfs", "path": "/"},)}}
)


@scenario("B30", Level.FULL)
def test_dataset_without_a_mount_point_is_refused_at_once(user: User) -> None:
    """A Dataset whose mount has no mount point, or an empty list of mounts, is refused, and nothing is made.

    The user forgets ``mountPoint``, writes one that is too short to be any, or writes no mount into the list.
    """
    good = Dataset.over_claim(user.namespace, DATASET, SOURCE)
    for what, mounts in REFUSED_MOUNTS.on(user.system).items():
        manifest = good.manifest()
        manifest["spec"]["mounts"] = list(mounts)
        _refused(user, kinds.DATASET, manifest, f"a Dataset {what}", names="spec.mounts")
    user.applies(good.manifest())
    user.waits_for_phase(DATASET)
    user.evidence.fact("control", f"the same Dataset with mountPoint pvc://{SOURCE} is taken")


def _refused(user: User, kind: Kind, manifest: Manifest, what: str, *, names: str) -> None:
    """The API refuses an object by the rules of its kind, names the field, and makes nothing."""
    name = manifest["metadata"]["name"]
    subject = f"{kind} {user.namespace}/{name}"
    said = _said_against(user, manifest)
    if said is None or user.system.kube.get(kind, name, user.namespace) is not None:
        checks.fail(
            f"{what} was taken",
            subject=subject,
            expected="refused as invalid, nothing made",
            seen="no refusal" if said is None else f"refused, and made all the same: {said}",
        )
    if names not in said:
        checks.fail(
            f"{what} was refused without the field's name", subject=subject, expected=names, seen=said
        )
    user.evidence.fact("API server", f"{what} is refused: {said[:300]}")


def _said_against(user: User, manifest: Manifest) -> str | None:
    """What the API says against an object, or None when it takes it."""
    try:
        user.applies(manifest)
    except KubeError as error:
        if error.status != UNPROCESSABLE:
            raise
        return error.said
    return None


@scenario(
    "B32",
    Level.FULL,
    defects=(
        Defect(
            "negative-workers-accepted",
            "A runtime with a negative number of workers is taken by the API. Fluid then tells that it "
            "scaled in, fails at it again and again, and refreshes the status no more.",
            "charts/fluid/fluid/crds/data.fluid.io_alluxioruntimes.yaml:712-714, "
            "pkg/ctrl/replicas.go:45-75 (1.0.8)",
        ),
    ),
)
def test_number_of_workers_below_none_takes_no_worker_away(dataset_owner: User) -> None:
    """A number of workers below none takes none away: the Dataset stays Bound and its data are read.

    The user sets the runtime's ``replicas`` to -1 while an application reads, and the master's to 0.
    """
    pod = dataset_owner.starts(dataset_owner.application("b32-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    _no_master(dataset_owner)
    was = _worker(dataset_owner)
    accepted = _replicas(dataset_owner, -1)
    try:
        _same_worker_serves(dataset_owner, was, pod)
    finally:
        if accepted:
            _replicas(dataset_owner, 1)
    told = checks.reported_events(dataset_owner, DATASET, "AlluxioRuntime")
    dataset_owner.evidence.defect(
        "negative-workers-accepted",
        seen=accepted,
        says=f"replicas -1 is taken; told of it: {told or 'nothing'}"[:600]
        if accepted
        else "the API refuses replicas -1",
    )
    dataset_owner.reads_right(pod)


def _no_master(user: User) -> None:
    """The control: the API does know the least number of masters, and refuses none at all."""
    body = {"spec": {"master": {"replicas": 0}}}
    try:
        user.system.kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace, body)
    except KubeError as error:
        if error.status != UNPROCESSABLE:
            raise
        user.evidence.fact("API server", f"a runtime without a master is refused: {error.said[:300]}")
        return
    checks.fail(
        "a runtime without a master was taken",
        subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
        expected="master.replicas of 0 refused as invalid",
        seen="no refusal",
    )


def _replicas(user: User, number: int) -> bool:
    """Set the number of workers; whether the API takes it."""
    body = {"spec": {"replicas": number}}
    try:
        user.system.kube.patch(kinds.ALLUXIO_RUNTIME, DATASET, user.namespace, body)
    except KubeError as error:
        if error.status != UNPROCESSABLE:
            raise
        user.evidence.fact("API server", f"replicas {number} is refused: {error.said[:300]}")
        return False
    user.evidence.fact("AlluxioRuntime", f"the user asks for {number} workers, and the API takes it")
    return True


def _worker(user: User) -> PodSnapshot | None:
    return user.observer.objects.get(PodSnapshot, fluid_names.worker_pod(DATASET), user.namespace)


def _same_worker_serves(user: User, was: PodSnapshot | None, reader: PodSnapshot) -> None:
    """All through a window the worker is the same and ready, the Dataset Bound, and reads are right."""

    def look() -> tuple[PodSnapshot | None, DatasetSnapshot]:
        user.reads_right_quietly(reader)
        return _worker(user), user.observer.dataset(user.namespace, DATASET)

    def wrong(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> str | None:
        worker, dataset = seen
        if worker is None or was is None or worker.uid != was.uid or not worker.ready or worker.deleting:
            return f"the worker is not as it was: {worker or 'gone'}"
        return None if dataset.bound else f"the Dataset's phase is {dataset.phase}"

    with user.evidence.phase("window", "the worker stays"):
        looks = hold(
            look,
            wrong,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound with the same worker and correct reads",
            window=WATCH_SECONDS,
        )
    user.evidence.fact("worker", "the same one all the time; the Dataset stays Bound", looks=len(looks))
