"""The NFS server of a run: NFS-Ganesha in a Pod, with fixed ports and counters.

Its export is on a file system of the node (an emptyDir), because Ganesha's VFS back end
cannot export an overlay. Ports are fixed for a proxy in front of the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.errors import FailureClass, HarnessError
from clusters.host.mountinfo import KERNEL_NFS_TYPES, Mount
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, harness_namespace
from clusters.kubernetes.predicates import is_ready
from clusters.kubernetes.server_pod import server_manifests
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.nfs_export import NfsExport
from clusters.progress import Progress
from clusters.waiting import wait

NAMESPACE: Final = HARNESS_NAMESPACE
NAME: Final = "nfs-server"
CONTAINER: Final = "ganesha"
EXPORT: Final = "/export"
NFS_PORT: Final = 2049
MOUNTD_PORT: Final = 20048
READY_SECONDS: Final = 120.0
_PORTS: Final = {"nfs": NFS_PORT, "mountd": MOUNTD_PORT, "rpcbind": 111, "nlm": 32803, "rquota": 875}

#: Grace and lease are short, so that a restarted server serves within seconds.
EXPORT_ID: Final = 1
CONFIG_FILE: Final = "/etc/ganesha-conf/ganesha.conf"
_CONFIG: Final = f"""
NFS_CORE_PARAM {{
  Protocols = 3, 4;
  mount_path_pseudo = true;
  NFS_Port = {NFS_PORT};
  MNT_Port = {MOUNTD_PORT};
  NLM_Port = {_PORTS["nlm"]};
  Rquota_Port = {_PORTS["rquota"]};
  Enable_NFS_Stats = true;
  Enable_Fast_Stats = false;
}}
NFSV4 {{ Grace_Period = 5; Lease_Lifetime = 10; Minor_Versions = 1, 2; }}
EXPORT {{
  Export_Id = {EXPORT_ID};
  Path = {EXPORT};
  Pseudo = {EXPORT};
  Access_Type = RW;
  Squash = No_Root_Squash;
  SecType = sys;
  FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = EVENT; }}
"""


#: A second export, which the running server is given where it is asked for.
SQUASHED: Final = "/squashed"
_SQUASHED_ID: Final = 77
_SQUASHED_FILE: Final = "/tmp/squashed.conf"  # noqa: S108 - in the server's own container
#: What Ganesha says of an export that it has already.
_ACTIVE: Final = "already active"

_NO_ACTIVITY: Final = re.compile(r"does not have any NFSv[0-9.]+ activity")


@dataclass(frozen=True, slots=True)
class ServedBytes:
    """What the NFS server has sent, as one source counts it.

    Attributes:
        read: bytes of READ answers (Ganesha's own count), or all bytes sent on the Pod's interface.
        source: which of the two it is.
        reads: READ operations; None where the source does not count them.
    """

    read: int
    source: str
    reads: int | None = None

    def since(self, before: ServedBytes) -> ServedBytes:
        """What was served between two readings of the same source."""
        if self.source != before.source:
            raise HarnessError("two readings of different sources cannot be subtracted")
        reads = None if self.reads is None or before.reads is None else self.reads - before.reads
        return ServedBytes(self.read - before.read, self.source, reads)

    def __str__(self) -> str:
        ops = "" if self.reads is None else f", {self.reads} READs"
        return f"{self.read} bytes{ops} ({self.source})"


@dataclass(frozen=True, slots=True)
class NfsServer(NfsExport):
    """A running NFS server of the harness.

    Attributes:
        node: where its Pod runs.
        image: what it runs.
        version: of NFS by which claims mount it, such as ``4.1``; None: the newest of both ends.
    """

    node: str
    image: str
    version: str | None = None

    @property
    def mount_options(self) -> tuple[str, ...]:
        """As in nfs(5)."""
        return () if self.version is None else (f"nfsvers={self.version}",)

    @property
    def root(self) -> str:
        """The whole export."""
        return EXPORT

    @property
    def pod(self) -> str:
        """The server's own Pod."""
        return NAME

    @property
    def container(self) -> str:
        """The server's own container."""
        return CONTAINER

    @property
    def observed_on(self) -> str:
        """The file system that it exports, without NFS."""
        return "NFS server's disk"

    def inside(self, folder: str) -> str:
        """The export has the same path in the Pod."""
        return folder

    def volume(self) -> tuple[Mapping[str, Any], str]:
        """A mount without any claim."""
        return {"nfs": {"server": self.address, "path": EXPORT}}, ""

    def pid_namespace(self) -> str:
        """Its namespace of process ids, such as ``pid:[4026532201]``: no foreign server is in it."""
        return self.run("readlink", "/proc/1/ns/pid").strip()

    def pod_address(self) -> str:
        """IP address of its Pod, which packets carry behind the address of its Service.

        Raises:
            HarnessError: the Pod has none.
        """
        address = PodSnapshot.of(self.kube.get(kinds.POD, NAME, NAMESPACE) or {}).ip
        if not address:
            raise HarnessError("the NFS server's Pod has no address", subject=f"Pod {NAMESPACE}/{NAME}")
        return address

    def served(self) -> ServedBytes:
        """Bytes that it has sent to clients by now.

        Ganesha's D-Bus interface counts READs by protocol version (Ganesha 4.3,
        org.ganesha.nfsd.exportstats); where it gives none, the interface counter of the Pod serves.
        """
        total, operations, answered = 0, 0, False
        for method in ("GetNFSv3IO", "GetNFSv40IO", "GetNFSv41IO", "GetNFSv42IO"):
            argv = ["dbus-send", "--system", "--print-reply", "--dest=org.ganesha.nfsd"]
            argv += ["/org/ganesha/nfsd/ExportMgr", f"org.ganesha.nfsd.exportstats.{method}", "uint16:1"]
            done = self.execute(*argv, timeout=20.0)
            counted = parse_export_io(done.stdout) if done.exit_code == 0 else None
            if counted is not None:
                answered = True
                total, operations = total + counted[0], operations + counted[1]
        if answered:
            return ServedBytes(total, "Ganesha", operations)
        return self.interface()

    def exports_squashed(self, folder: str) -> str:
        """Export a folder once more, with the super-user squashed; returns the path to mount.

        The running server adds the export through its D-Bus interface (Ganesha 4.3,
        org.ganesha.nfsd.exportmgr.AddExport), so that clients of the first one notice nothing. It
        stays until the server ends; that it is there already is fine.

        Args:
            folder: below the first export; it has to be there.

        Raises:
            HarnessError: the server refused it.
        """
        self.run("bash", "-c", 'printf %s "$2" > "$1"', "write", _SQUASHED_FILE, _squashed(folder))
        argv = ["dbus-send", "--system", "--print-reply", "--dest=org.ganesha.nfsd"]
        argv += ["/org/ganesha/nfsd/ExportMgr", "org.ganesha.nfsd.exportmgr.AddExport"]
        argv += [f"string:{_SQUASHED_FILE}", f"string:EXPORT(Export_Id={_SQUASHED_ID})"]
        done = self.execute(*argv, timeout=20.0)
        said = done.stdout + done.stderr
        if done.exit_code != 0 and _ACTIVE not in said:
            raise HarnessError(
                f"the NFS server refuses a second export of {folder}",
                subject=f"Pod {NAMESPACE}/{NAME}",
                last_seen=said[-2_000:],
            )
        return SQUASHED

    def interface(self) -> ServedBytes:
        """Bytes sent on the Pod's interface: includes protocol overhead and all other answers."""
        text = self.run("cat", "/sys/class/net/eth0/statistics/tx_bytes")
        return ServedBytes(int(text), "interface of the server's Pod")


def mounted_versions(mounts: Iterable[Mount], address: str) -> tuple[str, ...]:
    """Versions of NFS by which the kernel has a server mounted, each once.

    Args:
        mounts: of a node.
        address: IP of the server.
    """
    found = {
        option.removeprefix("vers=")
        for mount in mounts
        if mount.fs_type in KERNEL_NFS_TYPES and mount.source.startswith(f"{address}:")
        for option in mount.super_options
        if option.startswith("vers=")
    }
    return tuple(sorted(found))


def own_server(export: NfsExport) -> NfsServer:
    """The NFS server of the harness, which counts what it sends and may be stopped.

    Raises:
        HarnessError: the source of this run is an existing one. A scenario that needs the server declares it
            (``nfs_server=``), and is then left out.
    """
    if not isinstance(export, NfsServer):
        raise HarnessError("this run has no NFS server of the harness: its source existed before")
    return export


def _squashed(folder: str) -> str:
    """Ganesha's configuration of the second export."""
    return f"""
EXPORT {{
  Export_Id = {_SQUASHED_ID};
  Path = {folder};
  Pseudo = {SQUASHED};
  Access_Type = RW;
  Squash = Root_Squash;
  SecType = sys;
  FSAL {{ Name = VFS; }}
}}
"""


def parse_export_io(reply: str) -> tuple[int, int] | None:
    """Bytes transferred and operations of READ in a D-Bus reply of exportstats.GetNFSv*IO.

    The reply starts with a status (boolean and text) and a time stamp; then comes one struct for
    READ and one for WRITE, each of uint64: requested bytes, transferred bytes, operations,
    errors, latency, queue wait. A version that no client has spoken yet has a false status and says
    "does not have any ... activity". None when the reply is neither.
    """
    if "boolean false" in reply and _NO_ACTIVITY.search(reply):
        return 0, 0
    if "boolean true" not in reply:
        return None
    structs = re.findall(r"struct \{([^{}]*)\}", reply)
    for struct in structs:
        numbers = [int(value) for value in re.findall(r"uint64 (\d+)", struct)]
        if len(numbers) >= 6:  # noqa: PLR2004 - the six figures named above; the time stamp has two
            return numbers[1], numbers[2]
    return None


def install(kube: Kube, image: str, node: str, progress: Progress, *, slowness: float = 1.0) -> NfsServer:
    """Start the NFS server on a node, or find it running there already.

    Args:
        kube: the cluster.
        image: of the server.
        node: where it runs.
        progress: shows the stage.
        slowness: of the machine, see `clusters.host.speed`.
    """
    with progress.stage("NFS server") as stage:
        for manifest in manifests(image, node):
            kube.apply(manifest)
        with kube.changes(kinds.POD, NAMESPACE) as changes:
            pod = wait(
                lambda: PodSnapshot.of(kube.get(kinds.POD, NAME, NAMESPACE) or {}),
                is_ready,
                subject=f"Pod {NAMESPACE}/{NAME}",
                condition="condition Ready (port 2049 answers)",
                timeout=READY_SECONDS * slowness,
                changes=changes,
                on_change=lambda text, _: stage.says(text),
                failure_class=FailureClass.INFRASTRUCTURE,
                advice="read the Pod's logs in the bundle",
            )
        service = kube.get(kinds.SERVICE, NAME, NAMESPACE) or {}
        return NfsServer(kube, str(service["spec"]["clusterIP"]), pod.node, image)


def manifests(image: str, node: str) -> tuple[Mapping[str, Any], ...]:
    """Namespace, configuration, Service and Pod of the server."""
    meta: dict[str, Any] = {"name": NAME, "namespace": NAMESPACE}
    ports = [
        {"name": f"{name}-{protocol.lower()}", "port": port, "protocol": protocol}
        for name, port in _PORTS.items()
        for protocol in ("TCP", "UDP")
    ]
    return (
        harness_namespace(),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ganesha.conf": _CONFIG}},
        *server_manifests(
            meta,
            node,
            ports,
            {
                "name": CONTAINER,
                "image": image,
                "securityContext": {"privileged": True},
                "readinessProbe": {
                    "tcpSocket": {"port": NFS_PORT},
                    "periodSeconds": 1,
                    "failureThreshold": 1,
                },
                "volumeMounts": [
                    {"name": "export", "mountPath": EXPORT},
                    {"name": "config", "mountPath": "/etc/ganesha-conf"},
                ],
            },
            volumes=[
                {"name": "export", "emptyDir": {}},
                {"name": "config", "configMap": {"name": NAME}},
            ],
        ),
    )
