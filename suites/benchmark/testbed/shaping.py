"""Limits the bandwidth of the NFS server with the kernel's token bucket filter on the interface of its Pod.

`tbf` on the server's side limits what the server sends and nothing else on the host, for kernel and
user-space clients equally. `tc` runs on the node, because the image of the server has none. If the kernel
has no `tbf`, a proxy in front of the server limits it: `suites.benchmark.testbed.nfs_proxy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from clusters.errors import FailureClass, HarnessError, InfrastructureError
from workloads.faults import Run, processes

SERVER: Final = "ganesha.nfsd"
DEVICE: Final = "eth0"

#: Burst in seconds of sending: a kernel with 250 timer interrupts a second needs at least 4 ms.
BURST_SECONDS: Final = 0.01
LEAST_BURST: Final = 256 * 1024

#: Longest time of a packet in the queue, in milliseconds.
LATENCY_MS: Final = 100

_SECONDS: Final = 20.0


class ShapingError(InfrastructureError):
    """This host cannot limit the bandwidth of the NFS server."""


class BandwidthLimiter(Protocol):
    """Limits what the NFS server sends."""

    @property
    def means(self) -> str:
        """Its name in the results."""
        ...

    def __call__(self, bytes_per_second: float | None, /) -> None:
        """Set the limit in bytes/s; None removes it.

        Raises:
            ShapingError: the limit cannot be set on this host.
            HarnessError: the limit could not be removed.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """The kernel's token bucket filter on the interface of the server.

    Attributes:
        run: runs programs on the server's node, as root.
        within: the server's namespace of process ids, so that no foreign server is limited.
    """

    run: Run
    within: str = ""

    @property
    def means(self) -> str:
        """Its name in the results."""
        return "tbf on the NFS server's interface"

    def __call__(self, bytes_per_second: float | None, /) -> None:
        """Set the limit in bytes/s, including the protocol; None removes it."""
        found = processes(self.run, SERVER, self.within)
        if not found:
            raise ShapingError(f"no process {SERVER} on its node", advice="check that the NFS server runs")
        in_network = ("nsenter", "--target", str(found[0].pid), "--net")
        if bytes_per_second is not None:
            burst = max(LEAST_BURST, int(BURST_SECONDS * bytes_per_second))
            rate: tuple[str, ...] = (
                "replace", "dev", DEVICE, "root", "tbf", "rate", f"{int(8 * bytes_per_second)}bit",
                "burst", str(burst), "latency", f"{LATENCY_MS}ms",
            )  # fmt: skip
            done = self.run((*in_network, "tc", "qdisc", *rate), timeout=_SECONDS)
            if done.exit_code != 0:
                raise ShapingError(
                    "the bandwidth of the NFS server could not be limited",
                    last_seen=done.stderr.strip(),
                    advice="the kernel needs sch_tbf, and the node's image tc of iproute2",
                )
        else:
            self.run((*in_network, "tc", "qdisc", "del", "dev", DEVICE, "root"), timeout=_SECONDS)
        shown = self.run((*in_network, "tc", "qdisc", "show", "dev", DEVICE), timeout=_SECONDS).stdout
        if ("qdisc tbf" in shown) != (bytes_per_second is not None):
            error = HarnessError if bytes_per_second is None else ShapingError
            raised = error(
                "the limit on the NFS server's interface is not as it was set",
                condition="no limit" if bytes_per_second is None else f"{bytes_per_second:.0f} bytes/s",
                last_seen=shown.strip(),
            )
            raised.failure_class = FailureClass.INFRASTRUCTURE
            raise raised


@contextmanager
def limited_to(
    limiter: BandwidthLimiter, bytes_per_second: float | None, *, afterwards: float | None = None
) -> Iterator[None]:
    """Limit the bandwidth of the NFS server while the context lasts.

    Args:
        limiter: sets the limit.
        bytes_per_second: of all that it sends; None changes nothing.
        afterwards: the limit after the context; None is no limit.

    Raises:
        ShapingError: the limit cannot be set on this host.
    """
    if bytes_per_second is None:
        yield
        return
    try:
        limiter(bytes_per_second)
        yield
    finally:
        limiter(afterwards)


def remove_limit(limiter: BandwidthLimiter) -> None:
    """Remove a limit that a killed run may have left.

    Raises:
        ShapingError: it could not be removed.
    """
    limiter(None)
