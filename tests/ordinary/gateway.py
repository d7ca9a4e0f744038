"""What the guest reaches of the world: name service and package registries, through this process.

The name service answers with the address of the stand-in for the registries that it replaces,
and with the host's end of the tap for every other name that this machine resolves. A connection
there is passed on to the host that the client names, in the TLS greeting or in the HTTP request:
no name of a package registry is written down here, and encryption stays between the two ends.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.ordinary.connections import CONNECT_SECONDS, accepted, first_words, in_thread, shut, splice
from tests.ordinary.names import DNS_NAMES
from tests.ordinary.network import HOST, REGISTRY, Network

DNS_PORT: Final = 53
HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
_CHUNK: Final = 1 << 16
# RFC 1035: a question's type A, class IN; a response that is authoritative and not an error, or NXDOMAIN.
_TYPE_A: Final = 1
_ANSWER: Final = 0x8580
_NO_SUCH_NAME: Final = 0x8583
_TTL: Final = 60
# RFC 8446, 4.1.2 and RFC 6066, 3.
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0


def resolves(name: str) -> bool:
    """Whether this machine knows an address of the name; names without a dot are the guest's own."""
    if "." not in name:
        return False
    try:
        return bool(socket.getaddrinfo(name, HTTPS_PORT, socket.AF_INET, socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


def _nothing(_: str) -> bool:
    return False


def answer(question: bytes, registries: Collection[str], known: Callable[[str], bool] = resolves) -> bytes:
    """The answer to one question to the name service.

    Args:
        question: the datagram.
        registries: names that lead to the stand-in.
        known: whether a name exists.

    Raises:
        ValueError: it is not a question.
    """
    try:
        name, end = _name(question, 12)
        (kind,) = struct.unpack_from("!H", question, end)
    except (struct.error, IndexError) as error:
        raise ValueError("not a question to a name service") from error
    asked = question[12 : end + 4]
    address = REGISTRY if name in registries else HOST if known(name) else ""
    header = struct.Struct("!2sHHHHH")
    if not address:
        return header.pack(question[:2], _NO_SUCH_NAME, 1, 0, 0, 0) + asked
    if kind != _TYPE_A:
        return header.pack(question[:2], _ANSWER, 1, 0, 0, 0) + asked
    record = struct.pack("!HHHIH4s", 0xC00C, _TYPE_A, 1, _TTL, 4, socket.inet_aton(address))
    return header.pack(question[:2], _ANSWER, 1, 1, 0, 0) + asked + record


def _name(datagram: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := datagram[at]:
        labels.append(datagram[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    return ".".join(labels), at + 1


def named_host(greeting: bytes) -> str | None:
    """The host that a client names in its first bytes, TLS or HTTP; None when more bytes are needed.

    Raises:
        ValueError: it names none.
    """
    return _tls_host(greeting) if greeting[:1] == bytes([_HANDSHAKE]) else _http_host(greeting)


def _http_host(greeting: bytes) -> str | None:
    head, end, _ = greeting.partition(b"\r\n\r\n")
    if not end:
        return None
    for line in head.split(b"\r\n")[1:]:
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"host":
            return value.strip().decode("ascii", "replace").partition(":")[0]
    raise ValueError("a request without a host")


def _tls_host(greeting: bytes) -> str | None:
    if len(greeting) < 5:
        return None
    (length,) = struct.unpack_from("!H", greeting, 3)
    if len(greeting) < 5 + length:
        return None
    try:
        return _server_name(greeting[5 : 5 + length])
    except (struct.error, IndexError) as error:
        raise ValueError("a TLS greeting that is cut off") from error


def _server_name(hello: bytes) -> str:
    if hello[0] != _CLIENT_HELLO:
        raise ValueError("not a TLS greeting")
    at = 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int(struct.unpack_from("!H", hello, at)[0])
    at += 1 + hello[at] + 2
    while at < len(hello):
        kind, length = struct.unpack_from("!HH", hello, at)
        if kind == _SERVER_NAME:
            (size,) = struct.unpack_from("!H", hello, at + 7)
            return hello[at + 9 : at + 9 + size].decode("ascii", "replace")
        at += 4 + length
    raise ValueError("a TLS greeting without a server name")


@contextmanager
def gateway(network: Network, *, direct: bool = True) -> Iterator[None]:
    """Name service and passage to the package registries while the context lasts.

    Args:
        network: of the guest.
        direct: hosts are reached; otherwise no name exists, as on a machine behind a proxy.
    """
    with contextlib.ExitStack() as stack:
        questions = stack.enter_context(network.datagrams(HOST, DNS_PORT))
        known = resolves if direct else _nothing
        reply = partial(answer, registries=DNS_NAMES if direct else (), known=known)
        in_thread(_answer_all, questions, reply)
        for port in (HTTP_PORT, HTTPS_PORT) if direct else ():
            listener = stack.enter_context(network.listener(HOST, port))
            stack.enter_context(accepted(listener, partial(_pass_on, port)))
        stack.callback(shut, questions)
        yield


def _answer_all(questions: socket.socket, reply: Callable[[bytes], bytes]) -> None:
    while True:
        try:
            question, sender = questions.recvfrom(_CHUNK)
        except OSError:
            return
        if not question:
            return
        # One name that this machine resolves slowly does not hold up the others.
        in_thread(_answer_one, questions, question, sender, reply)


def _answer_one(
    questions: socket.socket, question: bytes, sender: tuple[str, int], reply: Callable[[bytes], bytes]
) -> None:
    with contextlib.suppress(OSError, ValueError):
        questions.sendto(reply(question), sender)


def _pass_on(port: int, client: socket.socket) -> None:
    """Connect a client with the host that it names, until one of the two ends."""
    host, greeting = first_words(client, named_host)
    with socket.create_connection((host, port), CONNECT_SECONDS) as server:
        server.sendall(greeting)
        splice(client, server)
