"""Holding the NFS server back to a bandwidth, by the kernel's token bucket on its Pod's own interface.

`tbf` on the server's side of the wire slows what it sends and nothing else of the host, for kernel
and user-space clients alike. Asked for from the node, because the server's image needs no `tc`.
Where the kernel has none, a proxy before the server does it: `suites.benchmark.proxy`.
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

#: Seconds of sending that may be saved up: a kernel that looks 250 times a second needs 4 ms at least.
BURST_SECONDS: Final = 0.01
LEAST_BURST: Final = 256 * 1024

#: How long a packet may wait in the queue before it is dropped, in milliseconds.
LATENCY_MS: Final = 100

_SECONDS: Final = 20.0


class ShapingError(InfrastructureError):
    """This host cannot hold the NFS server back."""


class BandwidthLimiter(Protocol):
    """Something that can hold back what the NFS server sends."""

    @property
    def means(self) -> str:
        """What it is, in a user's words."""
        ...

    def __call__(self, bytes_per_second: float | None, /) -> None:
        """Hold it to so many bytes/s from now on; None lets it go.

        Raises:
            ShapingError: it cannot be done here.
            HarnessError: a limit is still there.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """The kernel's token bucket on the server's interface.

    Attributes:
        run: runs programs on the server's node, as root.
    """

    run: Run

    @property
    def means(self) -> str:
        """What it is, in a user's words."""
        return "tbf on the NFS server's interface"

    def __call__(self, bytes_per_second: float | None, /) -> None:
        """Hold it to so many bytes/s, protocol included."""
        found = processes(self.run, SERVER)
        if not found:
            raise ShapingError(f"no process {SERVER} on its node", advice="look whether the NFS server runs")
        inside = ("nsenter", "--target", str(found[0].pid), "--net")
        if bytes_per_second is not None:
            burst = max(LEAST_BURST, int(BURST_SECONDS * bytes_per_second))
            wanted: tuple[str, ...] = (
                "replace", "dev", DEVICE, "root", "tbf", "rate", f"{int(8 * bytes_per_second)}bit",
                "burst", str(burst), "latency", f"{LATENCY_MS}ms",
            )  # fmt: skip
            done = self.run((*inside, "tc", "qdisc", *wanted), timeout=_SECONDS)
            if done.exit_code != 0:
                raise ShapingError(
                    "the NFS server could not be held back",
                    last_seen=done.stderr.strip(),
                    advice="the kernel needs sch_tbf, and the node's image tc of iproute2",
                )
        else:
            self.run((*inside, "tc", "qdisc", "del", "dev", DEVICE, "root"), timeout=_SECONDS)
        shown = self.run((*inside, "tc", "qdisc", "show", "dev", DEVICE), timeout=_SECONDS).stdout
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
def held_to(
    limiter: BandwidthLimiter, bytes_per_second: float | None, *, afterwards: float | None = None
) -> Iterator[None]:
    """Hold what the NFS server sends to a bandwidth while the context lasts.

    Args:
        limiter: does it.
        bytes_per_second: of all that it sends; None leaves it as it is.
        afterwards: the bandwidth that holds again after the context; None is no limit.

    Raises:
        ShapingError: the kernel has no `tbf`, or nobody may set it.
    """
    if bytes_per_second is None:
        yield
        return
    try:
        limiter(bytes_per_second)
        yield
    finally:
        limiter(afterwards)


def cleared(limiter: BandwidthLimiter) -> None:
    """Take a limit away that a run which was killed may have left.

    Raises:
        ShapingError: it is still there.
    """
    limiter(None)
