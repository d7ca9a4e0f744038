"""The guest's proxy, with sockets of this machine."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.clusters.fakes import FakeCommands
from tests.ordinary.connections import accepted
from tests.ordinary.guest import Guest
from tests.ordinary.network import Network
from tests.ordinary.proxy import ADDRESS, Proxy, Target, parse, use_proxy

SECONDS = 20.0


class Echo(BaseHTTPRequestHandler):
    """Answers with the address that it was asked for, as it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """One request of a connection that is kept."""
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that is reached by the name server.example."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.fixture
def running() -> Iterator[tuple[Proxy, int]]:
    """A proxy and its port."""

    def connect(target: Target) -> socket.socket:
        if target.host != "server.example":
            raise OSError(target.host)
        return socket.create_connection(("127.0.0.1", target.port), SECONDS)

    proxy = Proxy(connect)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        accepted(listener, proxy.handle),
    ):
        yield proxy, listener.getsockname()[1]


def test_connections_are_passed_on(running: tuple[Proxy, int], server: int) -> None:
    """A tunnel as it is, and requests with an address in full, several on one connection."""
    proxy, port = running
    tunnel = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    tunnel.set_tunnel("server.example", server)
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    for client, path in (
        (tunnel, "/a"),
        (plain, f"http://server.example:{server}/b"),
        (plain, f"http://server.example:{server}/c"),
    ):
        client.request("GET", path)
        assert client.getresponse().read().decode() == path
    tunnel.close()
    plain.close()
    assert proxy.hosts == {"server.example"}


def test_a_host_that_is_not_reached_is_an_error_of_the_proxy(running: tuple[Proxy, int]) -> None:
    """The client is not left without an answer."""
    proxy, port = running
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    client.request("GET", "http://nowhere.example/")
    assert client.getresponse().status == http.HTTPStatus.BAD_GATEWAY
    client.close()
    assert proxy.hosts == set()


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        ("CONNECT registry.example:443 HTTP/1.1", Target("registry.example", 443, tunnel=True)),
        ("CONNECT [::2]:443 HTTP/1.1", Target("::2", 443, tunnel=True)),
        ("GET http://deb.example/x?y HTTP/1.1", Target("deb.example", 80, tunnel=False)),
        ("GET http://deb.example:8080/ HTTP/1.1", Target("deb.example", 8080, tunnel=False)),
    ],
)
def test_a_request_names_its_target(request_line: str, target: Target) -> None:
    """With all of its header, which may arrive in pieces."""
    sent = f"{request_line}\r\nHost: other.example\r\n\r\n".encode()
    assert parse(sent) == target
    assert parse(sent[:-1]) is None


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/1.1", "GET https://x/ HTTP/1.1", "nonsense", "CONNECT x y"]
)
def test_what_is_no_request_to_a_proxy_is_an_error(request_line: str) -> None:
    """Such as a client that takes the proxy for a server."""
    with pytest.raises(ValueError, match=r"not a request to a proxy|unpack|invalid literal"):
        parse(f"{request_line}\r\n\r\n".encode())


def test_docker_of_the_guest_pulls_through_the_proxy(tmp_path: Path) -> None:
    """The daemon reads no user's environment."""
    commands = FakeCommands()
    use_proxy(Guest(Network(commands), tmp_path / "id", tmp_path / "console"))
    (ran,) = commands.asked("ssh")
    assert (ran.stdin or "").splitlines() == [
        "[Service]",
        f"Environment=HTTP_PROXY={ADDRESS}",
        f"Environment=HTTPS_PROXY={ADDRESS}",
    ]
    assert "docker.service.d/proxy.conf" in ran.argv[-1]
    assert "systemctl restart docker" in ran.argv[-1]
