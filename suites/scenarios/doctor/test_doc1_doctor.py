"""The doctor on a live cluster, as a user runs it, with the rights that are shipped for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.doctor.rendering import CANNOT_DIAGNOSE
from suites.steps import doctor_cases
from suites.steps.doctor_cases import Expected
from suites.steps.service_account import Account, Right, account, beyond_reading, shipped_roles
from suites.steps.user import DATASET, User
from workloads.models.base import Manifest

_FORBIDDEN: Final = 403
_EXEC: Final = Right("create", "", "pods/exec")
_SOMETHING_WRONG: Final = 1
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@scenario(
    "DOC1",
    Level.FULL,
    issues=(4388,),
    writes=(kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING, kinds.SERVICE_ACCOUNT),
)
def test_doctor_finds_the_right_cause_for_each_pod(shared_user: User, user: User, tmp_path: Path) -> None:
    """The doctor says for each of eleven Pods whether it reads through Fluid, why not, and what to change.

    The user has Pods on right and wrong claims of one Dataset, one that does not use Fluid, and only
    the rights to get and list of the shipped ClusterRole, which do not permit any write. With the right to
    run commands in Pods, the doctor proves its findings by the mounts.
    """
    with (
        doctor_cases.pods_of_all_cases(shared_user, user) as (expected, unrelated),
        account(user, tmp_path) as reader,
    ):
        roles = shipped_roles()
        reader.binds(roles["fluid-doctor"])
        answer = _answer(user, reader, "--json")
        screen = reader.doctor(terminal=True)
        table = _ESCAPES.sub("", screen.stdout)
        user.evidence.attach("doctor", table)
        _check_findings(user, answer, expected, unrelated)
        _check_table(user, screen, table, expected)
        _check_cannot_write(user, reader, shared_user)
        _check_proof_from_inside(shared_user, reader, roles["fluid-doctor-exec"])


def _answer(user: User, reader: Account, *words: str) -> dict[str, Any]:
    """The doctor's answer as JSON; it must have been able to read the cluster."""
    done = reader.doctor(*words)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _defect("the doctor's answer is not JSON", done) from None
    if "findings" not in answer or answer["exitCode"] != done.exit_code:
        raise _defect("the doctor has no findings, or another exit code than its answer", done)
    user.evidence.attach(f"doctor {' '.join(words)}", done.stdout, "json")
    return answer


def _check_findings(
    user: User, answer: Mapping[str, Any], expected: Sequence[Expected], unrelated: PodSnapshot
) -> None:
    """Each Pod has its finding, and there is none for the Pod that does not use Fluid."""
    by_pod: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for finding in answer["findings"]:
        by_pod.setdefault((finding["pod"]["namespace"], finding["pod"]["name"]), []).append(finding)
    wrong = [
        text for one in expected if (text := one.differs(by_pod.get((one.user.namespace, one.name), ())))
    ]
    if findings := by_pod.get((unrelated.namespace, unrelated.name)):
        wrong.append(f"{unrelated.name}: {findings[0]['says']}, where no finding is right")
    if answer["gaps"]:
        wrong.append(f"not everything could be read: {'; '.join(answer['gaps'])}")
    if answer["exitCode"] != _SOMETHING_WRONG:
        wrong.append(f"exit code {answer['exitCode']}, where {_SOMETHING_WRONG} is right")
    if wrong:
        raise HarnessError(
            f"the doctor is wrong for {len(wrong)} of {len(expected) + 1} Pods, or cannot read everything",
            subject="python -m suites.doctor",
            last_seen="\n".join(wrong),
            advice="correct suites/diagnosis",
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
    user.evidence.fact(
        "doctor", f"reports nothing about {unrelated.name}, which has no claim", pods=answer["pods"]
    )


def _check_table(user: User, done: Completed, table: str, expected: Sequence[Expected]) -> None:
    """On a terminal the doctor shows the same findings in a table."""
    missing = [one.name for one in expected if one.name not in table]
    if done.exit_code != _SOMETHING_WRONG or missing or "finding" not in table:
        raise _defect(f"the doctor's table lacks {', '.join(missing) or 'its summary'}", done)
    user.evidence.fact("doctor's table", table.strip().splitlines()[-1], rows=len(expected))


def _check_cannot_write(user: User, reader: Account, shared_user: User) -> None:
    """The shipped rights only permit reads, and the API server refuses writes."""
    for namespace in (user.namespace, shared_user.namespace):
        if more := beyond_reading(reader.rights(namespace)):
            raise HarnessError(
                "the rights that are shipped for the doctor permit more than reads",
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
            reader.kube.connection.request(
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
    user.evidence.fact("API server", "permits only reads, and refuses writes", tried=len(attempts))


def _check_proof_from_inside(shared_user: User, reader: Account, role: Manifest) -> None:
    """With one more right, and only with it, the doctor reads the mounts inside the Pods."""
    where = f"{shared_user.namespace}/doc-right"
    done = reader.doctor("--exec", "--json", "--pod", where)
    if done.exit_code != CANNOT_DIAGNOSE or "pods/exec" not in done.stdout:
        raise _defect(
            "without the right to run commands in Pods the doctor does not say that it is missing", done
        )
    reader.binds(role)
    more = beyond_reading(reader.rights(shared_user.namespace))
    if more != {_EXEC}:
        raise HarnessError(
            "the role for --exec grants another right than to run commands in Pods",
            subject="suites/doctor/cluster-role.yaml",
            condition=str(_EXEC),
            last_seen=", ".join(map(str, sorted(more))),
        )
    for name, verdict, words in (
        ("doc-right", FindingCode.SERVED, ("fuse.alluxio-fuse", "was read")),
        ("doc-original", FindingCode.ORIGINAL_CLAIM, ("/data is ", "nfs", "was read")),
    ):
        answer = _answer(shared_user, reader, "--exec", "--json", "--pod", f"{shared_user.namespace}/{name}")
        found = [one for one in answer["findings"] if one["verdict"] == verdict.value]
        inside = "; ".join(
            fact["says"] for one in found for fact in one["evidence"] if "container" in fact["source"]
        )
        if len(answer["findings"]) != 1 or not found or any(word not in inside for word in words):
            raise HarnessError(
                f"the doctor does not prove from inside its finding about {name}",
                subject=f"Pod {shared_user.namespace}/{name}",
                condition=f"{verdict}, and {', '.join(words)} seen inside",
                last_seen=json.dumps(answer["findings"])[:2_000],
                advice="correct suites/diagnosis/inside.py",
            )
        shared_user.evidence.fact("doctor --exec", inside, pod=name, verdict=verdict.value)


def _defect(message: str, done: Completed) -> HarnessError:
    return HarnessError(
        message,
        subject="python -m suites.doctor",
        last_seen=f"exit code {done.exit_code}\n{(done.stdout + done.stderr)[-2_000:]}",
        advice="correct suites/doctor",
    )
