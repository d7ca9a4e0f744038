"""Exec, against an API server in this process."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError

if TYPE_CHECKING:
    from tests.clusters.conftest import Channels, FakeApi

PODS = "/api/v1/namespaces/demo/pods"


SUCCESS = json.dumps({"status": "Success"}).encode()
EXIT_3 = json.dumps(
    {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }
).encode()


def test_exec_returns_outputs_and_exit_code(api: FakeApi, kube: Kube) -> None:
    """Both outputs are assembled from their frames; a non-zero exit code is returned, not raised."""

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


def test_exec_returns_large_outputs(api: FakeApi, kube: Kube) -> None:
    """Output of many frames is complete."""

    def kubelet(channels: Channels) -> None:
        for _ in range(100):
            channels.send(1, b"x" * 30_000)
        channels.send(3, SUCCESS)
        channels.close()

    api.execs[f"{PODS}/a/exec"] = kubelet
    assert len(kube.exec("demo", "a", "main", ["cat"], timeout=5).stdout) == 3_000_000


def test_exec_sends_and_closes_standard_input(api: FakeApi, kube: Kube) -> None:
    """A program that reads its input to the end receives all of it, and the end."""

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


def test_exec_refuses_input_that_it_cannot_close(api: FakeApi, kube: Kube) -> None:
    """Before Kubernetes 1.30 a program would wait forever for the end of its input."""
    api.subprotocol = "v4.channel.k8s.io"
    api.execs[f"{PODS}/a/exec"] = lambda channels: channels.close()
    with pytest.raises(KubeError, match=r"before Kubernetes 1\.30"):
        kube.exec("demo", "a", "main", ["cat"], timeout=5, stdin=b"x")


def test_exec_ends_in_time(api: FakeApi, kube: Kube) -> None:
    """The wait for a hanging program ends, and its output so far is kept."""

    def kubelet(channels: Channels) -> None:
        channels.send(1, b"begun")
        channels.receive()

    api.execs[f"{PODS}/a/exec"] = kubelet
    start = time.monotonic()
    with pytest.raises(ExecTimeoutError, match=r"sleep 9 in Pod demo/a did not end within 0\.2 s") as caught:
        kube.exec("demo", "a", "main", ["sleep", "9"], timeout=0.2)
    assert caught.value.completed.stdout == "begun"
    assert time.monotonic() - start < 3


def test_exec_stops_waiting_for_a_program_without_output(api: FakeApi, kube: Kube) -> None:
    """The wait for a silent program ends before its deadline; a program that writes is not stopped."""

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
    """A connection that ends before the exit code is no result."""
    api.execs[f"{PODS}/a/exec"] = lambda channels: channels.close() if politely else None
    with pytest.raises(KubeError, match="ended before the program did"):
        kube.exec("demo", "a", "main", ["true"], timeout=5)


def test_exec_has_the_reason_of_a_refusal(api: FakeApi, kube: Kube) -> None:
    """A failure to start the program is an error with the kubelet's message."""
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
