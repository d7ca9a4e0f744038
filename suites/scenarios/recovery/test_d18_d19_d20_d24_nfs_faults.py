"""A node cannot reach the NFS server for a while, or only badly, or the server has no such export."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, endurance, fault_readers, nfs_server, workers
from suites.steps.endurance import FaultCase
from suites.steps.recorded_reads import Effect
from suites.steps.user import DATASET, User
from workloads.faults import LOSSY, PARTITIONED, SLOW, Fault, Impairment

#: Seconds for which the network is broken.
BROKEN_SECONDS: Final = 60.0
#: Seconds until all read right after that: a connection that is silent for a minute is tried again up to a
#: minute later, because TCP doubles its pause each time.
HEALS_SECONDS: Final = 180.0
#: The file that is not cached.
UNCACHED: Final = fault_readers.UNREAD_PART


def _check(
    user: User,
    row: str,
    begin: Callable[[str], AbstractContextManager[Fault]],
    uncached: Effect,
    elsewhere: Effect = Effect.NONE,
) -> None:
    """Cached files are read as before; others as on raw NFS.

    Args:
        user: the user with a Dataset.
        row: id in lower case, begins the names of Pods.
        begin: the fault, for the worker's node.
        uncached: what it may do to reads of a file that is not cached, and to those of raw NFS.
        elsewhere: the same for raw NFS on another node.
    """
    node = workers.find(user, DATASET).node
    other = next(name for name in user.system.nodes if name != node)
    cached = fault_readers.application(user, f"{row}-cached", Effect.NONE, node=node)
    slow = fault_readers.application(
        user, f"{row}-uncached", uncached, node=node, files=fault_readers.only(user.files, UNCACHED)
    )
    same = fault_readers.control(user, f"{row}-raw-same-node", uncached, node)
    far = fault_readers.control(user, f"{row}-raw-other-node", elsewhere, other)
    checks.one_fuse_pod(user, node)
    readers = (cached, slow, same, far)
    case = FaultCase(partial(begin, node), BROKEN_SECONDS, HEALS_SECONDS, meanwhile=partial(_free, user))
    endured = endurance.endure(user, case, readers)
    endurance.check(user, case, readers, endured)
    user.reads_right(user.starts(user.application(f"{row}-new", DATASET, node=node)), who="new application")


def _impaired(user: User, impairment: Impairment) -> Callable[[str], AbstractContextManager[Fault]]:
    return partial(nfs_server.impaired, user, impairment=impairment)


def _free(user: User) -> None:
    """The file is not cached any more, so its next read needs the source.

    The command fails after 10 s while the file is read, although it has freed it ("Another user may be
    loading it"). That the reads wait then shows whether it had its effect.
    """
    done = user.observer.alluxio(user.namespace, DATASET).run(
        "alluxio", "fs", "free", "-f", f"/{UNCACHED}", check=False
    )
    said = (done.stdout + done.stderr).strip().splitlines()
    user.evidence.fact("Alluxio", f"{UNCACHED} is freed: {said[-1] if said else 'no output'}")


@scenario(
    "D18",
    Level.FULL,
    disturbs={Disruption.NODE: "drops all packets between a node and the harness's NFS server for a minute"},
    alone=True,
    nodes=2,
    nfs_server="drops all packets of the NFS server",
)
def test_cached_files_are_read_on_a_node_without_the_nfs_server(dataset_owner: User) -> None:
    """A node without the NFS server for a minute reads cached files; others wait, and are right later.

    The network drops all packets between the worker's node and the NFS server. The Dataset stays Bound; raw
    NFS on the same node waits, and on another node it does not.
    """
    _check(dataset_owner, "d18", _impaired(dataset_owner, PARTITIONED), Effect.WAITS)


@scenario(
    "D19",
    Level.FULL,
    disturbs={
        Disruption.NODE: "drops 30 % of the packets from the harness's NFS server on a node for a minute"
    },
    alone=True,
    nodes=2,
    nfs_server="drops packets of the NFS server",
)
def test_files_are_read_right_while_packets_of_nfs_are_lost(dataset_owner: User) -> None:
    """While a node loses 30 % of the packets of NFS for a minute, all reads are right, or come later.

    Cached files are read as before. The Dataset stays Bound.
    """
    _check(dataset_owner, "d19", _impaired(dataset_owner, LOSSY), Effect.MAY_WAIT)


@scenario(
    "D20",
    Level.FULL,
    disturbs={Disruption.NODE: "limits what a node receives from the harness's NFS server to 1 MB/s"},
    alone=True,
    nodes=2,
    nfs_server="limits what the NFS server sends",
)
def test_files_are_read_right_while_nfs_is_slow(dataset_owner: User) -> None:
    """While a node receives 1 MB/s from the NFS server for a minute, all reads are right, or come later.

    Cached files are read as before. The Dataset stays Bound.
    """
    _check(dataset_owner, "d20", _impaired(dataset_owner, SLOW), Effect.MAY_WAIT)


@scenario("D24", Level.FULL, alone=True, nodes=2, nfs_server="withdraws the export of the NFS server")
def test_cached_files_are_read_while_the_export_is_withdrawn(dataset_owner: User) -> None:
    """While the export is withdrawn, cached files are read; others fail, and are right once it is back.

    The NFS server withdraws the export for a minute, so that the handles of its clients are stale, and then
    exports it again as it was. The Dataset stays Bound; raw NFS fails on all nodes.
    """

    def begin(_: str) -> AbstractContextManager[Fault]:
        return nfs_server.export_withdrawn(dataset_owner)

    _check(dataset_owner, "d24", begin, Effect.BREAKS, Effect.BREAKS)
