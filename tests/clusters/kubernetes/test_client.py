"""Access to Kubernetes, against an API server in this process."""

from __future__ import annotations

import json
import queue
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clusters.errors import HarnessError, RefusalError
from clusters.kubernetes import connection, kinds, watch
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.ownership import MANAGED_BY_LABEL, RUN_LABEL, is_managed, with_owner_labels
from clusters.kubernetes.watch import Topic
from clusters.waiting import wait

if TYPE_CHECKING:
    from tests.clusters.conftest import Channels, FakeApi, FakeClock

PODS = "/api/v1/namespaces/demo/pods"
OUR_LABELS = {MANAGED_BY_LABEL: "fluid-conformance", RUN_LABEL: "r1"}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "demo", "labels": {"app": "reader"}},
    "spec": {"containers": [{"name": "main", "image": "i"}]},
}


# Kinds


def test_paths_follow_group_and_scope() -> None:
    """Core kinds live below /api, others below /apis, with their namespace where they have one."""
    assert kinds.POD.path("demo", "a") == "/api/v1/namespaces/demo/pods/a"
    assert kinds.NODE.path(None, "n") == "/api/v1/nodes/n"
    assert kinds.DATASET.path() == "/apis/data.fluid.io/v1alpha1/datasets"


def test_a_forgotten_namespace_is_told() -> None:
    """An object of a namespaced kind cannot be asked for without its namespace, nor a node with one."""
    with pytest.raises(HarnessError, match="Pod a was asked for without a namespace"):
        kinds.POD.path(None, "a")
    with pytest.raises(HarnessError, match="Node n was asked for with a namespace"):
        kinds.NODE.path("demo", "n")


def test_a_manifest_tells_its_kind() -> None:
    """Kinds are found by apiVersion and kind, and an unknown one is named."""
    assert kinds.kind_of({"apiVersion": "data.fluid.io/v1alpha1", "kind": "Dataset"}) is kinds.DATASET
    with pytest.raises(HarnessError, match=r"no kind Dataset of v1"):
        kinds.kind_of({"apiVersion": "v1", "kind": "Dataset"})


# Connecting


def test_connecting_tells_the_server_who_we_are(api: FakeApi) -> None:
    """The token of the kubeconfig goes with every request."""
    kube = Kube.connect(api.kubeconfig(), run="r1")
    assert kube.server_version() == "v1.33.13"
    assert {r.headers.get("authorization") for r in api.requests} == {"Bearer t0ken"}
    kube.close()


def test_the_environment_names_the_kubeconfig(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, $KUBECONFIG is used, as kubectl does, and what it lists but lacks is passed over."""
    monkeypatch.setenv("KUBECONFIG", f"/no/such/file:{api.kubeconfig()}")
    Kube.connect(None, run="r1").close()
    assert api.asked("GET", "/version")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no kubeconfig at"),
        ("a: [", "is malformed"),
        ("", "is malformed: it holds nothing"),
        ("- 1", "is malformed: it holds no mapping"),
        ("contexts: []", "has no current context"),
        ("current-context: x\ncontexts:\n- {name: y}", "has no context x"),
        ("current-context: y\ncontexts:\n- {name: y}", "cannot be used"),
        (
            "current-context: y\ncontexts:\n- {name: y, context: {cluster: c, user: u}}\nclusters: []",
            "cannot be used",
        ),
        (
            (
                "current-context: y\ncontexts:\n- {name: y, context: {cluster: c, user: u}}\n"
                "clusters:\n- name: c\n  cluster: {server: 'https://x', certificate-authority: /no/ca}\n"
                "users:\n- {name: u, user: {token: t}}"
            ),
            "cannot be used",
        ),
    ],
)
def test_a_bad_kubeconfig_is_one_clear_sentence(content: str | None, says: str, tmp_path: Path) -> None:
    """Whatever is wrong with the file is told in a sentence that names it, with advice."""
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RefusalError, match=says) as caught:
        Kube.connect(path, run="r1")
    assert str(path) in caught.value.message
    assert caught.value.advice
    assert "\n" not in caught.value.message


def test_a_kubeconfig_that_is_a_folder_is_told(tmp_path: Path) -> None:
    """A folder in the file's place cannot be read, and that is said."""
    with pytest.raises(RefusalError, match="cannot be read: Is a directory"):
        Kube.connect(tmp_path, run="r1")


def cluster_at(api: FakeApi, url: str) -> Path:
    """A kubeconfig that leads to ``url``."""
    return api.kubeconfig(clusters=[{"name": "fake", "cluster": {"server": url}}])


def test_a_dead_cluster_is_told(api: FakeApi) -> None:
    """A port on which nothing listens is a cluster that cannot be reached, told with its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RefusalError, match="cannot be reached: connection refused") as caught:
        Kube.connect(cluster_at(api, url), run="r1")
    assert url in caught.value.message


def test_a_silent_cluster_is_told_in_time(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers is given up."""
    monkeypatch.setattr(connection, "PROBE_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(RefusalError, match="connected, but no answer in time"):
            Kube.connect(cluster_at(api, f"http://127.0.0.1:{silent.getsockname()[1]}"), run="r1")
    assert time.monotonic() - start < 3


def test_a_server_without_tls_is_told(api: FakeApi) -> None:
    """Where TLS is expected and plain HTTP answers, TLS is named."""
    with pytest.raises(RefusalError, match="TLS failed"):
        Kube.connect(cluster_at(api, api.url.replace("http:", "https:")), run="r1")


def test_an_unknown_host_is_told(api: FakeApi) -> None:
    """A name that leads nowhere is told as that."""
    with pytest.raises(RefusalError, match="its name cannot be resolved"):
        Kube.connect(cluster_at(api, "http://no-such-host.invalid"), run="r1")


@pytest.mark.parametrize(("path", "code"), [("/version", 401), ("/api", 403)])
def test_refused_credentials_are_told(api: FakeApi, path: str, code: int) -> None:
    """An expired token, or none at all, is told apart from a dead cluster."""
    api.answer("GET", path, api.refusal(code, "Refused"))
    with pytest.raises(RefusalError, match=f"does not accept the credentials .{code}"):
        Kube.connect(api.kubeconfig(), run="r1")


def test_a_server_that_is_no_kubernetes_is_told(api: FakeApi) -> None:
    """A web server in the cluster's place is not taken for it."""
    api.answer("GET", "/version", api.text("<html>nothing here</html>", 404))
    with pytest.raises(RefusalError, match="not as Kubernetes does"):
        Kube.connect(api.kubeconfig(), run="r1")


def test_a_run_must_be_fit_for_a_label(kube: Kube) -> None:
    """A run whose name cannot be a label's value is refused before anything is made."""
    with pytest.raises(HarnessError, match="cannot be the name of a run"):
        Kube(kube.connection, run="no spaces please")


# Reading


def test_an_object_that_is_not_there_is_none(kube: Kube) -> None:
    """A missing object is no error."""
    assert kube.get(kinds.POD, "a", "demo") is None


def test_a_kind_that_the_cluster_lacks_is_an_error(api: FakeApi, kube: Kube) -> None:
    """A cluster without Fluid is told apart from a Dataset that is not there."""
    path = "/apis/data.fluid.io/v1alpha1/namespaces/demo/datasets"
    api.answer("GET", f"{path}/a", api.text("404 page not found\n", 404))
    with pytest.raises(KubeError, match="get Dataset demo/a: 404 NoSuchKind") as caught:
        kube.get(kinds.DATASET, "a", "demo")
    assert caught.value.reason == "NoSuchKind"
    api.answer("GET", path, api.text("404 page not found\n", 404))
    assert kube.list_if_known(kinds.DATASET, "demo") == []


def test_a_list_follows_all_its_pages(api: FakeApi, kube: Kube) -> None:
    """Pages are asked for by the server's token, and items are given back their kind."""
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
    """A token that the server has forgotten (410) costs another round, not the answer."""
    page = {"metadata": {"continue": "t1"}, "items": [{"metadata": {"name": "a"}}]}
    last = {"metadata": {}, "items": [{"metadata": {"name": "b"}}]}
    api.answer("GET", PODS, page, api.refusal(410, "Expired"), page, last)
    assert [item["metadata"]["name"] for item in kube.list(kinds.POD, "demo")] == ["a", "b"]


def test_a_list_that_keeps_expiring_is_given_up(api: FakeApi, kube: Kube) -> None:
    """Beginning anew has an end."""
    api.answer("GET", PODS, api.refusal(410, "Expired"))
    with pytest.raises(KubeError, match="list pods in demo: 410 Expired"):
        kube.list(kinds.POD, "demo")
    assert len(api.asked("GET", PODS)) == 4


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_asked_again(api: FakeApi, kube: Kube, clock: FakeClock, code: int) -> None:
    """A read is repeated while the server is too busy."""
    kube.connection.clock = clock
    api.answer("GET", PODS, api.refusal(code, "Busy"), api.refusal(code, "Busy"), {"items": []})
    assert kube.list(kinds.POD, "demo") == []


def test_a_dropped_read_is_asked_again(api: FakeApi, kube: Kube, clock: FakeClock) -> None:
    """A connection that breaks during a read is made anew."""
    kube.connection.clock = clock
    api.answer("GET", f"{PODS}/a", api.dropped(), POD)
    assert kube.get(kinds.POD, "a", "demo") is not None


def test_a_server_that_stays_busy_is_an_infrastructure_error(
    api: FakeApi, kube: Kube, clock: FakeClock
) -> None:
    """Trying again ends within its time, with the server's own words."""
    kube.connection.clock = clock
    api.answer("GET", PODS, api.refusal(503, "ServiceUnavailable", "etcd is away"))
    with pytest.raises(KubeError, match="503 ServiceUnavailable: etcd is away") as caught:
        kube.list(kinds.POD, "demo")
    assert 5 < sum(clock.slept) <= connection.RETRY_SECONDS
    assert caught.value.failure_class == "infrastructure"


def test_logs_are_text(api: FakeApi, kube: Kube) -> None:
    """Logs come as they are, narrowed as asked for."""
    api.answer("GET", f"{PODS}/a/log", api.text("one\ntwo\n"))
    assert kube.logs("demo", "a", "main", previous=True, tail=2, since_seconds=60) == "one\ntwo\n"
    (request,) = api.asked("GET", f"{PODS}/a/log")
    assert request.query == [
        ("container", "main"),
        ("previous", "true"),
        ("tailLines", "2"),
        ("sinceSeconds", "60"),
    ]


def test_pod_is_asked_through_the_api_server(api: FakeApi, kube: Kube) -> None:
    """A page that a Pod serves comes as it is."""
    api.answer("GET", f"{PODS}/a:8080/proxy/metrics", api.text("up 1\n"))
    assert kube.proxied("demo", "a", 8080, "/metrics") == "up 1\n"


# Writing


def test_apply_marks_what_it_makes(api: FakeApi, kube: Kube) -> None:
    """A server-side apply of ours carries the owner's labels, and is kept as it was sent."""
    api.answer("PATCH", f"{PODS}/a", POD)
    kube.apply(POD)
    (request,) = api.asked("PATCH", f"{PODS}/a")
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert (request.asked("fieldManager"), request.asked("force")) == ("fluid-conformance", "true")
    assert request.body["metadata"]["labels"] == {"app": "reader", **OUR_LABELS}
    assert kube.sent == [request.body]
    assert POD["metadata"]["labels"] == {"app": "reader"}


def test_create_marks_what_it_makes(api: FakeApi, kube: Kube) -> None:
    """A creation goes to the collection, labelled and kept."""
    api.answer("POST", PODS, POD)
    kube.create(POD)
    (request,) = api.asked("POST", PODS)
    assert is_managed(request.body)
    assert kube.sent == [request.body]


def test_a_tried_creation_makes_nothing(api: FakeApi, kube: Kube) -> None:
    """What the API would make is asked for without making it, and is not kept as sent."""
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
def test_the_pods_of_a_workload_are_marked_too(spec: dict[str, Any], place: tuple[str, ...]) -> None:
    """What a Job or a DaemonSet of ours makes carries our labels as well."""
    found: Any = with_owner_labels({"kind": "Job", "spec": spec}, "r1")["spec"]
    for key in place:
        found = found[key]
    assert OUR_LABELS.items() <= found["metadata"]["labels"].items()


def test_a_manifest_without_a_name_is_refused(kube: Kube) -> None:
    """What has no name or no namespace never reaches the server."""
    with pytest.raises(HarnessError, match="lacks its name"):
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "demo"}})
    with pytest.raises(HarnessError, match="lacks its namespace"):
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    assert kube.sent == []


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (409, "AlreadyExists"), (422, "Invalid"), (500, "InternalError")]
)
def test_a_refused_creation_keeps_the_servers_words(api: FakeApi, kube: Kube, code: int, reason: str) -> None:
    """A refusal carries status, reason and message, and is not tried again."""
    api.answer("POST", PODS, api.refusal(code, reason, "because"))
    with pytest.raises(KubeError, match=f"create Pod demo/a: {code} {reason}: because") as caught:
        kube.create(POD)
    assert (caught.value.status, caught.value.reason, caught.value.said) == (code, reason, "because")
    assert len(api.asked("POST", PODS)) == 1


def test_a_dropped_creation_is_not_repeated(api: FakeApi, kube: Kube) -> None:
    """Where it is not known whether something was made, it is not made again."""
    api.answer("POST", PODS, api.dropped(), POD)
    with pytest.raises(KubeError, match="create Pod demo/a: no answer"):
        kube.create(POD)
    assert len(api.asked("POST", PODS)) == 1


def test_a_patch_is_sent_as_it_is(api: FakeApi, kube: Kube) -> None:
    """A merge patch reaches the object or its subresource."""
    api.answer("PATCH", f"{PODS}/a/status", POD)
    kube.patch(kinds.POD, "a", "demo", {"status": {}}, subresource="status")
    (request,) = api.asked("PATCH", f"{PODS}/a/status")
    assert (request.body, request.headers["content-type"]) == ({"status": {}}, "application/merge-patch+json")


# Deleting


def test_an_unmanaged_object_is_not_deleted(api: FakeApi, kube: Kube) -> None:
    """An object without our label stays, and the refusal names it."""
    api.answer("GET", f"{PODS}/a", POD)
    with pytest.raises(HarnessError, match="Pod demo/a was not created by the harness"):
        kube.delete(kinds.POD, "a", "demo")
    assert api.asked("DELETE", f"{PODS}/a") == []


def test_what_is_not_ours_goes_when_there_is_a_reason(api: FakeApi, kube: Kube) -> None:
    """A scenario may act as the user on what Fluid made, if it says so."""
    api.answer("GET", f"{PODS}/a", POD)
    api.answer("DELETE", f"{PODS}/a", {})
    kube.delete(kinds.POD, "a", "demo", because="the user deletes the Fuse Pod")
    assert len(api.asked("DELETE", f"{PODS}/a")) == 1


def test_ours_goes_and_nothing_that_took_its_name(api: FakeApi, kube: Kube) -> None:
    """A deletion is bound to the uid that was looked at, and its dependents go as well."""
    api.answer("GET", f"{PODS}/a", {"metadata": {"uid": "u1", "labels": OUR_LABELS}})
    api.answer("DELETE", f"{PODS}/a", {})
    kube.delete(kinds.POD, "a", "demo", grace_seconds=0)
    (request,) = api.asked("DELETE", f"{PODS}/a")
    assert request.body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u1"},
        "gracePeriodSeconds": 0,
    }


def test_deleting_what_is_gone_is_fine(api: FakeApi, kube: Kube) -> None:
    """Gone before the look, or between look and deletion, is what was wanted."""
    kube.delete(kinds.POD, "a", "demo")
    api.answer("GET", f"{PODS}/a", {"metadata": {"labels": OUR_LABELS}})
    kube.delete(kinds.POD, "a", "demo")


# Exec

SUCCESS = json.dumps({"status": "Success"}).encode()
EXIT_3 = json.dumps(
    {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }
).encode()


def test_exec_returns_outputs_and_exit_code(api: FakeApi, kube: Kube) -> None:
    """Both outputs are put together from their frames; a non-zero exit is returned, not raised."""

    def kubelet(channels: Channels) -> None:
        channels.send(1, b"one ")
        channels.send(2, b"oops")
        channels.send(1, "zwei é".encode()[:-1])
        channels.send(1, "é".encode()[1:])
        channels.send(3, EXIT_3)
        channels.close()

    api.execs[f"{PODS}/a/exec"] = kubelet
    done = kube.exec("demo", "a", "main", ["sh", "-c", "x y"], timeout=5)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "one zwei é", "oops")
    (request,) = api.asked("GET", f"{PODS}/a/exec")
    assert [value for key, value in request.query if key == "command"] == ["sh", "-c", "x y"]
    assert request.asked("container") == "main"
    assert request.asked("stdin") is None
    assert request.headers["authorization"] == "Bearer t0ken"


def test_exec_takes_large_outputs(api: FakeApi, kube: Kube) -> None:
    """Output of many frames arrives whole."""

    def kubelet(channels: Channels) -> None:
        for _ in range(100):
            channels.send(1, b"x" * 30_000)
        channels.send(3, SUCCESS)
        channels.close()

    api.execs[f"{PODS}/a/exec"] = kubelet
    assert len(kube.exec("demo", "a", "main", ["cat"], timeout=5).stdout) == 3_000_000


def test_exec_feeds_and_closes_standard_input(api: FakeApi, kube: Kube) -> None:
    """A program that reads to the end of its input gets all of it, and the end."""

    def kubelet(channels: Channels) -> None:
        received = b""
        while not (frame := channels.receive()).startswith(b"\xff"):
            assert frame[0] == 0
            received += frame[1:]
        channels.send(1, str(len(received)).encode())
        channels.send(3, SUCCESS)
        channels.close()

    api.execs[f"{PODS}/a/exec"] = kubelet
    assert kube.exec("demo", "a", "main", ["wc"], timeout=5, stdin=b"z" * 100_000).stdout == "100000"


def test_exec_refuses_input_that_it_could_not_close(api: FakeApi, kube: Kube) -> None:
    """Before Kubernetes 1.30 a program would wait for the end of its input for ever."""
    api.subprotocol = "v4.channel.k8s.io"
    api.execs[f"{PODS}/a/exec"] = lambda channels: channels.close()
    with pytest.raises(KubeError, match=r"before Kubernetes 1\.30"):
        kube.exec("demo", "a", "main", ["cat"], timeout=5, stdin=b"x")


def test_exec_ends_in_time(api: FakeApi, kube: Kube) -> None:
    """A program that hangs is given up, and what it wrote so far is kept."""

    def kubelet(channels: Channels) -> None:
        channels.send(1, b"begun")
        channels.receive()

    api.execs[f"{PODS}/a/exec"] = kubelet
    start = time.monotonic()
    with pytest.raises(ExecTimeoutError, match=r"sleep 9 in Pod demo/a did not end within 0\.2 s") as caught:
        kube.exec("demo", "a", "main", ["sleep", "9"], timeout=0.2)
    assert caught.value.completed.stdout == "begun"
    assert time.monotonic() - start < 3


def test_exec_gives_up_a_program_that_writes_nothing_more(api: FakeApi, kube: Kube) -> None:
    """A program that hangs is given up long before its deadline; one that goes on writing is not."""

    def hangs(channels: Channels) -> None:
        channels.send(1, b"one file")
        channels.receive()

    def slow(channels: Channels) -> None:
        for _ in range(5):
            time.sleep(0.1)
            channels.send(1, b".")
        channels.send(3, SUCCESS)
        channels.close()

    api.execs[f"{PODS}/a/exec"] = hangs
    start = time.monotonic()
    with pytest.raises(ExecTimeoutError, match=r"wrote nothing for 0\.3 s") as caught:
        kube.exec("demo", "a", "main", ["cat"], timeout=60, idle_timeout=0.3)
    assert caught.value.completed.stdout == "one file"
    assert time.monotonic() - start < 3
    api.execs[f"{PODS}/a/exec"] = slow
    assert kube.exec("demo", "a", "main", ["cat"], timeout=60, idle_timeout=0.3).stdout == "....."


@pytest.mark.parametrize("politely", [True, False])
def test_exec_without_an_end_is_infrastructure(api: FakeApi, kube: Kube, politely: bool) -> None:
    """A connection that ends before the program told its exit code is no result."""
    api.execs[f"{PODS}/a/exec"] = lambda channels: channels.close() if politely else None
    with pytest.raises(KubeError, match="ended before the program did"):
        kube.exec("demo", "a", "main", ["true"], timeout=5)


def test_exec_tells_why_nothing_was_started(api: FakeApi, kube: Kube) -> None:
    """A failure that is not the program's own is an error with the kubelet's words."""
    failure = {"status": "Failure", "code": 500, "reason": "InternalError", "message": "no such container"}

    def kubelet(channels: Channels) -> None:
        channels.send(3, json.dumps(failure).encode())
        channels.close()

    api.execs[f"{PODS}/a/exec"] = kubelet
    with pytest.raises(KubeError, match="500 InternalError: no such container"):
        kube.exec("demo", "a", "main", ["true"], timeout=5)


def test_exec_in_a_missing_pod_is_refused(kube: Kube) -> None:
    """A refusal before the websocket keeps its status."""
    with pytest.raises(KubeError, match=r"run true in Pod demo/a: 404") as caught:
        kube.exec("demo", "a", "main", ["true"], timeout=5)
    assert caught.value.status == 404


# Watching


def event(kind: str, version: str) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": {"metadata": {"resourceVersion": version}}}).encode() + b"\n"


@pytest.fixture
def watched(api: FakeApi) -> queue.Queue[bytes | None]:
    """The Pods of a namespace, whose watch the test feeds."""
    api.answer("GET", PODS, {"metadata": {"resourceVersion": "7"}, "items": []})
    api.watches[PODS] = queue.Queue()
    return api.watches[PODS]


def test_a_change_sets_the_event(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """A watch starts where the list was, and each change after it is noticed."""
    with kube.changes(kinds.POD, "demo", labels="app=x") as changes:
        assert api.watching.acquire(timeout=5)
        assert not changes.event.is_set()
        watched.put(event("ADDED", "8"))
        assert changes.event.wait(5)
    first, second = api.asked("GET", PODS)
    assert first.asked("watch") is None
    assert (second.asked("resourceVersion"), second.asked("labelSelector")) == ("7", "app=x")


def test_a_change_wakes_a_wait(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """A wait with a long pause ends as soon as the change comes."""
    with kube.changes(kinds.POD, "demo") as changes:
        assert api.watching.acquire(timeout=5)

        def look() -> int:
            watched.put(event("MODIFIED", "8"))
            return changes.changes

        start = time.monotonic()
        wait(look, lambda n: n > 0, subject="s", condition="c", timeout=9, delay=9, changes=changes)
    assert time.monotonic() - start < 3


def test_a_bookmark_is_no_change(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """A bookmark only moves the place from which a watch goes on."""
    with kube.changes(kinds.POD, "demo") as changes:
        watched.put(event("BOOKMARK", "90"))
        watched.put(None)
        for _ in range(2):
            assert api.watching.acquire(timeout=5)
        assert not changes.event.is_set()
    assert api.asked("GET", PODS)[-1].asked("resourceVersion") == "90"


def test_a_watch_that_expired_is_begun_anew(
    api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]
) -> None:
    """After a 410 the state is listed again, and since anything may have changed the event is set."""
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
    """Whatever the server answers, the watch comes back and nothing is raised."""
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
    """One wait can be woken by changes of more than one kind."""
    api.answer("GET", "/api/v1/nodes", {"metadata": {"resourceVersion": "1"}})
    api.watches["/api/v1/nodes"] = queue.Queue()
    with kube.changes(kinds.POD, "demo", more=[Topic(kinds.NODE)]) as changes:
        api.watches["/api/v1/nodes"].put(event("MODIFIED", "2"))
        assert changes.event.wait(5)


def test_a_watch_of_a_missing_kind_keeps_nobody_waiting(kube: Kube) -> None:
    """Where a kind cannot be watched, the wait begins at once all the same."""
    start = time.monotonic()
    with kube.changes(kinds.DATASET, "demo") as changes:
        assert not changes.event.is_set()
    assert time.monotonic() - start < watch.START_SECONDS


def test_a_watch_ends_promptly(api: FakeApi, kube: Kube, watched: queue.Queue[bytes | None]) -> None:
    """Leaving the context ends the thread, although the server has nothing to say."""
    with kube.changes(kinds.POD, "demo") as changes:
        assert api.watching.acquire(timeout=5)
        start = time.monotonic()
    assert time.monotonic() - start < 1
    assert not any(thread.is_alive() for thread in changes._threads)
