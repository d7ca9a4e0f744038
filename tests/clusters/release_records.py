"""Helm's records of releases in an API server in memory."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from clusters.kubernetes import kinds
from clusters.product import fluid
from tests.clusters.stored_objects import StoredObjects


def record(store: StoredObjects, values: Any, *, revision: int = 1, release: str = fluid.RELEASE) -> None:
    """Store what helm keeps of a release."""
    content = {"name": release, "version": revision, "config": values}
    packed = base64.b64encode(gzip.compress(json.dumps(content).encode()))
    store.put(
        kinds.SECRET.path(fluid.NAMESPACE, f"sh.helm.release.v1.{release}.v{revision}"),
        metadata={"labels": {"owner": "helm", "name": release, "version": str(revision)}},
        data={"release": base64.b64encode(packed).decode()},
    )
