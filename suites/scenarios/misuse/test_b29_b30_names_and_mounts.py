"""Names and lists of mounts that are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import Kind
from suites.catalogue.scenario import Level, scenario
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
#: Lists of mounts that the API refuses, in words. Up to 0.9 mountPoint may be missing
#: (charts/fluid/fluid/crds/data.fluid.io_datasets.yaml of 0.9.3 and of 1.0.8).
_SHORT: Final[Mapping[str, Sequence[Manifest]]] = {
    "with mountPoint “nfs”": ({"mountPoint": "nfs", "name": "nfs"},),
    "with an empty list of mounts": (),
}
REFUSED_MOUNTS: Final = ByVersion(
    {"0.9": _SHORT, "1.0": {**_SHORT, "without mountPoint": ({"name": "nfs", "path": "/"},)}}
)


@scenario("B29", Level.FULL)
def test_dataset_with_an_invalid_name_stays_without_a_phase(
    unbindable_dataset: WatchResult,
) -> None:
    """Fluid ignores a Dataset whose name is not a DNS label that begins with a letter, and events say why.

    The user names a Dataset and its runtime ``20-hbase``, and another Dataset ``imagenet.2012``; the
    API accepts both names.
    """
    user = unbindable_dataset.user
    try:
        _check_ignored(unbindable_dataset)
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
        # The Dataset is not its owner, so it is not deleted with it.
        user.system.kube.delete(kinds.ALLUXIO_RUNTIME, DIGIT, user.namespace)


def _check_ignored(watched: WatchResult) -> None:
    """During the common window the Dataset had no phase, claim or Pods; its application was Pending."""
    user, dataset = watched.user, watched.last.dataset
    accepted = dataset is None or dataset.phase or dataset.finalizers
    if watched.contradiction or accepted or watched.last.pods:
        checks.fail(
            f"Dataset {watched.name} was accepted, or its application is not Pending",
            subject=f"Dataset {user.namespace}/{watched.name}",
            expected="no phase, no finalizer, no claim, no Pods, the application Pending",
            seen=watched.contradiction or "; ".join(map(str, (dataset, *watched.last.pods))),
        )
    user.evidence.fact(
        "Dataset status",
        "no phase, no finalizer of Fluid, no claim, no Pods, and the application is Pending",
        observations=watched.observations,
        watched_together=watched.together,
    )


@scenario("B30", Level.FULL)
def test_dataset_without_a_mount_point_is_check_refused(user: User) -> None:
    """The API refuses a Dataset whose mount has no mount point, or whose list of mounts is empty.

    The user forgets ``mountPoint``, writes one that is too short, or writes an empty list.
    """
    good = Dataset.over_claim(user.namespace, DATASET, SOURCE)
    for what, mounts in REFUSED_MOUNTS.on(user.system).items():
        manifest = good.manifest()
        manifest["spec"]["mounts"] = list(mounts)
        _check_refused(user, kinds.DATASET, manifest, f"a Dataset {what}", names="spec.mounts")
    user.applies(good.manifest())
    user.waits_for_phase(DATASET)
    user.evidence.fact("control", f"the same Dataset with mountPoint pvc://{SOURCE} is accepted")


def _check_refused(user: User, kind: Kind, manifest: Manifest, what: str, *, names: str) -> None:
    """The API refuses an object by its schema, names the field, and creates nothing."""
    name = manifest["metadata"]["name"]
    subject = f"{kind} {user.namespace}/{name}"
    said = _refusal(user, manifest)
    if said is None or user.system.kube.get(kind, name, user.namespace) is not None:
        checks.fail(
            f"{what} was accepted",
            subject=subject,
            expected="refused as invalid, nothing created",
            seen="no refusal" if said is None else f"refused, and created nevertheless: {said}",
        )
    if names not in said:
        checks.fail(
            f"{what} was refused without the field's name", subject=subject, expected=names, seen=said
        )
    user.evidence.fact("API server", f"{what} is refused: {said[:300]}")


def _refusal(user: User, manifest: Manifest) -> str | None:
    """The API's refusal of an object, or None if it accepts it."""
    try:
        user.applies(manifest)
    except KubeError as error:
        if error.status != UNPROCESSABLE:
            raise
        return error.said
    return None
