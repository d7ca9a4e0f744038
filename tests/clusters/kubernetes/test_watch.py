"""Watches, against an API server in this process."""

from __future__ import annotations

import json
import queue
import time
from typing import TYPE_CHECKING

import pytest

from clusters.kubernetes import kinds, watch
from clusters.kubernetes.client import Kube
from clusters.kubernetes.watch import Topic
from clusters.waiting import wait

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

PODS = "/api/v1/namespaces/demo/pods"


def event(kind: str, version: str) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": {"metadata": {"resourceVersion": version}}}).encode() + b"\n"


@pytest.fixture
def watched(api: FakeApi) -> queue.Queue[bytes | None]:
    """The Pods of a namespace; the test sends the lines of its watch."""
    api.answer("GET", PODS, {"metadata": {"resourceVersion": "7"}, "items": []})
    api.watches[PODS] = queue.Queue()
    return api.watches[PODS]


def test_a_change_sets_the_event(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """A watch starts at the version of the list, and notices each later change."""
    with kube.changes(kinds.POD, "demo", labels="app=x") as changes:
        assert api.watching.acquire(timeout=5)
        assert not changes.event.is_set()
        watched.put(event("ADDED", "8"))
        assert changes.event.wait(5)
    first, second = api.asked("GET", PODS)
    assert first.asked("watch") is None
    assert (second.asked("resourceVersion"), second.asked("labelSelector")) == ("7", "app=x")


def test_a_change_wakes_a_wait(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """A wait with a long pause ends at once after the change."""
    with kube.changes(kinds.POD, "demo") as changes:
        assert api.watching.acquire(timeout=5)

        def observe() -> int:
            watched.put(event("MODIFIED", "8"))
            return changes.changes

        start = time.monotonic()
        wait(observe, lambda n: n > 0, subject="s", condition="c", timeout=9, delay=9, changes=changes)
    assert time.monotonic() - start < 3


def test_a_bookmark_is_no_change(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """A bookmark only moves the version at which a watch continues."""
    with kube.changes(kinds.POD, "demo") as changes:
        watched.put(event("BOOKMARK", "90"))
        watched.put(None)
        for _ in range(2):
            assert api.watching.acquire(timeout=5)
        assert not changes.event.is_set()
    assert api.asked("GET", PODS)[-1].asked("resourceVersion") == "90"


def test_an_expired_watch_is_started_again(
    api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]
) -> None:
    """After a 410 the objects are listed again; the event is set, because they may have changed."""
    error = {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}
    with kube.changes(kinds.POD, "demo") as changes:
        watched.put(json.dumps(error).encode() + b"\n")
        assert changes.event.wait(5)
        for _ in range(2):
            assert api.watching.acquire(timeout=5)
    assert [r.asked("watch") for r in api.asked("GET", PODS)] == [None, "1", None, "1"]


def test_a_watch_survives_a_broken_server(
    api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any answer of the server the watch continues, and raises nothing."""
    monkeypatch.setattr(watch, "FIRST_PAUSE", 0.01)
    listed = {"metadata": {"resourceVersion": "7"}, "items": []}
    api.answer("GET", PODS, api.refusal(500, "InternalError"), listed)
    with kube.changes(kinds.POD, "demo") as changes:
        assert api.watching.acquire(timeout=5)
        watched.put(b"this is no JSON\n")
        assert api.watching.acquire(timeout=5)
        watched.put(event("DELETED", "9"))
        assert changes.event.wait(5)


def test_several_kinds_feed_one_event(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """Changes of several kinds can end the pause of one wait."""
    api.answer("GET", "/api/v1/nodes", {"metadata": {"resourceVersion": "1"}})
    api.watches["/api/v1/nodes"] = queue.Queue()
    with kube.changes(kinds.POD, "demo", more=[Topic(kinds.NODE)]) as changes:
        api.watches["/api/v1/nodes"].put(event("MODIFIED", "2"))
        assert changes.event.wait(5)


def test_a_watch_of_a_missing_kind_delays_nobody(kube: Kube) -> None:
    """If a kind cannot be watched, the wait begins at once."""
    start = time.monotonic()
    with kube.changes(kinds.DATASET, "demo") as changes:
        assert not changes.event.is_set()
    assert time.monotonic() - start < watch.START_SECONDS


def test_a_watch_ends_promptly(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """Leaving the context ends the thread, even if the server sends nothing."""
    with kube.changes(kinds.POD, "demo") as changes:
        assert api.watching.acquire(timeout=5)
        start = time.monotonic()
    assert time.monotonic() - start < 1
    assert not any(thread.is_alive() for thread in changes._threads)
