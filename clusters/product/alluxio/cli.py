"""Alluxio's own command line, run in the container of a Dataset's master, by default the first one.

Each call starts a JVM, which needs 1 to 3 s on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clusters.errors import HarnessError, ProductFailureError
from clusters.host.commands import Completed, shown
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.output import (
    Listing,
    Metrics,
    Summary,
    UnderMount,
    parse_leader,
    parse_listing,
    parse_metrics,
    parse_mounts,
    parse_summary,
)

#: Seconds for one command of Alluxio's shell on a busy machine.
COMMAND_SECONDS: Final = 60.0
#: Some work in the master's container that does not need Alluxio. It has the same share of the processor as a
#: command of Alluxio, so that a starved machine slows down both.
CONTROL: Final = ("sh", "-c", "head -c 16777216 /dev/zero | sha256sum > /dev/null")
#: Share of a command's time that it has: it needs less than 1 s where a command of Alluxio needs 3 s.
CONTROL_SHARE: Final = 1 / 3
#: States of a container that the cluster, not Alluxio, is to blame for.
_NOT_ALLUXIO: Final = ("waiting: ErrImagePull", "waiting: ImagePullBackOff")


class AlluxioFailureError(ProductFailureError):
    """Alluxio's master does not run or does not answer, while its node and the API server do."""


@dataclass(frozen=True)
class Alluxio:
    """The Alluxio of one Dataset.

    Attributes:
        kube: the cluster.
        namespace: of the Dataset.
        dataset: its name.
        index: of the master in whose container the commands run.
    """

    kube: Kube
    namespace: str
    dataset: str
    index: int = 0

    @property
    def master(self) -> str:
        """Name of the master's Pod."""
        return fluid_names.master_pod(self.dataset, self.index)

    def run(self, *argv: str, timeout: float = COMMAND_SECONDS, check: bool = True) -> Completed:
        """Run one command in the master's container, such as ``alluxio``, ``fs``, ``free``, ``-f``, ``/``.

        Raises:
            AlluxioFailureError: the command failed (with ``check``) or did not end, or the master does
                not run, while the controls passed: the API server answers, the node is Ready, and a
                program that does not need Alluxio ends in the same container, in its share of the time.
            KubeError: a control failed as well: the cluster, not Alluxio, is broken.
            ExecTimeoutError: the same, and nothing in the container answers in time.
        """
        try:
            done = self._exec(*argv, timeout=timeout)
        except ExecTimeoutError as error:
            self._require_container(error, timeout)
            message = f"Alluxio does not answer: `{shown(argv)}` did not end within {timeout:g} s"
            raise self._failure(message, error.last_seen) from error
        except KubeError as error:
            if reason := self._master_is_down():
                raise self._failure("Alluxio's master does not run", reason) from error
            raise
        if check and done.exit_code != 0:
            message = f"`{shown(argv)}` in Alluxio's master failed with exit code {done.exit_code}"
            raise self._failure(message, (done.stdout + done.stderr).strip()[-2_000:])
        return done

    def listing(self, path: str = "/") -> Listing:
        """All files and folders below ``path``."""
        return parse_listing(self.run("alluxio", "fs", "ls", "-R", path).stdout)

    def summary(self) -> Summary:
        """Workers and space."""
        return parse_summary(self.run("alluxio", "fsadmin", "report", "summary").stdout)

    def metrics(self) -> Metrics:
        """The metrics of the whole Alluxio cluster."""
        return parse_metrics(self.run("alluxio", "fsadmin", "report", "metrics").stdout)

    def mounts(self) -> tuple[UnderMount, ...]:
        """What is mounted from the source."""
        return parse_mounts(self.run("alluxio", "fs", "mount").stdout)

    def leader(self) -> str:
        """Host name of the master that leads, which is the name of its Service and of its Pod."""
        return parse_leader(self.run("alluxio", "fs", "masterInfo").stdout)

    def free(self, path: str = "/") -> None:
        """Drop the cached blocks below ``path``; the workers do it within a few heartbeats."""
        self.run("alluxio", "fs", "free", "-f", path)

    def _exec(self, *argv: str, timeout: float) -> Completed:
        return self.kube.exec(
            self.namespace, self.master, fluid_names.MASTER_CONTAINER, argv, timeout=timeout
        )

    def _failure(self, message: str, last_seen: str) -> AlluxioFailureError:
        return AlluxioFailureError(
            message,
            subject=f"Dataset {self.namespace}/{self.dataset}",
            last_seen=last_seen,
            advice=f"read the logs of Pod {self.namespace}/{self.master}",
        )

    def _require_container(self, error: ExecTimeoutError, timeout: float) -> None:
        """Control of a time-out: work without Alluxio ends in time in the same container.

        Raises:
            ExecTimeoutError: it does not, so that the time-out says nothing of Alluxio.
        """
        try:
            self._exec(*CONTROL, timeout=timeout * CONTROL_SHARE)
        except HarnessError:
            raise error from None

    def _master_is_down(self) -> str:
        """Why no program can run in the master's container although its node is Ready; empty if one can.

        Raises:
            KubeError: the API server does not answer, so that nothing can be said of the master.
        """
        found = self.kube.get(kinds.POD, self.master, self.namespace)
        if found is None:
            return f"Pod {self.namespace}/{self.master} does not exist"
        pod = PodSnapshot.of(found)
        node = self.kube.get(kinds.NODE, pod.node) if pod.node else None
        if node is not None and not NodeSnapshot.of(node).ready:
            return ""
        container = next((one for one in pod.containers if one.name == fluid_names.MASTER_CONTAINER), None)
        state = container.state if container is not None else ""
        if pod.scheduling or state == "running" or state.startswith(_NOT_ALLUXIO):
            return ""
        return f"container {fluid_names.MASTER_CONTAINER}: {state or 'no state'}; Pod {pod}"
