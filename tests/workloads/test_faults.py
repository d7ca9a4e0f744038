import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import FailureClass, InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes.kinds import Kind
from clusters.waiting import WaitTimeoutError
from tests.clusters.conftest import FakeClock
from tests.clusters.stored_objects import StoredObjects
from workloads.faults import (
    FaultError,
    delete_pod,
    kill_process,
    processes,
    stopped,
    without_node_label,
)


def here(argv: Sequence[str], /, *, timeout: float) -> Completed:
    """Run a command here as it would be run in a Pod."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of its own name that waits."""
    program = tmp_path / "cf.server"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "1000"]) as process:
        try:
            yield process
        finally:
            process.kill()


def state(process: subprocess.Popen[bytes]) -> str:
    """State letter of a process."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_is_found_by_its_name_or_an_argument(server: subprocess.Popen[bytes]) -> None:
    """A program is found by its name and by a whole argument, and the search never finds itself."""
    (by_name,) = processes(here, "cf.server")
    assert by_name.pid == server.pid
    assert by_name.state in "SR"
    (by_argument,) = processes(here, str(server.args[0]))  # type: ignore[index] # a list was given
    assert by_argument.key == by_name.key
    assert processes(here, "cf.serv") == ()
    assert processes(here, "no.such.program.anywhere") == ()


def test_a_server_is_stopped_and_continues(server: subprocess.Popen[bytes]) -> None:
    """While the context lasts the program is stopped, and afterwards it runs again."""
    with stopped(StoredObjects().journal(here), "n1", "cf.server") as fault:
        assert state(server) == "T"
        assert fault.says == "cf.server is stopped"
    assert state(server) in "SR"


def test_a_server_continues_also_after_an_error(server: subprocess.Popen[bytes]) -> None:
    """An error in the scenario, or an interrupt, does not leave the program stopped."""
    with pytest.raises(KeyboardInterrupt), stopped(StoredObjects().journal(here), "n1", "cf.server"):
        raise KeyboardInterrupt
    assert state(server) in "SR"


def test_a_server_that_dies_while_stopped_is_not_waited_for(server: subprocess.Popen[bytes]) -> None:
    """When the stopped program has ended there is nothing to continue."""
    with stopped(StoredObjects().journal(here), "n1", "cf.server"):
        server.kill()
        server.wait()


def test_a_process_that_is_not_there_cannot_be_stopped_or_killed() -> None:
    """A fault without a target is an error, not a success."""
    with (
        pytest.raises(FaultError, match="no process"),
        stopped(StoredObjects().journal(here), "n1", "no.such.program"),
    ):
        pytest.fail("the context must not be entered")
    with pytest.raises(FaultError, match="no process"):
        kill_process(here, "no.such.program")


def test_killing_is_seen_through(server: subprocess.Popen[bytes]) -> None:
    """A killed program has ended when the call returns."""
    fault = kill_process(here, "cf.server")
    assert server.wait(timeout=5) == -9
    assert fault.says == "cf.server was killed"


def test_one_started_again_is_another(server: subprocess.Popen[bytes]) -> None:
    """A program that Kubernetes starts again is not mistaken for the one that was killed."""
    stats = iter(["1 (java) S " + "0 " * 18 + "100 0\n", "1 (java) S " + "0 " * 18 + "900 0\n"])

    def run(argv: Sequence[str], /, *, timeout: float) -> Completed:
        return Completed(tuple(argv), 0, next(stats) if argv[0] == "env" else "", "")

    kill_process(run, "java", clock=FakeClock())


class Pod:
    """A Pod's processes, with a say in what signals do."""

    def __init__(self, *, obeys: bool = True, broken: int = 0) -> None:
        self.state = "S"
        self.obeys = obeys
        self.broken = broken
        self.signals: list[str] = []

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Find the process, or send it a signal."""
        if argv[0] == "env" and "kill" in argv[3]:
            self.signals.append("CONT")
            if self.broken:
                self.broken -= 1
                raise InfrastructureError("the connection broke")
            self.state = "S"
            return Completed(tuple(argv), 0, "", "")
        if argv[0] == "env":
            stat = f"1 (ganesha.nfsd) {self.state} " + "0 " * 18 + "77 0\n"
            return Completed(tuple(argv), 0, stat, "")
        signal = argv[4]
        self.signals.append(signal)
        if self.obeys:
            self.state = {"STOP": "T", "CONT": "S"}[signal]
        return Completed(tuple(argv), 0, "", "")


def test_a_first_process_that_ignores_the_signal_is_reported() -> None:
    """A signal that does nothing is noticed: it is never taken for a stopped server."""
    pod = Pod(obeys=False)
    with (
        pytest.raises(WaitTimeoutError, match=r"waiting for state T \(stopped\)") as caught,
        stopped(StoredObjects().journal(pod, clock=FakeClock()), "n1", "ganesha.nfsd", clock=FakeClock()),
    ):
        pytest.fail("the context must not be entered")
    assert caught.value.failure_class is FailureClass.INFRASTRUCTURE
    assert "first process" in caught.value.advice


def test_continuing_is_tried_until_it_works() -> None:
    """A broken connection at the end does not leave the server stopped."""
    pod = Pod(broken=3)
    with stopped(StoredObjects().journal(pod, clock=FakeClock()), "n1", "ganesha.nfsd", clock=FakeClock()):
        assert pod.state == "T"
    assert pod.state == "S"
    assert pod.signals.count("CONT") == 4


def test_a_server_that_stays_stopped_is_shouted_about() -> None:
    """When the server cannot be continued, the error says so and what to do."""
    pod = Pod(broken=10_000)
    with (
        pytest.raises(WaitTimeoutError, match="waiting for resumption") as caught,
        stopped(StoredObjects().journal(pod, clock=FakeClock()), "n1", "ganesha.nfsd", clock=FakeClock()),
    ):
        assert pod.state == "T"
    assert "SIGCONT" in caught.value.advice


class Cluster:
    """Objects by kind and name."""

    def __init__(self, *objects: dict[str, Any], on_get: Callable[[], None] = lambda: None) -> None:
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        self.deleted: list[tuple[str, str]] = []
        self.on_get = on_get

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object, after whatever ``on_get`` does to it."""
        self.on_get()
        return self.objects.get((kind.name, name))

    def patch(self, kind: Kind, name: str, namespace: str | None, body: object) -> dict[str, Any]:
        """Change labels."""
        assert isinstance(body, Mapping)
        found = self.objects[kind.name, name]
        labels: dict[str, str] = found["metadata"]["labels"]
        for key, value in body["metadata"]["labels"].items():
            if value is None:
                labels.pop(key, None)
            else:
                labels[key] = value
        return found

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        because: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        """Note what was to be deleted, and insist on a reason."""
        assert because
        self.deleted.append((kind.name, name))


KEY = "fluid.io/f-demo-imagenet"
WORKER = "/api/v1/nodes/worker"


def a_worker() -> StoredObjects:
    """A cluster whose node has Fluid's label and another."""
    store = StoredObjects()
    store.put(WORKER, metadata={"labels": {KEY: "true", "other": "x"}})
    return store


def labels(store: StoredObjects) -> dict[str, str]:
    """Those of the node."""
    found: dict[str, str] = store.objects[WORKER]["metadata"]["labels"]
    return found


def test_a_node_label_is_removed_and_restored() -> None:
    """The label is missing only within the context, also when that fails, and no other label is touched."""
    store = a_worker()
    seen: list[dict[str, str]] = []

    def fail() -> None:
        seen.append(dict(labels(store)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), without_node_label(store.journal(here), "worker", KEY):
        fail()
    assert seen == [{"other": "x"}]
    assert labels(store) == {KEY: "true", "other": "x"}


def test_a_label_that_fluid_put_back_is_left_to_it() -> None:
    """When Fluid has set the label meanwhile, its value stays."""
    store = a_worker()
    with without_node_label(store.journal(here), "worker", KEY):
        store.label(WORKER, KEY, "by-fluid", "fluid-csi")
    assert labels(store)[KEY] == "by-fluid"


def test_a_label_that_cannot_be_removed_is_reported() -> None:
    """A label that is missing, or that is set again at once, is an error before anything is judged."""
    store = a_worker()
    with pytest.raises(RefusalError), without_node_label(store.journal(here), "worker", "no/such"):
        pytest.fail("the context must not be entered")

    def again(method: str, path: str) -> None:
        if (method, path) == ("GET", WORKER):
            store.label(WORKER, KEY, "true", "fluid-csi")

    store.before = again
    with (
        pytest.raises(FaultError, match="was restored at once"),
        without_node_label(store.journal(here), "worker", KEY),
    ):
        pytest.fail("the context must not be entered")


def test_a_deleted_pod_is_waited_for() -> None:
    """Deleting waits for that very Pod, also when its successor has the same name."""
    pod = {"kind": "Pod", "metadata": {"name": "imagenet-worker-0", "uid": "old"}}
    cluster = Cluster(pod)
    observed = iter(["old", "old", "new"])

    def on_get() -> None:
        pod["metadata"] = {"name": "imagenet-worker-0", "uid": next(observed)}

    cluster.on_get = on_get
    clock = FakeClock()
    delete_pod(cluster, "demo", "imagenet-worker-0", because="the worker is lost", clock=clock)
    assert cluster.deleted == [("Pod", "imagenet-worker-0")]
    assert clock.time > 0
    with pytest.raises(FaultError, match="no Pod"):
        delete_pod(Cluster(), "demo", "gone", because="", clock=clock)
