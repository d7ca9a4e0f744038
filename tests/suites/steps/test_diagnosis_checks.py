"""The doctor's diagnosis, checked by scenarios."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from suites.diagnosis import FindingCode
from suites.record.evidence import Evidence
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import User
from tests.suites.doctor.doctor_cluster import Cluster, Object, application


@dataclass
class Lists:
    """An API that only lists."""

    objects: list[Object] = field(default_factory=list)

    def list(self, kind: Kind, namespace: str | None = None, **_: Any) -> list[Object]:
        """Objects of a kind, of one namespace or of all."""
        return [
            obj
            for obj in self.objects
            if obj["kind"] == kind.name and namespace in (None, obj["metadata"].get("namespace"))
        ]


def a_user(*objects: Object) -> User:
    """A user of a cluster with these objects."""
    system = SimpleNamespace(kube=Lists(list(objects)))
    return User(cast("Any", system), Evidence(silent=True), "demo", folder="/export", files=cast("Any", None))


def on_the_source() -> User:
    """One whose application mounts the source of a Dataset."""
    return a_user(*Cluster.right().add(application("train-0", "demo-src")).objects)


def test_right_diagnosis_becomes_evidence() -> None:
    """The sentence is among the facts, with the claim that was used."""
    user = on_the_source()
    assert_diagnosis(
        user, "train-0", FindingCode.ORIGINAL_CLAIM, names=("`demo-src`", "Mount claim `demo` instead")
    )
    fact = user.evidence.facts[-1]
    assert fact.source == "diagnosis"
    assert fact.data["used"] == "demo-src"
    assert fact.data["dataset"] == "demo"
    assert not user.evidence.late_failures


def wrong(user: User, pod: str, code: FindingCode, *names: str) -> str:
    """The text that a wrong diagnosis is recorded as; the scenario continues, and does not fail by it."""
    assert_diagnosis(user, pod, code, names=names)
    (text,) = user.evidence.wrong_diagnoses
    assert user.evidence.facts[-1].says.startswith("wrong, a defect of the harness")
    assert not user.evidence.late_failures
    (attached,) = user.evidence.attachments
    assert text.partition(":")[0] in attached.text
    return attached.text


def test_other_verdict_is_a_defect_of_the_harness() -> None:
    """A diagnosis that finds another case is recorded with what it found, and stops no control."""
    assert "original-claim" in wrong(on_the_source(), "train-0", FindingCode.SERVED)


def test_missing_name_fails() -> None:
    """A sentence without the name that the user needs is not enough."""
    text = wrong(on_the_source(), "train-0", FindingCode.ORIGINAL_CLAIM, "another-claim")
    assert "naming another-claim" in text


def test_unknown_pod_fails() -> None:
    """Nothing is found about a Pod that is not there, and that fails."""
    text = wrong(on_the_source(), "nobody", FindingCode.ORIGINAL_CLAIM)
    assert "last seen: nothing" in text
    assert f"{kinds.POD.name} nobody" in text
