"""Fuse Pods after the last application of a node."""

from __future__ import annotations

from typing import Final

from clusters.product.fuse import FuseSnapshot
from clusters.product.predicates import fuse_is_absent
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, User
from workloads.models.alluxio_runtime import Fuse
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which a Fuse Pod that must stay is watched; CSI plugin and DaemonSet act within a few seconds.
STAYS_SECONDS: Final = 20.0
#: Seconds until a Fuse Pod that no application needs is deleted.
DELETED_SECONDS: Final = 90.0


@scenario("A6", Level.CONFORMANCE)
def test_fuse_pod_stays_warm_after_the_last_application(dataset_owner: User) -> None:
    """By default a Fuse Pod stays after its last application has ended, and serves the next one.

    The user deletes the only application and later starts another one on the same node (A5, A6).
    """
    pod = dataset_owner.starts(dataset_owner.application("a6-first", DATASET))
    before = checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.stops(pod)
    _check_same_fuse_pod(dataset_owner, before, pod.node)
    again = dataset_owner.starts(dataset_owner.application("a6-next", DATASET, node=pod.node))
    checks.served_by_fluid(dataset_owner, again)
    dataset_owner.reads_right(again)
    _check_same_fuse_pod(dataset_owner, before, pod.node, window=0.0)


def _check_same_fuse_pod(user: User, before: FuseSnapshot, node: str, window: float = STAYS_SECONDS) -> None:
    """During a window the node is labelled, and its Fuse Pod is the same one and ready."""
    was = before.pod_on(node)
    assert was is not None

    def wrong(fuse: FuseSnapshot) -> str | None:
        pod = fuse.pod_on(node)
        if not fuse.ready_on(node) or pod is None:
            return "the Fuse Pod was deleted"
        return None if pod.uid == was.uid and pod.restarts == was.restarts else "the Fuse Pod was replaced"

    with user.evidence.phase("window", "the Fuse Pod stays"):
        observations = hold(
            lambda: user.observer.fuse(user.namespace, DATASET),
            wrong,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"the same Fuse Pod, ready, on {node}",
            window=window,
        )
    user.evidence.fact("Fuse DaemonSet", f"the Fuse Pod is still {was.name}", looks=len(observations))


def _on_demand(user: User) -> None:
    runtime = laptop_runtime(user.namespace, DATASET)
    fuse = (runtime.fuse or Fuse()).evolve(clean_policy="OnDemand")
    user.creates_dataset(runtime=runtime.evolve(fuse=fuse))


@scenario(
    "A7",
    Level.CONFORMANCE,
    issues=(3552,),
    dataset=_on_demand,
    fields=("AlluxioRuntime.spec.fuse.cleanPolicy",),
)
def test_fuse_pod_on_demand_is_deleted_with_the_last_application(dataset_owner: User) -> None:
    """With cleanPolicy OnDemand the Fuse Pod is deleted after the last application of its node, not before.

    The user sets ``fuse.cleanPolicy: OnDemand``, starts two applications on one node, and deletes
    one after the other.
    """
    first = dataset_owner.starts(dataset_owner.application("a7-first", DATASET))
    second = dataset_owner.starts(dataset_owner.application("a7-second", DATASET, node=first.node))
    before = checks.served_by_fluid(dataset_owner, first)
    checks.served_by_fluid(dataset_owner, second)
    dataset_owner.stops(first)
    _check_same_fuse_pod(dataset_owner, before, first.node)
    dataset_owner.reads_right(second, who="the other application")
    dataset_owner.stops(second)
    with dataset_owner.evidence.phase("waiting", "the Fuse Pod is deleted"):
        wait(
            lambda: dataset_owner.observer.fuse(dataset_owner.namespace, DATASET),
            fuse_is_absent,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition="the absence of Fuse Pods and labelled nodes after the last application",
            timeout=DELETED_SECONDS,
            advice="check the CSI plugin's log for NodeUnstageVolume",
        )
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))
    again = dataset_owner.starts(dataset_owner.application("a7-again", DATASET))
    checks.served_by_fluid(dataset_owner, again)
