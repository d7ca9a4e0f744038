"""A registry of our own: serving, filling, and the names under which images go there."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from clusters import registry
from clusters.errors import InfrastructureError, RefusalError
from clusters.images.offline import definitions
from clusters.pins import versions
from clusters.progress import Progress
from clusters.registry import Entry, harness_entries, push, serving, system_entries
from clusters.waiting import WaitFailedError, wait
from tests.clusters.fakes import FakeCommands, FakeDocker

#: Serves as crane does: `registry serve --address HOST:PORT --disk FOLDER`.
SERVER = f"""#!{sys.executable}
import http.server, sys
host, port = sys.argv[sys.argv.index("--address") + 1].split(":")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
try:
    server = http.server.HTTPServer((host, int(port)), Handler)
except OSError as error:
    sys.exit(f"listen tcp: bind: {{error.strerror.lower()}}")
server.serve_forever()
"""


@pytest.fixture
def crane(tmp_path: Path) -> Path:
    """A program that serves."""
    program = tmp_path / "crane"
    program.write_text(SERVER)
    program.chmod(0o755)
    return program


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_registry_serves_while_the_context_lasts(crane: Path, tmp_path: Path, port: int) -> None:
    """It answers at the address that it yields, and is stopped afterwards."""
    with serving(crane, tmp_path / "layers", port) as address:
        answer = urllib.request.urlopen(f"http://{address}/v2/")
        answer.close()
    assert answer.status == 200
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{address}/v2/")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")
def test_the_registry_ends_with_a_process_that_is_killed(crane: Path, tmp_path: Path, port: int) -> None:
    """Otherwise it would keep the port, and the next one would be refused."""
    script = f"""if True:
        import time
        from pathlib import Path
        from clusters.registry import serving
        with serving(Path({str(crane)!r}), Path({str(tmp_path / "layers")!r}), {port}):
            print("serving", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        process.kill()

    def error() -> int:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port))

    wait(
        error,
        bool,
        subject=f"port {port}",
        condition="its release",
        timeout=10.0,
    )


def test_a_port_in_use_is_refused(crane: Path, tmp_path: Path) -> None:
    """A foreign listener is not mistaken for the harness's registry."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(RefusalError, match=f"port {port} is in use"),
            serving(crane, tmp_path / "layers", port),
        ):
            pass


def test_a_registry_that_ends_is_reported_with_its_log(tmp_path: Path, port: int) -> None:
    """A program that fails to serve shows what it said."""
    program = tmp_path / "crane"
    program.write_text("#!/bin/sh\necho cannot write layers >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(WaitFailedError, match="cannot write layers"), serving(program, tmp_path / "x", port):
        pass


def test_built_images_go_by_published_names() -> None:
    """Fluid's get the tags that the chart names; the others are named so already."""
    images = definitions.system(versions(), wrapped=True, user_space_nfs=True)
    chart_says = [
        "fluidcloudnative/fluid-csi:v1.0.8-6533239",
        "fluidcloudnative/csi-node-driver-registrar:v2.14.0",
    ]
    entries = system_entries(images.all, chart_says)
    names = {entry.published: entry.local for entry in entries}
    assert names["fluidcloudnative/fluid-csi:v1.0.8-6533239"] == images.fluid["fluid-csi"].local
    registrar = images.fluid["csi-node-driver-registrar"].local
    assert names["fluidcloudnative/csi-node-driver-registrar:v2.14.0"] == registrar
    assert names[images.node.name] == images.node.local
    assert all(names[name] == image.local for image in images.control_plane for name in image.names)
    assert names["debian:bookworm-slim"] == definitions.debian().local
    assert all(entry.local.startswith("fluid-conformance/") for entry in entries)
    assert {entry.local for entry in harness_entries()} < set(names.values())


def test_pushing_leaves_no_name_behind() -> None:
    """The engine forgets the registry's name again, so that a pull from there is a real one."""
    commands = FakeCommands()
    push(FakeDocker(commands).engine, "h:5", [Entry("a/b:v1", "a/b:v1-abc")], Progress())
    assert [ran.argv[1:] for ran in commands.ran] == [
        ("tag", "a/b:v1", "h:5/a/b:v1-abc"),
        ("push", "h:5/a/b:v1-abc"),
        ("rmi", "h:5/a/b:v1-abc"),
    ]


def test_a_refused_push_is_reported_and_cleaned_up() -> None:
    """The name is removed also if the registry accepts nothing."""
    commands = FakeCommands()
    commands.on("docker", "push", exit_code=1, stdout="denied: requested access to the resource is denied")
    with pytest.raises(InfrastructureError, match="refuses a/b:v1"):
        push(FakeDocker(commands).engine, "h:5", [Entry("a/b:v1", "a/b:v1")], Progress())
    assert commands.asked("docker", "rmi")


@pytest.mark.parametrize("arguments", [["push"], ["serve", "localhost:5000"]])
def test_push_needs_a_host_and_serve_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that cannot be meant so is refused."""
    assert registry.main(arguments) == registry.FAILED
    assert "push needs a HOST" in capsys.readouterr().err
