"""What a user sets up on a node and removes again: a label, a mount of NFS.

Both are taken back after an error as well, and nothing is taken back but what was set here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.errors import InfrastructureError, RefusalError
from clusters.host import mountinfo
from clusters.host.commands import Completed
from clusters.host.mountinfo import Mount
from clusters.kubernetes.fields import at
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.kinds import NODE
from clusters.kubernetes.undo import NodeCommand, NodeLabel
from workloads.faults import Objects, Run

#: Seconds for one command on a node; a mount waits for its server.
COMMAND_SECONDS: Final = 60.0

#: Unmounts a folder at once, also with the server out of reach or with readers. To remove the folder fails if
#: something is still mounted or in it, and then nothing is lost.
_UNMOUNT: Final = r"""
if cut -d' ' -f5 /proc/self/mountinfo | grep -qxF "$1"; then umount -l "$1" || exit; fi
if [ -e "$1" ]; then rmdir "$1"; fi
"""


@contextmanager
def labelled(journal: Journal, node: str, key: str, value: str = "true") -> Iterator[None]:
    """Label a node while the context lasts, as ``kubectl label node`` does.

    The label is removed again unless another client has set it since
    (`clusters.kubernetes.undo.NodeLabel`).

    Args:
        journal: removes it, also if this process is killed.
        node: its name.
        key: of the label.
        value: of the label.

    Raises:
        RefusalError: the node has that label already, so the harness must not set it.
        InfrastructureError: there is no such node, or the label could not be set.
        HarnessError: it could not be removed.
    """
    objects = journal.kube
    if _label(_node(objects, node), key) is not None:
        raise RefusalError(f"node {node} has label {key} already, and it may be foreign")
    with journal.undoing(f"node {node} has label {key}", NodeLabel(node, key)):
        objects.patch(NODE, node, None, {"metadata": {"labels": {key: value}}})
        if _label(_node(objects, node), key) != value:
            raise InfrastructureError(f"label {key}={value} could not be set on node {node}")
        yield


def _node(objects: Objects, name: str) -> Mapping[str, Any]:
    found = objects.get(NODE, name)
    if found is None:
        raise InfrastructureError(f"there is no node {name}")
    return found


def _label(node: Mapping[str, Any], key: str) -> str | None:
    value: str | None = at(node, "metadata", "labels", key)
    return value


@contextmanager
def nfs_mounted(
    journal: Journal, node: str, server: str, export: str, folder: str, *, options: Sequence[str] = ()
) -> Iterator[Mount]:
    """Mount an export on a new folder of a node while the context lasts, as its administrator does.

    Containers that were given the folder meanwhile keep the mount until they end.

    Args:
        journal: unmounts it, also if this process is killed.
        node: where it is mounted.
        server: address of the NFS server.
        export: the folder that it exports, or one below.
        folder: where it is mounted; it must not be there yet, and its parent must.
        options: of the mount, as in nfs(5).

    Raises:
        InfrastructureError: it could not be mounted, or not be taken away again.
    """

    def run(argv: Sequence[str], /, *, timeout: float) -> Completed:
        return journal.node_exec(node, argv, timeout=timeout, changes=Disruption.NODE)

    if run(("test", "-e", folder), timeout=COMMAND_SECONDS).exit_code == 0:
        raise InfrastructureError(f"node {node} has a folder {folder} already, and it may be foreign")
    undo = NodeCommand(node, ("sh", "-c", _UNMOUNT, "unmount", folder))
    with journal.undoing(f"NFS is mounted on {folder} of node {node}", undo):
        _checked(run, ("mkdir", folder), f"make folder {folder}")
        chosen = ("-o", ",".join(options)) if options else ()
        argv = ("mount", "-t", "nfs", *chosen, f"{server}:{export}", folder)
        _checked(run, argv, f"mount {server}:{export}")
        mount = _mount(run, folder)
        if mount.mount_point != folder or mount.serves != "nfs":
            raise InfrastructureError(
                f"{folder} is not on NFS, though mount had nothing to say", last_seen=str(mount)
            )
        yield mount


def _mount(run: Run, path: str) -> Mount:
    done = _checked(run, ("cat", "/proc/self/mountinfo"), "read the mounts")
    return mountinfo.mount_at(mountinfo.parse(done.stdout), path)


def _checked(run: Run, argv: Sequence[str], what: str) -> Completed:
    done = run(argv, timeout=COMMAND_SECONDS)
    if done.exit_code != 0:
        raise InfrastructureError(
            f"the node could not {what}", last_seen=(done.stdout + done.stderr).strip()[-1_000:]
        )
    return done
