"""The NFS export that holds the data: of the harness's own server, or one that existed before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.kubernetes.ownership import HARNESS_NAMESPACE


@dataclass(frozen=True, slots=True)
class NfsExport(ABC):
    """A folder on NFS, reached past Fluid through a Pod in the harness's namespace.

    Attributes:
        kube: the cluster.
        address: IP address or host name that nodes mount from.
    """

    kube: Kube
    address: str

    @property
    @abstractmethod
    def root(self) -> str:
        """The folder that the harness may write to, as clients mount it."""

    @property
    @abstractmethod
    def pod(self) -> str:
        """Name of the Pod."""

    @property
    @abstractmethod
    def container(self) -> str:
        """Name of its container."""

    @property
    @abstractmethod
    def observed_on(self) -> str:
        """Where the Pod reads the files, as evidence names it."""

    @property
    def mount_options(self) -> tuple[str, ...]:
        """That every mount needs, such as ``nfsvers=4.1``."""
        return ()

    @abstractmethod
    def inside(self, folder: str) -> str:
        """Path in the Pod of a folder below `root`."""

    @abstractmethod
    def volume(self) -> tuple[Mapping[str, Any], str]:
        """A volume for Pods in the harness's namespace, without its name, and the folder `root` in it."""

    def folder(self, name: str) -> str:
        """Path of a folder below `root`, as clients mount it."""
        return f"{self.root}/{name}"

    def execute(self, *argv: str, timeout: float, stdin: bytes | None = None) -> Completed:
        """Run a program in the Pod; a non-zero exit code is returned, not raised."""
        return self.kube.exec(HARNESS_NAMESPACE, self.pod, self.container, argv, timeout=timeout, stdin=stdin)

    def run(self, *argv: str, timeout: float = 60.0) -> str:
        """Run a program in the Pod and return its output.

        Raises:
            HarnessError: a non-zero exit.
        """
        done = self.execute(*argv, timeout=timeout)
        if done.exit_code != 0:
            raise HarnessError(
                f"{argv[0]} at the NFS source failed with exit code {done.exit_code}",
                subject=self.subject,
                last_seen=(done.stdout + done.stderr)[-2_000:],
            )
        return done.stdout

    def create_writable(self, folder: str) -> None:
        """Create a folder below `root` that every user may write to, unless it exists.

        Raises:
            HarnessError: it cannot be created.
        """
        self.run("mkdir", "-m", "777", "-p", self.inside(folder))

    def empty(self, folder: str) -> None:
        """Delete what is in a folder below `root`; the folder stays, because clients may have it mounted.

        Raises:
            HarnessError: something cannot be deleted.
        """
        self.run("find", self.inside(folder), "-mindepth", "1", "-delete")

    @property
    def subject(self) -> str:
        """The Pod, as errors name it."""
        return f"Pod {HARNESS_NAMESPACE}/{self.pod}"
