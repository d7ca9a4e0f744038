"""Holding the NFS server back to a bandwidth, by the kernel's token bucket on its Pod's own interface.

`tbf` on the server's side of the wire slows what it sends and nothing else of the host, for kernel
and user-space clients alike. Asked for from the node, because the server's image needs no `tc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.errors import FailureClass, HarnessError, InfrastructureError
from workloads.faults import Run, processes

SERVER: Final = "ganesha.nfsd"
MEANS: Final = "tbf on the NFS server's interface"
DEVICE: Final = "eth0"

#: Seconds of sending that may be saved up: a kernel that looks 250 times a second needs 4 ms at least.
BURST_SECONDS: Final = 0.01
LEAST_BURST: Final = 256 * 1024

#: How long a packet may wait in the queue before it is dropped, in milliseconds.
LATENCY_MS: Final = 100

_SECONDS: Final = 20.0


class ShapingError(InfrastructureError):
    """This host cannot hold the NFS server back."""


@contextmanager
def held_to(run: Run, bytes_per_second: float | None, *, afterwards: float | None = None) -> Iterator[None]:
    """Hold what the NFS server sends to a bandwidth while the context lasts.

    Args:
        run: runs programs on the server's node, as root.
        bytes_per_second: of all that it sends, protocol included; None leaves it as it is.
        afterwards: the bandwidth that holds again after the context; None is no limit.

    Raises:
        ShapingError: the kernel has no `tbf`, or nobody may set it.
    """
    if bytes_per_second is None:
        yield
        return
    try:
        _set(run, bytes_per_second)
        yield
    finally:
        _set(run, afterwards)


def cleared(run: Run) -> None:
    """Take a limit away that a run which was killed may have left.

    Raises:
        ShapingError: it is still there.
    """
    _set(run, None)


def _set(run: Run, bytes_per_second: float | None) -> None:
    found = processes(run, SERVER)
    if not found:
        raise ShapingError(f"no process {SERVER} on its node", advice="look whether the NFS server runs")
    inside = ("nsenter", "--target", str(found[0].pid), "--net")
    if bytes_per_second is not None:
        burst = max(LEAST_BURST, int(BURST_SECONDS * bytes_per_second))
        wanted: tuple[str, ...] = (
            "replace", "dev", DEVICE, "root", "tbf", "rate", f"{int(8 * bytes_per_second)}bit",
            "burst", str(burst), "latency", f"{LATENCY_MS}ms",
        )  # fmt: skip
        done = run((*inside, "tc", "qdisc", *wanted), timeout=_SECONDS)
        if done.exit_code != 0:
            raise ShapingError(
                "the NFS server could not be held back",
                last_seen=done.stderr.strip(),
                advice="the kernel needs sch_tbf, and the node's image tc of iproute2",
            )
    else:
        run((*inside, "tc", "qdisc", "del", "dev", DEVICE, "root"), timeout=_SECONDS)
    shown = run((*inside, "tc", "qdisc", "show", "dev", DEVICE), timeout=_SECONDS).stdout
    if ("qdisc tbf" in shown) != (bytes_per_second is not None):
        error = HarnessError if bytes_per_second is None else ShapingError
        raised = error(
            "the limit on the NFS server's interface is not as it was set",
            condition="no limit" if bytes_per_second is None else f"{bytes_per_second:.0f} bytes/s",
            last_seen=shown.strip(),
        )
        raised.failure_class = FailureClass.INFRASTRUCTURE
        raise raised
