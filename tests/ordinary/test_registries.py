"""The stand-in for public registries: what it serves, and its faults."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.host.commands import SystemCommands
from tests.ordinary.network import Network
from tests.ordinary.registries import Registries, Service, registries
from tests.ordinary.store import Store, full_name

CONTENT = json.dumps({"schemaVersion": 2}).encode()
TYPE = "application/vnd.oci.image.manifest.v1+json"
HUB_HOST = "registry-1.docker.io"


class Loopback(Network):
    """A network whose listeners are on this machine's loopback."""

    def listener(self, address: str, port: int) -> socket.socket:
        """A listener on a free port, which `PORTS` keeps."""
        made = socket.create_server(("127.0.0.1", 0))
        PORTS.append(made.getsockname()[1])
        return made


PORTS: list[int] = []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One image of the hub and one of another registry, with the same manifest."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "sha256").mkdir()
    (tmp_path / "manifests" / "m").write_bytes(CONTENT)
    (tmp_path / "sha256" / "abc").write_bytes(b"layer")
    names = (full_name("debian:12"), full_name("registry.k8s.io/pause:3"))
    (tmp_path / "images.json").write_text(json.dumps(dict.fromkeys(names, ("m", TYPE))))
    return Store.read(tmp_path)


@pytest.fixture
def served(store: Store, tmp_path: Path) -> Iterator[Registries]:
    """The stand-in, on the last of `PORTS`."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-keyout", "key", "-out", "crt", "-subj", "/CN=test"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    certificate = tmp_path / "server.pem"
    certificate.write_text((tmp_path / "key").read_text() + (tmp_path / "crt").read_text())
    with registries(Loopback(SystemCommands()), store, certificate) as running:
        yield running


def get(path: str, host: str = HUB_HOST) -> tuple[int, bytes, Any]:
    """Status, body and header of a request to one of the registries."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", PORTS[-1], context=context, timeout=10)
    connection.request("GET", path, headers={"Host": host})
    with connection.getresponse() as response:
        found = response.status, response.read(), response.headers
    connection.close()
    return found


@pytest.mark.parametrize("name", ["debian:12", "docker.io/library/debian:12", "library/debian:12"])
def test_names_of_the_hub_are_one_in_full(name: str) -> None:
    """However short they are written."""
    assert full_name(name) == "docker.io/library/debian:12"


def test_a_manifest_is_served_by_tag_and_by_digest(served: Registries, store: Store) -> None:
    """With the bytes that were pushed, so that the digest is right."""
    digest = store.digest("debian:12")
    for reference in ("12", digest):
        status, body, headers = get(f"/v2/library/debian/manifests/{reference}")
        assert (status, body, headers["Content-Type"]) == (200, CONTENT, TYPE)
        assert headers["Docker-Content-Digest"] == digest


def test_a_registry_serves_only_its_own_images(served: Registries) -> None:
    """The host that the client names decides, as the other registry's image shows."""
    assert get("/v2/pause/manifests/3", host="registry.k8s.io")[0] == 200
    assert get("/v2/pause/manifests/3")[0] == 404


def test_layers_are_served_and_nothing_outside_of_the_store(served: Registries) -> None:
    """A path in place of a digest is no blob."""
    assert get("/v2/library/debian/blobs/sha256:abc")[:2] == (200, b"layer")
    assert get("/v2/library/debian/blobs/sha256:..")[0] == 404


@pytest.mark.parametrize(
    ("path", "code"), [("debian/manifests/13", "MANIFEST"), ("none/manifests/1", "NAME")]
)
def test_what_is_missing_is_reported_by_the_protocols_code(served: Registries, path: str, code: str) -> None:
    """An unknown tag and an unknown repository differ."""
    status, body, _ = get(f"/v2/library/{path}")
    assert (status, json.loads(body)["errors"][0]["code"]) == (404, f"{code}_UNKNOWN")


def test_a_limited_registry_answers_and_serves_no_manifest(served: Registries) -> None:
    """As Docker's hub does when its limit is reached."""
    served.service = Service.LIMITED
    assert get("/v2/")[0] == 200
    status, body, _ = get("/v2/library/debian/manifests/12")
    assert (status, json.loads(body)["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
    assert served.requests[-1] == f"GET {HUB_HOST} /v2/library/debian/manifests/12 429"


def test_outside_of_the_context_nothing_listens(store: Store, tmp_path: Path, served: Registries) -> None:
    """A client cannot connect to a stand-in that is closed."""
    other = tmp_path / "server.pem"
    with registries(Loopback(SystemCommands()), store, other):
        assert get("/v2/")[0] == 200
    with pytest.raises(OSError, match="refused"):
        get("/v2/")
