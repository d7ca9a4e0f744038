"""A fake API server: it answers what a test configured, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from clusters.host import bootstrap, engine, network_settings
from clusters.kubernetes.client import Kube
from clusters.providers import reaper

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def status(code: int, reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """A metav1.Status, as the API server sends with an error."""
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, **more}


@dataclass
class FakeClock:
    """A clock whose time passes only in `sleep`."""

    time: float = 100.0
    slept: list[float] = field(default_factory=list)
    on_wait: Callable[[threading.Event], None] = lambda event: None

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.time += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let time pass, unless the event is set by then."""
        self.on_wait(event)
        if not event.is_set():
            self.sleep(seconds)
        return event.is_set()


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off this machine's own engine, cache, services, proxies and authorities."""
    monkeypatch.setattr(engine, "RUN_FOLDER", tmp_path / "run")
    monkeypatch.setattr(engine, "_CONTAINER_MARK", tmp_path / "container")
    monkeypatch.setattr(bootstrap, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(reaper, "_INTERFACES", tmp_path / "interfaces")
    monkeypatch.setenv("FLUID_CONFORMANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    for name in ("KUBECONFIG", *network_settings.BUNDLES, *proxies, *map(str.upper, proxies)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that does not wait."""
    return FakeClock()


@dataclass
class Request:
    """A request as the server got it."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any

    def asked(self, key: str) -> str | None:
        """The value of a parameter."""
        return dict(self.query).get(key)


@dataclass
class Answer:
    """What the server answers."""

    body: Any
    code: int = 200
    drop: bool = False  # close the connection instead of answering


@dataclass
class Channels:
    """The server's end of an exec's websocket."""

    handler: BaseHTTPRequestHandler

    def send(self, channel: int, data: bytes) -> None:
        """Send a frame on a channel."""
        self._frame(2, bytes([channel]) + data)

    def close(self) -> None:
        """Send a close frame."""
        self._frame(8, struct.pack("!H", 1000))

    def receive(self) -> bytes:
        """The next frame of the client, its channel first; empty when it closed."""
        head = self.handler.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return b""
        length = head[1] & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.handler.rfile.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.handler.rfile.read(8))
        mask = self.handler.rfile.read(4)
        data = self.handler.rfile.read(length)
        return bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))

    def _frame(self, opcode: int, data: bytes) -> None:
        size = len(data)
        head = bytes([0x80 | opcode]) + (bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size))
        self.handler.wfile.write(head + data)
        self.handler.wfile.flush()


@dataclass
class FakeApi:
    """Answers by method and path; the last answer of each stays. Everything else is a 404 of the API."""

    server: ThreadingHTTPServer
    folder: Path
    requests: list[Request] = field(default_factory=list)
    answers: dict[tuple[str, str], deque[Answer]] = field(default_factory=dict)
    watches: dict[str, queue.Queue[bytes | None]] = field(default_factory=dict)
    watching: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    execs: dict[str, Callable[[Channels], None]] = field(default_factory=dict)
    subprotocol: str = "v5.channel.k8s.io"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, *answers: Any) -> None:
        """Answer these one after another; each is a body or an `Answer`."""
        self.answers[method, path] = deque(a if isinstance(a, Answer) else Answer(a) for a in answers)

    def refusal(self, code: int, reason: str, message: str = "") -> Answer:
        """An answer with an error of the API."""
        return Answer(status(code, reason, message), code)

    def text(self, body: str, code: int = 200) -> Answer:
        """An answer that is no JSON."""
        return Answer(body, code)

    def dropped(self) -> Answer:
        """No answer: the connection breaks."""
        return Answer(None, drop=True)

    def kubeconfig(self, **changes: Any) -> Path:
        """A kubeconfig that leads here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": {"token": "t0ken"}}],
        } | changes
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests of that method and path so far."""
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def next_answer(self, method: str, path: str) -> Answer:
        """The answer that is due."""
        due = self.answers.get((method, path))
        if not due:
            return Answer(status(404, "NotFound", "not found"), 404)
        return due.popleft() if len(due) > 1 else due[0]


class Handler(BaseHTTPRequestHandler):
    """Serves one connection of a `FakeApi`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: FakeApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def handle_one_request(self) -> None:
        """A client that disconnects is not an error."""
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def serve(self) -> None:
        """Record the request and answer it."""
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        request = Request(
            self.command,
            url.path,
            parse_qsl(url.query),
            {k.lower(): v for k, v in self.headers.items()},
            body,
        )
        self.api.requests.append(request)
        if request.headers.get("upgrade") == "websocket" and url.path in self.api.execs:
            self.exec(url.path)
        elif request.asked("watch") and url.path in self.api.watches:
            self.watch(self.api.watches[url.path])
        else:
            self.send(self.api.next_answer(self.command, url.path))

    do_GET = do_POST = do_PATCH = do_DELETE = serve  # noqa: N815 - the base class's names

    def send(self, answer: Answer) -> None:
        """Send one answer."""
        if answer.drop:
            self.close_connection = True
            return
        data = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        self.send_response(answer.code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def watch(self, events: queue.Queue[bytes | None]) -> None:
        """Stream events, in chunks as the API server does, until the test ends the watch."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.api.watching.release()
        while (line := events.get()) is not None:
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def exec(self, path: str) -> None:
        """Shake hands, then let the test's function play the kubelet."""
        key = self.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        digest = hashlib.sha1(key.encode(), usedforsecurity=False).digest()
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.send_header("Sec-WebSocket-Protocol", self.api.subprotocol)
        self.end_headers()
        self.wfile.flush()
        self.api.execs[path](Channels(self))
        self.close_connection = True


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    """A server on a free port, for one test."""
    handler = type("BoundHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake = FakeApi(server, tmp_path)
    handler.api = fake  # type: ignore[attr-defined] # the base class's way to reach shared state
    fake.answer("GET", "/version", {"gitVersion": "v1.33.13"})
    fake.answer("GET", "/api", {"kind": "APIVersions"})
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    for events in fake.watches.values():
        events.put(None)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def kube(api: FakeApi) -> Iterator[Kube]:
    """Access to that server, in the run ``r1``."""
    found = Kube.connect(api.kubeconfig(), run="r1")
    api.requests.clear()
    yield found
    found.close()
