"""The web server for mounts of http://."""

import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from workloads.web_server import web_server

needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="Perl runs the server")


@pytest.fixture
def port() -> Iterator[int]:
    """The very program of the Pod, run here on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    pod = web_server("demo", "web", "toolbox", "hello.txt", "hello")
    command = list(pod["spec"]["containers"][0]["command"])
    command[3] = str(free)
    with subprocess.Popen(command) as process:
        try:
            for _ in range(200):
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", free)) == 0:
                        break
                time.sleep(0.02)
            yield free
        finally:
            process.terminate()


def _ask(port: int, method: str, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Length", ""), answer.read().decode()
    finally:
        connection.close()


@needs_perl
def test_index_names_the_file(port: int) -> None:
    """The root is a page that Alluxio accepts as a folder, with a link to the file."""
    status, _, body = _ask(port, "GET", "/")
    assert status == 200
    assert "<title>Index of /" in body
    assert 'href="hello.txt"' in body


@needs_perl
def test_file_is_served_whole(port: int) -> None:
    """GET returns the file with its length, and HEAD the same length without the file."""
    assert _ask(port, "GET", "/hello.txt") == (200, "5", "hello")
    assert _ask(port, "HEAD", "/hello.txt") == (200, "5", "")


@needs_perl
def test_other_paths_are_not_there(port: int) -> None:
    """Every other path is not found."""
    assert _ask(port, "GET", "/other")[0] == 404
