"""Exec: run a program in a container, over a websocket, with a deadline.

The exec of the client library has no time limit on its connection and loses the reason of a
failure, so this module implements the protocol: channels 0 to 3 are stdin, stdout, stderr
and the final status; since v5 (Kubernetes 1.30) stdin can be closed.
"""

from __future__ import annotations

import json
import select
import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote, urlencode

import websocket

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import InfrastructureError
from clusters.host.commands import Completed, shown, shown_output
from clusters.host.network_settings import parts_of
from clusters.kubernetes.connection import CONNECT_SECONDS, Credentials, KubeError, refused

_V5: Final = "v5.channel.k8s.io"
_V4: Final = "v4.channel.k8s.io"
_PROXY_PORTS: Final = {"http": 80, "https": 443}
_SOCKS_PORT: Final = 1080
_STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255
_PIECE: Final = 32 * 1024


class ExecTimeoutError(InfrastructureError):
    """A program in a container did not end in time.

    It may still run, because the protocol cannot end it. ``completed`` has its output so far.
    """

    def __init__(self, message: str, completed: Completed, elapsed: float) -> None:
        self.completed = completed
        text = (completed.stdout + completed.stderr).strip()
        super().__init__(message, elapsed=elapsed, last_seen=shown_output(text))


def run_in_pod(
    credentials: Credentials,
    namespace: str,
    pod: str,
    container: str,
    argv: Sequence[str],
    *,
    timeout: float,
    idle_timeout: float | None = None,
    stdin: bytes | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Completed:
    """Run ``argv`` in a container until it ends; return its output for any exit code.

    Args:
        credentials: for the API server.
        namespace: of the Pod.
        pod: its name.
        container: its container.
        argv: program and arguments; no shell.
        timeout: seconds in all.
        idle_timeout: seconds without output after which it counts as hung; None: no limit.
        stdin: its standard input, for scripts rather than data; closed after it.
        clock: replaced by tests.

    Raises:
        ExecTimeoutError: it did not end in time, or wrote nothing for ``idle_timeout``.
        KubeError: the API server or the kubelet refused, or the connection broke.
    """
    what = f"run {shown(list(argv), 80)} in Pod {namespace}/{pod}"
    start = clock.now()
    socket = _open(
        credentials,
        f"/api/v1/namespaces/{namespace}/pods/{pod}/exec",
        container,
        argv,
        with_stdin=stdin is not None,
        what=what,
        timeout=timeout,
    )
    channels = {_STDOUT: bytearray(), _STDERR: bytearray(), _STATUS: bytearray()}

    def so_far(exit_code: int = -1) -> Completed:
        out, err = (channels[number].decode(errors="replace") for number in (_STDOUT, _STDERR))
        return Completed(tuple(argv), exit_code, out, err)

    deadline = start + timeout
    try:
        if stdin is not None:
            _send_stdin(socket, stdin, channels, what)
        while True:
            now = clock.now()
            left = deadline - now if idle_timeout is None else min(deadline - now, idle_timeout)
            if left <= 0:
                raise websocket.WebSocketTimeoutException  # noqa: TRY301 - one place reports the timeout
            socket.settimeout(left)
            if not _receive(socket, channels):
                break
    except websocket.WebSocketTimeoutException as error:
        idle = idle_timeout is not None and clock.now() < deadline
        ended = f"wrote nothing for {idle_timeout:g} s" if idle else f"did not end within {timeout:g} s"
        message = f"{shown(list(argv), 120)} in Pod {namespace}/{pod} {ended}"
        raise ExecTimeoutError(message, so_far(), clock.now() - start) from error
    except websocket.WebSocketConnectionClosedException:
        pass  # the status, if received, has the result
    except (websocket.WebSocketException, OSError) as error:
        raise KubeError(what, said=f"the connection broke: {error}") from error
    finally:
        socket.shutdown()  # type: ignore[no-untyped-call] # close() would wait for the peer
    return so_far(_exit_code(bytes(channels[_STATUS]), what))


def _open(
    credentials: Credentials,
    path: str,
    container: str,
    argv: Sequence[str],
    *,
    with_stdin: bool,
    what: str,
    timeout: float,
) -> websocket.WebSocket:
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("stdin", "true")] if with_stdin else []
    query += [("command", word) for word in argv]
    base = "ws" + credentials.url.removeprefix("http")
    url = f"{base}{path}?{urlencode(query)}"
    header = [f"Authorization: {credentials.authorization}"] if credentials.authorization else []
    try:
        return websocket.create_connection(
            url,
            # The kubelet starts the program before it answers.
            timeout=max(CONNECT_SECONDS, timeout),
            header=header,
            subprotocols=[_V5, _V4],
            sslopt=_tls(credentials),
            suppress_origin=True,
            **_proxy(credentials.proxy),
        )
    except websocket.WebSocketBadStatusException as error:
        raise refused(what, error.status_code, error.resp_body or b"") from error
    except (websocket.WebSocketException, OSError) as error:
        raise KubeError(what, said=str(error)) from error


def _proxy(url: str) -> dict[str, Any]:
    """The options of the websocket for a proxy. Without one the environment must not decide."""
    if not url:
        # Exceptions count only next to the name of a proxy (websocket/_http.py of websocket-client 1.9.2).
        return {"http_proxy_host": "none", "http_no_proxy": ["*"]}
    parts = parts_of(url)
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return {
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or _PROXY_PORTS.get(parts.scheme, _SOCKS_PORT),
        "http_proxy_auth": auth,
        "proxy_type": "http" if parts.scheme in _PROXY_PORTS else parts.scheme,
        # Exceptions were decided on already: a name that no server has.
        "http_no_proxy": ["-"],
    }


def _tls(credentials: Credentials) -> dict[str, Any]:
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if credentials.verify else ssl.CERT_NONE}
    named = {
        "ca_certs": credentials.ca_file if credentials.verify else None,
        "certfile": credentials.certificate_file,
        "keyfile": credentials.key_file,
        "server_hostname": credentials.server_name,
    }
    return options | {key: value for key, value in named.items() if value}


def _receive(socket: websocket.WebSocket, channels: dict[int, bytearray]) -> bool:
    """Receive one frame; False if it was the last one."""
    code, data = socket.recv_data()
    if code == websocket.ABNF.OPCODE_CLOSE:
        return False
    if data and data[0] in channels:
        channels[data[0]] += data[1:]
    return True


def _readable(socket: websocket.WebSocket) -> bool:
    return socket.sock is not None and bool(select.select([socket.sock], [], [], 0)[0])


def _send_stdin(socket: websocket.WebSocket, stdin: bytes, channels: dict[int, bytearray], what: str) -> None:
    if socket.subprotocol != _V5:
        raise KubeError(what, said="its standard input cannot be closed before Kubernetes 1.30")
    for start in range(0, len(stdin), _PIECE):
        socket.send_binary(bytes([_STDIN]) + stdin[start : start + _PIECE])
        while _readable(socket) and _receive(socket, channels):
            pass
    socket.send_binary(bytes([_CLOSE, _STDIN]))


def _exit_code(status: bytes, what: str) -> int:
    """The exit code in the final status of exec (a metav1.Status)."""
    try:
        answer = json.loads(status)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise KubeError(what, said="the connection ended before the program did")
    if answer.get("status") == "Success":
        return 0
    for cause in (answer.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise KubeError(
        what,
        status=int(answer.get("code") or 0),
        reason=str(answer.get("reason", "")),
        said=str(answer.get("message", "")),
    )
