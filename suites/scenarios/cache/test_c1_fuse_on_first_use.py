"""The Fuse Pod that starts with the first application."""

from __future__ import annotations

from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.idle_watch import IdleResult
from suites.steps.user import DATASET, User


@scenario("C1", Level.CONFORMANCE)
def test_fuse_pod_starts_with_the_first_application_and_not_before(
    dataset_owner: User, idle_watch: IdleResult, window: float
) -> None:
    """No Fuse Pod runs and no node is labelled until an application uses the claim; then exactly one does.

    The user does not use a Bound Dataset for a while, and then starts an application.
    """
    checks.no_fuse_over_window(dataset_owner, window, lambda: None, before=idle_watch)
    checks.nothing_cached(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("c1-first", DATASET))
    fuse = checks.served_by_fluid(dataset_owner, pod)
    if fuse.labelled != (pod.node,) or fuse.desired != 1:
        checks.fail(
            "there are more Fuse Pods than nodes with an application",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected=f"one Fuse Pod, on {pod.node}, and only that node labelled",
            seen=str(fuse),
        )
    checks.one_fuse_pod(dataset_owner, pod.node)
