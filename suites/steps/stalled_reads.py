"""A read that stalled is repeated next to a control: a read without Fluid on the same node at the same time.

The machine may have become slow since the run began. If the control stalls too, nothing is known about Fluid;
if it is slower than usual, the read through Fluid may take longer in the same proportion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from clusters.errors import HarnessError, InfrastructureError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.steps.continuous_reads import ContinuousReads
from suites.steps.observer import Observer
from suites.steps.read_controls import control_read, failed_too, run_controls
from workloads.pod_commands import ReadResult

#: Reads that are tried while the control becomes slower each time.
ATTEMPTS: Final = 3
#: Seconds between two reads of the control, so that it is no load of its own.
PAUSE_SECONDS: Final = 1.0
PROBLEM: Final = "stalls"
#: Seconds in which the largest file of the smoke data is read through Fluid where nothing is cached.
FILE_SECONDS: Final = 2.0


def read_again(
    observer: Observer, pod: PodSnapshot, seen: str, *, without_source: bool = False
) -> tuple[ReadResult, float]:
    """Read all files of an application once more, with limits that the control stretches.

    Args:
        observer: of the cluster.
        pod: the application.
        seen: the output of the read that stalled.
        without_source: the NFS server is stopped or counted, so the control must not ask it.

    Returns:
        The result, and the factor by which its limits were stretched. A read that hangs had no slower control
        than that factor permits.

    Raises:
        InfrastructureError: a control failed or stalled, or became slower with each attempt.
    """
    stretch = observer.system.host.slowness
    with _slowness_of_control(observer, pod, seen, without_source=without_source) as slowness:
        for _ in range(ATTEMPTS):
            stretch = max(stretch, slowness())
            result, meanwhile = _read_next_to(observer, pod, slowness, stretch)
            if not result.hung or meanwhile <= stretch:
                return result, stretch
            stretch = meanwhile
    raise InfrastructureError(
        f"a read of {pod.name} {PROBLEM}, and a control without Fluid becomes slower and slower: "
        f"{stretch:g} times the usual time",
        subject=f"Pod {pod.namespace}/{pod.name}",
        condition="a control that is as fast as the limit of the read assumes",
        last_seen=f"{seen}\n{result.message}",
        advice=f"find what else keeps node {pod.node} busy, and run again",
    )


def check_no_slow_read(
    observer: Observer, pod: PodSnapshot, seconds: float, *, source_stopped: bool = False
) -> None:
    """A read of one file that had to stall, and did not end in time, was not merely a slow one.

    Args:
        observer: of the cluster.
        pod: the application.
        seconds: after which it was given up.
        source_stopped: the NFS server is stopped on purpose.

    Raises:
        InfrastructureError: a control fails, or is so slow that a right read takes as long.
    """
    problem, stretch = f"does not end within {seconds:g} s", seconds / FILE_SECONDS
    run_controls(observer.system, pod, problem, "", source_stopped=source_stopped, stretch=stretch)


@contextmanager
def _slowness_of_control(
    observer: Observer, pod: PodSnapshot, seen: str, *, without_source: bool
) -> Iterator[Callable[[], float]]:
    """Start the control; yields one read of it, which returns how many times longer than usual it took."""
    with ExitStack() as stack:
        try:
            name, read = stack.enter_context(
                control_read(observer.system, pod, without_source=without_source)
            )
        except HarnessError as error:
            raise failed_too(pod, PROBLEM, seen, "the Pod of the control", error) from error

        def slowness() -> float:
            try:
                return read().slowness
            except HarnessError as error:
                raise failed_too(pod, PROBLEM, seen, name, error) from error

        yield slowness


def _read_next_to(
    observer: Observer, pod: PodSnapshot, slowness: Callable[[], float], stretch: float
) -> tuple[ReadResult, float]:
    """Read all files while the control reads again and again.

    Returns:
        The result, and the slowness of the slowest control read meanwhile.

    Raises:
        InfrastructureError: the read hangs, and a control read failed or stalled meanwhile.
    """
    slowest = [1.0]
    reads = ContinuousReads(
        {"the control": lambda: slowest.append(slowness())},
        clock=observer.system.kube.clock,
        pause=PAUSE_SECONDS,
    )
    result: ReadResult | None = None
    try:
        with reads:
            result = observer.read(pod, stretch=stretch)
    except HarnessError:
        # What the control says of a read that works has no meaning.
        if result is None or result.hung:
            raise
    return result, max(slowest)
