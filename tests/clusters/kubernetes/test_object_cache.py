"""Objects that are listed once and then watched, against an API server in this process."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from clusters.kubernetes import kinds, object_cache
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.object_cache import ObjectCache

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

PODS = "/api/v1/namespaces/demo/pods"


def pod(name: str, version: int, **metadata: Any) -> dict[str, Any]:
    """A Pod of a version."""
    return {"metadata": {"name": name, "namespace": "demo", "resourceVersion": str(version), **metadata}}


def listed(version: int, *pods: dict[str, Any]) -> dict[str, Any]:
    """A list of Pods."""
    return {"metadata": {"resourceVersion": str(version)}, "items": list(pods)}


def event(kind: str, obj: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_cache, "FIRST_PAUSE", 0.01)


@pytest.fixture
def cache(kube: Kube) -> Iterator[ObjectCache]:
    """An empty cache."""
    with ObjectCache(kube.connection) as found:
        yield found


@pytest.fixture
def events(api: FakeApi) -> queue.Queue[bytes | None]:
    """The Pods of a namespace, of which there is one; the test sends the lines of their watch."""
    api.answer("GET", PODS, listed(7, pod("a", 5)))
    api.watches[PODS] = queue.Queue()
    return api.watches[PODS]


def names(cache: ObjectCache) -> list[str]:
    """The Pods that are known."""
    return [obj["metadata"]["name"] for obj in cache.list(kinds.POD, "demo")]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def lists(api: FakeApi) -> int:
    """How often the Pods were listed."""
    return sum(request.asked("watch") is None for request in api.asked("GET", PODS))


def test_objects_are_listed_once_and_then_watched(
    api: FakeApi, cache: ObjectCache, events: queue.Queue[bytes | None]
) -> None:
    """Each change is in the next answer, from memory; objects are as those of a list."""
    assert names(cache) == ["a"]
    for kind, obj, expected in (
        ("ADDED", pod("b", 8, managedFields=[{"manager": "kubelet"}]), ["a", "b"]),
        ("DELETED", pod("a", 9), ["b"]),
    ):
        cache.changed.clear()
        events.put(event(kind, {"apiVersion": "v1", "kind": "Pod", **obj}))
        assert cache.changed.wait(5)
        assert names(cache) == expected
    (found,) = cache.list(kinds.POD, "demo")
    assert (found["kind"], "managedFields" in found["metadata"]) == ("Pod", False)
    assert lists(api) == 1
    assert cache.problems == ()


def test_a_watch_that_ends_is_continued(
    api: FakeApi, cache: ObjectCache, events: queue.Queue[bytes | None]
) -> None:
    """At the version of the last event, or of a bookmark, which is no change."""
    names(cache)
    events.put(event("BOOKMARK", pod("", 90)))
    events.put(None)
    until(lambda: len(api.asked("GET", PODS)) == 3)
    assert api.asked("GET", PODS)[-1].asked("resourceVersion") == "90"
    assert not cache.changed.is_set()
    assert lists(api) == 1


def test_memory_is_that_of_the_objects_that_exist(
    api: FakeApi, cache: ObjectCache, events: queue.Queue[bytes | None]
) -> None:
    """Pods that came and went, and earlier versions of one, leave nothing."""
    names(cache)
    for number in range(300):
        for kind in ("ADDED", "MODIFIED", "DELETED"):
            events.put(event(kind, pod(f"b-{number}", 8 + number)))
    events.put(event("MODIFIED", pod("a", 9_000)))
    until(lambda: cache.list(kinds.POD, "demo")[0]["metadata"]["resourceVersion"] == "9000")
    (kept,) = cache._sets.values()
    assert list(kept.objects) == [("demo", "a")]


@pytest.mark.parametrize("status", [410, 504])
def test_a_version_that_the_server_does_not_know_is_listed_again(
    api: FakeApi, cache: ObjectCache, events: queue.Queue[bytes | None], status: int
) -> None:
    """Too old, or of before a backup was restored: what was deleted meanwhile is not kept."""
    api.answer("GET", PODS, listed(7, pod("a", 5), pod("b", 6)), listed(40, pod("b", 6), pod("c", 30)))
    assert names(cache) == ["a", "b"]
    events.put(event("ERROR", {"code": status, "reason": "Expired"}))
    until(lambda: names(cache) == ["b", "c"])
    until(lambda: cache.problems == ())
    assert lists(api) == 2
    assert api.asked("GET", PODS)[-1].asked("resourceVersion") == "40"


def test_a_server_that_restarts_loses_nothing(
    api: FakeApi, cache: ObjectCache, events: queue.Queue[bytes | None]
) -> None:
    """The last objects stay, with the reason why they may be out of date; then the watch is continued."""
    names(cache)
    del api.watches[PODS]
    api.answer("GET", PODS, api.dropped())
    events.put(None)
    until(lambda: bool(cache.problems))
    assert cache.problems[0].startswith("pods in demo: ")
    assert names(cache) == ["a"]
    api.watches[PODS] = queue.Queue()
    api.watches[PODS].put(event("ADDED", pod("b", 9)))
    until(lambda: names(cache) == ["a", "b"])
    assert cache.problems == ()
    last = api.asked("GET", PODS)[-1]
    assert (last.asked("watch"), last.asked("resourceVersion")) == ("1", "7")


def test_a_missing_kind_is_not_asked_for_each_time(
    api: FakeApi, cache: ObjectCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is remembered for a while, so that it costs the server nothing at each diagnosis."""
    datasets = "/apis/data.fluid.io/v1alpha1/datasets"
    api.answer("GET", datasets, api.text("404 page not found", 404))
    for _ in range(3):
        with pytest.raises(KubeError) as caught:
            cache.list(kinds.DATASET)
        assert caught.value.reason == "NoSuchKind"
    assert len(api.asked("GET", datasets)) == 1
    monkeypatch.setattr(object_cache, "REFUSED_SECONDS", 0.0)
    api.answer("GET", datasets, {"metadata": {"resourceVersion": "1"}, "items": []})
    api.watches[datasets] = queue.Queue()
    assert cache.list(kinds.DATASET) == []


def test_who_may_not_watch_is_reported(
    api: FakeApi, cache: ObjectCache, events: queue.Queue[bytes | None]
) -> None:
    """The right to list alone does not keep the objects current."""
    del api.watches[PODS]
    api.answer("GET", PODS, listed(7), api.refusal(403, "Forbidden"))
    assert names(cache) == []
    until(lambda: [topic.kind for topic in cache.denied] == [kinds.POD])
    assert "403" in cache.problems[0]


def test_a_cache_ends_promptly(api: FakeApi, kube: Kube, events: queue.Queue[bytes | None]) -> None:
    """Leaving the context ends its threads, even if the server sends nothing."""
    with ObjectCache(kube.connection) as cache:
        names(cache)
        assert api.watching.acquire(timeout=5)
        start = time.monotonic()
    assert time.monotonic() - start < 1
    assert not any(thread.is_alive() for thread in cache._threads)
