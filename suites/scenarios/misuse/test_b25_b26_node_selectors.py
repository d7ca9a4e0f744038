"""Selectors that no node matches."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.predicates import is_on
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.node_placement import PLACED_SECONDS, labelled, worker_without_node
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import Fuse
from workloads.models.dataset import (
    Dataset,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
)
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which an application that cannot start is watched.
STUCK_SECONDS: Final = 20.0
#: Keys of labels that no node has before the scenario sets them.
FUSE_KEY: Final = "fluid-conformance/fuse"
CACHE_KEY: Final = "fluid-conformance/cache"


@scenario(
    "B25",
    Level.FULL,
    disturbs={Disruption.NODE_LABELS: "labels a node"},
    fields=("AlluxioRuntime.spec.fuse.nodeSelector",),
)
def test_application_stays_pending_where_its_fuse_may_not_run(user: User) -> None:
    """An application stays Pending where the Fuse may not run, and starts once a node is labelled for it.

    The user sets ``fuse.nodeSelector`` of the runtime to a label that no node has. The Dataset gets Bound
    nevertheless; then the administrator labels a node.
    """
    selector = {FUSE_KEY: user.namespace}
    runtime = laptop_runtime(user.namespace, DATASET)
    fuse = (runtime.fuse or Fuse()).evolve(node_selector=selector)
    user.creates_dataset(runtime=runtime.evolve(fuse=fuse))
    user.waits_until_bound()
    checks.claim_and_volume_of_fluid(user)
    application = user.application("b25-waits", DATASET)
    user.applies(application.manifest())
    _check_stays_pending(user, application.name)
    assert_diagnosis(
        user,
        application.name,
        FindingCode.VOLUME_ELSEWHERE,
        names=(application.name, DATASET, FUSE_KEY, "spec.fuse.nodeSelector"),
    )
    with labelled(user, user.system.nodes[0], FUSE_KEY):
        pod = user.waits_until_running(application)
        if pod.node != user.system.nodes[0]:
            checks.fail(
                "the application runs on a node where its Fuse may not run",
                subject=f"Pod {user.namespace}/{pod.name}",
                expected=f"node {user.system.nodes[0]}, the only one with {FUSE_KEY}",
                seen=pod.node,
            )
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        user.stops(pod)


def _check_stays_pending(user: User, name: str) -> None:
    """During a window the Pod is not scheduled, and no Fuse Pod is requested."""
    objects = user.observer.objects
    user.waits_for_scheduling_verdict(user.namespace, name)

    def wrong(pod: PodSnapshot | None) -> str | None:
        if pod is None or pod.node:
            return f"it does not wait for a node: {pod}"
        return checks.why_fuse_present(user.observer.fuse(user.namespace, DATASET))

    with user.evidence.phase("window", f"Pod {name} stays Pending"):
        observations = hold(
            lambda: objects.get(PodSnapshot, name, user.namespace),
            wrong,
            subject=f"Pod {user.namespace}/{name}",
            condition="the absence of a node and of a Fuse Pod",
            window=STUCK_SECONDS,
        )
    last = observations[-1]
    user.evidence.fact("Pod condition", last.scheduling if last else "", looks=len(observations))


@scenario(
    "B26",
    Level.FULL,
    issues=(1729,),
    disturbs={Disruption.NODE_LABELS: "labels a node"},
    fields=("Dataset.spec.nodeAffinity.required",),
)
def test_worker_stays_pending_until_a_node_matches_its_affinity(user: User) -> None:
    """A worker whose nodeAffinity matches no node stays Pending, and its Dataset is not Bound.

    The user sets a ``nodeAffinity`` of the Dataset with a label that no node has, and labels a node later.
    """
    requirement = NodeSelectorRequirement(key=CACHE_KEY, operator="In", values=(user.namespace,))
    term = NodeSelectorTerm(match_expressions=(requirement,))
    affinity = NodeAffinity(required=NodeSelector(node_selector_terms=(term,)))
    dataset = Dataset.over_claim(user.namespace, DATASET, SOURCE)
    user.creates_dataset(dataset.evolve(placement="Shared", node_affinity=affinity))
    application = user.application("b26-waits", DATASET)
    user.applies(application.manifest())
    worker = worker_without_node(user, DATASET)
    checks.no_such_claim(user, DATASET)
    checks.reported_events(user, DATASET, "Dataset")
    assert_diagnosis(
        user,
        application.name,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.NO_NODE_FITS,
        names=(DATASET, CACHE_KEY, "label a node"),
    )
    node, objects = user.system.nodes[0], user.observer.objects
    with labelled(user, node, CACHE_KEY), user.evidence.phase("waiting", "the worker is scheduled"):
        wait(
            lambda: objects.get(PodSnapshot, worker.name, user.namespace),
            is_on(node),
            subject=f"Pod {user.namespace}/{worker.name}",
            condition=f"placement on {node} after it was labelled",
            timeout=PLACED_SECONDS,
        )
    user.evidence.fact("control", f"after {node} was labelled, the same worker was scheduled there")
