"""The client, against an API server in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clusters.errors import HarnessError
from clusters.kubernetes import connection, kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.ownership import MANAGED_BY_LABEL, RUN_LABEL, is_managed, with_owner_labels

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi, FakeClock

PODS = "/api/v1/namespaces/demo/pods"
OUR_LABELS = {MANAGED_BY_LABEL: "fluid-conformance", RUN_LABEL: "r1"}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "demo", "labels": {"app": "reader"}},
    "spec": {"containers": [{"name": "main", "image": "i"}]},
}


# Reading


def test_get_of_a_missing_object_is_none(kube: Kube) -> None:
    """A missing object is no error."""
    assert kube.get(kinds.POD, "a", "demo") is None


def test_a_kind_that_the_cluster_lacks_is_an_error(api: FakeApi, kube: Kube) -> None:
    """A cluster without Fluid is distinguished from a missing Dataset."""
    path = "/apis/data.fluid.io/v1alpha1/namespaces/demo/datasets"
    api.answer("GET", f"{path}/a", api.text("404 page not found\n", 404))
    with pytest.raises(KubeError, match="get Dataset demo/a: 404 NoSuchKind") as caught:
        kube.get(kinds.DATASET, "a", "demo")
    assert caught.value.reason == "NoSuchKind"
    api.answer("GET", path, api.text("404 page not found\n", 404))
    assert kube.list_if_known(kinds.DATASET, "demo") == []


def test_a_list_follows_all_its_pages(api: FakeApi, kube: Kube) -> None:
    """Pages are requested with the server's token, and each item has its kind."""
    api.answer(
        "GET",
        PODS,
        {"metadata": {"continue": "t1"}, "items": [{"metadata": {"name": "a"}}]},
        {"metadata": {}, "items": [{"metadata": {"name": "b"}}]},
    )
    found = kube.list(kinds.POD, "demo", labels="app=x", fields="spec.nodeName=n")
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "Pod")}
    first, second = api.asked("GET", PODS)
    assert (first.asked("limit"), first.asked("continue")) == ("500", None)
    assert (second.asked("continue"), second.asked("labelSelector")) == ("t1", "app=x")
    assert second.asked("fieldSelector") == "spec.nodeName=n"


def test_an_expired_list_is_started_again(api: FakeApi, kube: Kube) -> None:
    """An expired token (410) costs another round only."""
    page = {"metadata": {"continue": "t1"}, "items": [{"metadata": {"name": "a"}}]}
    last = {"metadata": {}, "items": [{"metadata": {"name": "b"}}]}
    api.answer("GET", PODS, page, api.refusal(410, "Expired"), page, last)
    assert [item["metadata"]["name"] for item in kube.list(kinds.POD, "demo")] == ["a", "b"]


def test_a_list_that_keeps_expiring_is_given_up(api: FakeApi, kube: Kube) -> None:
    """The number of attempts is limited."""
    api.answer("GET", PODS, api.refusal(410, "Expired"))
    with pytest.raises(KubeError, match="list pods in demo: 410 Expired"):
        kube.list(kinds.POD, "demo")
    assert len(api.asked("GET", PODS)) == 4


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_retried(api: FakeApi, kube: Kube, clock: FakeClock, code: int) -> None:
    """A read is repeated while the server is too busy."""
    kube.connection.clock = clock
    api.answer("GET", PODS, api.refusal(code, "Busy"), api.refusal(code, "Busy"), {"items": []})
    assert kube.list(kinds.POD, "demo") == []


def test_a_dropped_read_is_retried(api: FakeApi, kube: Kube, clock: FakeClock) -> None:
    """A read whose connection breaks is retried."""
    kube.connection.clock = clock
    api.answer("GET", f"{PODS}/a", api.dropped(), POD)
    assert kube.get(kinds.POD, "a", "demo") is not None


def test_a_server_that_stays_busy_is_an_infrastructure_error(
    api: FakeApi, kube: Kube, clock: FakeClock
) -> None:
    """Retries end in time, with the server's message."""
    kube.connection.clock = clock
    api.answer("GET", PODS, api.refusal(503, "ServiceUnavailable", "etcd is away"))
    with pytest.raises(KubeError, match="503 ServiceUnavailable: etcd is away") as caught:
        kube.list(kinds.POD, "demo")
    assert 5 < sum(clock.slept) <= connection.RETRY_SECONDS
    assert caught.value.failure_class == "infrastructure"


def test_logs_are_text(api: FakeApi, kube: Kube) -> None:
    """The request has the parameters; the log is unchanged."""
    api.answer("GET", f"{PODS}/a/log", api.text("one\ntwo\n"))
    assert kube.logs("demo", "a", "main", previous=True, tail=2, since_seconds=60) == "one\ntwo\n"
    (request,) = api.asked("GET", f"{PODS}/a/log")
    assert request.query == [
        ("container", "main"),
        ("previous", "true"),
        ("tailLines", "2"),
        ("sinceSeconds", "60"),
    ]


def test_a_pod_answers_through_the_api_server(api: FakeApi, kube: Kube) -> None:
    """The answer of the Pod is unchanged."""
    api.answer("GET", f"{PODS}/a:8080/proxy/metrics", api.text("up 1\n"))
    assert kube.proxied("demo", "a", 8080, "/metrics") == "up 1\n"


# Writing


def test_apply_adds_the_owner_labels(api: FakeApi, kube: Kube) -> None:
    """A server-side apply has the owner labels, and is kept in `sent`."""
    api.answer("PATCH", f"{PODS}/a", POD)
    kube.apply(POD)
    (request,) = api.asked("PATCH", f"{PODS}/a")
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert (request.asked("fieldManager"), request.asked("force")) == ("fluid-conformance", "true")
    assert request.body["metadata"]["labels"] == {"app": "reader", **OUR_LABELS}
    assert kube.sent == [request.body]
    assert POD["metadata"]["labels"] == {"app": "reader"}


def test_create_adds_the_owner_labels(api: FakeApi, kube: Kube) -> None:
    """A creation is posted to the collection with the labels, and is kept in `sent`."""
    api.answer("POST", PODS, POD)
    kube.create(POD)
    (request,) = api.asked("POST", PODS)
    assert is_managed(request.body)
    assert kube.sent == [request.body]


def test_a_dry_run_creates_nothing(api: FakeApi, kube: Kube) -> None:
    """The request has dryRun, and is not kept in `sent`."""
    api.answer("POST", PODS, POD | {"spec": {"mutated": True}})
    assert kube.would_create(POD)["spec"] == {"mutated": True}
    (request,) = api.asked("POST", PODS)
    assert request.asked("dryRun") == "All"
    assert is_managed(request.body)
    assert kube.sent == []


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"template": {"spec": {}}}, ("template",)),
        ({"template": {"metadata": {"labels": {"a": "b"}}, "spec": {}}}, ("template",)),
        ({"jobTemplate": {"spec": {"template": {"spec": {}}}}}, ("jobTemplate",)),
        ({"jobTemplate": {"spec": {"template": {"spec": {}}}}}, ("jobTemplate", "spec", "template")),
    ],
)
def test_pod_templates_have_the_owner_labels(spec: dict[str, Any], place: tuple[str, ...]) -> None:
    """Pods of a Job or a DaemonSet have the labels as well."""
    found: Any = with_owner_labels({"kind": "Job", "spec": spec}, "r1")["spec"]
    for key in place:
        found = found[key]
    assert OUR_LABELS.items() <= found["metadata"]["labels"].items()


def test_a_manifest_without_a_name_is_refused(kube: Kube) -> None:
    """A manifest without name or namespace is never sent."""
    with pytest.raises(HarnessError, match="lacks its name"):
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "demo"}})
    with pytest.raises(HarnessError, match="lacks its namespace"):
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    assert kube.sent == []


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (409, "AlreadyExists"), (422, "Invalid"), (500, "InternalError")]
)
def test_a_refused_creation_has_the_servers_message(api: FakeApi, kube: Kube, code: int, reason: str) -> None:
    """A refusal has status, reason and message, and is not retried."""
    api.answer("POST", PODS, api.refusal(code, reason, "because"))
    with pytest.raises(KubeError, match=f"create Pod demo/a: {code} {reason}: because") as caught:
        kube.create(POD)
    assert (caught.value.status, caught.value.reason, caught.value.said) == (code, reason, "because")
    assert len(api.asked("POST", PODS)) == 1


def test_a_dropped_creation_is_not_repeated(api: FakeApi, kube: Kube) -> None:
    """A creation with an unknown result is not repeated."""
    api.answer("POST", PODS, api.dropped(), POD)
    with pytest.raises(KubeError, match="create Pod demo/a: no answer"):
        kube.create(POD)
    assert len(api.asked("POST", PODS)) == 1


def test_a_patch_is_sent_unchanged(api: FakeApi, kube: Kube) -> None:
    """A merge patch is sent to the object or its subresource."""
    api.answer("PATCH", f"{PODS}/a/status", POD)
    kube.patch(kinds.POD, "a", "demo", {"status": {}}, subresource="status")
    (request,) = api.asked("PATCH", f"{PODS}/a/status")
    assert (request.body, request.headers["content-type"]) == ({"status": {}}, "application/merge-patch+json")


# Deleting


def test_an_unmanaged_object_is_not_deleted(api: FakeApi, kube: Kube) -> None:
    """An object without the label is kept, and the error names it."""
    api.answer("GET", f"{PODS}/a", POD)
    with pytest.raises(HarnessError, match="Pod demo/a was not created by the harness"):
        kube.delete(kinds.POD, "a", "demo")
    assert api.asked("DELETE", f"{PODS}/a") == []


def test_an_unmanaged_object_is_deleted_for_a_reason(api: FakeApi, kube: Kube) -> None:
    """A scenario may delete an object of Fluid as the user would."""
    api.answer("GET", f"{PODS}/a", POD)
    api.answer("DELETE", f"{PODS}/a", {})
    kube.delete(kinds.POD, "a", "demo", because="the user deletes the Fuse Pod")
    assert len(api.asked("DELETE", f"{PODS}/a")) == 1


def test_only_the_object_with_the_same_uid_is_deleted(api: FakeApi, kube: Kube) -> None:
    """A deletion has the uid as its precondition, and includes the dependents."""
    api.answer("GET", f"{PODS}/a", {"metadata": {"uid": "u1", "labels": OUR_LABELS}})
    api.answer("DELETE", f"{PODS}/a", {})
    kube.delete(kinds.POD, "a", "demo", grace_seconds=0)
    (request,) = api.asked("DELETE", f"{PODS}/a")
    assert request.body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u1"},
        "gracePeriodSeconds": 0,
    }


def test_deleting_a_missing_object_is_no_error(api: FakeApi, kube: Kube) -> None:
    """No request is sent for a missing object; a 404 from the deletion itself is no error."""
    kube.delete(kinds.POD, "a", "demo")
    assert api.asked("DELETE", f"{PODS}/a") == []
    api.answer("GET", f"{PODS}/a", {"metadata": {"labels": OUR_LABELS}})
    kube.delete(kinds.POD, "a", "demo")
    assert len(api.asked("DELETE", f"{PODS}/a")) == 1
    api.answer("DELETE", f"{PODS}/a", api.refusal(409, "Conflict"))
    with pytest.raises(KubeError, match="409 Conflict"):
        kube.delete(kinds.POD, "a", "demo")
