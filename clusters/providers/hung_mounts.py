"""NFS mounts of a node that is about to be deleted: given up first, because they can outlive any signal.

A hard mount of the kernel's client repeats its requests for ever. A process that waits to read can be killed,
but one that has data to write waits for its server also after SIGKILL (Linux, fs/nfs/write.c: nfs_wb_all
waits for pages under writeback). Its container then cannot be removed: the engine reports that it did not
receive an exit event. ``umount --force`` ends the requests of a mount with an error.
"""

from __future__ import annotations

import contextlib
from typing import Final

from clusters.host.commands import CommandError
from clusters.host.engine import Engine

#: Seconds for the whole script on a node; a mount that is still there then is left to the engine.
SECONDS: Final = 30.0
#: Prints the mount points of the kernel's NFS client, of mountinfo (proc(5)) on its standard input.
POINTS: Final = r"""
set -f
points() {
    while read -r line; do
        case "${line##* - }" in
            nfs\ * | nfs4\ *) set -- $line; printf '%b\n' "$5" ;;
        esac
    done
}
"""
#: Ends all processes of the node but its init, which nothing then starts again, and unmounts until all is
#: gone: each process that ends may have sent further requests. The kernel may wait for the server in umount,
#: too, so that nothing waits for umount. Where the first process is not the node's own, nothing is ended.
GIVE_UP: Final = (
    POINTS
    + r"""
[ -n "$(points < /proc/self/mountinfo)" ] || exit 0
[ "$(readlink /proc/1/ns/mnt)" = "$(readlink /proc/self/ns/mnt)" ] || exit 0
for unit in kubelet containerd; do
    mkdir -p "/run/systemd/system/$unit.service.d"
    printf '[Service]\nRestart=no\n' > "/run/systemd/system/$unit.service.d/deleted.conf"
done
timeout 10 systemctl daemon-reload
kill -KILL -1
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    found=$(points < /proc/self/mountinfo)
    [ -n "$found" ] || exit 0
    echo "$found" | while read -r point; do
        umount --internal-only --no-canonicalize --force "$point" > /dev/null 2>&1 &
    done
    sleep 0.5
done
"""
)


def give_up(engine: Engine, node: str) -> None:
    """End the NFS mounts of a node, with all of its processes if it has any; nothing is raised.

    Args:
        engine: runs the node.
        node: name of its container, which is deleted next.
    """
    # A node that is stopped, or does not answer, is deleted all the same.
    with contextlib.suppress(CommandError):
        engine.exec(node, ["sh", "-c", GIVE_UP], check=False, timeout=SECONDS)
