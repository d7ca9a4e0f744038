"""A cluster in memory."""

from __future__ import annotations

from typing import Any

from clusters.kubernetes.kinds import Kind

#: Objects of the API with missing or malformed parts.
PARTIAL: list[dict[str, Any]] = [
    {},
    {"metadata": None, "spec": None, "status": None},
    {"metadata": {}, "spec": {}, "status": {}},
    {"metadata": "?", "spec": [], "status": 7},
    {
        "spec": {"containers": [None, {}], "volumes": [{}], "mounts": [{}], "accessModes": None},
        "status": {"conditions": [{}, None], "containerStatuses": [{}], "phase": None, "cacheStates": None},
    },
]


class FakeKube:
    """A `Kube` over objects in memory; it understands simple label selectors."""

    def __init__(self) -> None:
        self.objects: list[tuple[Kind, dict[str, Any]]] = []
        self.fields: list[str] = []

    def add(self, kind: Kind, name: str, namespace: str = "", **rest: Any) -> None:
        """Add an object."""
        metadata = {"name": name, "namespace": namespace, **rest.pop("metadata", {})}
        self.objects.append((kind, {"metadata": metadata, **rest}))

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """As `Kube.get`."""
        found = (o for o in self.list(kind, namespace) if o["metadata"]["name"] == name)
        return next(found, None)

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """As `Kube.list`."""
        self.fields.append(fields)
        selector = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            obj
            for stored, obj in self.objects
            if stored is kind
            and (not namespace or obj["metadata"]["namespace"] == namespace)
            and selector.items() <= obj["metadata"].get("labels", {}).items()
        ]
