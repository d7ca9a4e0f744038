"""What the system uses: memory of Fluid's components, processes and mounts of each node, size of etcd."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import TracebackType
from typing import Final, Self

from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.product import fluid_names
from clusters.system import System
from suites.soak.model import Sample

log = logging.getLogger(__name__)

#: Seconds since the soak began.
Now = Callable[[], float]

#: Seconds between two samples, and for one.
INTERVAL: Final = 30.0
SAMPLE_SECONDS: Final = 60.0
#: Programs whose memory is of interest, as they are started.
PROGRAMS: Final = (
    "dataset-controller",
    "alluxioruntime-controller",
    "fluid-csi",
    "fluid-webhook",
    "etcd",
    "kubelet",
)
KIBIBYTE: Final = 1024
#: Prefixes of the names of the series.
MEMORY: Final = "memory of "
PROCESSES: Final = "processes on "
MOUNTS: Final = "mounts on "
ETCD: Final = "size of etcd"

_END: Final = "--"
#: Resident memory in KiB and command line of each process; then the mounts; then etcd's file where it is.
_SCRIPT: Final = f"""
ps -e -o rss= -o args= || exit 1
echo {_END}
grep -c . /proc/self/mountinfo
stat -c %s /var/lib/etcd/member/snap/db 2> /dev/null || true
"""


def node_values(done: Completed, node: str) -> dict[str, float]:
    """What one node reported, by series; memory of a program is that of all its processes on the node.

    Raises:
        InfrastructureError: it reported something else.
    """
    listed, end, rest = done.stdout.partition(f"\n{_END}\n")
    numbers = rest.split()
    if done.exit_code != 0 or not end or not numbers or not all(map(str.isdecimal, numbers)):
        raise InfrastructureError(
            f"node {node} does not report what it uses",
            last_seen=(done.stdout + done.stderr)[-500:],
            advice="the node needs ps of procps",
        )
    values: dict[str, float] = {}
    lines = [line.split(maxsplit=1) for line in listed.splitlines()]
    for words in lines:
        program = PurePosixPath(words[1].split()[0]).name if len(words) > 1 else ""
        if program in PROGRAMS:
            name = f"{MEMORY}{program}"
            values[name] = values.get(name, 0.0) + float(words[0]) * KIBIBYTE
    values[f"{PROCESSES}{node}"] = float(len(lines))
    values[f"{MOUNTS}{node}"] = float(numbers[0])
    if len(numbers) > 1:
        values[ETCD] = float(numbers[1])
    return values


def nodes_of(system: System) -> tuple[str, ...]:
    """All nodes, also those that take no Pods.

    Raises:
        KubeError: the API does not answer.
    """
    return tuple(sorted(str(node["metadata"]["name"]) for node in system.kube.list(kinds.NODE)))


def observe(system: System, nodes: tuple[str, ...]) -> dict[str, float]:
    """What the system uses now, by series; memory of a program is that of all nodes together.

    Raises:
        HarnessError: a node does not answer.
    """
    values: dict[str, float] = {}
    for node in nodes:
        done = system.provider.node_exec(
            node, ["sh", "-c", _SCRIPT], timeout=SAMPLE_SECONDS, changes=Disruption.NOTHING
        )
        for name, value in node_values(done, node).items():
            values[name] = values.get(name, 0.0) + value
    return values


def fuse_mounts(system: System, nodes: tuple[str, ...]) -> tuple[str, ...]:
    """``node: mount point`` of each mount of a Fuse, or of a volume of Fluid, on the nodes.

    Raises:
        HarnessError: a node does not answer.
    """
    found = []
    for node in nodes:
        text = system.provider.node_exec(node, ["cat", "/proc/self/mountinfo"]).stdout
        points = (line.split()[4] for line in text.splitlines() if len(line.split()) > 4)  # noqa: PLR2004 - its place
        found += [
            f"{node}: {point}"
            for point in points
            if fluid_names.mounted_dataset(point) is not None or fluid_names.CSI_DRIVER_NAME in point
        ]
    return tuple(found)


@dataclass
class Sampler:
    """Takes samples in a thread of its own until the context ends.

    A sample that fails is left out: something may be broken on purpose at that moment.

    Attributes:
        observe: the values by series.
        now: seconds since the soak began.
        keep: receives each sample.
        interval: seconds between two samples.
    """

    observe: Callable[[], dict[str, float]]
    now: Now
    keep: Callable[[Sample], None]
    interval: float = INTERVAL
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        """Begin; the first sample is taken at once."""
        self.take()
        self._thread = threading.Thread(target=self._run, name="soak samples", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with a last sample."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.take()

    def take(self) -> None:
        """Take a sample, if it can be had."""
        at = self.now()
        try:
            values = self.observe()
        except HarnessError as error:
            log.info("no sample at %.0f s: %s", at, error.message)
            return
        self.keep(Sample(at, values))

    def _run(self) -> None:
        while not self._over.wait(self.interval):
            self.take()
