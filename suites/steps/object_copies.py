"""Objects of the API as a user would write them into a file."""

from __future__ import annotations

import copy

from workloads.models.base import Manifest


def as_written(found: Manifest) -> Manifest:
    """A copy without what the API server and controllers add: uid, versions, finalizers and status."""
    labels = found["metadata"].get("labels") or {}
    annotations = found["metadata"].get("annotations") or {}
    metadata = {
        "name": found["metadata"]["name"],
        "namespace": found["metadata"].get("namespace"),
        "labels": dict(labels),
        "annotations": {
            key: value
            for key, value in annotations.items()
            if "kubernetes.io/" not in key and not key.startswith("deprecated.")
        },
        "ownerReferences": found["metadata"].get("ownerReferences"),
    }
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": copy.deepcopy(found["spec"]),
    }
