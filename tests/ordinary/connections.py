"""Connections that this process accepts for the guest and passes on."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

CONNECT_SECONDS: Final = 30.0
#: Of a connection on which nothing is sent.
IDLE_SECONDS: Final = 600.0
_CHUNK: Final = 1 << 16
_MAX_GREETING: Final = 1 << 15


def in_thread(target: Callable[..., None], *args: object) -> None:
    """Call ``target`` on a thread that nothing waits for."""
    threading.Thread(target=target, args=args, daemon=True).start()


@contextmanager
def accepted(listener: socket.socket, handle: Callable[[socket.socket], None]) -> Iterator[None]:
    """Call ``handle`` with each client, on a thread of its own, while the context lasts.

    A client whose handling raises OSError or ValueError is disconnected.
    """
    in_thread(_accept_all, listener, handle)
    try:
        yield
    finally:
        shut(listener)


def shut(opened: socket.socket) -> None:
    """End a socket: a thread that waits for it does not notice that it was closed."""
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def first_words(client: socket.socket, parse: Callable[[bytes], T | None]) -> tuple[T, bytes]:
    """What a client says first, with the bytes that were received.

    Args:
        client: connected.
        parse: returns None when more bytes are needed.

    Raises:
        OSError: it says nothing in time.
        ValueError: it ends before, or says too much.
    """
    client.settimeout(CONNECT_SECONDS)
    received = b""
    while (said := parse(received)) is None:
        more = client.recv(_CHUNK)
        if not more or len(received) > _MAX_GREETING:
            raise ValueError("a client that does not say what it wants")
        received += more
    return said, received


def splice(one: socket.socket, other: socket.socket) -> None:
    """Copy bytes both ways until either end closes."""
    for end in (one, other):
        end.settimeout(IDLE_SECONDS)
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while events := ready.select(IDLE_SECONDS):
            for key, _ in events:
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                received = source.recv(_CHUNK)
                if received:
                    target.sendall(received)
                    continue
                ready.unregister(source)
                target.shutdown(socket.SHUT_WR)
                if not ready.get_map():
                    return


def _accept_all(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        in_thread(_handle, client, handle)


def _handle(client: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    with client, contextlib.suppress(OSError, ValueError):
        handle(client)
