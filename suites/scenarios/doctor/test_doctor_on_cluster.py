"""The doctor on a live cluster, run as a user runs it, with the rights that are shipped for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_ended
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode, State
from suites.doctor.rendering import CANNOT_DIAGNOSE
from suites.steps.service_account import Account, Right, account, beyond_reading, shipped_roles
from suites.steps.user import APPLICATION_SECONDS, DATASET, PHASE_SECONDS, SOURCE, User, unique
from workloads import volumes
from workloads.application import Application
from workloads.models.base import Manifest
from workloads.models.dataset import Dataset

#: A second claim over the source's export.
COPY: Final = "nfs-copy"
#: A Dataset whose name an NFS claim has already, and one that has no runtime.
NAMESAKE: Final = "photos"
BARE: Final = "bare"
#: A name that nothing has.
NOBODY: Final = "warehouse"
#: What a user puts on a Pod to have Fluid's sidecar; put on later it does nothing.
WANTS_SIDECAR: Final = "serverless.fluid.io/inject"

_FORBIDDEN: Final = 403
_EXEC: Final = Right("create", "", "pods/exec")
_SOMETHING_WRONG: Final = 1
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the doctor has to say of a Pod.

    Attributes:
        user: in whose namespace it is.
        name: of the Pod.
        code: the case.
        state: whether anything is wrong.
        words: what a user has to be told.
        cause: why its Dataset is not Bound, where that is the case.
    """

    user: User
    name: str
    code: FindingCode
    state: State
    words: tuple[str, ...]
    cause: CauseCode | None = None

    def differs(self, found: Sequence[Mapping[str, Any]]) -> str:
        """What is not as it should be in the findings about the Pod; empty when all is."""
        told = [(one["verdict"], one["state"]) for one in found]
        if told != [(self.code.value, self.state.value)]:
            said = ", ".join(f"{verdict} ({state})" for verdict, state in told) or "nothing"
            return f"{self.name}: {said}, where {self.code} ({self.state}) is right"
        (one,) = found
        causes = [cause["kind"] for cause in one["causes"]]
        if self.cause is not None and self.cause.value not in causes:
            return f"{self.name}: causes {', '.join(causes) or 'none'}, where {self.cause} is right"
        sentence = f"{one['says']} {one['change'] or ''}"
        missing = [word for word in self.words if word not in sentence]
        return f"{self.name}: {', '.join(missing)} is not in: {sentence}" if missing else ""


@scenario("DOC1", Level.FULL, issues=(4388,))
def test_doctor_tells_the_pods_of_a_cluster_apart(shared_user: User, user: User, tmp_path: Path) -> None:
    """The doctor says of each of eleven Pods whether it goes through Fluid, why not, and what to change.

    The user has Pods on right and wrong claims around one Dataset, one that has nothing to do with Fluid,
    and rights to get and list alone: those of the ClusterRole that is shipped. Nothing can be written with
    them. With the right to look into Pods, the doctor proves by the mount what it says.
    """
    with _zoo(shared_user, user) as (expected, unrelated), account(user, tmp_path) as someone:
        roles = shipped_roles()
        someone.binds(roles["fluid-doctor"])
        answer = _answer(user, someone, "--json")
        screen = someone.doctor(terminal=True)
        table = _ESCAPES.sub("", screen.stdout)
        user.evidence.attach("doctor", table)
        _says_of_each(user, answer, expected, unrelated)
        _shows_on_a_terminal(user, screen, table, expected)
        _cannot_write(user, someone, shared_user)
        _proves_from_inside(shared_user, someone, roles["fluid-doctor-exec"])


@contextmanager
def _zoo(shared_user: User, other: User) -> Iterator[tuple[tuple[Expected, ...], PodSnapshot]]:
    """Pods around the shared Dataset, each as far as it gets; and the one that nothing is to be said of.

    Args:
        shared_user: the user of the shared Dataset.
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
        shared_user.applies(_without_claims(unrelated))
        for application in starting:
            shared_user.waits_until_running(application)
        alone = shared_user.waits_until_running(unrelated)
        _ends(shared_user, ending)
        for application in (*waiting, stuck):
            shared_user.waits_for_scheduling_verdict(application.namespace, application.name)
        body = {"metadata": {"labels": {WANTS_SIDECAR: "true"}}}
        other.system.kube.patch(kinds.POD, "doc-labelled", other.namespace, body)
        yield _expected(shared_user, other), alone
    finally:
        _removes(shared_user, hand_made)


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


def _answer(user: User, someone: Account, *words: str) -> dict[str, Any]:
    """What the doctor answers for machines; it must have been able to look."""
    done = someone.doctor(*words)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _mend("the doctor's answer is no JSON", done) from None
    if "findings" not in answer or answer["exitCode"] != done.exit_code:
        raise _mend("the doctor gives no answer, or another exit code than it says", done)
    user.evidence.attach(f"doctor {' '.join(words)}", done.stdout, "json")
    return answer


def _says_of_each(
    user: User, answer: Mapping[str, Any], expected: Sequence[Expected], unrelated: PodSnapshot
) -> None:
    """Each Pod has its one verdict, and nothing is said of the one that has nothing to do with Fluid."""
    by_pod: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for finding in answer["findings"]:
        by_pod.setdefault((finding["pod"]["namespace"], finding["pod"]["name"]), []).append(finding)
    wrong = [
        text for one in expected if (text := one.differs(by_pod.get((one.user.namespace, one.name), ())))
    ]
    if told := by_pod.get((unrelated.namespace, unrelated.name)):
        wrong.append(f"{unrelated.name}: {told[0]['says']}, where nothing is to be said")
    if answer["gaps"]:
        wrong.append(f"not all could be seen: {'; '.join(answer['gaps'])}")
    if answer["exitCode"] != _SOMETHING_WRONG:
        wrong.append(f"exit code {answer['exitCode']}, where {_SOMETHING_WRONG} is right")
    if wrong:
        raise HarnessError(
            f"the doctor is wrong in {len(wrong)} of {len(expected) + 1} Pods, or cannot see all",
            subject="python -m suites.doctor",
            last_seen="\n".join(wrong),
            advice="mend suites/diagnosis",
        )
    for one in expected:
        (finding,) = by_pod[one.user.namespace, one.name]
        user.evidence.fact(
            "doctor",
            f"{finding['says']} {finding['change'] or ''}".strip(),
            pod=one.name,
            verdict=finding["verdict"],
            state=finding["state"],
        )
    user.evidence.fact("doctor", f"says nothing of {unrelated.name}, which has no claim", pods=answer["pods"])


def _shows_on_a_terminal(user: User, done: Completed, table: str, expected: Sequence[Expected]) -> None:
    """On a terminal it shows the same in a table."""
    missing = [one.name for one in expected if one.name not in table]
    if done.exit_code != _SOMETHING_WRONG or missing or "finding" not in table:
        raise _mend(f"the doctor's table lacks {', '.join(missing) or 'its summary'}", done)
    user.evidence.fact("doctor's table", table.strip().splitlines()[-1], rows=len(expected))


def _cannot_write(user: User, someone: Account, shared_user: User) -> None:
    """The rights that were enough for it are rights to read, and the API server refuses all else."""
    for namespace in (user.namespace, shared_user.namespace):
        if more := beyond_reading(someone.rights(namespace)):
            raise HarnessError(
                "the rights that are shipped for the doctor let it do more than read",
                subject="suites/doctor/cluster-role.yaml",
                last_seen=", ".join(map(str, sorted(more))),
            )
    attempts: tuple[tuple[str, Kind, str, Manifest | None], ...] = (
        ("DELETE", kinds.POD, "doc-right", None),
        ("PATCH", kinds.DATASET, DATASET, {"metadata": {"labels": {"seen": "true"}}}),
        ("DELETE", kinds.CLAIM, DATASET, None),
    )
    for method, kind, name, body in attempts:
        path = kind.path(shared_user.namespace, name)
        try:
            someone.kube.connection.request(
                method,
                path,
                what=f"{method} {kind} {name}",
                query=[("dryRun", "All")],
                body=body,
                content_type="application/merge-patch+json" if body else "application/json",
            )
        except KubeError as error:
            if error.status == _FORBIDDEN:
                continue
            raise
        raise HarnessError(
            f"{kind} {name} can be written with the rights that are shipped for the doctor",
            subject="suites/doctor/cluster-role.yaml",
            condition="403 Forbidden",
        )
    user.evidence.fact(
        "API server", "allows this user to read and nothing else, and refuses writes", tried=len(attempts)
    )


def _proves_from_inside(shared_user: User, someone: Account, role: Manifest) -> None:
    """With one right more, and only with it, the doctor sees the mounts of the Pods themselves."""
    where = f"{shared_user.namespace}/doc-right"
    done = someone.doctor("--exec", "--json", "--pod", where)
    if done.exit_code != CANNOT_DIAGNOSE or "pods/exec" not in done.stdout:
        raise _mend("without the right to look into Pods the doctor does not say that it is missing", done)
    someone.binds(role)
    more = beyond_reading(someone.rights(shared_user.namespace))
    if more != {_EXEC}:
        raise HarnessError(
            "the role for --exec grants another right than to look into Pods",
            subject="suites/doctor/cluster-role.yaml",
            condition=str(_EXEC),
            last_seen=", ".join(map(str, sorted(more))),
        )
    for name, verdict, words in (
        ("doc-right", FindingCode.SERVED, ("fuse.alluxio-fuse", "was read")),
        ("doc-original", FindingCode.ORIGINAL_CLAIM, ("/data is ", "nfs", "was read")),
    ):
        answer = _answer(shared_user, someone, "--exec", "--json", "--pod", f"{shared_user.namespace}/{name}")
        found = [one for one in answer["findings"] if one["verdict"] == verdict.value]
        inside = "; ".join(
            fact["says"] for one in found for fact in one["evidence"] if "container" in fact["source"]
        )
        if len(answer["findings"]) != 1 or not found or any(word not in inside for word in words):
            raise HarnessError(
                f"the doctor does not prove from inside what it says of {name}",
                subject=f"Pod {shared_user.namespace}/{name}",
                condition=f"{verdict}, and {', '.join(words)} seen inside",
                last_seen=json.dumps(answer["findings"])[:2_000],
                advice="mend suites/diagnosis/inside.py",
            )
        shared_user.evidence.fact("doctor --exec", inside, pod=name, verdict=verdict.value)


def _without_claims(application: Application) -> Manifest:
    """The same application with an empty folder in place of its claim."""
    manifest = application.manifest()
    for volume in manifest["spec"]["volumes"]:
        del volume["persistentVolumeClaim"]
        volume["emptyDir"] = {}
    return manifest


def _ends(user: User, application: Application) -> None:
    """Wait until an application has come to its end."""
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


def _removes(user: User, hand_made: str) -> None:
    """Take away what is not an application: the claims and volumes that were made beside the Dataset."""
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


def _mend(message: str, done: Completed) -> HarnessError:
    return HarnessError(
        message,
        subject="python -m suites.doctor",
        last_seen=f"exit code {done.exit_code}\n{(done.stdout + done.stderr)[-2_000:]}",
        advice="mend suites/doctor",
    )
