"""NFS by the kernel's client in the guest: each version, and the deletion of a cluster whose mount hangs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, InfrastructureError
from clusters.facts import SystemFacts
from clusters.host import mountinfo
from clusters.host.mountinfo import KERNEL_NFS_TYPES, Mount
from clusters.kubernetes.ownership import HARNESS_NAMESPACE
from clusters.options import DEFAULT_NAME
from clusters.product.nfs import CONTAINER, EXPORT, EXPORT_ID, NAME, parse_export_io
from clusters.waiting import WaitTimeoutError, is_empty, opposite, wait
from tests.ordinary.checkout import FOLDER
from tests.ordinary.guest import Guest
from workloads.application import Application
from workloads.nfs_source import NfsSource

#: Name of claim and Pod.
HANGING: Final = "hanging"
#: Seconds in which a cluster must be deleted, whatever its processes wait for.
DOWN_SECONDS: Final = 180.0
#: Seconds after which a process counts as one that SIGKILL does not end; the engine waits as long.
KILL_SECONDS: Final = 10.0
POD_SECONDS: Final = 240.0
STATE_SECONDS: Final = 60.0
_CLUSTERS: Final = "~/.cache/fluid-conformance/clusters"
_KUBECTL: Final = f"{_CLUSTERS}/bin/kubectl --kubeconfig {_CLUSTERS}/{DEFAULT_NAME}/kubeconfig"
#: By its arguments; the brackets keep the shell that runs this out.
_STOP_SERVER: Final = "pkill -STOP -f '[g]anesha.nfsd'"
#: Versions that the server counts apart from each other.
_SERVER_VERSIONS: Final = ("3", "4.0", "4.1", "4.2")
_STARTED: Final = "/tmp/started"
#: Reads a file past the page cache, so that each read asks the server.
_READER: Final = "while :; do dd if=/data/hanging of=/dev/null bs=1M iflag=direct status=none; done"
#: Leaves pages that the kernel must write before it can unmount.
_WRITER: Final = "while :; do dd if=/dev/zero of=/data/dirty bs=1M count=32 status=none; done"


@dataclass(frozen=True, slots=True)
class Hang:
    """What hangs when the cluster is deleted.

    Attributes:
        version: of NFS.
        rows: that run first, by the README's command; empty: the smoke suite as a whole.
        writes: a process has data that is not written yet, next to the one that reads.
    """

    version: str
    rows: str
    writes: bool

    @property
    def arguments(self) -> list[str]:
        """For the README's command: the cluster stays."""
        rows = ["--scenario", self.rows] if self.rows else []
        return [*rows, "--nfs-version", self.version, "--keep-cluster"]


HANGS: Final = (Hang("4.1", "A1,A2", writes=False), Hang("4.2", "A1", writes=True))


def require_version(system: SystemFacts | None, version: str) -> str:
    """The toolbox image of a run that mounted this version of NFS, and no other, by the kernel's client.

    Args:
        system: as the run reports it.
        version: such as ``4.1``.

    Raises:
        InfrastructureError: it reports another.
    """
    if system is None or (system.nfs_client, system.nfs_versions) != ("kernel", (version,)):
        raise InfrastructureError(
            f"the run does not report NFS {version} by the kernel's client",
            last_seen="no system" if system is None else f"{system.nfs_client}, {system.nfs_versions}",
        )
    return next(image.name for image in system.images if image.name.startswith("fluid-conformance/toolbox"))


def hang_and_delete(
    guest: Guest, hang: Hang, image: str, say: Callable[[str], None], clock: Clock = SYSTEM_CLOCK
) -> None:
    """Stop the NFS server under a mount that is in use, and delete the cluster.

    Args:
        guest: with a cluster that a run kept.
        hang: what is in use.
        image: of the Pod.
        say: receives what was seen.
        clock: replaced by tests.

    Raises:
        InfrastructureError: the mount is another one, nothing hangs, or the deletion left something.
    """
    node, mount = _start(guest, hang, image)
    say(f"{node}: {mount}; {','.join(mount.super_options)}")
    say(f"read from the NFS server by its own count: {served_version(guest, hang.version)} bytes")
    guest.run(_STOP_SERVER, user="root")
    waiting = wait(
        lambda: _uninterruptible(guest),
        opposite(is_empty),
        subject="a process on the hanging mount",
        condition="state D",
        timeout=STATE_SECONDS,
        successes=3,
        delay=1.0,
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=clock,
    )
    say(f"the NFS server is stopped; in state D:\n{waiting}")
    if hang.writes:
        say(f"{KILL_SECONDS:g} s after SIGKILL to its readers and writers, {_outlives_kill(guest, clock)}")
    start = clock.now()
    guest.run(f"cd {FOLDER} && .tox/dev/bin/python -m clusters down", timeout=DOWN_SECONDS, on_line=say)
    say(f"cluster down ended after {clock.now() - start:.1f} s")
    wait(
        lambda: left(guest),
        is_empty,
        subject="the guest",
        condition="no container, volume, mount or process of the cluster",
        timeout=STATE_SECONDS,
        delay=1.0,
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=clock,
    )
    say("nothing of the cluster is left in Docker, in any mountinfo, or in state D")


def _start(guest: Guest, hang: Hang, image: str) -> tuple[str, Mount]:
    """Start a Pod on the mount; returns its node, and the mount there."""
    address = guest.run(
        f"{_KUBECTL} get service {NAME} --namespace {HARNESS_NAMESPACE} -o jsonpath={{.spec.clusterIP}}"
    ).stdout.strip()
    source = NfsSource(
        namespace=HARNESS_NAMESPACE,
        name=HANGING,
        server=address,
        path=EXPORT,
        mount_options=(f"nfsvers={hang.version}", "hard"),
    )
    reader = f"({_READER}) & {_WRITER}" if hang.writes else _READER
    first = f"dd if=/dev/zero of=/data/hanging bs=1M count=8 conv=fsync status=none && touch {_STARTED}"
    pod = Application(
        namespace=HARNESS_NAMESPACE,
        name=HANGING,
        claim=HANGING,
        image=image,
        command=("bash", "-c", f"{first} && {reader}"),
    )
    objects = {"apiVersion": "v1", "kind": "List", "items": [*source.manifests(), pod.manifest()]}
    guest.run(f"{_KUBECTL} apply -f -", stdin=json.dumps(objects))
    wait(
        lambda: (
            guest.run(
                f"{_KUBECTL} exec {HANGING} --namespace {HARNESS_NAMESPACE} -- test -e {_STARTED}",
                check=False,
            ).exit_code
        ),
        lambda code: code == 0,
        subject=f"Pod {HARNESS_NAMESPACE}/{HANGING}",
        condition="a file on its mount",
        timeout=POD_SECONDS,
        delay=2.0,
        failure_class=FailureClass.INFRASTRUCTURE,
    )
    node = guest.run(
        f"{_KUBECTL} get pod {HANGING} --namespace {HARNESS_NAMESPACE} -o jsonpath={{.spec.nodeName}}"
    ).stdout.strip()
    mounts = mountinfo.parse(guest.run(f"docker exec {node} cat /proc/self/mountinfo").stdout)
    return node, hard_mount(mounts, source.volume_name, hang.version)


def served_version(guest: Guest, version: str) -> int:
    """Bytes that the NFS server has sent by one version of the protocol, as it counts them itself.

    Raises:
        InfrastructureError: it has sent nothing by it, or something by another version.
    """
    counted: dict[str, int] = {}
    for known in _SERVER_VERSIONS:
        method = f"org.ganesha.nfsd.exportstats.GetNFSv{known.replace('.', '')}IO"
        done = guest.run(
            f"{_KUBECTL} exec {NAME} --namespace {HARNESS_NAMESPACE} --container {CONTAINER} -- "
            "dbus-send --system --print-reply --dest=org.ganesha.nfsd "
            f"/org/ganesha/nfsd/ExportMgr {method} uint16:{EXPORT_ID}",
            check=False,
        )
        read = parse_export_io(done.stdout)
        if read is not None and read[0] > 0:
            counted[known] = read[0]
    if list(counted) != [version]:
        raise InfrastructureError(
            f"by its own count the NFS server was not read by NFS {version} alone", last_seen=str(counted)
        )
    return counted[version]


def hard_mount(mounts: tuple[Mount, ...], volume: str, version: str) -> Mount:
    """The mount of a volume by the kernel's client, hard and of this version.

    Raises:
        InfrastructureError: there is none.
    """
    for mount in mounts:
        wanted = {f"vers={version}", "hard"}
        if (
            mount.mount_point.endswith(f"/{volume}")
            and mount.fs_type in KERNEL_NFS_TYPES
            and wanted <= set(mount.super_options)
        ):
            return mount
    raise InfrastructureError(
        f"the node has no hard mount of {volume} by NFS {version}",
        last_seen="; ".join(f"{mount}" for mount in mounts if mount.serves == "nfs") or "no mount of NFS",
    )


def _outlives_kill(guest: Guest, clock: Clock) -> str:
    """Kill the processes that read and write files; those that are still there some seconds later."""
    listed = guest.run("pgrep -x dd", user="root", check=False).stdout.split()
    guest.run(f"kill -KILL {' '.join(listed)}", user="root", check=False)

    def there() -> str:
        command = f"ps -o stat=,wchan:32=,args= -p {','.join(listed)}"
        return guest.run(command, user="root", check=False).stdout.strip()

    try:
        wait(
            there,
            is_empty,
            subject="processes that were killed",
            condition="end",
            timeout=KILL_SECONDS,
            delay=1.0,
            clock=clock,
        )
    except WaitTimeoutError:
        return f"still there:\n{there()}"
    return "none is there"


def _uninterruptible(guest: Guest) -> str:
    """The processes in state D that read or write files, with what they wait for; empty if there are none."""
    listed = guest.run("ps -e -o stat=,wchan:32=,args=", user="root").stdout
    return "\n".join(line for line in listed.splitlines() if line.startswith("D") and " dd " in line)


def left(guest: Guest) -> str:
    """What is left of a cluster in the guest; empty if nothing is."""
    found = {
        "containers": guest.run("docker ps --all --format '{{.Names}}'").stdout,
        "volumes": guest.run("docker volume ls --quiet").stdout,
        "mounts of NFS": guest.run(
            "cat /proc/[0-9]*/mountinfo | grep -E ' - nfs4? ' || true", user="root"
        ).stdout,
        "mounts of containers": guest.run(
            "grep ' - overlay ' /proc/self/mountinfo || true", user="root"
        ).stdout,
        "processes in state D": _uninterruptible(guest),
    }
    return "; ".join(f"{what}: {text.strip()}" for what, text in found.items() if text.strip())
