"""What a changed product left is removed by force, and nothing else is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.kinds import Kind
from suites.sabotage import own


def volume(name: str, namespace: str) -> dict[str, Any]:
    """A volume for a claim of a namespace."""
    return {"metadata": {"name": name}, "spec": {"claimRef": {"namespace": namespace}}}


@dataclass
class Cluster:
    """Holds objects by kind, and records what is changed and deleted."""

    objects: dict[Kind, list[dict[str, Any]]]
    changes: dict[tuple[Kind, str], Any] = field(default_factory=dict)
    deleted: list[tuple[Kind, str]] = field(default_factory=list)

    def list_if_known(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        """All of a kind."""
        return self.objects.get(kind, [])

    def list(self, kind: Kind) -> list[dict[str, Any]]:
        """All of a kind that has no namespaces."""
        return self.objects.get(kind, [])

    def patch(self, kind: Kind, name: str, namespace: str | None, body: dict[str, Any]) -> None:
        """Record a change."""
        self.changes[kind, name] = body

    def delete(self, kind: Kind, name: str, namespace: str | None = None, *, because: str = "") -> None:
        """Record a deletion."""
        assert because
        self.deleted.append((kind, name))


def test_objects_volumes_and_node_labels_of_one_namespace_are_removed() -> None:
    """Finalizers are removed, and labels that name the namespace in key or value."""
    labels = {"fluid.io/f-fc-a-demo": "true", "fluid_exclusive": "fc-a_demo", "zone": "one"}
    cluster = Cluster(
        {
            kinds.DATASET: [{"metadata": {"name": "demo"}}],
            kinds.VOLUME: [volume("fc-a-demo", "fc-a"), volume("fc-b-demo", "fc-b")],
            kinds.NODE: [{"metadata": {"name": "node-1", "labels": labels}}],
        }
    )
    own.remove_by_force(cast("Kube", cluster), "fc-a")
    assert cluster.deleted == [(kinds.DATASET, "demo"), (kinds.VOLUME, "fc-a-demo")]
    assert cluster.changes == {
        (kinds.DATASET, "demo"): {"metadata": {"finalizers": None}},
        (kinds.VOLUME, "fc-a-demo"): {"metadata": {"finalizers": None}},
        (kinds.NODE, "node-1"): {
            "metadata": {"labels": {"fluid.io/f-fc-a-demo": None, "fluid_exclusive": None}}
        },
    }
