"""Limits the bandwidth of NFS with a proxy (toxiproxy) in front of the server, if the kernel has no `tbf`.

toxiproxy limits each connection separately, so all data must use one connection: the source claim of this
testbed mounts NFSv3 with one connection, by the fixed ports of NFS and MOUNT. The application and
Alluxio's worker then have one connection each.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.errors import FailureClass, HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.server_pod import server_manifests
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.pins import pins
from clusters.product.nfs import MOUNTD_PORT, NAMESPACE, NFS_PORT, NfsServer
from clusters.progress import Progress
from clusters.waiting import wait
from suites.benchmark.testbed.shaping import ShapingError

NAME: Final = "nfs-proxy"
CONTAINER: Final = "proxy"
API_PORT: Final = 8474

#: Options of a mount through the proxy: fixed ports, and a single connection.
MOUNT_OPTIONS: Final = (
    "nfsvers=3",
    "proto=tcp",
    "mountproto=tcp",
    f"port={NFS_PORT}",
    f"mountport={MOUNTD_PORT}",
    "nolock",
    "nconnect=1",
)

#: toxiproxy counts a KB as 1000 bytes (toxics/bandwidth.go of 2.5.0).
_KB: Final = 1000
_TOXIC: Final = "narrow"
_PROGRAM: Final = "/run/toxiproxy"
_PROXIES: Final = "/run/proxies.json"

_READY_SECONDS: Final = 60.0
_SEND_SECONDS: Final = 120.0
_SECONDS: Final = 20.0

_SERVE: Final = f"until [ -x {_PROGRAM} ]; do sleep 0.1; done; exec {_PROGRAM} -config {_PROXIES}"
_RECEIVE: Final = (
    f'printf %s "$1" > {_PROXIES}; gzip -dc > {_PROGRAM}.part; chmod +x {_PROGRAM}.part; '
    f"mv {_PROGRAM}.part {_PROGRAM}"
)

# Bash alone, because the image has no client. The answer's first line is enough.
_ASK: Final = r"""
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf '%s %s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
  "$2" "$3" "${#4}" "$4" >&3
cat <&3
"""


@dataclass(frozen=True, slots=True)
class NfsProxy:
    """A running proxy.

    Attributes:
        kube: the cluster.
        address: IP address that nodes mount instead of the address of the server.
    """

    kube: Kube
    address: str

    @property
    def means(self) -> str:
        """Its name in the results."""
        version = pins().build.toxiproxy
        return f"a proxy (toxiproxy {version}) in front of the NFS server, one connection for each mount"

    def __call__(self, bytes_per_second: float | None, /) -> None:
        """Set the limit of each NFS connection in bytes/s; None removes it."""
        path = "/proxies/nfs/toxics"
        found = self._request("GET", path)
        there = any(one.get("name") == _TOXIC for one in found)
        if bytes_per_second is None:
            if there:
                self._request("DELETE", f"{path}/{_TOXIC}")
        else:
            attributes = {"rate": max(1, round(bytes_per_second / _KB))}
            toxic = {"type": "bandwidth", "stream": "downstream", "attributes": attributes}
            self._request("POST", f"{path}/{_TOXIC}" if there else path, {"name": _TOXIC, **toxic})
        kept = {one.get("name"): one.get("attributes", {}).get("rate") for one in self._request("GET", path)}
        expected = None if bytes_per_second is None else max(1, round(bytes_per_second / _KB))
        if kept.get(_TOXIC) != expected:
            raise ShapingError(
                "the limit of the proxy in front of NFS is not the one that was set",
                condition="no limit" if expected is None else f"{expected} KB/s",
                last_seen=str(kept),
            )

    def remove(self) -> None:
        """Delete Pod and Service; no mount through it may exist."""
        self.kube.delete(kinds.SERVICE, NAME, NAMESPACE)
        self.kube.delete(kinds.POD, NAME, NAMESPACE)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Send a request to toxiproxy, and return the list in its answer, if any."""
        text = "" if body is None else json.dumps(body)
        argv = ("bash", "-euc", _ASK, "ask", str(API_PORT), method, path, text)
        done = self.kube.exec(NAMESPACE, NAME, CONTAINER, argv, timeout=_SECONDS)
        head, _, rest = done.stdout.replace("\r\n", "\n").partition("\n\n")
        status = head.split("\n", 1)[0].split()
        if len(status) < 2 or not status[1].startswith("2"):  # noqa: PLR2004 - a status line
            raise ShapingError(
                f"the proxy in front of NFS refused {method} {path}",
                last_seen=(done.stdout + done.stderr).strip()[-500:],
            )
        answer = json.loads(rest) if rest.strip() else []
        return answer if isinstance(answer, list) else []


def install(kube: Kube, server: NfsServer, image: str, program: Path, progress: Progress) -> NfsProxy:
    """Start a proxy in front of the NFS server.

    Args:
        kube: the cluster.
        server: the NFS server.
        image: with bash and gzip.
        program: toxiproxy's server, a static program for the processors of the nodes.
        progress: receives the stage.

    Raises:
        HarnessError: it does not become ready; its objects are deleted.
    """
    with progress.stage("proxy in front of NFS"):
        for manifest in manifests(image, server.node):
            kube.apply(manifest)
        address = str((kube.get(kinds.SERVICE, NAME, NAMESPACE) or {})["spec"]["clusterIP"])
        proxy = NfsProxy(kube, address)
        try:
            _copy_program(kube, server, program)
            _wait(kube, lambda ready: ready, "condition Ready (its ports answer)")
        except BaseException:
            with contextlib.suppress(HarnessError):
                proxy.remove()
            raise
        return proxy


def proxies(server: str) -> list[dict[str, object]]:
    """Configuration of toxiproxy: both fixed ports, forwarded to the server."""
    return [
        {"name": name, "listen": f"0.0.0.0:{port}", "upstream": f"{server}:{port}", "enabled": True}
        for name, port in (("nfs", NFS_PORT), ("mount", MOUNTD_PORT))
    ]


def manifests(image: str, node: str) -> tuple[Mapping[str, Any], ...]:
    """Service and Pod of the proxy, on the server's node."""
    meta = {"name": NAME, "namespace": NAMESPACE}
    ports = [{"name": name, "port": port} for name, port in (("nfs", NFS_PORT), ("mount", MOUNTD_PORT))]
    return server_manifests(
        meta,
        node,
        ports,
        {
            "name": CONTAINER,
            "image": image,
            "command": ["bash", "-c", _SERVE],
            "readinessProbe": {"tcpSocket": {"port": MOUNTD_PORT}, "periodSeconds": 2},
        },
        automountServiceAccountToken=False,
    )


def _copy_program(kube: Kube, server: NfsServer, program: Path) -> None:
    """Copy the program and its configuration to the Pod, which waits for them."""
    _wait(kube, lambda _ready: True, "phase Running")
    done = kube.exec(
        NAMESPACE,
        NAME,
        CONTAINER,
        ("bash", "-euc", _RECEIVE, "receive", json.dumps(proxies(server.address))),
        stdin=gzip.compress(program.read_bytes()),
        timeout=_SEND_SECONDS,
    )
    if done.exit_code != 0:
        raise ShapingError(
            "the program of the proxy could not be copied to its Pod", last_seen=done.stderr.strip()[-500:]
        )


def _wait(kube: Kube, ready: Callable[[bool], bool], condition: str) -> None:
    objects = ClusterReader(kube)
    with kube.changes(kinds.POD, NAMESPACE) as changed:
        wait(
            lambda: objects.get(PodSnapshot, NAME, NAMESPACE),
            lambda seen: seen is not None and seen.phase == "Running" and ready(seen.ready),
            subject=f"Pod {NAMESPACE}/{NAME}",
            condition=condition,
            timeout=_READY_SECONDS,
            failed=lambda seen: f"it ended: {seen}" if seen is not None and seen.ended else None,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
            advice="read the log of the Pod",
        )
