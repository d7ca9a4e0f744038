"""What admission control of a foreign cluster does to the objects of a run, by dry runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import items, text
from clusters.kubernetes.ownership import (
    HARNESS_NAMESPACE,
    POD_SECURITY,
    harness_namespace,
    privileged_namespace,
)

#: Name of a namespace as scenarios create them, and of a Pod.
_EXAMPLE: Final = "fc-admission-check"
CONTAINER: Final = "application"
#: An existing namespace, where a webhook can be asked about a Pod.
NAMESPACE: Final = "default"
_FORBIDDEN: Final = 403
#: How the API server begins a refusal that would also come in a namespace of the harness, unlike that of a
#: quota of the namespace that exists.
_OF_CLUSTER: Final = ("admission webhook", "failed calling webhook", "AdmissionPolicy")
_ADVICE: Final = f"exempt namespace {HARNESS_NAMESPACE}, and those named fc-…, from the policy or the webhook"


def require_namespaces(kube: Kube) -> bool:
    """Refuse a cluster that does not accept the namespaces of a run, or does not let Fluid's Pods run there.

    Returns:
        Whether the cluster was asked; False if the user may not create namespaces.

    Raises:
        RefusalError: with what the cluster answers.
    """
    asked = False
    missing = kube.get(kinds.NAMESPACE, HARNESS_NAMESPACE) is None
    for manifest in (*((harness_namespace(),) if missing else ()), privileged_namespace(_EXAMPLE)):
        created = _tried(kube, manifest)
        if created is None:
            continue
        asked = True
        level = text(created, "metadata", "labels", POD_SECURITY)
        if level != "privileged":
            raise RefusalError(
                f"the cluster gives namespace {manifest['metadata']['name']} the PodSecurity level "
                f"{level or 'of its default'}, and Pods of Fluid and of the harness are privileged",
                advice=_ADVICE,
            )
    return asked


def created_pod(kube: Kube, image: str) -> Object:
    """A small Pod as it would be created; empty if the cluster does not say.

    Args:
        kube: the cluster.
        image: of the harness, which a policy may refuse.

    Raises:
        RefusalError: a webhook or a policy refuses Pods.
    """
    return _tried(kube, _pod(image), only=_OF_CLUSTER) or {}


def added_containers(kube: Kube, image: str) -> tuple[str, ...]:
    """Names of containers that webhooks add to each Pod, such as the proxy of a service mesh.

    Args:
        kube: the cluster.
        image: of the harness, which a policy may refuse.

    Raises:
        RefusalError: a webhook or a policy refuses Pods.
    """
    created = created_pod(kube, image)
    containers = (*items(created, "spec", "initContainers"), *items(created, "spec", "containers"))
    return tuple(name for one in containers if (name := text(one, "name")) != CONTAINER)


def limits(kube: Kube, image: str) -> tuple[str, ...]:
    """What containers that webhooks add to Pods mean for a run, a sentence; none if they add none.

    Raises:
        RefusalError: a webhook or a policy refuses Pods.
    """
    added = added_containers(kube, image)
    if not added:
        return ()
    names = ", ".join(added)
    return (f"webhooks of the cluster add {names} to Pods; a Job does not end while such a container runs",)


def _tried(kube: Kube, manifest: Mapping[str, Any], only: tuple[str, ...] = ("",)) -> Object | None:
    """The object as it would be created; None if the cluster does not say.

    Args:
        kube: the cluster.
        manifest: of the object.
        only: refusals that count have one of these texts.

    Raises:
        RefusalError: it would be refused.
    """
    try:
        return kube.would_create(manifest)
    except KubeError as error:
        unknown = error.status == _FORBIDDEN and error.reason == "Forbidden" and "cannot create" in error.said
        if unknown or "support dry run" in error.said or not any(word in error.said for word in only):
            return None
        shown = f"namespace {manifest['metadata']['name']}" if manifest["kind"] == "Namespace" else "Pods"
        raise RefusalError(
            f"the cluster refuses {shown}: {error.said or error.reason}", advice=_ADVICE
        ) from error


def _pod(image: str) -> Mapping[str, Any]:
    """A Pod with as few rights as an application."""
    container: Mapping[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "command": ["true"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _EXAMPLE, "namespace": NAMESPACE},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
