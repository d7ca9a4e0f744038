"""The NFS server of the harness, stopped for a while."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from clusters.disruption import Disruption
from clusters.product import nfs
from suites.steps.user import User
from workloads import faults

#: Name of its program.
PROGRAM: Final = "ganesha.nfsd"


def stopped(user: User) -> AbstractContextManager[faults.Fault]:
    """The NFS server of the harness, and no foreign one on its node, is stopped while the context lasts."""
    server = user.system.nfs_server
    return faults.stopped(
        user.system.journal,
        server.node,
        PROGRAM,
        within=server.pid_namespace(),
        changes=Disruption.NOTHING,
    )


def impaired(user: User, node: str, impairment: faults.Impairment) -> AbstractContextManager[faults.Fault]:
    """Packets between a node and the NFS server of the harness are dropped while the context lasts."""
    server = user.system.nfs_server
    return faults.impaired(user.system.journal, node, (server.address, server.pod_address()), impairment)


def export_withdrawn(user: User) -> AbstractContextManager[faults.Fault]:
    """The export of the harness's NFS server is withdrawn while the context lasts."""
    server = user.system.nfs_server
    return faults.withdrawn(
        user.system.journal,
        server.node,
        server.pid_namespace(),
        export=nfs.EXPORT_ID,
        config=nfs.CONFIG_FILE,
    )
