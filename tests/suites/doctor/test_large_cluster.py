"""The doctor on a cluster of 1,000 nodes, 10,000 Pods and 500 Datasets: time, memory, requests."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import KINDS
from clusters.kubernetes.requests import PAGE
from clusters.product import fluid_names
from suites.diagnosis.fluid_facts import RUNTIME_KINDS
from suites.doctor import __main__ as doctor
from tests.suites.doctor.doctor_cluster import (
    Object,
    application,
    csi_node,
    fuse_labels,
    make,
    node,
    part,
    served,
)

NODES, PODS, DATASETS = 1_000, 10_000, 500
#: Events of a watch.
CHANGES = 2_000
#: Seconds of processor time, and MiB.
MOST_SECONDS = 30.0
MOST_MEMORY = 300
HOUSE = Path(__file__).parents[3]


def objects() -> Iterator[Object]:
    """The cluster; one application in ten uses the source in place of the Dataset."""
    for number in range(NODES):
        used = number // 2 if number % 2 == 0 and number // 2 < DATASETS else None
        labels = fuse_labels((f"team-{used // 5}", f"data-{used}")) if used is not None else {}
        found = node(f"n{number}", labels=labels)
        found["status"]["images"] = [{"names": [f"registry.example/image-{one}:v1"]} for one in range(50)]
        yield found
        yield csi_node(f"n{number}", fluid_names.CSI_DRIVER_NAME)
        plugin = "csi-nodeplugin-fluid"
        yield part("DaemonSet", plugin, f"{plugin}-{number}", "fluid-system", f"n{number}")
    yield make(kinds.DAEMON_SET, "fluid-system", "csi-nodeplugin-fluid")
    for name in ("dataset-controller", "alluxioruntime-controller"):
        yield make(kinds.DEPLOYMENT, "fluid-system", name, status={"readyReplicas": 1})
    for number in range(DATASETS):
        yield from served(f"data-{number}", f"team-{number // 5}", f"n{2 * number}")
    for number in range(PODS - 3 * DATASETS - NODES):
        of = number % DATASETS
        claim = f"data-{of}" if number % 10 else f"data-{of}-src"
        yield application(f"app-{number}", claim, f"team-{of // 5}", f"n{2 * of}")


class Api(http.server.ThreadingHTTPServer):
    """An API server that lists, page by page, and whose watch of Pods expires once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[str] = []
        self.watches: list[str] = []
        self.ended = threading.Event()
        self.lists: dict[str, list[Object]] = defaultdict(list)
        known = {(kind.api_version, kind.name): kind for kind in {*KINDS.values(), *RUNTIME_KINDS}}
        # As large as those of real Pods.
        managers = [{"manager": "kubelet", "fieldsV1": {f"f:field-{one}": {"f:x": {}} for one in range(60)}}]
        for obj in objects():
            kind = known[obj["apiVersion"], obj["kind"]]
            obj["metadata"]["managedFields"] = managers
            self.lists[kind.path()].append(obj)
            if kind.namespaced:
                self.lists[kind.path(obj["metadata"]["namespace"])].append(obj)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing."""

    def do_GET(self) -> None:
        """A list, or the version."""
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        if "watch" in query:
            self._watch(address.path)
            return
        self.server.requests.append(address.path)
        every = self.server.lists.get(address.path, [])
        start = int(query.get("continue") or 0)
        end = start + int(query.get("limit") or PAGE)
        more = str(end) if end < len(every) else ""
        body = {
            "gitVersion": "v1.34.0",
            "metadata": {"continue": more, "resourceVersion": "7"},
            "items": every[start:end],
        }
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, path: str) -> None:
        """The first watch of Pods sends changes, and then that its version has expired."""
        first = path == kinds.POD.path() and path not in self.server.watches
        self.server.watches.append(path)
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if first:
            pods = self.server.lists[path]
            events = [{"type": "MODIFIED", "object": pod} for pod in pods[-CHANGES:]]
            pods[:] = [pod for pod in pods if pod["metadata"]["name"] != "app-0"]
            for event in [*events, {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}]:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.server.ended.wait()


@pytest.fixture
def api() -> Iterator[Api]:
    """The API server of the large cluster."""
    server = Api()
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    serving.join()


#: Runs a module, and writes the most memory of it in KiB. `ru_maxrss` of a process begins with that of the
#: process which started it, here of all the tests before this one.
PROGRAM = """
import atexit, pathlib, re, runpy, sys
memory = pathlib.Path(sys.argv[1])
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: memory.write_text(re.search(r"VmHWM:\\s+(\\d+)", status.read_text()).group(1)))
del sys.argv[:2]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def kubeconfig_of(api: Api, folder: Path) -> Path:
    """A kubeconfig that leads there."""
    kubeconfig = folder / "config"
    config = {
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{api.server_port}"}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    return kubeconfig


def test_a_large_cluster_costs_little(api: Api, tmp_path: Path) -> None:
    """Each kind is listed once, page by page; the answer is that of each Pod."""
    kubeconfig, answer, memory = kubeconfig_of(api, tmp_path), tmp_path / "answer", tmp_path / "memory"
    words = ["-c", PROGRAM, str(memory), doctor.__package__, "--kubeconfig", str(kubeconfig), "--json"]
    out = os.open(answer, os.O_WRONLY | os.O_CREAT)
    actions = [(os.POSIX_SPAWN_DUP2, out, 1)]
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    process = os.posix_spawn(sys.executable, [sys.executable, *words], environment, file_actions=actions)
    os.close(out)
    _, status, usage = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    found = Counter(one["verdict"] for one in json.loads(answer.read_text())["findings"])
    applications = PODS - 3 * DATASETS - NODES
    assert found == {"served": applications * 9 // 10, "original-claim": applications // 10}
    pages = Counter(api.requests)
    for path, number in pages.items():
        assert number == max(1, -(-len(api.lists.get(path, [])) // PAGE)), path
    assert int(memory.read_text()) / 1024 < MOST_MEMORY
    assert usage.ru_utime + usage.ru_stime < MOST_SECONDS


def test_a_large_cluster_is_watched_at_little_cost(api: Api, tmp_path: Path) -> None:
    """Only the kind whose watch expired is listed again; memory stays as that of one answer."""
    memory = tmp_path / "memory"
    words = [
        "-c",
        PROGRAM,
        str(memory),
        doctor.__package__,
        "--kubeconfig",
        str(kubeconfig_of(api, tmp_path)),
    ]
    with subprocess.Popen(
        [sys.executable, *words, "--watch", "--json"], cwd=HOUSE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGTERM)
    assert (first["event"], second["event"]) == ("answer", "change")
    assert [one["pod"]["name"] for one in second["disappeared"]] == ["app-0"]
    assert second["appeared"] == []
    assert process.returncode == 1
    pages = Counter(api.requests)
    pods = pages.pop(kinds.POD.path())
    assert pods == 2 * -(-len(api.lists[kinds.POD.path()]) // PAGE)
    for path, number in pages.items():
        assert number == max(1, -(-len(api.lists.get(path, [])) // PAGE)), path
    assert int(memory.read_text()) / 1024 < MOST_MEMORY
