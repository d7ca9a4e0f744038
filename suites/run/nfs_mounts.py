"""Which versions of NFS the nodes mounted: read from their mounts, next to the version that was asked for."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

import pytest

from clusters.errors import HarnessError, InfrastructureError
from clusters.host import mountinfo
from clusters.product import nfs
from clusters.system import System
from suites.record.run import Run

log = logging.getLogger(__name__)


@dataclass
class NfsMounts:
    """The versions by which the nodes had the NFS server of the harness mounted so far.

    Nodes of a foreign cluster are not read: that needs a privileged Pod on each of them.

    Attributes:
        system: whose nodes are read.
    """

    system: System
    _seen: set[str] = field(default_factory=set, init=False)

    def keep(self, run: Run) -> None:
        """Keep with the facts of the system which versions were seen by now.

        Raises:
            InfrastructureError: only others than the options ask for.
        """
        found = self.observe()
        if run.system is not None:
            run.system = run.system.model_copy(update={"nfs_versions": found})
        self.require_version()

    def observe(self) -> tuple[str, ...]:
        """Read the mounts of all nodes, and return every version that was seen by now.

        A mount exists only as long as a Pod uses it, so call it more than once.
        """
        if self.system.cluster.provider == "kind":
            for node in self.system.nodes:
                self._seen.update(self._versions(node))
        return tuple(sorted(self._seen))

    def require_version(self) -> None:
        """Refuse results of another version than ``--nfs-version`` names.

        The controls of a failed read mount NFS without a claim, and so without options.

        Raises:
            InfrastructureError: only others were seen.
        """
        asked = self.system.options.nfs_version
        if asked is not None and self._seen and asked not in self._seen:
            raise InfrastructureError(
                f"the nodes mounted NFS {', '.join(sorted(self._seen))}, and --nfs-version is {asked}",
                subject=f"NFS server {self.system.nfs.address}",
                condition=f"a mount with vers={asked}",
                advice="see mountinfo of the nodes in the bundle",
            )

    def _versions(self, node: str) -> tuple[str, ...]:
        try:
            text = self.system.provider.node_exec(node, ["cat", "/proc/self/mountinfo"]).stdout
            return nfs.mounted_versions(mountinfo.parse(text), self.system.nfs.address)
        except HarnessError as error:
            # A scenario may have stopped the node; what it mounted is read after the next one.
            log.info("the mounts of node %s cannot be read now: %s", node, error.message)
            return ()


#: Those of the system of this run.
NFS: Final = pytest.StashKey[NfsMounts]()
