"""Groups A and B: Fluid's webhook, which changes Pods that ask for it by a label."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import Json, items, text
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import hold
from suites.catalogue.scenario import Defect, Level, scenario
from suites.diagnosis.fluid_facts import SERVERFUL_LABEL, SERVERLESS_LABEL, SIDECAR_CONTAINER
from suites.record.versions import ByVersion
from suites.steps import checks, webhook
from suites.steps.user import DATASET, SOURCE, User
from suites.steps.webhook import AdmissionChanges
from workloads.application import Application

#: Opts a labelled Pod out again (pkg/common/label.go:59).
OPT_OUT: Final = "fluid.io/enable-injection"
#: Asks for a node with the cache, not just prefers one (pkg/common/label.go:125).
MUST: Final = f"fluid.io/dataset.{DATASET}.sched"
#: Chooses how a sidecar is made (pkg/common/label.go:119).
PLATFORM: Final = "serverless.fluid.io/platform"
#: Weight of the preference for nodes with the cache (charts/fluid/fluid/values.yaml:399-400).
WEIGHT: Final = 100
#: Whether the chart says that the value is to be true (charts/fluid/fluid/values.yaml:407 of 1.0.8). All
#: documentation says required, and that of 0.9 nothing else.
SAYS_TRUE: Final = ByVersion({"0.9": False, "1.0": True})
#: Seconds for which refusals are watched.
WINDOW_SECONDS: Final = 20.0


@scenario(
    "A29",
    Level.FULL,
    defects=(
        Defect(
            "sched-true-not-required",
            "The chart says that a Pod with label fluid.io/dataset.<name>.sched set to true has to run where "
            "the cache is; only the value required does that, and true is taken without a word.",
            "charts/fluid/fluid/values.yaml:407, "
            "pkg/webhook/plugins/nodeaffinitywithcache/node_affinity_with_cache.go:210 (1.0.8)",
        ),
    ),
)
def test_webhook_places_labelled_pods_near_the_cache(shared_user: User) -> None:
    """A labelled Pod prefers, or on request must have, a node with the cache; others are left as they are.

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
        _placed(
            shared_user,
            _pod(shared_user, application),
            application.name,
            preferred=preferred,
            required=required,
        )
        checks.served_by_fluid(shared_user, pod)
        shared_user.reads_right(pod, who=f"application {pod.name}")
    _runs_at_the_cache(shared_user, must.name, cache)
    for application in (
        near.evolve(name="a29-plain", labels={}),
        near.evolve(name="a29-out", labels={**asks, OPT_OUT: "false"}),
    ):
        _left_alone(shared_user, application)
    _sent_away(shared_user, near.evolve(name="a29-raw", claim=SOURCE))
    if SAYS_TRUE.on(shared_user.system):
        _takes_true(shared_user, near.evolve(labels={**asks, MUST: "true"}, name="a29-true"), cache)


def _takes_true(user: User, application: Application, label: str) -> None:
    """Whether a Pod whose label says true, as the chart puts it, has to run where the cache is."""
    said = AdmissionChanges.of(user.system.kube.would_create(application.manifest()))
    user.evidence.defect(
        "sched-true-not-required",
        seen=(label, "In") not in said.required,
        says=f"with {MUST}=true a Pod has to have {said.required or 'nothing'} and prefers {said.preferred}",
    )


def _pod(user: User, application: Application) -> Json:
    return user.system.kube.get(kinds.POD, application.name, application.namespace) or {}


def _placed(
    user: User,
    pod: Json,
    name: str,
    *,
    preferred: tuple[tuple[int, str, str], ...],
    required: tuple[tuple[str, str], ...],
) -> None:
    """The webhook wrote just that into a Pod, and lets recovered mounts through."""
    said = AdmissionChanges.of(pod)
    propagates = set(said.propagation) == {"HostToContainer"}
    if said.preferred != preferred or said.required != required or not propagates:
        checks.fail(
            f"the webhook did not place Pod {name} near the cache",
            subject=f"Pod {user.namespace}/{name}",
            expected=f"preferred {preferred}, required {required}, mounts with HostToContainer",
            seen=str(said),
            advice="look at the webhook's log",
        )
    user.evidence.fact(
        "Pod as admitted",
        f"{name} prefers {preferred or 'nothing'}, must have {required or 'nothing'}",
        propagation=", ".join(said.propagation),
        in_use=said.in_use,
    )


def _runs_at_the_cache(user: User, name: str, label: str) -> None:
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


def _left_alone(user: User, application: Application) -> None:
    """The API takes a Pod as it was sent."""
    said = AdmissionChanges.of(user.system.kube.would_create(application.manifest()))
    if not said.untouched:
        checks.fail(
            f"the webhook changed Pod {application.name}, which does not ask for it",
            subject=f"Pod {user.namespace}/{application.name}",
            expected="no affinity, no propagation, no annotation",
            seen=str(said),
        )
    labels = ", ".join(f"{key}={value}" for key, value in application.labels.items())
    user.evidence.fact("Pod as admitted", f"with {labels or 'no label'} it is left as it is")


def _sent_away(user: User, application: Application) -> None:
    """A labelled Pod that uses no Dataset prefers nodes without a cache."""
    said = AdmissionChanges.of(user.system.kube.would_create(application.manifest()))
    wanted = ((WEIGHT, fluid_names.DATASET_NUMBER_LABEL, "DoesNotExist"),)
    if said.preferred != wanted or said.required:
        checks.fail(
            "a labelled Pod that uses no Dataset does not prefer nodes without a cache",
            subject=f"Pod {user.namespace}/{application.name}",
            expected=f"preferred {wanted}",
            seen=str(said),
        )
    user.evidence.fact("Pod as admitted", f"on the original claim it prefers {said.preferred}")


@scenario(
    "B37",
    Level.FULL,
    alone=True,
    defects=(
        Defect(
            "webhook-swallows-errors",
            "Where the webhook cannot put a sidecar into a Pod that asks for it, the Pod is taken in without "
            "one, and only the webhook's log says so.",
            "pkg/webhook/handler/mutating/mutating_handler.go:99-113 (1.0.8)",
        ),
    ),
)
def test_webhook_that_is_down_keeps_labelled_pods_out_and_no_others(shared_user: User) -> None:
    """While the webhook is down, Pods that ask for it are refused with its name, and all others run as ever.

    Somebody scales the webhook to nothing while the user starts Pods with and without its labels. Then it
    comes back, and the user misspells the platform of a sidecar.
    """
    webhook.needed(shared_user)
    asking = {
        name: shared_user.application(f"b37-{name}", DATASET, labels={label: "true"})
        for name, label in (("near", SERVERFUL_LABEL), ("sidecar", SERVERLESS_LABEL))
    }
    _policies(shared_user)
    with webhook.down(shared_user):
        with shared_user.evidence.phase("window", "labelled Pods are refused"):
            looks = hold(
                lambda: {name: _refusal(shared_user, one) for name, one in asking.items()},
                _why_not_refused,
                subject=f"Pods of {shared_user.namespace} that ask for the webhook",
                condition="refusal",
                window=WINDOW_SECONDS,
                delay=2.0,
            )
        for name, refusal in looks[-1].items():
            shared_user.evidence.fact("API server", f"b37-{name}: {refusal}", looks=len(looks))
        plain = shared_user.starts(shared_user.application("b37-plain", DATASET))
        checks.served_by_fluid(shared_user, plain)
        shared_user.reads_right(plain, who="application without a label, webhook down")
    near = shared_user.starts(asking["near"])
    _taken_up(shared_user, asking["near"])
    shared_user.reads_right(near, who="application with the label, webhook back")
    _unknown_platform(shared_user, asking["sidecar"])


def _policies(user: User) -> None:
    """Tell what the API server is to do when the webhook does not answer; it is judged by what happens."""
    found = user.system.kube.get(kinds.MUTATING_WEBHOOK, webhook.REGISTERED) or {}
    told = ", ".join(
        f"{text(hook, 'name')}: {text(hook, 'failurePolicy')}" for hook in items(found, "webhooks")
    )
    user.evidence.fact("MutatingWebhookConfiguration", f"failurePolicy of {told or 'no webhook'}")


def _refusal(user: User, application: Application) -> str:
    """Try to start a Pod; why it was refused, or nothing."""
    try:
        user.applies(application.manifest())
    except KubeError as error:
        if not error.status:
            raise  # nobody answered, so nobody refused
        return error.said or error.message
    return ""


def _why_not_refused(refusals: dict[str, str]) -> str | None:
    """What contradicts that all were refused because the webhook did not answer."""
    for name, said in refusals.items():
        if not said:
            return f"Pod b37-{name} was taken in"
        if "webhook" not in said:
            return f"Pod b37-{name} was refused for another reason: {said}"
    return None


def _taken_up(user: User, application: Application) -> None:
    """The webhook changed a Pod that asked for it."""
    said = AdmissionChanges.of(_pod(user, application))
    if said.untouched:
        checks.fail(
            f"the webhook is back, and left Pod {application.name} as it was",
            subject=f"Pod {user.namespace}/{application.name}",
            expected="what the label asks for",
            seen=str(said),
        )
    user.evidence.fact(
        "control", f"with the webhook back, {application.name} is admitted and changed: {said}"
    )


def _unknown_platform(user: User, application: Application) -> None:
    """Whether a Pod whose sidecar cannot be made is taken in without one."""
    wanted = application.evolve(name="b37-platform", annotations={PLATFORM: "no-such-platform"})
    try:
        pod = user.system.kube.would_create(wanted.manifest())
    except KubeError as error:
        user.evidence.defect(
            "webhook-swallows-errors",
            seen=False,
            says=f"such a Pod is refused: {error.said or error.message}",
        )
        return
    names = [text(container, "name") for container in items(pod, "spec", "containers")]
    user.evidence.defect(
        "webhook-swallows-errors",
        seen=not any(name.startswith(SIDECAR_CONTAINER) for name in names),
        says=f"with {PLATFORM}=no-such-platform a Pod is taken in with containers {', '.join(names)}",
    )
