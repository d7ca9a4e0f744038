"""Masters of Alluxio that Fluid has deleted: where the user may save time, their grace is not waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clusters.errors import HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.steps.actor import Actor

#: Ends all processes of a container but the first, which then ends by itself.
STOP_ALL: Final = ("sh", "-c", "kill -TERM -1")
STOP_SECONDS: Final = 5.0
#: Seconds for which a master may end by itself after the signal. Many need 2 to 5 s; some were seen that
#: stayed until the 30 s of their Pod's grace were over.
END_SECONDS: Final = 5.0
#: The least grace that is not a deletion by force: the kubelet still ends the processes.
GRACE_SECONDS: Final = 1
BECAUSE: Final = "Fluid has deleted the master, and the rest of its grace is not waited for"


@dataclass
class DeletedMasters:
    """Ends the masters of one Dataset that Fluid has deleted with their Pods.

    Fluid's script starts Alluxio without ``exec`` (alluxio-mount-conf.yaml:44 of 1.0.8), so the kubelet's
    SIGTERM reaches bash alone, and the master is killed only when its 30 s of grace are over. The signal is
    passed on; a master that does not end by it is killed by a shorter grace. Both happen only after Fluid's
    own deletion of the Pod: nothing is deleted that Fluid would leave.

    Attributes:
        user: whose Dataset it is.
    """

    user: Actor
    _signalled: dict[str, float] = field(default_factory=dict, init=False)
    _shortened: set[str] = field(default_factory=set, init=False)

    def end(self, pods: Sequence[PodSnapshot], name: str) -> None:
        """End those among a Dataset's Pods that are being deleted, unless the user leaves Fluid alone.

        Args:
            pods: as they were observed now.
            name: of the Dataset.
        """
        if not self.user.requests_reconciles:
            return
        now = self.user.system.kube.clock.now()
        for pod in pods:
            if pod.name != fluid_names.master_pod(name) or not pod.deleting:
                continue
            if pod.uid not in self._signalled:
                self._signalled[pod.uid] = now
                self._signal(pod)
            elif now - self._signalled[pod.uid] >= END_SECONDS and pod.uid not in self._shortened:
                self._shortened.add(pod.uid)
                self._shorten(pod, now - self._signalled[pod.uid])

    def _signal(self, pod: PodSnapshot) -> None:
        try:
            self.user.system.kube.exec(
                pod.namespace, pod.name, fluid_names.MASTER_CONTAINER, STOP_ALL, timeout=STOP_SECONDS
            )
        except HarnessError:
            return  # it is gone already, and the signal only saves time
        self._helped(f"{pod.name} was deleted by Fluid; it receives SIGTERM now")

    def _shorten(self, pod: PodSnapshot, seconds: float) -> None:
        kube = self.user.system.kube
        try:
            kube.delete(kinds.POD, pod.name, pod.namespace, because=BECAUSE, grace_seconds=GRACE_SECONDS)
        except HarnessError:
            return  # it ends with its own grace
        self._helped(f"{pod.name} has not ended {seconds:.0f} s after SIGTERM; its grace ends now")

    def _helped(self, says: str) -> None:
        self.user.evidence.signals += 1
        self.user.evidence.fact("master Pod", says)
