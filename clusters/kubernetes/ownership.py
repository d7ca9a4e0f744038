"""Labels of the objects that the harness creates."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

FIELD_MANAGER: Final = "fluid-conformance"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "fluid-conformance"
RUN_LABEL: Final = "fluid-conformance/run"
#: Label selector of all objects that the harness created, of any run.
MANAGED_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY}"

#: Namespace of the harness itself: its NFS server, its Lease and its journal.
HARNESS_NAMESPACE: Final = "fluid-conformance"


#: Label of a namespace with the PodSecurity level that is enforced there.
POD_SECURITY: Final = "pod-security.kubernetes.io/enforce"


def harness_namespace() -> Mapping[str, Any]:
    """The harness's own namespace, in which its Pods are privileged."""
    return privileged_namespace(HARNESS_NAMESPACE)


def privileged_namespace(name: str) -> dict[str, Any]:
    """A namespace for privileged Pods, such as Fluid's Fuse, also where the cluster's default is stricter."""
    metadata = {"name": name, "labels": {POD_SECURITY: "privileged"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def with_owner_labels(manifest: Mapping[str, Any], run: str) -> dict[str, Any]:
    """A copy of the manifest with the labels of harness and run, also in its Pod template."""
    body: dict[str, Any] = copy.deepcopy(dict(manifest))
    places = [body]
    spec = body.get("spec")
    if isinstance(spec, dict):
        job = spec.get("jobTemplate")
        if isinstance(job, dict):
            places.append(job)
            spec = job.get("spec") or {}
        template = spec.get("template")
        if isinstance(template, dict) and "spec" in template:
            places.append(template)
    for place in places:
        metadata = place.setdefault("metadata", {})
        labels = metadata["labels"] = dict(metadata.get("labels") or {})
        labels[MANAGED_BY_LABEL] = MANAGED_BY
        labels[RUN_LABEL] = run
    return body


def is_managed(obj: Mapping[str, Any]) -> bool:
    """Whether the object has the harness's label, of any run."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY
