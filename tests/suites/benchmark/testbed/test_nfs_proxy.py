"""Limits of NFS by a proxy, against a cluster with a fake toxiproxy that records its settings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.product.nfs import NfsServer
from clusters.progress import Progress
from suites.benchmark.testbed import nfs_proxy
from suites.benchmark.testbed.shaping import ShapingError, limited_to

MIB = 1024 * 1024


@dataclass
class Cluster:
    """An API with one Pod, in which toxiproxy runs once it was sent.

    Attributes:
        toxics: those of the proxy of NFS.
        sent: the program, and its configuration.
        broken: toxiproxy answers with an error.
        deaf: it accepts everything and changes nothing.
    """

    toxics: dict[str, Any] = field(default_factory=dict)
    sent: tuple[bytes, str] = (b"", "")
    broken: bool = False
    deaf: bool = False
    made: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def apply(self, manifest: Any) -> None:
        """An object is created."""
        self.made.append(manifest["kind"])

    def delete(self, kind: object, name: str, namespace: str) -> None:
        """An object is deleted."""
        self.gone.append(str(kind))

    def get(self, kind: object, name: str, namespace: str) -> dict[str, Any]:
        """Service or Pod, which is ready once it has its program."""
        ready = {"type": "Ready", "status": str(bool(self.sent[0]))}
        return {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": "10.0.0.9"},
            "status": {"phase": "Running", "conditions": [ready]},
        }

    @contextmanager
    def changes(self, *_: object, **__: object) -> Iterator[None]:
        """No watch."""
        yield None

    def exec(
        self, namespace: str, pod: str, container: str, argv: Any, *, timeout: float, stdin: bytes = b""
    ) -> Completed:
        """Receive the program, or send a request to toxiproxy."""
        if stdin:
            self.sent = gzip.decompress(stdin), argv[-1]
            return Completed(argv, 0, "", "")
        method, path, body = argv[-3:]
        status, answer = "200 OK", list(self.toxics.values())
        if self.broken:
            status = "500 Internal Server Error"
        elif method == "POST" and not self.deaf:
            known = path.endswith("/narrow")
            assert known == ("narrow" in self.toxics), "toxiproxy refuses a second toxic of that name"
            self.toxics["narrow"] = json.loads(body)
        elif method == "DELETE" and not self.deaf:
            del self.toxics["narrow"]
            status = "204 No Content"
        text = "" if status.startswith("204") else json.dumps(answer)
        return Completed(argv, 0, f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{text}", "")

    def rate(self) -> int | None:
        """The limit that it has now, in KB/s."""
        found: int | None = self.toxics.get("narrow", {}).get("attributes", {}).get("rate")
        return found


def held(cluster: Cluster) -> nfs_proxy.NfsProxy:
    """The proxy."""
    return nfs_proxy.NfsProxy(cast("Kube", cluster), "10.0.0.9")


def test_limit_holds_inside_and_the_outer_one_is_restored() -> None:
    """The rate is in thousands of bytes a second; a second limit changes the first, and none stays."""
    cluster = Cluster()
    with limited_to(held(cluster), 100 * MIB):
        assert cluster.rate() == 104858
        with limited_to(held(cluster), 50 * MIB, afterwards=100 * MIB):
            assert cluster.rate() == 52429
        assert cluster.rate() == 104858
    assert cluster.rate() is None
    held(cluster)(None)


@pytest.mark.parametrize("how", ["broken", "deaf"])
def test_proxy_that_does_not_limit_is_reported(how: str) -> None:
    """An error of toxiproxy, and a limit that is not there afterwards, are no limit."""
    cluster = Cluster()
    setattr(cluster, how, True)
    with pytest.raises(ShapingError):
        held(cluster)(MIB)


def test_program_is_sent_to_a_pod_before_the_server(tmp_path: Path) -> None:
    """The Pod waits for the program; both fixed ports lead to the server's own; its address is reported."""
    program, cluster = tmp_path / "toxiproxy-server", Cluster()
    program.write_bytes(b"\x7fELF program")
    server = NfsServer(cast("Kube", cluster), "10.0.0.1", "node", "ganesha")
    made = nfs_proxy.install(cast("Kube", cluster), server, "toolbox", program, Progress())
    assert made.address == "10.0.0.9"
    assert cluster.sent[0] == b"\x7fELF program"
    upstream = {one["listen"]: one["upstream"] for one in json.loads(cluster.sent[1])}
    assert upstream == {"0.0.0.0:2049": "10.0.0.1:2049", "0.0.0.0:20048": "10.0.0.1:20048"}
    assert cluster.made == ["Service", "Pod"]
    made.remove()
    assert len(cluster.gone) == 2


def test_proxy_that_does_not_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pod and Service go when the program cannot be sent."""
    cluster = Cluster()
    monkeypatch.setattr(cluster, "exec", lambda *given, **_: Completed(given[3], 1, "", "no space"))
    program = tmp_path / "toxiproxy-server"
    program.write_bytes(b"x")
    server = NfsServer(cast("Kube", cluster), "10.0.0.1", "node", "ganesha")
    with pytest.raises(ShapingError, match="could not be copied"):
        nfs_proxy.install(cast("Kube", cluster), server, "toolbox", program, Progress())
    assert len(cluster.gone) == 2
