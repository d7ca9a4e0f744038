"""Masters of Alluxio that Fluid has deleted: where the user may save time, they receive the signal to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clusters.errors import HarnessError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.steps.actor import Actor

#: Ends all processes of a container but the first, which then ends by itself.
STOP_ALL: Final = ("sh", "-c", "kill -TERM -1")
STOP_SECONDS: Final = 5.0


@dataclass
class DeletedMasters:
    """Ends the masters of one Dataset that Fluid has deleted with their Pods.

    Fluid's script starts Alluxio without ``exec`` (alluxio-mount-conf.yaml:44 of 1.0.8), so the kubelet's
    SIGTERM reaches bash alone, and the master is killed only when its 30 s of grace are over. The signal is
    passed on, after Fluid's own deletion of the Pod.

    Attributes:
        user: whose Dataset it is.
    """

    user: Actor
    _signalled: set[str] = field(default_factory=set, init=False)

    def end(self, pods: Sequence[PodSnapshot], name: str) -> None:
        """End those among a Dataset's Pods that are being deleted, unless the user leaves Fluid alone.

        Args:
            pods: as they were observed now.
            name: of the Dataset.
        """
        if not self.user.requests_reconciles:
            return
        for pod in pods:
            if pod.name == fluid_names.master_pod(name) and pod.deleting and pod.uid not in self._signalled:
                self._signalled.add(pod.uid)
                self._signal(pod)

    def _signal(self, pod: PodSnapshot) -> None:
        try:
            self.user.system.kube.exec(
                pod.namespace, pod.name, fluid_names.MASTER_CONTAINER, STOP_ALL, timeout=STOP_SECONDS
            )
        except HarnessError:
            return  # it is gone already, and the signal only saves time
        self.user.evidence.signals += 1
        self.user.evidence.fact("master Pod", f"{pod.name} was deleted by Fluid; it receives SIGTERM now")
