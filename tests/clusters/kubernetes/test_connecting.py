"""Connecting to a cluster, against an API server in this process."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clusters.errors import HarnessError, RefusalError
from clusters.kubernetes import connection
from clusters.kubernetes.client import Kube

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi


def test_credentials_are_sent(api: FakeApi) -> None:
    """Every request has the token of the kubeconfig."""
    kube = Kube.connect(api.kubeconfig(), run="r1")
    assert kube.server_version() == "v1.33.13"
    assert {r.headers.get("authorization") for r in api.requests} == {"Bearer t0ken"}
    kube.close()


def test_the_environment_names_the_kubeconfig(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, $KUBECONFIG is used as by kubectl; missing files in it are skipped."""
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
    """The error is one sentence with the file, and advice."""
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RefusalError, match=says) as caught:
        Kube.connect(path, run="r1")
    assert str(path) in caught.value.message
    assert caught.value.advice
    assert "\n" not in caught.value.message


def test_a_folder_is_not_a_kubeconfig(tmp_path: Path) -> None:
    """A folder cannot be read, and the error says so."""
    with pytest.raises(RefusalError, match="cannot be read: Is a directory"):
        Kube.connect(tmp_path, run="r1")


def cluster_at(api: FakeApi, url: str) -> Path:
    """A kubeconfig for ``url``."""
    return api.kubeconfig(clusters=[{"name": "fake", "cluster": {"server": url}}])


def test_a_dead_cluster_is_refused(api: FakeApi) -> None:
    """A port without a listener is an unreachable cluster; the error has its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RefusalError, match="cannot be reached: connection refused") as caught:
        Kube.connect(cluster_at(api, url), run="r1")
    assert url in caught.value.message


def test_a_silent_cluster_is_refused_in_time(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts the connection and never answers is refused."""
    monkeypatch.setattr(connection, "PROBE_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(RefusalError, match="connected, but no answer in time"):
            Kube.connect(cluster_at(api, f"http://127.0.0.1:{silent.getsockname()[1]}"), run="r1")
    assert time.monotonic() - start < 3


def test_a_server_without_tls_is_refused(api: FakeApi) -> None:
    """If plain HTTP answers instead of TLS, the error names TLS."""
    with pytest.raises(RefusalError, match="TLS failed"):
        Kube.connect(cluster_at(api, api.url.replace("http:", "https:")), run="r1")


def test_an_unknown_host_is_refused(api: FakeApi) -> None:
    """The error says that the name cannot be resolved."""
    with pytest.raises(RefusalError, match="its name cannot be resolved"):
        Kube.connect(cluster_at(api, "http://no-such-host.invalid"), run="r1")


@pytest.mark.parametrize(("path", "code"), [("/version", 401), ("/api", 403)])
def test_rejected_credentials_are_refused(api: FakeApi, path: str, code: int) -> None:
    """An expired or missing token is distinguished from a dead cluster."""
    api.answer("GET", path, api.refusal(code, "Refused"))
    with pytest.raises(RefusalError, match=f"does not accept the credentials .{code}"):
        Kube.connect(api.kubeconfig(), run="r1")


def test_a_server_other_than_kubernetes_is_refused(api: FakeApi) -> None:
    """Another web server is not a cluster."""
    api.answer("GET", "/version", api.text("<html>nothing here</html>", 404))
    with pytest.raises(RefusalError, match="not as Kubernetes does"):
        Kube.connect(api.kubeconfig(), run="r1")


def test_the_name_of_a_run_is_a_label_value(kube: Kube) -> None:
    """A run with an invalid name is refused before anything is created."""
    with pytest.raises(HarnessError, match="cannot be the name of a run"):
        Kube(kube.connection, run="no spaces please")


def test_a_token_in_a_file_is_read_again(api: FakeApi) -> None:
    """Kubelet replaces the token of a Pod's service account. A path is relative to the kubeconfig."""
    kubeconfig = api.kubeconfig(users=[{"name": "me", "user": {"tokenFile": "token"}}])
    token = kubeconfig.parent / "token"
    token.write_text("first\n")
    kube = Kube.connect(kubeconfig, run="r1")
    token.write_text("second\n")
    kube.server_version()
    assert api.requests[0].headers.get("authorization") == "Bearer first"
    assert api.requests[-1].headers.get("authorization") == "Bearer second"
    token.unlink()
    assert kube.connection.credentials().authorization == "Bearer second"
    kube.close()
