"""Deletion of the source claim under a Dataset."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.waiting import hold, is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, leaks
from suites.steps.user import DATASET, SOURCE, User

#: Seconds until an unused claim is deleted.
CLAIM_SECONDS: Final = 60.0


@scenario("E9", Level.FULL)
def test_source_claim_is_deleted_after_the_dataset_over_it(dataset_owner: User) -> None:
    """A source claim that is deleted while a Dataset uses it still serves, and is deleted after the Dataset.

    The user deletes the NFS claim under a Bound Dataset before anything is cached, and the Dataset later.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e9-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    checks.nothing_cached(dataset_owner)
    kube.delete(kinds.CLAIM, SOURCE, dataset_owner.namespace)

    def observe() -> ClaimSnapshot | None:
        dataset_owner.reads_right_quietly(pod)
        return objects.get(ClaimSnapshot, SOURCE, dataset_owner.namespace)

    def wrong(claim: ClaimSnapshot | None) -> str | None:
        if claim is None:
            return "the claim was deleted although the Dataset's Pods use it"
        if not claim.deleting:
            return "the claim is not being deleted"
        dataset = dataset_owner.observer.dataset(dataset_owner.namespace, DATASET)
        return None if dataset.bound else f"the Dataset's phase is {dataset.phase}"

    with dataset_owner.evidence.phase("window", "the source claim stays"):
        observations = hold(
            dataset_owner.with_reconcile_requests(observe),
            wrong,
            subject=f"claim {dataset_owner.namespace}/{SOURCE}",
            condition="pending deletion with the Dataset Bound and the right data",
            window=dataset_owner.two_reconciles,
        )
    last = observations[-1]
    assert last is not None
    dataset_owner.evidence.fact(
        "source claim",
        f"being deleted, and kept by {', '.join(last.meta.finalizers)}; the first read came from NFS",
        looks=len(observations),
    )
    dataset_owner.stops(pod)
    dataset_owner.deletes_dataset()
    with kube.changes(kinds.CLAIM, dataset_owner.namespace) as changed:
        wait(
            lambda: objects.get(ClaimSnapshot, SOURCE, dataset_owner.namespace),
            is_gone,
            subject=f"claim {dataset_owner.namespace}/{SOURCE}",
            condition="deletion after the Dataset",
            timeout=CLAIM_SECONDS * dataset_owner.timeout_factor,
            changes=changed,
        )
    dataset_owner.evidence.fact("source claim", "deleted after the Dataset")
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)
