"""How long the Pods of a Dataset that is deleted take to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clusters.clock import Clock
from clusters.kubernetes.snapshots.pod import PodSnapshot


@dataclass
class PodEnds:
    """The seconds between the deletion of Pods and their end, as they are observed.

    A deletion needs a few seconds, or 30 s more. In the logs of nine deletions (Fluid 0.9.3 and 1.0.8)
    Alluxio's master and job master ended within a second. In the slow ones the job worker, which receives
    its signal at the same time, did not end: its next step is to close its connection to a job master that
    is gone, for which Alluxio 2.9.0 has up to 45 s
    (``alluxio.network.connection.shutdown.graceful.timeout``), and a Pod has a grace of 30 s.

    Attributes:
        clock: times the observations.
    """

    clock: Clock
    _deleted: dict[str, float] = field(default_factory=dict, init=False)
    _ended: dict[str, float] = field(default_factory=dict, init=False)

    def observe(self, pods: Sequence[PodSnapshot]) -> None:
        """Note which Pods are being deleted, and which of those are gone now."""
        now = self.clock.now()
        for pod in pods:
            if pod.deleting:
                self._deleted.setdefault(pod.name, now)
        there = {pod.name for pod in pods}
        for name, since in self._deleted.items():
            if name not in there:
                self._ended.setdefault(name, now - since)

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by Pod, with one decimal, in the order in which the Pods ended."""
        return {name: round(seconds, 1) for name, seconds in self._ended.items()}

    def __str__(self) -> str:
        return ", ".join(
            f"{name} ended {seconds:.1f} s after it was seen to be deleted"
            for name, seconds in self._ended.items()
        )
