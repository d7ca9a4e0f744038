"""The guest's network: a namespace with a tap device and no route out of it.

What the guest reaches, it reaches through sockets that this process opens inside the namespace, see
`tests.ordinary.gateway`. The namespace also marks what belongs to the guest: its kernel runs in it,
so that what a killed run left is found by the namespace's name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from clusters.errors import FailureClass, InfrastructureError
from clusters.host.commands import Commands
from clusters.waiting import wait

T = TypeVar("T")

NAMESPACE: Final = "fluid-ordinary"
TAP: Final = "tap0"
PREFIX: Final = 24
#: The host's end of the tap, which leads to the package registries that this machine reaches.
HOST: Final = "10.66.0.1"
GUEST: Final = "10.66.0.2"
#: The host's second address, of the stand-in registries alone.
REGISTRY: Final = "10.66.0.3"
_CLONE_NEWNET: Final = 0x40000000  # sched.h
_IP_SECONDS: Final = 20.0
_END_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Network:
    """The namespace of the guest.

    Attributes:
        commands: runs `ip`.
    """

    commands: Commands

    def inside(self, argv: Sequence[str | Path]) -> list[str | Path]:
        """The command line that runs ``argv`` in the namespace."""
        return ["ip", "netns", "exec", NAMESPACE, *argv]

    def remove(self) -> list[int]:
        """Kill what runs in the namespace, and remove it; returns the process ids.

        Raises:
            InfrastructureError: a process does not end.
        """
        if NAMESPACE not in self._namespaces():
            return []
        killed = self.end_processes()
        self._ip("netns", "delete", NAMESPACE)
        return killed

    def end_processes(self) -> list[int]:
        """Kill what runs in the namespace; returns the process ids.

        Raises:
            InfrastructureError: a process does not end.
        """
        killed = self.processes()
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait(
            self.processes,
            lambda left: not left,
            subject=f"processes of namespace {NAMESPACE}",
            condition="end",
            timeout=_END_SECONDS,
            delay=0.1,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
        return killed

    def create(self) -> None:
        """Create the namespace with the tap and both addresses of this end."""
        self._ip("netns", "add", NAMESPACE)
        within = ("-netns", NAMESPACE)
        self._ip(*within, "link", "set", "lo", "up")
        self._ip(*within, "tuntap", "add", TAP, "mode", "tap")
        for address in (HOST, REGISTRY):
            self._ip(*within, "address", "add", f"{address}/{PREFIX}", "dev", TAP)
        self._ip(*within, "link", "set", TAP, "up")

    def processes(self) -> list[int]:
        """Processes of the namespace: the guest's kernel, and with it the whole guest."""
        return [int(word) for word in self._ip("netns", "pids", NAMESPACE).split()]

    def listener(self, address: str, port: int) -> socket.socket:
        """A TCP socket of this process that listens inside the namespace."""
        return self._open(lambda: socket.create_server((address, port), backlog=128))

    def connection(self, address: str, port: int) -> socket.socket:
        """A TCP socket of this process that is connected inside the namespace."""
        return self._open(lambda: socket.create_connection((address, port), _CONNECT_SECONDS))

    def datagrams(self, address: str, port: int) -> socket.socket:
        """A UDP socket of this process that is bound inside the namespace."""

        def bound() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((address, port))
            return made

        return self._open(bound)

    def _open(self, make: Callable[[], T]) -> T:
        """Call ``make`` in the namespace: on a thread, since a namespace belongs to a thread."""
        outcome: list[T] = []
        problem: list[OSError] = []

        def enter() -> None:
            try:
                with Path("/run/netns", NAMESPACE).open() as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                        code = ctypes.get_errno()
                        raise OSError(code, os.strerror(code))  # noqa: TRY301 - one path for all errors
                outcome.append(make())
            except OSError as error:
                problem.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if problem:
            raise InfrastructureError(
                f"a socket cannot be opened in namespace {NAMESPACE}: {problem[0].strerror}"
            ) from problem[0]
        return outcome[0]

    def _namespaces(self) -> list[str]:
        return [line.split()[0] for line in self._ip("netns", "list").splitlines() if line.strip()]

    def _ip(self, *argv: str) -> str:
        return self.commands.run(["ip", *argv], timeout=_IP_SECONDS).stdout


@contextmanager
def network(commands: Commands) -> Iterator[Network]:
    """The namespace while the context lasts; one that a killed run left is removed first."""
    made = Network(commands)
    made.remove()
    try:
        made.create()
        yield made
    finally:
        made.remove()
