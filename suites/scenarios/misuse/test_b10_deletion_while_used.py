"""A Dataset that is deleted while an application uses it."""

from __future__ import annotations

from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks, deletion, leaks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User


@scenario("B10", Level.CONFORMANCE)
def test_dataset_in_use_is_deleted_after_its_application(dataset_owner: User) -> None:
    """A Dataset that is deleted while an application uses it still serves it, and is deleted after it.

    The user deletes the Dataset while a Pod reads from it, and deletes the Pod later. An event names the Pod.
    """
    pod = dataset_owner.starts(dataset_owner.application("b10-user", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    deletion.request_deletion(dataset_owner)
    deletion.stays_while_used(dataset_owner, dataset_owner, pod, "its application")
    wait_for_event(dataset_owner, "Dataset", DATASET, reason=deletion.REFUSED, says=f"Pod {pod.name}")
    assert_diagnosis(
        dataset_owner, pod.name, FindingCode.DATASET_BEING_DELETED, names=(pod.name, DATASET, "End this Pod")
    )
    dataset_owner.stops(pod)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)
