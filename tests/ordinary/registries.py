"""Stand-ins for the public registries, under their own names, with configurable faults.

One HTTPS server answers for all of them on an address of its own in the guest's network. It serves
a `Store` by the registry protocol (OCI Distribution Specification 1.1, pull), and can be made to
limit its clients, to be slow, or to be gone.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from tests.ordinary.gateway import HTTPS_PORT
from tests.ordinary.names import REGISTRIES
from tests.ordinary.network import REGISTRY, Network
from tests.ordinary.store import Manifest, Store

#: Bytes per second of all layers together while the stand-in is slow.
SLOW_BYTES: Final = 64 * 1024
_CHUNK: Final = 1 << 18
_PATH: Final = re.compile(r"/v2/(?P<name>[a-z0-9._/-]+)/(?P<kind>manifests|blobs)/(?P<reference>[\w.:-]+)")


class Service(StrEnum):
    """How the stand-in serves."""

    OPEN = "open"
    LIMITED = "limited"
    SLOW = "slow"


@dataclass
class Registries:
    """The stand-in while it runs.

    Attributes:
        store: what it serves.
        service: how; may be changed at any time.
        requests: each request as ``METHOD registry path status``, in order.
        server: the HTTPS server.
    """

    store: Store
    server: ThreadingHTTPServer
    service: Service = Service.OPEN
    requests: list[str] = field(default_factory=list)

    def close(self) -> None:
        """End the service: from now on connections are refused."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    registries: Registries

    def do_GET(self) -> None:
        """Serve a manifest or a blob."""
        self._serve(body=True)

    def do_HEAD(self) -> None:
        """Serve what a GET would, without the content."""
        self._serve(body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing; `send_response` keeps what matters."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Keep the request with its outcome."""
        host = self.headers.get("Host", "")
        self.registries.requests.append(f"{self.command} {host} {self.path} {int(code)}")
        super().send_response(code, message)

    def _serve(self, *, body: bool) -> None:
        registry = REGISTRIES.get(self.headers.get("Host", "").partition(":")[0])
        match = _PATH.fullmatch(self.path.partition("?")[0])
        store = self.registries.store
        if registry is None:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "UNSUPPORTED", "no such registry")
        elif match is None:
            self._answer_version()
        elif match["kind"] == "manifests":
            if self.registries.service is Service.LIMITED:
                self._refuse(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "TOOMANYREQUESTS",
                    "You have reached your unauthenticated pull rate limit.",
                )
                return
            repository = f"{registry}/{match['name']}"
            manifest = store.manifest(repository, match["reference"])
            if manifest is not None:
                self._send_manifest(manifest, body=body)
            elif store.has_repository(repository):
                self._refuse(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown")
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry")
        else:
            blob = store.blob(match["reference"])
            if blob is None:
                self._refuse(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
            else:
                self._send_blob(blob, match["reference"], body=body)

    def _answer_version(self) -> None:
        if self.path.rstrip("/") != "/v2":
            self._refuse(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "not a path of the registry protocol")
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        content = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_manifest(self, manifest: Manifest, *, body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", manifest.media_type)
        self.send_header("Docker-Content-Digest", manifest.digest)
        self.send_header("Content-Length", str(len(manifest.content)))
        self.end_headers()
        if body:
            self.wfile.write(manifest.content)

    def _send_blob(self, blob: Path, digest: str, *, body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Docker-Content-Digest", digest)
        self.send_header("Content-Length", str(blob.stat().st_size))
        self.end_headers()
        if not body:
            return
        with blob.open("rb") as file:
            while chunk := file.read(_CHUNK if self.registries.service is not Service.SLOW else SLOW_BYTES):
                if self.registries.service is Service.SLOW:
                    time.sleep(len(chunk) / SLOW_BYTES)
                self.wfile.write(chunk)


@contextmanager
def registries(network: Network, store: Store, certificate: Path) -> Iterator[Registries]:
    """The stand-in while the context lasts; outside of it, connections are refused.

    Args:
        network: of the guest.
        store: what is served.
        certificate: PEM file with key and certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer((REGISTRY, HTTPS_PORT), _Handler, bind_and_activate=False)
    server.daemon_threads = True
    server.socket.close()
    # The thread of a connection makes the handshake when it first reads: a silent client delays no other.
    server.socket = context.wrap_socket(
        network.listener(REGISTRY, HTTPS_PORT), server_side=True, do_handshake_on_connect=False
    )
    served = Registries(store, server)
    server.RequestHandlerClass = type("BoundHandler", (_Handler,), {"registries": served})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.close()
        thread.join()
