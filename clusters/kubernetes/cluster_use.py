"""The use of a cluster by one run, from its Lease to the undoing of what it changed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from clusters.errors import HarnessError
from clusters.kubernetes.client import Kube
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.run_lease import RunLease
from clusters.kubernetes.undo import NodeExec
from clusters.progress import Progress


@dataclass
class ClusterUse:
    """Holds the Lease of a cluster, and undoes changes that dead runs or this one left.

    Attributes:
        kube: the cluster.
        node_exec: runs programs on its nodes.
        progress: shows what is undone.
    """

    kube: Kube
    node_exec: NodeExec
    progress: Progress
    _lease: RunLease = field(init=False)

    def __post_init__(self) -> None:
        self._lease = RunLease(self.kube)

    @property
    def journal(self) -> Journal:
        """Of the cluster."""
        return Journal(self.kube, self.node_exec)

    def begin(self) -> None:
        """Acquire the Lease, and undo what dead runs left changed.

        Raises:
            RefusalError: another run uses the cluster.
            InfrastructureError: a change could not be undone.
        """
        self._lease.acquire()
        try:
            self.restore(late=False)
        except HarnessError:
            self._lease.release()
            raise

    def held(self) -> AbstractContextManager[None]:
        """The Lease alone, while the context lasts."""
        return self._lease.held()

    def restore(self, *, late: bool) -> tuple[str, ...]:
        """Undo the changes in the journal; `Journal.replay` says more."""
        if not any(late or not entry.late for entry in self.journal.entries()):
            return ()
        with self.progress.stage("undo changes outside the harness's namespaces"):
            done = self.journal.replay(late=late)
        for says in done:
            self.progress.note(f"undone: {says}")
        return done

    def stop_renewing(self) -> None:
        """Before the harness's namespace, or the cluster, is deleted with the Lease."""
        self._lease.stop_renewing()

    def end(self) -> None:
        """Release the Lease, if the cluster still has it.

        Raises:
            HarnessError: it could not be released; it expires then.
        """
        self._lease.release()
