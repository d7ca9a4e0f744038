"""An application that is created before its Dataset."""

from __future__ import annotations

from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User


@scenario("B7", Level.CONFORMANCE)
def test_application_created_before_its_dataset_starts_when_it_is_bound(user: User) -> None:
    """An application that is created before its Dataset is Pending, and starts once the Dataset is Bound.

    The user starts the Pod first, then creates Dataset and runtime, and does not change the Pod.
    """
    application = user.application("b7-early", DATASET)
    user.applies(application.manifest())
    user.waits_for_scheduling_verdict(user.namespace, application.name)
    before = user.observer.objects.get(PodSnapshot, application.name, user.namespace)
    if before is None or before.node or not before.scheduling:
        checks.fail(
            "an application does not wait for a claim that does not exist",
            subject=f"Pod {user.namespace}/{application.name}",
            expected="Pending, not scheduled",
            seen=str(before),
        )
    user.evidence.fact("Pod condition", before.scheduling)
    user.creates_dataset()
    user.waits_for_phase(DATASET)
    assert_diagnosis(user, application.name, FindingCode.DATASET_NOT_BOUND, names=(application.name, DATASET))
    user.waits_until_bound()
    pod = user.waits_until_running(application)
    checks.same_pod(before, pod)
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
