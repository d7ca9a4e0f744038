"""Pods around one Dataset in all the cases that the doctor distinguishes, with the finding for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import has_ended
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.waiting import wait
from suites.diagnosis import CauseCode, FindingCode, State
from suites.steps.user import APPLICATION_SECONDS, DATASET, PHASE_SECONDS, SOURCE, User, unique
from workloads import volumes
from workloads.application import Application
from workloads.models.base import Manifest
from workloads.models.dataset import Dataset

#: A second claim over the source's export.
COPY: Final = "nfs-copy"
#: A Dataset whose name a foreign NFS claim has, and one without a runtime.
NAMESAKE: Final = "photos"
BARE: Final = "bare"
#: A name that no Dataset has.
NOBODY: Final = "warehouse"
#: Label of a Pod that requests Fluid's sidecar; it has no effect on a Pod that exists already.
WANTS_SIDECAR: Final = "serverless.fluid.io/inject"


@dataclass(frozen=True, slots=True)
class Expected:
    """Finding that the doctor must report for a Pod.

    Attributes:
        user: owner of its namespace.
        name: of the Pod.
        code: the case.
        state: whether anything is wrong.
        words: texts that the finding must contain.
        cause: why its Dataset is not Bound, if it is not.
    """

    user: User
    name: str
    code: FindingCode
    state: State
    words: tuple[str, ...]
    cause: CauseCode | None = None

    def differs(self, found: Sequence[Mapping[str, Any]]) -> str:
        """What is wrong in the findings about the Pod, or an empty text."""
        verdicts = [(one["verdict"], one["state"]) for one in found]
        if verdicts != [(self.code.value, self.state.value)]:
            said = ", ".join(f"{verdict} ({state})" for verdict, state in verdicts) or "nothing"
            return f"{self.name}: {said}, where {self.code} ({self.state}) is right"
        (one,) = found
        causes = [cause["kind"] for cause in one["causes"]]
        if self.cause is not None and self.cause.value not in causes:
            return f"{self.name}: causes {', '.join(causes) or 'none'}, where {self.cause} is right"
        sentence = f"{one['says']} {one['change'] or ''}"
        missing = [word for word in self.words if word not in sentence]
        return f"{self.name}: {', '.join(missing)} is not in: {sentence}" if missing else ""


@contextmanager
def pods_of_all_cases(shared_user: User, other: User) -> Iterator[tuple[tuple[Expected, ...], PodSnapshot]]:
    """Pods of all cases around the shared Dataset, and one that does not use Fluid.

    Args:
        shared_user: user of the shared Dataset.
        other: a user with another namespace, where an NFS claim is the source of two Datasets.
    """
    hand_made = unique("by-hand")
    try:
        shared_user.creates_source(COPY)
        shared_user.applies(*volumes.of_fluids_driver(shared_user.namespace, hand_made))
        other.creates_source(NAMESAKE)
        for name in (NAMESAKE, BARE):
            other.creates_dataset(Dataset.over_claim(other.namespace, name, SOURCE), without_runtime=True)
        starting = [
            shared_user.application("doc-right", DATASET),
            shared_user.application("doc-original", SOURCE),
            shared_user.application("doc-copy", COPY),
            other.application("doc-namesake", NAMESAKE),
        ]
        ending = shared_user.application("doc-ended", DATASET, command=("true",))
        waiting = [
            shared_user.application("doc-misspelt", "demmo"),
            shared_user.application("doc-nowhere", DATASET, node="no-such-node"),
            other.application("doc-elsewhere", DATASET),
            other.application("doc-bare", BARE),
            other.application("doc-labelled", NOBODY),
        ]
        stuck = shared_user.application("doc-by-hand", hand_made)
        unrelated = shared_user.application("doc-unrelated", SOURCE)
        for application in (*starting, ending, *waiting, stuck):
            (shared_user if application.namespace == shared_user.namespace else other).applies(
                application.manifest()
            )
        shared_user.applies(without_claims(unrelated))
        for application in starting:
            shared_user.waits_until_running(application)
        alone = shared_user.waits_until_running(unrelated)
        _wait_until_ended(shared_user, ending)
        for application in (*waiting, stuck):
            shared_user.waits_for_scheduling_verdict(application.namespace, application.name)
        body = {"metadata": {"labels": {WANTS_SIDECAR: "true"}}}
        other.system.kube.patch(kinds.POD, "doc-labelled", other.namespace, body)
        yield _expected(shared_user, other), alone
    finally:
        _remove(shared_user, hand_made)


def _expected(shared_user: User, other: User) -> tuple[Expected, ...]:
    ok, waits, wrong = State.OK, State.WAITING, State.WRONG
    instead = f"Mount claim `{DATASET}` instead"
    return (
        Expected(shared_user, "doc-right", FindingCode.SERVED, ok, ("goes through Fluid",)),
        Expected(shared_user, "doc-ended", FindingCode.ENDED, ok, ("has ended",)),
        Expected(shared_user, "doc-nowhere", FindingCode.NOT_SCHEDULED, waits, ("has no node yet",)),
        Expected(
            shared_user,
            "doc-original",
            FindingCode.ORIGINAL_CLAIM,
            wrong,
            (f"source of Dataset `{DATASET}`", instead),
        ),
        Expected(
            shared_user, "doc-copy", FindingCode.OTHER_CLAIM_OF_SOURCE, wrong, ("reads past Fluid", instead)
        ),
        Expected(
            shared_user, "doc-by-hand", FindingCode.HAND_MADE_VOLUME, wrong, ("made by hand", "fluid_path")
        ),
        Expected(shared_user, "doc-misspelt", FindingCode.MISSPELT, wrong, ("`demmo`", instead)),
        Expected(
            other,
            "doc-elsewhere",
            FindingCode.OTHER_NAMESPACE,
            wrong,
            (f"not in its namespace `{other.namespace}`",),
        ),
        Expected(other, "doc-namesake", FindingCode.NAMESAKE_CLAIM, wrong, ("Fluid did not make", NAMESAKE)),
        Expected(
            other,
            "doc-bare",
            FindingCode.DATASET_NOT_BOUND,
            wrong,
            (f"Dataset `{BARE}`",),
            CauseCode.NO_RUNTIME,
        ),
        Expected(other, "doc-labelled", FindingCode.NO_SUCH_DATASET, wrong, (f"Create Dataset `{NOBODY}`",)),
    )


def without_claims(application: Application) -> Manifest:
    """The same application with an empty folder in place of its claim."""
    manifest = application.manifest()
    for volume in manifest["spec"]["volumes"]:
        del volume["persistentVolumeClaim"]
        volume["emptyDir"] = {}
    return manifest


def _wait_until_ended(user: User, application: Application) -> None:
    """Wait until an application has ended."""
    objects = user.observer.objects
    with user.system.kube.changes(kinds.POD, application.namespace) as changed:
        wait(
            lambda: objects.get(PodSnapshot, application.name, application.namespace),
            has_ended,
            subject=f"Pod {application.namespace}/{application.name}",
            condition="the end",
            timeout=(APPLICATION_SECONDS + PHASE_SECONDS) * user.timeout_factor,
            changes=changed,
        )


def _remove(user: User, hand_made: str) -> None:
    """Remove the claims and volumes that were created next to the Dataset."""
    kube, objects = user.system.kube, user.observer.objects
    volumes = [
        claim.volume_name
        for name in (COPY, hand_made)
        if (claim := objects.get(ClaimSnapshot, name, user.namespace))
    ]
    for pod in ("doc-copy", "doc-by-hand"):
        if (seen := objects.get(PodSnapshot, pod, user.namespace)) is not None:
            user.stops(seen)
    for name in (COPY, hand_made):
        kube.delete(kinds.CLAIM, name, user.namespace)
    for name in {*volumes, hand_made} - {""}:
        kube.delete(kinds.VOLUME, name)
