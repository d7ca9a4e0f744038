"""Name service, and the host that a client names in its first bytes."""

from __future__ import annotations

import socket
import ssl
import struct

import pytest

from tests.ordinary.gateway import answer, named_host
from tests.ordinary.network import HOST, REGISTRY


def question(name: str, kind: int = 1) -> bytes:
    """A question for a name, as resolvers send it."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!2sHHHHH", b"ab", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def greeting(name: str) -> bytes:
    """What a TLS client sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("name", "address"),
    [("registry.example", REGISTRY), ("Registry.Example", REGISTRY), ("other.example", HOST)],
)
def test_a_registry_has_the_stand_ins_address_and_others_the_hosts(name: str, address: str) -> None:
    """Both addresses are of this end of the tap; upper case is the same name."""
    said = answer(question(name), {"registry.example"}, known=lambda _: True)
    assert said[:2] == b"ab"
    assert said.endswith(struct.pack("!H", 4) + socket.inet_aton(address))


def test_an_unknown_name_does_not_exist() -> None:
    """RFC 1035: response code 3, no answer."""
    said = answer(question("nowhere.example"), (), known=lambda _: False)
    flags, questions, answers = struct.unpack_from("!HHH", said, 2)
    assert (flags & 0xF, questions, answers) == (3, 1, 0)


def test_a_known_name_has_no_address_of_version_6() -> None:
    """No error and no answer, so that resolvers do not take the name for unknown."""
    said = answer(question("registry.example", kind=28), {"registry.example"}, known=lambda _: True)
    flags, _, answers = struct.unpack_from("!HHH", said, 2)
    assert (flags & 0xF, answers) == (0, 0)


@pytest.mark.parametrize("datagram", [b"", b"ab", question("registry.example")[:20]])
def test_what_is_no_question_is_an_error(datagram: bytes) -> None:
    """A datagram that is cut off."""
    with pytest.raises(ValueError, match="not a question"):
        answer(datagram, ())


def test_a_tls_client_names_its_host() -> None:
    """In the greeting, which may arrive in pieces."""
    sent = greeting("packages.example")
    assert named_host(sent) == "packages.example"
    assert all(named_host(sent[:length]) is None for length in (1, 4, 5, len(sent) - 1))


def test_an_http_client_names_its_host() -> None:
    """In its request's header, with or without a port."""
    sent = b"GET /x HTTP/1.1\r\nAccept: */*\r\nHost: packages.example:80\r\n\r\n"
    assert named_host(sent) == "packages.example"
    assert named_host(sent[:-2]) is None


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x02\x02\x00"])
def test_a_client_that_names_no_host_is_an_error(sent: bytes) -> None:
    """It cannot be passed on."""
    with pytest.raises(ValueError, match=r"without a host|not a TLS greeting"):
        named_host(sent)
