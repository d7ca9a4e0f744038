"""Deletion of a Dataset to which another one refers."""

from __future__ import annotations

from clusters.disruption import Disruption
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, deletion, leaks
from suites.steps.dataset_references import (
    REFERENCE,
    creates_reference,
    deletes_reference,
    needs_controller,
    referring_user,
)
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User


@scenario(
    "E10",
    Level.FULL,
    disturbs={Disruption.FLUID_COMPONENTS: "lets Fluid start its thinruntime-controller"},
)
def test_referenced_dataset_is_deleted_after_the_reference(dataset_owner: User) -> None:
    """A Dataset that is deleted while another one refers to it still serves, and is deleted after it.

    The user deletes a Dataset to which one of another namespace refers; an event names that one. An
    application there is started and deleted, then the reference is deleted, then the last application of
    the owner.
    """
    needs_controller(dataset_owner)
    with referring_user(dataset_owner) as user:
        creates_reference(dataset_owner, user)
        deletion.request_deletion(dataset_owner)
        wait_for_event(
            dataset_owner,
            "Dataset",
            DATASET,
            reason=deletion.REFUSED,
            says=f"there are datasets [{user.namespace}/{REFERENCE}] mounted to it",
        )
        pod = user.starts(user.application("e10-reader", REFERENCE))
        checks.served_by_fluid(dataset_owner, pod)
        user.reads_right(pod, who="application in another namespace, Dataset deleted")
        deletion.stays_while_used(
            dataset_owner, user, pod, "the application of the Dataset that refers to it"
        )
        user.stops(pod)
        # It keeps the Dataset until the reference is completely deleted: otherwise the ThinRuntime of the
        # reference is left behind (pkg/ddc/thin/referencedataset/engine.go:204-208 of 1.0.8).
        holder = dataset_owner.starts(dataset_owner.application("e10-holder", DATASET))
        dataset_owner.reads_right(holder, who="application on the Dataset that is being deleted")
        deletes_reference(dataset_owner, user)
    dataset_owner.stops(holder)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)
