"""CRDs of a chart: created, replaced, or left as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from clusters.kubernetes.client import JSON_PATCH, Kube
from clusters.kubernetes.kinds import Kind, kind_of
from clusters.product import fluid_crds
from clusters.product.fluid_crds import CRD
from tests.clusters.fake_kube import FakeKube


def crd(name: str, *fields: str) -> dict[str, Any]:
    """A CRD with these fields in its schema."""
    schema = {"openAPIV3Schema": {"properties": {field: {"type": "string"} for field in fields}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": "data.fluid.io", "versions": [{"name": "v1alpha1", "schema": schema}]},
    }


class Cluster(FakeKube):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, object]] = []

    def create(self, manifest: dict[str, Any]) -> None:
        """As `Kube.create`, which refuses a kind that it does not know."""
        assert kind_of(manifest) is CRD
        self.written.append(("create", manifest["metadata"]["name"]))

    def patch(self, kind: Kind, name: str, namespace: str | None, body: object, *, content_type: str) -> None:
        """As `Kube.patch`."""
        assert (kind, namespace, content_type) == (CRD, None, JSON_PATCH)
        self.written.append((name, body))


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with three CRDs."""
    (tmp_path / "crds").mkdir()
    for name in ("datasets", "dataloads", "cacheruntimes"):
        (tmp_path / "crds" / f"{name}.yaml").write_text(f"---\n{yaml.safe_dump(crd(name, 'a', 'b'))}")
    return tmp_path


def test_crds_become_those_of_the_chart(chart: Path) -> None:
    """What is missing is created, what differs is replaced, and what the API server added does not differ."""
    cluster = Cluster()
    same = crd("datasets", "a", "b")
    same["spec"]["versions"][0] |= {"served": True}
    same["spec"]["conversion"] = {"strategy": "None"}
    for there in (same, crd("dataloads", "a"), crd("goosefsruntimes", "a")):
        cluster.add(CRD, there["metadata"]["name"], spec=there["spec"])
    assert fluid_crds.upgrade(cast("Kube", cluster), chart) == ("cacheruntimes", "dataloads")
    replace = {"op": "replace", "path": "/spec", "value": crd("dataloads", "a", "b")["spec"]}
    assert cluster.written == [("create", "cacheruntimes"), ("dataloads", [replace])]


def test_new_cluster_is_left_to_helm(chart: Path) -> None:
    """Helm creates CRDs that do not exist."""
    cluster = Cluster()
    assert fluid_crds.upgrade(cast("Kube", cluster), chart) == ()
    assert cluster.written == []
