"""Pods that need Fluid's webhook while it is down."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import Json, items, text
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis.fluid_facts import SERVERFUL_LABEL, SERVERLESS_LABEL, SIDECAR_CONTAINER
from suites.record.defects import Defect
from suites.steps import checks, webhook
from suites.steps.user import DATASET, User
from suites.steps.webhook import AdmissionChanges
from workloads.application import Application

#: Chooses how a sidecar is created (pkg/common/label.go:119).
PLATFORM: Final = "serverless.fluid.io/platform"
#: Seconds for which refusals are watched.
WINDOW_SECONDS: Final = 20.0


def _pod(user: User, application: Application) -> Json:
    return user.system.kube.get(kinds.POD, application.name, application.namespace) or {}


@scenario(
    "B37",
    Level.FULL,
    disturbs={
        Disruption.FLUID_COMPONENTS: "scales Fluid's webhook to zero, so that Pods that need it are refused"
    },
    alone=True,
    defects=(
        Defect(
            "webhook-swallows-errors",
            "If the webhook cannot add a sidecar to a Pod that requests it, the Pod is admitted without one, "
            "and only the webhook's log says so.",
            "pkg/webhook/handler/mutating/mutating_handler.go:99-113 (1.0.8)",
        ),
    ),
)
def test_labelled_pods_are_refused_while_the_webhook_is_down(shared_user: User) -> None:
    """While the webhook is down, Pods that need it are refused and the error names it; other Pods start.

    An administrator scales the webhook to zero while the user starts Pods with and without its labels. Then
    the webhook runs again, and the user misspells the platform of a sidecar.
    """
    webhook.needed(shared_user)
    asking = {
        name: shared_user.application(f"b37-{name}", DATASET, labels={label: "true"})
        for name, label in (("near", SERVERFUL_LABEL), ("sidecar", SERVERLESS_LABEL))
    }
    _record_failure_policies(shared_user)
    with webhook.down(shared_user):
        with shared_user.evidence.phase("window", "labelled Pods are refused"):
            observations = hold(
                lambda: {name: _refusal(shared_user, one) for name, one in asking.items()},
                _why_not_refused,
                subject=f"Pods of {shared_user.namespace} that need the webhook",
                condition="refusal while the webhook is down",
                window=WINDOW_SECONDS,
                delay=2.0,
            )
        for name, refusal in observations[-1].items():
            shared_user.evidence.fact("API server", f"b37-{name}: {refusal}", looks=len(observations))
        plain = shared_user.starts(shared_user.application("b37-plain", DATASET))
        checks.served_by_fluid(shared_user, plain)
        shared_user.reads_right(plain, who="application without a label, webhook down")
    near = shared_user.starts(asking["near"])
    _check_changed(shared_user, asking["near"])
    shared_user.reads_right(near, who="application with the label, webhook running again")
    _check_unknown_platform(shared_user, asking["sidecar"])


def _record_failure_policies(user: User) -> None:
    """Record the failure policies of the webhook; the scenario judges by what happens."""
    found = user.system.kube.get(kinds.MUTATING_WEBHOOK, webhook.REGISTERED) or {}
    policies = ", ".join(
        f"{text(hook, 'name')}: {text(hook, 'failurePolicy')}" for hook in items(found, "webhooks")
    )
    user.evidence.fact("MutatingWebhookConfiguration", f"failurePolicy of {policies or 'no webhook'}")


def _refusal(user: User, application: Application) -> str:
    """Try to create a Pod. Returns why it was refused, or an empty text."""
    try:
        user.applies(application.manifest())
    except KubeError as error:
        if not error.status:
            raise  # the API server did not answer, so the Pod was not refused
        return error.said or error.message
    return ""


def _why_not_refused(refusals: dict[str, str]) -> str | None:
    """What contradicts that all were refused because the webhook did not answer, or None."""
    for name, said in refusals.items():
        if not said:
            return f"Pod b37-{name} was admitted"
        if "webhook" not in said:
            return f"Pod b37-{name} was refused for another reason: {said}"
    return None


def _check_changed(user: User, application: Application) -> None:
    """The webhook changed a Pod that requests it."""
    said = AdmissionChanges.of(_pod(user, application))
    if said.untouched:
        checks.fail(
            f"the webhook runs again, and did not change Pod {application.name}",
            subject=f"Pod {user.namespace}/{application.name}",
            expected="the changes that the label requests",
            seen=str(said),
        )
    user.evidence.fact(
        "control", f"when the webhook runs again, {application.name} is admitted and changed: {said}"
    )


def _check_unknown_platform(user: User, application: Application) -> None:
    """Whether a Pod whose sidecar cannot be created is admitted without one."""
    request = application.evolve(name="b37-platform", annotations={PLATFORM: "no-such-platform"})
    try:
        pod = user.system.kube.would_create(request.manifest())
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
        says=f"with {PLATFORM}=no-such-platform a Pod is admitted with containers {', '.join(names)}",
    )
