"""Fluid's webhook: what it writes into Pods, and how it is removed and restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from clusters.errors import FailureClass, HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, items, number, text
from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_names
from clusters.waiting import is_empty, wait
from suites.diagnosis.fluid_facts import SERVERFUL_LABEL
from suites.record.run import cannot_run_here
from suites.record.versions import ByVersion
from suites.steps.node_placement import LABELLED_SECONDS
from suites.steps.user import DATASET, User

#: The Deployment of the webhook, and its registration at the API server.
DEPLOYMENT: Final = "fluid-webhook"
REGISTERED: Final = "fluid-pod-admission-webhook"
#: Names the Datasets of a Pod (pkg/common/label.go:85).
IN_USE: Final = "fluid.io/datasets-in-use"
#: Seconds until the webhook is gone, or answers again.
WEBHOOK_SECONDS: Final = 120.0
#: Whether the status of a Dataset has its runtime's kind as soon as it is Bound: the webhook refuses
#: Pods that use one without (pkg/ddc/base/runtime.go:475 of 0.9.3). Up to 0.9 it is set at the first
#: reconcile after that (pkg/ddc/alluxio/dataset.go:56 of 0.9.3, :106 of 1.0.8).
KNOWN_AT_ONCE: Final = ByVersion({"0.9": False, "1.0": True})


@dataclass(frozen=True, slots=True)
class AdmissionChanges:
    """What of a Pod decides where it runs and whether a recovered mount reaches it.

    Attributes:
        preferred: weight, label of the node, and operator of each preference.
        required: label of the node and operator of each thing required.
        propagation: of the volumes in all its containers; empty text where none is set.
        in_use: the Datasets that it names.
    """

    preferred: tuple[tuple[int, str, str], ...]
    required: tuple[tuple[str, str], ...]
    propagation: tuple[str, ...]
    in_use: str

    @classmethod
    def of(cls, pod: Json) -> Self:
        """Read a Pod."""
        affinity = ("spec", "affinity", "nodeAffinity")
        preferred = items(pod, *affinity, "preferredDuringSchedulingIgnoredDuringExecution")
        required = items(
            pod, *affinity, "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
        )
        return cls(
            preferred=tuple(
                (number(term, "weight"), text(one, "key"), text(one, "operator"))
                for term in preferred
                for one in items(term, "preference", "matchExpressions")
            ),
            required=tuple(
                (text(one, "key"), text(one, "operator"))
                for term in required
                for one in items(term, "matchExpressions")
            ),
            propagation=tuple(
                text(mount, "mountPropagation")
                for container in items(pod, "spec", "containers")
                for mount in items(container, "volumeMounts")
            ),
            in_use=text(pod, "metadata", "annotations", IN_USE),
        )

    @property
    def untouched(self) -> bool:
        """The webhook left it alone."""
        return not (self.preferred or self.required or any(self.propagation) or self.in_use)


def needed(user: User) -> None:
    """Skip the scenario where Fluid was installed without its webhook."""
    found = user.observer.objects.get(DeploymentSnapshot, DEPLOYMENT, fluid.NAMESPACE)
    if found is None or found.replicas == 0:
        cannot_run_here("Fluid is installed without its webhook here")


def waits_for_node_labels(user: User) -> str:
    """Wait until the nodes of the Dataset's workers, and no others, carry its label; returns that label.

    Fluid puts it there at its first reconcile of a Bound Dataset (pkg/ddc/base/syncs.go:103 of 0.9.3).
    """
    objects = user.observer.objects
    label = fluid_names.common_label(user.namespace, DATASET)

    def observe() -> tuple[frozenset[str], frozenset[str]]:
        workers = objects.list(PodSnapshot, user.namespace, labels=fluid_names.pod_labels(DATASET, "worker"))
        labelled = objects.list(NodeSnapshot, labels=f"{label}=true")
        return frozenset(pod.node for pod in workers), frozenset(node.name for node in labelled)

    with user.evidence.phase("waiting", "the nodes are labelled for the cache"):
        _, labelled = wait(
            user.with_reconcile_requests(observe),
            lambda seen: bool(seen[1]) and seen[0] == seen[1],
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"label {label}=true on exactly the nodes of the workers",
            timeout=LABELLED_SECONDS,
            describe=lambda seen: (
                f"on {', '.join(sorted(seen[1])) or 'none'}; the workers are on {', '.join(sorted(seen[0]))}"
            ),
            advice="check the log of alluxioruntime-controller",
        )
    user.evidence.fact("node labels", f"{', '.join(sorted(labelled))} carries {label}")
    return label


def knows_the_dataset(user: User) -> None:
    """Wait where the webhook does not know a Dataset as soon as it is Bound, and refuses its Pods."""
    if not KNOWN_AT_ONCE.on(user.system):
        waits_for_node_labels(user)


@contextmanager
def down(user: User) -> Iterator[None]:
    """Scale the webhook to nothing while the context lasts; afterwards it is seen to answer again.

    It touches the whole cluster: no Pod with one of its labels can start meanwhile.
    """
    objects = user.observer.objects

    def pods() -> tuple[PodSnapshot, ...]:
        return objects.list(PodSnapshot, fluid.NAMESPACE, labels=f"control-plane={DEPLOYMENT}")

    change = {"spec": {"replicas": 0}}
    try:
        with user.system.journal.patched(kinds.DEPLOYMENT, DEPLOYMENT, fluid.NAMESPACE, change):
            with user.evidence.phase("waiting", "the webhook stops"):
                wait(
                    pods,
                    is_empty,
                    subject=f"Deployment {fluid.NAMESPACE}/{DEPLOYMENT}",
                    condition="deletion of all Pods",
                    timeout=WEBHOOK_SECONDS,
                    describe=lambda seen: "; ".join(map(str, seen)) or "no Pod",
                    failure_class=FailureClass.INFRASTRUCTURE,
                )
            user.evidence.fact("fault", f"Deployment {DEPLOYMENT} is scaled to nothing")
            yield
    finally:
        with user.evidence.phase("waiting", "the webhook answers again"):
            wait_for_answer(user)


def wait_for_answer(user: User) -> None:
    """Wait until the webhook changes a labelled Pod again."""
    kube = user.system.kube
    probe = user.application("webhook-probe", DATASET, labels={SERVERFUL_LABEL: "true"})

    def observe() -> str:
        try:
            said = AdmissionChanges.of(kube.would_create(probe.manifest()))
        except HarnessError as error:
            return error.message
        return "it leaves a labelled Pod as it is" if said.untouched else ""

    wait(
        observe,
        is_empty,
        subject=f"Deployment {fluid.NAMESPACE}/{DEPLOYMENT}",
        condition="an answer",
        timeout=WEBHOOK_SECONDS,
        delay=1.0,
        describe=lambda wrong: wrong or "it answers",
        failure_class=FailureClass.INFRASTRUCTURE,
        advice=f"scale Deployment {DEPLOYMENT} of {fluid.NAMESPACE} up by hand: labelled Pods need it",
    )
