"""Waits for events: they end with the event, with the time, or with the object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.waiting import ProductGaveUpError, ProductTimeoutError
from suites.record.evidence import Evidence
from suites.steps.events import EventSource, wait_for_event, wait_for_event_of_any
from suites.steps.user import User
from tests.clusters.conftest import FakeClock

DATASET = {
    "apiVersion": "data.fluid.io/v1alpha1",
    "kind": "Dataset",
    "metadata": {"name": "demo", "namespace": "a"},
}


def event(message: str, kind: str = "Dataset", name: str = "demo") -> dict[str, Any]:
    """An event about an object."""
    about = {"kind": kind, "namespace": "a", "name": name}
    return {"type": "Warning", "reason": "ErrorDeleteDataset", "message": message, "involvedObject": about}


@dataclass
class Cluster:
    """An API whose objects and events change at given observations.

    Attributes:
        objects: by kind and name, whether they exist at each observation; the last one stays.
        events: all events, with the number of the observation from which each is there.
    """

    objects: dict[tuple[str, str], list[bool]]
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    observations: int = 0

    def list(
        self, kind: Kind, namespace: str | None = None, *, fields: str = "", **_: Any
    ) -> list[dict[str, Any]]:
        """The events about one object."""
        assert kind is kinds.EVENT
        asked = dict(pair.split("=") for pair in fields.split(","))
        return [
            found
            for start, found in self.events
            if start <= self.observations and found["involvedObject"]["name"] == asked["involvedObject.name"]
        ]

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> object | None:
        """An object, where it exists at this observation."""
        there = self.objects[kind.name, name]
        found = there[min(self.observations, len(there) - 1)]
        self.observations += 1
        return {"metadata": {"name": name}} if found else None

    @contextmanager
    def changes(self, *_: Any, **__: Any) -> Iterator[None]:
        """Nothing is watched."""
        yield


def user_of(cluster: Cluster, *sent: dict[str, Any]) -> User:
    """A user of that cluster."""
    system = cast("Any", SimpleNamespace(kube=cluster))
    return User(system, Evidence(silent=True), "a", folder="", files=cast("Any", None), sent=list(sent))


def test_event_ends_the_wait_also_when_the_object_is_deleted_at_the_same_time() -> None:
    """What Kubernetes still knows of an object counts."""
    cluster = Cluster({("Dataset", "demo"): [True, False]}, [(1, event("Pod b10 is using it"))])
    found = wait_for_event(user_of(cluster), "Dataset", "demo", reason="ErrorDeleteDataset", says="pod B10")
    assert found.message == "Pod b10 is using it"


def test_object_that_was_deleted_ends_the_wait_at_once() -> None:
    """Nothing can report an event about it any more."""
    cluster = Cluster({("Dataset", "demo"): [True, True, False]}, [(0, event("another"))])
    with pytest.raises(ProductGaveUpError, match=r"stopped waiting for event .*: Dataset demo is deleted"):
        wait_for_event(user_of(cluster), "Dataset", "demo", says="Pod b10")
    assert sum(cluster.clock.slept) < 1


def test_object_that_the_user_sent_has_existed() -> None:
    """It may be deleted before the first observation."""
    cluster = Cluster({("Dataset", "demo"): [False]})
    with pytest.raises(ProductGaveUpError, match="Dataset demo is deleted"):
        wait_for_event(user_of(cluster, DATASET), "Dataset", "demo", says="Pod b10")


def test_object_that_does_not_exist_yet_is_waited_for() -> None:
    """Fluid creates the StatefulSet of a master only after a while."""
    cluster = Cluster({("StatefulSet", "demo-master"): [False]})
    with pytest.raises(ProductTimeoutError, match="timed out after 9 s"):
        wait_for_event(user_of(cluster), "StatefulSet", "demo-master", timeout=9.0)


def test_one_of_several_objects_that_is_left_is_waited_for() -> None:
    """The event may be about either."""
    cluster = Cluster({("Dataset", "demo"): [False], ("AlluxioRuntime", "demo"): [True]})
    sources = (EventSource("Dataset", "demo"), EventSource("AlluxioRuntime", "demo"))
    with pytest.raises(ProductTimeoutError):
        wait_for_event_of_any(user_of(cluster, DATASET), sources, timeout=3.0)
