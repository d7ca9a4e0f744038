"""What a user sets up on a node and removes again: a label, a mount of NFS.

Both are taken back after an error as well, and nothing is taken back but what was set here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from clusters.errors import InfrastructureError, RefusalError
from clusters.host import mountinfo
from clusters.host.commands import Completed
from clusters.host.mountinfo import Mount
from clusters.kubernetes.fields import at, items, text
from clusters.kubernetes.kinds import NODE
from clusters.kubernetes.ownership import FIELD_MANAGER
from workloads.faults import Objects, Run

#: Seconds for one command on a node; a mount waits for its server.
COMMAND_SECONDS: Final = 60.0


@contextmanager
def labelled(objects: Objects, node: str, key: str, value: str = "true") -> Iterator[None]:
    """Label a node while the context lasts, as ``kubectl label node`` does.

    The label is removed again only while ``managedFields`` names the harness as its only manager. A client
    that sets the same value is not added there; one that removes the label and sets it again is.

    Args:
        objects: access to the cluster; what it patches must carry the harness's field manager.
        node: its name.
        key: of the label.
        value: of the label.

    Raises:
        RefusalError: the node has that label already, so the harness must not set it.
        InfrastructureError: there is no such node, or the label could not be set or taken off.
    """
    if _label(_node(objects, node), key) is not None:
        raise RefusalError(f"node {node} has label {key} already, and it may be foreign")
    try:
        objects.patch(NODE, node, None, {"metadata": {"labels": {key: value}}})
        if _label(_node(objects, node), key) != value:
            raise InfrastructureError(f"label {key}={value} could not be set on node {node}")
        yield
    finally:
        if _ours(_node(objects, node), key):
            objects.patch(NODE, node, None, {"metadata": {"labels": {key: None}}})
            if _ours(_node(objects, node), key):
                raise InfrastructureError(
                    f"label {key} could not be taken off node {node}",
                    advice=f"run `kubectl label node {node} {key}-`",
                )


def _node(objects: Objects, name: str) -> Mapping[str, Any]:
    found = objects.get(NODE, name)
    if found is None:
        raise InfrastructureError(f"there is no node {name}")
    return found


def _label(node: Mapping[str, Any], key: str) -> str | None:
    value: str | None = at(node, "metadata", "labels", key)
    return value


def _ours(node: Mapping[str, Any], key: str) -> bool:
    """The node has the label, and only the harness is recorded as its owner."""
    setters = {
        text(entry, "manager")
        for entry in items(node, "metadata", "managedFields")
        if at(entry, "fieldsV1", "f:metadata", "f:labels", f"f:{key}") is not None
    }
    return _label(node, key) is not None and setters == {FIELD_MANAGER}


@contextmanager
def nfs_mounted(run: Run, server: str, export: str, folder: str) -> Iterator[Mount]:
    """Mount an export on a new folder of a node while the context lasts, as its administrator does.

    Containers that were given the folder meanwhile keep the mount until they end.

    Args:
        run: runs commands as root on the node.
        server: address of the NFS server.
        export: the folder that it exports, or one below.
        folder: where it is mounted; it must not be there yet, and its parent must.

    Raises:
        InfrastructureError: it could not be mounted, or not be taken away again.
    """
    _checked(run, ("mkdir", folder), f"make folder {folder}")
    try:
        _checked(run, ("mount", "-t", "nfs", f"{server}:{export}", folder), f"mount {server}:{export}")
        mount = _mount(run, folder)
        if mount.mount_point != folder or mount.serves != "nfs":
            raise InfrastructureError(
                f"{folder} is not on NFS, though mount had nothing to say", last_seen=str(mount)
            )
        yield mount
    finally:
        if _mount(run, folder).mount_point == folder:
            # At once, also with the server out of reach or with readers.
            _checked(run, ("umount", "-l", folder), f"unmount {folder}")
        # It fails if something is still mounted or in the folder, and then nothing is lost.
        _checked(run, ("rmdir", folder), f"remove folder {folder}")


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
