"""A cluster that is reached through a proxy, by the kubeconfig or by the environment."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import yaml
from kubernetes.client import ApiClient, Configuration

from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import Connection
from tests.ordinary.connections import accepted
from tests.ordinary.proxy import Proxy, Target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clusters.conftest import Channels, FakeApi

HOST = "cluster.example"
EXEC = "/api/v1/namespaces/demo/pods/a/exec"


@pytest.fixture
def proxy(api: FakeApi) -> Iterator[tuple[Proxy, str]]:
    """A proxy that knows the cluster by a name that nothing else resolves, and its URL."""

    def connect(target: Target) -> socket.socket:
        assert target.host == HOST
        return socket.create_connection(("127.0.0.1", target.port), 20)

    made = Proxy(connect)
    with socket.create_server(("127.0.0.1", 0)) as listener, accepted(listener, made.handle):
        yield made, f"http://127.0.0.1:{listener.getsockname()[1]}"


def kubeconfig(api: FakeApi, **cluster: str) -> Path:
    """The kubeconfig of the server under that name."""
    path = api.kubeconfig()
    content = yaml.safe_load(path.read_text())
    described = content["clusters"][0]["cluster"]
    described["server"] = described["server"].replace("127.0.0.1", HOST)
    described.update(cluster)
    path.write_text(yaml.safe_dump(content))
    return path


def kubelet(channels: Channels) -> None:
    """Run a program that prints a word."""
    channels.send(1, b"out")
    channels.send(3, json.dumps({"status": "Success"}).encode())
    channels.close()


@pytest.mark.parametrize("named_by", ["kubeconfig", "environment"])
def test_requests_and_exec_pass_the_proxy(
    api: FakeApi, proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    """As kubectl does; a program in a Pod is run through a connection of its own."""
    made, url = proxy
    api.execs[EXEC] = kubelet
    if named_by == "environment":
        monkeypatch.setenv("http_proxy", url)
    kube = Kube.connect(kubeconfig(api, **({"proxy-url": url} if named_by == "kubeconfig" else {})), run="r1")
    try:
        assert kube.server_version() == "v1.33.13"
        assert kube.exec("demo", "a", "main", ["true"], timeout=5).stdout == "out"
    finally:
        kube.close()
    assert made.hosts == {HOST}


@pytest.mark.parametrize(("exceptions", "proxy"), [("", "http://proxy.example:3128"), (HOST, "")])
def test_an_exception_counts_for_exec_too(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, proxy: str
) -> None:
    """Where requests are sent directly, exec is as well."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", exceptions)
    configuration = Configuration()
    configuration.host = f"http://{HOST}"
    assert Connection(ApiClient(configuration)).credentials().proxy == proxy


def test_a_cluster_on_this_machine_is_reached_without_the_proxy(
    api: FakeApi, proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind cluster is on 127.0.0.1, where a proxy cannot reach it; users often set no exception for it."""
    made, url = proxy
    api.execs[EXEC] = kubelet
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    kube = Kube.connect(api.kubeconfig(), run="r1")
    try:
        assert kube.exec("demo", "a", "main", ["true"], timeout=5).stdout == "out"
    finally:
        kube.close()
    assert not made.hosts
