"""A proxy as the guest's only way out: no name is resolved for it, and no other port leads anywhere.

It passes TLS on by CONNECT, and requests for ``http://`` as they are: a server must accept an address in full
(RFC 9112, 3.2.2).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from clusters.errors import InfrastructureError
from tests.ordinary.connections import CONNECT_SECONDS, accepted, first_words, splice
from tests.ordinary.guest import Guest
from tests.ordinary.names import DNS_NAMES
from tests.ordinary.network import HOST, REGISTRY, Network

PORT: Final = 3128
ADDRESS: Final = f"http://{HOST}:{PORT}"
#: In one spelling alone, as a user sets them; Docker's daemon has settings of its own.
VARIABLES: Final = {"HTTP_PROXY": ADDRESS, "HTTPS_PROXY": ADDRESS}
_DROP_IN: Final = "/etc/systemd/system/docker.service.d/proxy.conf"
_HTTP_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client wants to be connected to.

    Attributes:
        host: a name or an address.
        port: of it.
        tunnel: by CONNECT, so that the client sends nothing before the answer.
    """

    host: str
    port: int
    tunnel: bool


@dataclass
class Proxy:
    """A proxy that runs.

    Attributes:
        connect: opens a connection.
        hosts: to which it connected clients so far.
    """

    connect: Callable[[Target], socket.socket]
    hosts: set[str] = field(default_factory=set)

    def handle(self, client: socket.socket) -> None:
        """Serve one client.

        Raises:
            OSError: one of the two ends broke.
            ValueError: the client sent no request to a proxy.
        """
        target, received = first_words(client, parse)
        try:
            server = self.connect(target)
        except (OSError, InfrastructureError):
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with server:
            self.hosts.add(target.host)
            if target.tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(received)
            splice(client, server)


def parse(received: bytes) -> Target | None:
    """The target of a request to a proxy; None when more bytes are needed.

    Raises:
        ValueError: it is none.
    """
    head, end, _ = received.partition(b"\r\n\r\n")
    if not end:
        return None
    method, address, _ = head.split(b"\r\n")[0].decode("ascii").split(" ")
    if method == "CONNECT":
        host, _, port = address.rpartition(":")
        return Target(host.strip("[]"), int(port), tunnel=True)
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not a request to a proxy")
    return Target(parts.hostname, parts.port or _HTTP_PORT, tunnel=False)


@contextmanager
def proxy(network: Network) -> Iterator[Proxy]:
    """The proxy of the guest while the context lasts."""
    made = Proxy(partial(_connected, network))
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(network.listener(HOST, PORT))
        stack.enter_context(accepted(listener, made.handle))
        yield made


def _connected(network: Network, target: Target) -> socket.socket:
    """A connection to the stand-in of a registry, or to a host that this machine reaches."""
    if target.host in DNS_NAMES:
        return network.connection(REGISTRY, target.port)
    return socket.create_connection((target.host, target.port), CONNECT_SECONDS)


def use_proxy(guest: Guest) -> None:
    """Let the guest's Docker pull through the proxy; the environment is that of its users."""
    lines = ["[Service]", *(f"Environment={name}={value}" for name, value in VARIABLES.items())]
    guest.run(
        f"mkdir -p $(dirname {_DROP_IN}) && cat > {_DROP_IN} && systemctl daemon-reload "
        "&& systemctl restart docker",
        user="root",
        stdin="\n".join(lines) + "\n",
    )
