"""The memory in which Alluxio's workers cache: /dev/shm of a node.

kind's nodes have 64 MiB there, the default of container engines. Alluxio's worker then stops at its start
("ensure there is enough memory", DefaultStorageTier of 2.9), which would seem to be a failure of Fluid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.host.engine import Engine

FOLDER: Final = "/dev/shm"  # noqa: S108 - the memory tier of a node
#: Share of the host's memory that the harness's nodes have there; memory is used only as files are written.
SIZE: Final = "50%"
#: Bytes that a node needs there: the quota of the Datasets that exist at the same time, and their reserve.
NEEDED: Final = 1024**3

NodeExec = Callable[[str, Sequence[str]], Completed]


def enlarge(engine: Engine, node: str) -> None:
    """Remount /dev/shm of a node that the harness created.

    Raises:
        CommandError: the node does not remount it.
    """
    engine.exec(node, ["mount", "-o", f"remount,size={SIZE}", FOLDER])


def require(node_exec: NodeExec, nodes: Sequence[str], needed: int = NEEDED) -> None:
    """Refuse a foreign cluster with a node whose /dev/shm is too small.

    Args:
        node_exec: runs a program on a node.
        nodes: names of the nodes that Pods may run on.
        needed: bytes.

    Raises:
        RefusalError: with the command that enlarges it.
        InfrastructureError: a node does not report its size.
    """
    for node in nodes:
        size = _size(node_exec(node, ["df", "--output=size", "-B1", FOLDER]), node)
        if size < needed:
            raise RefusalError(
                f"{FOLDER} of node {node} has {size / 1024**2:.0f} MiB; Alluxio's memory tier needs "
                f"{needed / 1024**2:.0f} MiB",
                advice=f"on each node: mount -o remount,size=2G {FOLDER}",
            )


def _size(done: Completed, node: str) -> int:
    words = done.stdout.split()
    if done.exit_code != 0 or not words or not words[-1].isdecimal():
        raise InfrastructureError(
            f"the size of {FOLDER} on node {node} is unknown", last_seen=(done.stdout + done.stderr)[-500:]
        )
    return int(words[-1])
