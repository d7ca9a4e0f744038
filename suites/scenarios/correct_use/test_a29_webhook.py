"""Pods that Fluid's webhook places near the cache."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis.fluid_facts import SERVERFUL_LABEL
from suites.record.defects import Defect
from suites.record.versions import ByVersion
from suites.steps import checks, webhook
from suites.steps.user import DATASET, SOURCE, User
from suites.steps.webhook import AdmissionChanges
from workloads.application import Application

#: Excludes a labelled Pod (pkg/common/label.go:59).
OPT_OUT: Final = "fluid.io/enable-injection"
#: Requires a node with the cache (pkg/common/label.go:125).
MUST: Final = f"fluid.io/dataset.{DATASET}.sched"
#: Weight of the preference for nodes with the cache (charts/fluid/fluid/values.yaml:399-400).
WEIGHT: Final = 100
#: Whether the webhook notes on a Pod which Datasets it uses: the plugin DatasetUsageInjector, which Fluid's
#: chart enables, is in pkg/webhook/plugins of 1.0.8, not of 0.9.3.
NOTES_USE: Final = ByVersion({"0.9": "", "1.0": DATASET})
#: Whether the chart documents the value true (charts/fluid/fluid/values.yaml:407 of 1.0.8). All
#: documentation says required, and that of 0.9 nothing else.
SAYS_TRUE: Final = ByVersion({"0.9": False, "1.0": True})


@scenario(
    "A29",
    Level.FULL,
    defects=(
        Defect(
            "sched-true-not-required",
            "The chart says that a Pod with label fluid.io/dataset.<name>.sched set to true must run where "
            "the cache is; only the value required does that, and true is accepted without a warning.",
            "charts/fluid/fluid/values.yaml:407, "
            "pkg/webhook/plugins/nodeaffinitywithcache/node_affinity_with_cache.go:210 (1.0.8)",
        ),
    ),
)
def test_webhook_places_labelled_pods_near_the_cache(shared_user: User) -> None:
    """A labelled Pod prefers, or on request requires, a node with the cache; other Pods are not changed.

    The user labels Pods that use the Dataset with ``fuse.serverful.fluid.io/inject=true``, and
    one of them in addition with ``fluid.io/dataset.<name>.sched=required``.
    """
    webhook.needed(shared_user)
    cache = webhook.waits_for_node_labels(shared_user)
    asks = {SERVERFUL_LABEL: "true"}
    near = shared_user.application("a29-near", DATASET, labels=asks)
    must = shared_user.application("a29-must", DATASET, labels={**asks, MUST: "required"})
    for application, preferred, required in (
        (near, ((WEIGHT, cache, "In"),), ()),
        (must, (), ((cache, "In"),)),
    ):
        pod = shared_user.starts(application)
        _check_placement(
            shared_user,
            _pod(shared_user, application),
            application.name,
            preferred=preferred,
            required=required,
        )
        checks.served_by_fluid(shared_user, pod)
        shared_user.reads_right(pod, who=f"application {pod.name}")
    _check_runs_at_the_cache(shared_user, must.name, cache)
    for application in (
        near.evolve(name="a29-plain", labels={}),
        near.evolve(name="a29-out", labels={**asks, OPT_OUT: "false"}),
    ):
        _check_not_changed(shared_user, application)
    _check_avoids_caches(shared_user, near.evolve(name="a29-raw", claim=SOURCE))
    if SAYS_TRUE.on(shared_user.system):
        _check_value_true(shared_user, near.evolve(labels={**asks, MUST: "true"}, name="a29-true"), cache)


def _check_value_true(user: User, application: Application, label: str) -> None:
    """Whether a Pod with the value true, as in the chart, must run where the cache is."""
    said = AdmissionChanges.of(user.system.kube.would_create(application.manifest()))
    user.evidence.defect(
        "sched-true-not-required",
        seen=(label, "In") not in said.required,
        says=f"with {MUST}=true a Pod requires {said.required or 'nothing'} and prefers {said.preferred}",
    )


def _pod(user: User, application: Application) -> Json:
    return user.system.kube.get(kinds.POD, application.name, application.namespace) or {}


def _check_placement(
    user: User,
    pod: Json,
    name: str,
    *,
    preferred: tuple[tuple[int, str, str], ...],
    required: tuple[tuple[str, str], ...],
) -> None:
    """The webhook wrote exactly these preferences into a Pod, mount propagation, and the Dataset's name."""
    said, in_use = AdmissionChanges.of(pod), NOTES_USE.on(user.system)
    propagates = set(said.propagation) == {"HostToContainer"}
    placed = said.preferred == preferred and said.required == required
    if not placed or not propagates or said.in_use != in_use:
        checks.fail(
            f"the webhook did not place Pod {name} near the cache",
            subject=f"Pod {user.namespace}/{name}",
            expected=f"preferred {preferred}, required {required}, mounts with HostToContainer, "
            f"Datasets in use: {in_use or 'not noted'}",
            seen=str(said),
            advice="check the webhook's log",
        )
    user.evidence.fact(
        "Pod as admitted",
        f"{name} prefers {preferred or 'nothing'}, requires {required or 'nothing'}",
        propagation=", ".join(said.propagation),
        in_use=said.in_use,
    )


def _check_runs_at_the_cache(user: User, name: str, label: str) -> None:
    objects = user.observer.objects
    pod = objects.get(PodSnapshot, name, user.namespace)
    node = objects.get(NodeSnapshot, pod.node) if pod is not None and pod.node else None
    if node is None or node.labels.get(label) != "true":
        checks.fail(
            f"Pod {name} does not run where the cache is",
            subject=f"Pod {user.namespace}/{name}",
            expected=f"a node with {label}=true",
            seen=f"{pod}; {node}",
        )
    user.evidence.fact("placement", f"{name} runs on {node.name}, which has the cache")


def _check_not_changed(user: User, application: Application) -> None:
    """The webhook does not change a Pod."""
    said = AdmissionChanges.of(user.system.kube.would_create(application.manifest()))
    if not said.untouched:
        checks.fail(
            f"the webhook changed Pod {application.name}, which does not request it",
            subject=f"Pod {user.namespace}/{application.name}",
            expected="no affinity, no propagation, no annotation",
            seen=str(said),
        )
    labels = ", ".join(f"{key}={value}" for key, value in application.labels.items())
    user.evidence.fact("Pod as admitted", f"with {labels or 'no label'} it is not changed")


def _check_avoids_caches(user: User, application: Application) -> None:
    """A labelled Pod that uses no Dataset prefers nodes without a cache."""
    said = AdmissionChanges.of(user.system.kube.would_create(application.manifest()))
    expected = ((WEIGHT, fluid_names.DATASET_NUMBER_LABEL, "DoesNotExist"),)
    if said.preferred != expected or said.required:
        checks.fail(
            "a labelled Pod that uses no Dataset does not prefer nodes without a cache",
            subject=f"Pod {user.namespace}/{application.name}",
            expected=f"preferred {expected}",
            seen=str(said),
        )
    user.evidence.fact("Pod as admitted", f"on the original claim it prefers {said.preferred}")
