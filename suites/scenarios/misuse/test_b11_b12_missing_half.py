"""A Dataset without a runtime, and a runtime without a Dataset."""

from __future__ import annotations

from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.product import fluid_names
from clusters.waiting import exists, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.run.unbindable import APPLICATION, WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET

#: Seconds until Fluid has created the master once the Dataset of a runtime exists.
MASTER_SECONDS = 90.0


@scenario("B11", Level.SMOKE)
def test_dataset_without_a_runtime_does_not_get_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset without a runtime does not get Bound and has no claim, and its status says so.

    The user creates a Dataset and forgets the AlluxioRuntime.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    never_bound.check_no_pods(unbindable_dataset)
    checks.no_such_claim(user, DATASET)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NO_RUNTIME,
        names=(DATASET, "AlluxioRuntime"),
    )


@scenario("B12", Level.CONFORMANCE)
def test_runtime_without_a_dataset_starts_nothing_until_it_exists(unbindable_dataset: WatchResult) -> None:
    """A runtime without a Dataset starts no Pod and an event says why; it starts once the Dataset exists.

    The user creates an AlluxioRuntime and forgets the Dataset, sees the event, and creates it.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    never_bound.check_no_pods(unbindable_dataset)
    wait_for_event(
        user, "AlluxioRuntime", DATASET, reason="ErrorProcessRuntime", says="No dataset can be bound"
    )
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NO_DATASET,
        names=(DATASET, "AlluxioRuntime"),
    )
    user.creates_dataset()
    name = fluid_names.master_name(DATASET)
    with user.evidence.phase("waiting", "Fluid starts the master"):
        wait(
            lambda: user.observer.objects.get(StatefulSetSnapshot, name, user.namespace),
            exists,
            subject=f"StatefulSet {user.namespace}/{name}",
            condition="creation once the Dataset exists",
            timeout=MASTER_SECONDS * user.timeout_factor,
            describe=lambda seen: "exists" if seen else "does not exist",
            advice="check the events of the AlluxioRuntime",
        )
    user.evidence.fact("control", "with a Dataset of the same name the runtime starts its master")
