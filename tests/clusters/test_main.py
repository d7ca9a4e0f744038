"""The commands as a user types them: exit codes, and what they say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import clusters
from clusters import __main__ as module
from clusters.disruption import Disruption
from clusters.errors import InfrastructureError, RefusalError
from clusters.host import machine_lock as machine_lock_module
from clusters.host.commands import Completed
from clusters.host.machine_lock import machine_lock
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.ownership import MANAGED_BY_LABEL
from clusters.kubernetes.run_lease import PROCESS, RunLease
from clusters.kubernetes.undo import Patch
from clusters.options import DEFAULT_NAME, Options
from clusters.paths import cache_root
from clusters.product import fluid_release
from clusters.product.helm import Helm
from clusters.product.nfs import NAMESPACE
from clusters.providers.reaper import Reaped
from tests.clusters.fakes import FakeCommands
from tests.clusters.release_records import record
from tests.clusters.stored_objects import StoredObjects

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

LEASE_PATH = kinds.LEASE.path(NAMESPACE, "run")


@dataclass
class FakeBuilders:
    """The systems that a command created."""

    built: list[FakeBuilder] = field(default_factory=list)
    raises: BaseException | None = None


@dataclass
class FakeBuilder:
    """Starts, or fails to start."""

    builders: FakeBuilders
    options: Options
    downs: int = 0
    leaves: int = 0

    def up(self) -> Any:
        """Start."""
        if self.builders.raises is not None:
            raise self.builders.raises
        return SimpleNamespace(cluster=SimpleNamespace(kubeconfig=Path("/kc")))

    def leave(self) -> None:
        """Release it."""
        self.leaves += 1

    def down(self) -> tuple[str, ...]:
        """Take down."""
        self.downs += 1
        return ()


@pytest.fixture
def builders(monkeypatch: pytest.MonkeyPatch) -> FakeBuilders:
    """No system yet."""
    found = FakeBuilders()

    def build(options: Options, run: str, progress: object) -> FakeBuilder:
        found.built.append(FakeBuilder(found, options))
        return found.built[-1]

    monkeypatch.setattr(module, "SystemBuilder", build)
    return found


@pytest.fixture
def reaped(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The requested clusters; None is all."""
    asked: list[str | None] = []

    def reap(progress: object, *, only_cluster: str | None = None) -> Reaped:
        asked.append(only_cluster)
        return Reaped()

    monkeypatch.setattr(module, "reap", reap)
    return asked


def test_up_says_how_to_reach_the_cluster(builders: FakeBuilders, capsys: pytest.CaptureFixture[str]) -> None:
    """It is kept, twice if need be, and that is a success."""
    for _ in range(2):
        assert module.main(["up", "--cluster-name", "demo"]) == 0
    out, err = capsys.readouterr()
    assert out.count("export KUBECONFIG=/kc") == 2
    assert err == ""
    assert all(one.options.keep_cluster and one.options.cluster_name == "demo" for one in builders.built)
    assert [one.downs for one in builders.built] == [0, 0]


@pytest.mark.parametrize("raised", [RefusalError("cannot be had"), InfrastructureError("broke")])
def test_a_failure_is_reported_and_undone(
    builders: FakeBuilders, capsys: pytest.CaptureFixture[str], raised: Exception
) -> None:
    """Exit code 2, the sentence on stderr, and no engine left behind."""
    builders.raises = raised
    assert module.main(["up"]) == module.FAILED
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{raised}\n")
    assert builders.built[0].downs == 1


def test_an_interruption_is_undone(builders: FakeBuilders, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 130, as in a shell, and the command that removes what is left."""
    builders.raises = KeyboardInterrupt()
    assert module.main(["up"]) == module.INTERRUPTED
    assert "python -m clusters reap" in capsys.readouterr().err
    assert builders.built[0].downs == 1
    builders.raises = None
    assert module.main(["up"]) == 0  # the lock is free again


def test_bad_options_make_nothing(
    builders: FakeBuilders, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One sentence, exit code 2, no system."""
    for argv in (["--nodes", "0"], ["--fluid", "newest"], ["--kubeconfig", str(tmp_path / "none")]):
        assert module.main(["up", *argv]) == 2
    assert builders.built == []
    output = capsys.readouterr().err
    assert all(word in output for word in ("--nodes 0", "'newest' is not a version", "there is no such file"))


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    with pytest.raises(SystemExit) as caught:
        module.main(["sideways"])
    assert caught.value.code == 2
    assert "up" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_to_is_refused(
    builders: FakeBuilders,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is created."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLUID_CONFORMANCE_CACHE", str(tmp_path / "file" / "cache"))
    assert module.main(["up"]) == 2
    assert "cannot be written to" in capsys.readouterr().err
    assert builders.built == []


@pytest.mark.parametrize("command", ["up", "down", "reap"])
def test_no_command_disturbs_a_run_under_way(
    builders: FakeBuilders,
    reaped: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """Reaping under a running suite would take its cluster away."""
    monkeypatch.setattr(machine_lock_module, "LOCK_SECONDS", 0.05)
    with machine_lock(cache_root()):
        assert module.main([command]) == 2
    assert "another run of the harness is under way" in capsys.readouterr().err
    assert builders.built == []
    assert reaped == []


def test_down_and_reap_say_what_was_removed(
    reaped: list[str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing there is a success too."""
    assert module.main(["down", "--cluster-name", "demo"]) == 0
    assert module.main(["reap"]) == 0
    assert reaped == ["demo", None]
    assert capsys.readouterr().out == "there was nothing of the harness\n" * 2


def test_down_removes_what_the_harness_created_on_an_existing_cluster(
    tmp_path: Path,
    reaped: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the harness's namespace is deleted; the second time there is nothing to delete."""
    where, (kubeconfig, store) = f"/api/v1/namespaces/{NAMESPACE}", a_cluster(tmp_path, monkeypatch)
    store.put(where, metadata={"labels": {MANAGED_BY_LABEL: "fluid-conformance"}})
    store.put("/api/v1/namespaces/team")
    for sentence in (f"removed namespace {NAMESPACE};", "there was nothing of the harness;"):
        assert module.main(["down", "--kubeconfig", kubeconfig]) == 0
        out = capsys.readouterr().out
        assert sentence in out
        assert "the cluster stays" in out
    assert [path for path in store.objects if "namespaces" in path.split("/")[-2:-1]] == [
        "/api/v1/namespaces/team"
    ]
    assert reaped == []


def test_down_uninstalls_the_fluid_that_a_killed_run_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After its Datasets; a release that was there before stays, and needs no helm."""
    kubeconfig, store = a_cluster(tmp_path, monkeypatch)
    commands = FakeCommands()
    finds: list[Options] = []

    def tools(options: Options, host: object, cache: object) -> SimpleNamespace:
        finds.append(options)
        return SimpleNamespace(helm=lambda: Helm(Path("/usr/bin/helm"), commands))

    monkeypatch.setattr(module, "Tools", tools)
    labels = {MANAGED_BY_LABEL: "fluid-conformance"}
    dataset = kinds.DATASET.path("fc-1", "demo")
    store.put("/api/v1/namespaces/fc-1", metadata={"name": "fc-1", "labels": labels})
    store.put(dataset, metadata={"name": "demo", "namespace": "fc-1", "labels": labels})
    store.put(f"/api/v1/namespaces/{NAMESPACE}", metadata={"name": NAMESPACE, "labels": labels})
    store.put("/api/v1/nodes/n1", status={"conditions": [{"type": "Ready", "status": "True"}]})
    record(store, fluid_release.marked({}, "r7"))
    order: list[bool] = []
    commands.on("helm", "uninstall", does=lambda _: order.append(dataset in store.objects))
    assert module.main(["down", "--kubeconfig", kubeconfig]) == 0
    assert order == [False]
    assert "Fluid, which run r7 had installed, was uninstalled; the cluster stays" in capsys.readouterr().out
    (uninstalled,) = commands.asked("helm", "uninstall")
    assert uninstalled.argv[2] == "fluid"
    record(store, {"csi": {}})
    assert module.main(["down", "--kubeconfig", kubeconfig]) == 0
    assert (len(finds), len(commands.ran)) == (1, 1)


def test_down_needs_no_right_on_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All else is removed, and the message says that Fluid stays."""
    kubeconfig, store = a_cluster(tmp_path, monkeypatch)
    store.put(f"/api/v1/namespaces/{NAMESPACE}", metadata={"labels": {MANAGED_BY_LABEL: "fluid-conformance"}})

    def before(method: str, path: str) -> None:
        if path == kinds.SECRET.path("fluid-system"):
            raise KubeError("list secrets", status=403)

    store.before = before
    assert module.main(["down", "--kubeconfig", kubeconfig]) == 0
    said = capsys.readouterr()
    assert f"removed namespace {NAMESPACE}" in said.out
    assert "may not list Secrets in fluid-system" in said.err


def test_restore_undoes_what_a_killed_run_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It removes nothing; the second time there is nothing to undo."""
    kubeconfig, store = a_cluster(tmp_path, monkeypatch)
    path = kinds.DEPLOYMENT.path("fluid-system", "fluid-webhook")
    store.put(path, spec={"replicas": 0})
    undo = Patch.of(kinds.DEPLOYMENT, "fluid-webhook", "fluid-system", {"spec": {"replicas": 1}})
    Journal(store.kube("killed"), no_program).undo_at_the_end("the webhook is scaled to 0", undo)
    for sentence in ("1 change undone", "nothing had to be undone"):
        assert module.main(["restore", "--kubeconfig", kubeconfig]) == 0
        assert sentence in capsys.readouterr().out
    assert store.objects[path]["spec"] == {"replicas": 1}
    assert f"/api/v1/namespaces/{NAMESPACE}" in store.objects


def test_restore_leaves_what_objects_of_a_dead_run_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its controller, a ThinRuntime could not be deleted any more; the message says what does it."""
    kubeconfig, store = a_cluster(tmp_path, monkeypatch)
    path = kinds.DEPLOYMENT.path("fluid-system", "thinruntime-controller")
    store.put(path, spec={"replicas": 1})
    labels = {MANAGED_BY_LABEL: "fluid-conformance"}
    store.put("/api/v1/namespaces/fc-a16-1", metadata={"name": "fc-a16-1", "labels": labels})
    undo = Patch.of(kinds.DEPLOYMENT, "thinruntime-controller", "fluid-system", {"spec": {"replicas": 0}})
    Journal(store.kube("killed"), no_program).undo_at_the_end("Fluid starts its controller", undo)
    assert module.main(["restore", "--kubeconfig", kubeconfig]) == 0
    said = capsys.readouterr()
    assert "nothing had to be undone" in said.out
    assert "not undone before fc-a16-1 is removed" in said.err
    assert "Fluid starts its controller" in said.err
    assert store.objects[path]["spec"] == {"replicas": 1}


@pytest.mark.parametrize("command", ["down", "restore"])
def test_a_cluster_that_a_run_uses_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """The refusal says who uses it."""
    kubeconfig, store = a_cluster(tmp_path, monkeypatch)
    store.put(f"/api/v1/namespaces/{NAMESPACE}", metadata={"labels": {MANAGED_BY_LABEL: "fluid-conformance"}})
    lease = RunLease(store.kube("alive"))
    lease.acquire()
    store.objects[LEASE_PATH]["metadata"]["annotations"][PROCESS] = "elsewhere pid:[1] 7 1.00"
    before = {path: obj["metadata"]["resourceVersion"] for path, obj in store.objects.items()}
    assert module.main([command, "--kubeconfig", kubeconfig]) == 2
    assert "in use by run alive of" in capsys.readouterr().err
    del before[f"/api/v1/namespaces/{NAMESPACE}"]  # its label of the run
    after = {path: store.objects[path]["metadata"]["resourceVersion"] for path in before}
    assert after == before
    lease.stop_renewing()


def a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, StoredObjects]:
    """A cluster in memory, and a kubeconfig for it."""
    store = StoredObjects()
    monkeypatch.setattr(Kube, "connect", lambda kubeconfig, run: store.kube(run))
    (tmp_path / "config").write_text("{}")
    return str(tmp_path / "config"), store


def no_program(node: str, argv: Sequence[str], /, *, timeout: float, changes: Disruption) -> Completed:
    """Nothing runs on nodes."""
    raise AssertionError(argv)


def test_status_without_a_cluster_is_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    """The message has the path that does not exist."""
    for name in ("demo", DEFAULT_NAME):
        assert module.main(["status", "--cluster-name", name]) == 2
        assert f"clusters/{name}/kubeconfig does not exist" in capsys.readouterr().err


def test_status_without_a_name_lists_all_clusters(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that does not answer; a name that does not exist is refused with those that do."""
    api.answer("GET", "/apis/data.fluid.io/v1alpha1/datasets", api.text("404 page not found", 404))
    for name, text in (("one", api.kubeconfig().read_text()), ("two", "broken")):
        folder = cache_root() / "clusters" / name
        folder.mkdir(parents=True)
        (folder / "kubeconfig").write_text(text)
    assert module.main(["status"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "one: Kubernetes v1.33.13; Fluid: not installed"
    assert second.startswith("two: ")
    assert module.main(["status", "--cluster-name", "one"]) == 0
    assert capsys.readouterr().out == "Kubernetes v1.33.13; Fluid: not installed\n"
    assert module.main(["status", "--cluster-name", "three"]) == 2
    assert "clusters of the harness: one, two" in capsys.readouterr().err


def test_status_reports_versions(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """Of Kubernetes, and that there is no Fluid."""
    kubeconfig = api.kubeconfig()
    api.answer("GET", "/apis/data.fluid.io/v1alpha1/datasets", api.text("404 page not found", 404))
    assert module.main(["status", "--kubeconfig", str(kubeconfig)]) == 0
    assert capsys.readouterr().out == "Kubernetes v1.33.13; Fluid: not installed\n"


@pytest.mark.parametrize("content", ["", "][", "- a\n", "a: b\n", "clusters: []\ncurrent-context: x\n"])
def test_a_malformed_kubeconfig_is_refused(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its path and what is wrong with it, in one sentence."""
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    for command in ("status", "up"):
        assert module.main([command, "--kubeconfig", str(file)]) == 2
        err = capsys.readouterr().err
        assert str(file) in err
        assert "Traceback" not in err


def test_a_dead_cluster_is_refused_in_time(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that is gone is not waited for."""
    cluster = {"name": "fake", "cluster": {"server": "http://127.0.0.1:1"}}
    kubeconfig = api.kubeconfig(clusters=[cluster])
    begun = time.monotonic()
    assert module.main(["up", "--kubeconfig", str(kubeconfig)]) == 2
    assert time.monotonic() - begun < 5
    assert "cannot be reached" in capsys.readouterr().err


SCRIPT = """
import sys, time
from clusters import __main__ as module
class SystemBuilder:
    def __init__(self, *_): pass
    def up(self):
        print("coming up", flush=True)
        time.sleep(60)
    def down(self): print("taken down", flush=True)
module.SystemBuilder = SystemBuilder
module.signal.signal(module.signal.SIGTERM, module.signal.default_int_handler)
sys.exit(module.main(["up"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_removes_what_was_created(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, and the way that CI systems end a job."""
    house = Path(clusters.__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(house), "FLUID_CONFORMANCE_CACHE": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "coming up\n"
        running.send_signal(number)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, "taken down\n")
    assert "interrupted" in err
    assert "Traceback" not in err
