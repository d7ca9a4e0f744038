"""Servers that are slow and otherwise work: no verdict may change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from suites.sabotage.breaks.manifests import claim_replaced
from suites.sabotage.model import Environment, Tampering, Users
from suites.steps.user import DATASET, SOURCE
from workloads.faults import FaultError
from workloads.throttling import slowed

#: Seconds for which the API server is stopped at a time, and for which it runs then.
API_STOPPED: Final = 0.3
API_RUNS: Final = 0.1
#: Least seconds of an answer when the API server is slow.
SLOW_ANSWER: Final = 0.2
#: Seconds over which answers are timed.
TIMED_SECONDS: Final = 2.0


@contextmanager
def slow_api_server(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The API server runs for a quarter of the time.

    Raises:
        FaultError: its answers did not become slow.
    """
    del users
    node = environment.system.nodes[0]
    with slowed(environment.system.journal, node, "kube-apiserver", stopped=API_STOPPED, going=API_RUNS):
        longest = _longest_answer(environment)
        if longest < SLOW_ANSWER:
            raise FaultError("the API server did not become slow", last_seen=f"at most {longest:.3f} s")
        yield Tampering()


@contextmanager
def slow_nfs_server(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The NFS server runs for a third of the time."""
    del users
    server = environment.system.nfs_server
    within = server.pid_namespace()
    with slowed(
        environment.system.journal, server.node, "ganesha.nfsd", within=within, stopped=0.2, going=0.1
    ):
        yield Tampering()


@contextmanager
def slow_api_server_and_claim_replaced(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The API server is slow, and the application mounts the source instead of Fluid's claim."""
    with (
        slow_api_server(environment, users),
        claim_replaced(DATASET, SOURCE)(environment, users) as tampering,
    ):
        yield tampering


def _longest_answer(environment: Environment) -> float:
    """Longest answer time of the API server over many small requests, in seconds."""
    longest, end = 0.0, time.monotonic() + TIMED_SECONDS
    while time.monotonic() < end:
        start = time.monotonic()
        environment.system.kube.server_version()
        longest = max(longest, time.monotonic() - start)
    return longest
