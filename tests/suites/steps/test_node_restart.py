"""A node that is restarted: where it can be, and when its Pods are back."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import FailureClass
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import ProductTimeoutError, WaitTimeoutError
from suites.record.evidence import Evidence
from suites.steps import node_restart
from suites.steps.user import User
from workloads.data import one_file


def pod(uid: str, restarts: int, *, ready: bool = True) -> PodSnapshot:
    """A Pod of an application."""
    conditions = [{"type": "Ready", "status": str(ready)}]
    containers = [{"name": "application", "restartCount": restarts, "state": {"running": {}}}]
    return PodSnapshot.of(
        {
            "metadata": {"name": "reader", "namespace": "fc-1", "uid": uid},
            "spec": {"containers": [{"name": "application"}]},
            "status": {"conditions": conditions, "containerStatuses": containers},
        }
    )


def a_user(monkeypatch: pytest.MonkeyPatch, *seen: PodSnapshot | None) -> User:
    """A user who sees these Pods, one after the other; the last one stays."""
    looks: Iterator[PodSnapshot | None] = iter(seen)
    objects = SimpleNamespace(get=lambda *_: next(looks, seen[-1]))
    monkeypatch.setattr(User, "observer", property(lambda _: SimpleNamespace(objects=objects)))
    monkeypatch.setattr("clusters.clock.SystemClock.sleep", lambda *_: None)
    system = cast("Any", SimpleNamespace(provider=object()))
    return User(
        system, Evidence(silent=True), "fc-1", folder="", files=one_file("data", 10), timeout_factor=0.001
    )


def test_pod_is_back_when_its_container_was_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state from before the restart is not taken for the one after it."""
    looks = (pod("u", 0), None, pod("u", 1, ready=False), pod("u", 1))
    user = a_user(monkeypatch, *looks)
    assert node_restart.wait_until_back(user, looks[0], 60.0).restarts == 1


@pytest.mark.parametrize("now", [pod("u", 0), pod("other", 1)], ids=["not restarted", "another Pod"])
def test_pod_that_does_not_come_back_is_a_finding(monkeypatch: pytest.MonkeyPatch, now: PodSnapshot) -> None:
    """Of a control it is none about Fluid."""
    with pytest.raises(ProductTimeoutError, match="more than 0 restarts"):
        node_restart.wait_until_back(a_user(monkeypatch, now), pod("u", 0), 60.0)
    with pytest.raises(WaitTimeoutError) as caught:
        node_restart.wait_until_back(
            a_user(monkeypatch, now), pod("u", 0), 60.0, failure_class=FailureClass.INFRASTRUCTURE
        )
    assert caught.value.failure_class is FailureClass.INFRASTRUCTURE


def test_nodes_of_a_foreign_cluster_are_not_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario is skipped, with the reason."""
    with pytest.raises(pytest.skip.Exception, match="cannot be restarted"):
        node_restart.provider_of_nodes(a_user(monkeypatch, None))
