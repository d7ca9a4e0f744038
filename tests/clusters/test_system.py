"""Start and removal of the system: refusals before anything is created, nothing left after a failure."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from clusters import system as module
from clusters.errors import InfrastructureError, RefusalError
from clusters.host import engine, own_engine, probes, speed
from clusters.host import machine_lock as machine_lock_module
from clusters.host.commands import CommandError, Completed
from clusters.host.machine_lock import machine_lock
from clusters.images.fluid_images import FluidRelease
from clusters.kubernetes.client import Kube
from clusters.options import Options
from clusters.paths import cache_root
from clusters.pins import versions
from clusters.product import fluid, nfs
from clusters.product.helm import Helm
from clusters.progress import Progress
from clusters.providers.base import Cluster
from clusters.providers.kind_nodes import KEPT
from clusters.system import SystemBuilder
from tests.clusters.fakes import HOST, FakeCommands, FakeDocker, programs

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

GIB = 1024**3
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@dataclass
class FakeProvider:
    """Removes a cluster, or fails to."""

    raises: BaseException | None = None
    downs: int = 0

    def node_exec(self, node: str, argv: Sequence[str], **_: object) -> Completed:
        """No program runs on a node."""
        raise AssertionError(argv)

    def down(self) -> None:
        """Take it down."""
        self.downs += 1
        if self.raises is not None:
            raise self.raises


@dataclass
class EngineStops:
    """What became of our engine."""

    stopped: list[Path] = field(default_factory=list)
    error: BaseException | None = None

    def stop(self, cache: Path, commands: object, progress: object) -> None:
        """Stop it."""
        self.stopped.append(cache)
        if self.error is not None:
            raise self.error


@pytest.fixture
def engine_stops(monkeypatch: pytest.MonkeyPatch) -> EngineStops:
    """Nothing has become of it yet."""
    result = EngineStops()
    monkeypatch.setattr(own_engine, "stop", result.stop)
    return result


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """A host with room, where an engine answers."""
    programs(monkeypatch, "docker")
    monkeypatch.setattr(probes, "probe", lambda: HOST)
    monkeypatch.setattr(probes, "require_disk", lambda folder, needed: None)
    fake = FakeDocker(FakeCommands())
    fake.commands.on("docker", "version", stdout="20.10.24")
    return fake


def of(docker: FakeDocker, **options: Any) -> SystemBuilder:
    """A builder on that host."""
    return SystemBuilder(Options(images="build", **options), "r1", Progress(io.StringIO()), docker.commands)


def progress_output(builder: SystemBuilder) -> str:
    """What its progress said."""
    assert isinstance(builder.progress.stream, io.StringIO)
    return builder.progress.stream.getvalue()


def a_state(cluster: str, *, kept: bool) -> Path:
    """The folder of a cluster, which is to outlive its run or not."""
    folder = cache_root() / "clusters" / cluster
    folder.mkdir(parents=True)
    if kept:
        (folder / KEPT).touch()
    return folder


def the_build_breaks(*_: object) -> None:
    """Replaces the image resolver."""
    raise InfrastructureError("the build broke")


def test_removing_nothing_does_nothing(docker: FakeDocker, engine_stops: EngineStops) -> None:
    """A system that never started has nothing to remove, and no foreign engine is stopped."""
    assert of(docker).down() == ()
    assert docker.commands.ran == []
    assert engine_stops.stopped == []


def test_an_engine_is_stopped_though_no_cluster_came_up(
    docker: FakeDocker, engine_stops: EngineStops
) -> None:
    """What was started for a build that failed does not run on, kept cluster or not."""
    for keep in (False, True):
        builder = of(docker, keep_cluster=keep)
        builder._started = docker.engine
        assert builder.down() == ()
    assert engine_stops.stopped == [cache_root()] * 2


def test_a_kept_cluster_keeps_its_engine(docker: FakeDocker, engine_stops: EngineStops) -> None:
    """A warm cluster in an engine that was stopped would be a cold one, whichever run was to keep it."""
    docker.node("demo-0", "demo", managed=True, state=a_state("demo", kept=True))
    for keep in (True, False):
        builder = of(docker, keep_cluster=keep)
        builder._started, builder._provider = docker.engine, FakeProvider()  # type: ignore[assignment] # as much as is used
        assert builder.down() == ()
    assert engine_stops.stopped == []
    assert list(docker.containers) == ["demo-0"]


def test_the_cluster_is_deleted_before_its_engine(docker: FakeDocker, engine_stops: EngineStops) -> None:
    """Without keeping, both end."""
    provider = FakeProvider()
    builder = of(docker)
    builder._started, builder._provider = docker.engine, provider  # type: ignore[assignment] # as much as is used
    assert builder.down() == ()
    assert (provider.downs, len(engine_stops.stopped)) == (1, 1)


def found(docker: FakeDocker, **options: Any) -> SystemBuilder:
    """A builder that found the harness's own engine running in the cache of this run."""
    engine.RUN_FOLDER.mkdir(exist_ok=True)
    config = own_engine.daemon_config(HOST, cache_root(), None)
    (engine.RUN_FOLDER / "daemon.json").write_text(json.dumps(config))
    builder = of(docker, **options)
    builder._found = replace(docker.engine, managed=True)
    return builder


def test_an_idle_engine_that_a_killed_run_left_is_stopped(
    docker: FakeDocker, engine_stops: EngineStops
) -> None:
    """Nothing else would; kind's network is removed before, because it would stay on the host as a bridge."""
    for keep in (False, True):
        assert found(docker, keep_cluster=keep).down() == ()
    assert engine_stops.stopped == [cache_root()] * 2
    assert docker.commands.asked("docker", "network", "rm", "kind")


def test_an_engine_that_something_still_uses_runs_on(docker: FakeDocker, engine_stops: EngineStops) -> None:
    """Another warm cluster, even a stopped one, or a container of the user's own."""
    docker.node("other-0", "other", managed=True)
    assert found(docker).down() == ()
    docker.containers.clear()
    docker.commands.on("docker", "ps", "-q", stdout="0123456789ab\n")
    assert found(docker).down() == ()
    assert engine_stops.stopped == []


@pytest.mark.parametrize("config", ['{"data-root": "/other/engine"}', "{", None])
def test_an_engine_of_another_cache_runs_on(
    docker: FakeDocker, engine_stops: EngineStops, config: str | None
) -> None:
    """Another run may build with it, and only the lock of its own cache would show that."""
    builder = found(docker)
    file = engine.RUN_FOLDER / "daemon.json"
    file.unlink()
    if config is not None:
        file.write_text(config)
    assert builder.down() == ()
    assert engine_stops.stopped == []


def test_a_systems_engine_is_never_stopped(docker: FakeDocker, engine_stops: EngineStops) -> None:
    """However idle it is."""
    builder = of(docker)
    builder._found = docker.engine
    assert builder.down() == ()
    assert engine_stops.stopped == []


def test_the_engine_that_answers_is_remembered(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is inspected again when the run ends."""

    def further(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(module, "ImageResolver", further)
    builder = of(docker)
    with pytest.raises(InterruptedError):
        builder.up()
    assert builder._found is not None
    assert builder._started is None


@dataclass
class IncompleteTeardown(SystemBuilder):
    """Starts nothing, and cannot be removed completely."""

    errors: tuple[str, ...] = ()

    def up(self) -> Any:
        """A system."""
        return "system"

    def down(self) -> tuple[str, ...]:
        """The errors of the removal."""
        return self.errors


def a_system(*errors: str) -> IncompleteTeardown:
    """A system whose removal has these errors."""
    return IncompleteTeardown(Options(), "r1", Progress(io.StringIO()), FakeCommands(), errors=errors)


def test_what_cannot_be_removed_is_an_error() -> None:
    """A run that leaves a cluster behind does not end as if all were well."""
    with a_system().running() as system:
        assert str(system) == "system"
    with (
        pytest.raises(
            InfrastructureError, match="not all could be taken down: it hangs; it resists"
        ) as caught,
        a_system("it hangs", "it resists").running(),
    ):
        """Nothing fails in between."""
    assert "python -m clusters reap" in caught.value.advice


@pytest.mark.parametrize("failure", [AssertionError("the finding"), KeyboardInterrupt(), RefusalError("no")])
def test_what_cannot_be_removed_hides_no_failure(failure: BaseException) -> None:
    """The failure is raised as it was, with a note."""
    with pytest.raises(type(failure)) as caught, a_system("it hangs").running():
        raise failure
    assert caught.value is failure
    assert caught.value.__notes__ == ["not all could be taken down: it hangs"]


@pytest.mark.parametrize("error", [CommandError("hangs"), OSError("gone"), RefusalError("not managed")])
def test_a_step_that_fails_hides_nothing_and_stops_nothing(
    docker: FakeDocker, engine_stops: EngineStops, error: Exception
) -> None:
    """Each error is reported with advice, the other steps run, and no error is raised."""
    builder = of(docker)
    builder._started = docker.engine
    builder._provider = FakeProvider(error)  # type: ignore[assignment] # as much as is used
    engine_stops.error = InfrastructureError("resists")
    assert builder.down() == (str(error), "resists")
    assert engine_stops.stopped == [cache_root()]
    assert progress_output(builder).count("python -m clusters reap") == 2


def test_no_engine_is_refused(docker: FakeDocker) -> None:
    """Nothing is built or installed for a host that could not run it."""
    docker.commands.on("docker", "version", exit_code=1)
    with pytest.raises(RefusalError, match="no container engine answers on this host"):
        of(docker).up()
    asked = {ran.argv[:2] for ran in docker.commands.ran}
    assert asked == {("docker", "context"), ("docker", "version"), ("docker", "--version")}
    assert not (cache_root() / "artifacts").exists()


def test_bootstrap_needs_root_where_no_engine_answers(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary user cannot start one; nothing is created."""
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, root=False))
    monkeypatch.setattr(engine, "find", lambda _: None)
    with pytest.raises(RefusalError, match="only root may do"):
        of(docker, bootstrap=True).up()


def test_bootstrap_needs_no_root_where_an_engine_answers(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with Docker it has nothing to install, so an ordinary user may give it."""

    def resolve(tools: object, running: object) -> None:
        raise RefusalError("it came as far as the images")

    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, root=False))
    monkeypatch.setattr(module, "ImageResolver", resolve)
    with pytest.raises(RefusalError, match="as far as the images"):
        of(docker, bootstrap=True).up()


def test_too_little_memory_is_refused(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new cluster needs room."""
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, memory_available=GIB))
    with pytest.raises(RefusalError, match=r"1\.0 GiB of memory are available"):
        of(docker).up()


def test_a_warm_cluster_has_its_memory_already(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start must not be refused because of what the first one uses."""
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, memory_available=GIB))
    docker.node("demo-0", "demo", managed=True)

    def further(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(module, "ImageResolver", further)
    with pytest.raises(InterruptedError):
        of(docker, cluster_name="demo").up()


def test_another_architecture_is_refused(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alluxio's images are published for one; nothing is asked of the engine."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(RefusalError, match="this machine is aarch64"):
        of(docker).up()
    assert docker.commands.ran == []


def test_too_little_disk_is_refused(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of it is needed where Kubernetes has yet to be compiled."""
    asked: list[int] = []

    def require(folder: Path, needed: int) -> None:
        asked.append(needed)
        if needed == probes.DISK_FOR_BUILD:
            raise RefusalError("too little")

    monkeypatch.setattr(probes, "require_disk", require)
    with pytest.raises(RefusalError, match="too little"):
        of(docker).up()
    assert asked == [probes.DISK_FOR_RUN, probes.DISK_FOR_BUILD]


@pytest.mark.parametrize(
    ("versions", "sentence"),
    [
        (versions(kubernetes="1.99.0"), r"Kubernetes 1\.99\.0 cannot be built here"),
        (versions(fluid="1.0.2"), r"Fluid 1\.0\.2 cannot be built here"),
        (versions(alluxio="2.9.5"), r"Alluxio 2\.9\.5 cannot be built here"),
    ],
)
def test_versions_that_cannot_be_built_are_refused(docker: FakeDocker, versions: Any, sentence: str) -> None:
    """At once, with those that can."""
    with pytest.raises(RefusalError, match=sentence):
        of(docker, versions=versions).up()
    assert docker.commands.ran == []


def test_a_kubernetes_that_this_host_cannot_run_is_refused(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the origin of its images."""
    monkeypatch.setattr(probes, "probe", lambda: replace(HOST, cgroup_v1=True))
    builder = SystemBuilder(
        Options(images="pull", versions=versions(kubernetes="1.35.0")),
        "r1",
        Progress(io.StringIO()),
        docker.commands,
    )
    with pytest.raises(RefusalError, match=r"Kubernetes 1\.35\.0 cannot run on this host"):
        builder.up()


def test_an_engine_that_was_started_is_remembered_at_once(
    docker: FakeDocker, engine_stops: EngineStops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure right after it, such as of a build, still ends it."""
    docker.commands.on("docker", "version", exit_code=1)
    programs(monkeypatch, "docker", "dockerd", "containerd", "iptables")
    monkeypatch.setattr(own_engine, "start", lambda *_: docker.engine)
    monkeypatch.setattr(module, "ImageResolver", the_build_breaks)
    docker.node("killed-0", "killed", managed=True, state=a_state("killed", kept=False))
    builder = of(docker, bootstrap=True)
    with pytest.raises(InfrastructureError, match="the build broke"):
        builder.up()
    # When the engine starts, it starts the nodes of a killed run again.
    assert docker.containers == {}
    builder.down()
    assert engine_stops.stopped == [cache_root()]


@dataclass
class FakeTools:
    """All programs there are."""

    def kind(self) -> Path:
        """The kind program."""
        return Path("/bin/kind")

    def helm(self) -> Helm:
        """The helm program."""
        return Helm(Path("/bin/helm"), FakeCommands())

    def kubectl(self, *_: object) -> Path:
        """The kubectl program."""
        return Path("/bin/kubectl")


@dataclass
class FakeSupply:
    """Images that are there."""

    node: str = "node:1"
    own_network: bool = True
    archive: Path | None = None
    fluid: FluidRelease = field(default_factory=lambda: FluidRelease("v1.0.8", Path("/chart"), {}))
    earlier: FluidRelease | None = None
    nfs_server: str = "nfs:1"
    toolbox: str = "toolbox:1"
    nfs_client: str = "user-space"
    facts: tuple[Any, ...] = ()
    limits: tuple[str, ...] = ("a limit of the registry",)

    def resolved(self) -> FakeSupply:
        """Themselves."""
        return self


LEASES = "/apis/coordination.k8s.io/v1/namespaces/fluid-conformance/leases"


@pytest.fixture
def way_up(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts that are there at once; what is created, in order."""
    order: list[str] = []
    monkeypatch.setattr(speed, "slowness", lambda _: 2.5)
    api.answer("GET", "/api/v1/nodes", {"items": [{"metadata": {"name": "demo-0"}, "status": READY}]})
    api.answer("PATCH", "/api/v1/namespaces/fluid-conformance", {})
    api.answer("POST", LEASES, {})
    monkeypatch.setattr(SystemBuilder, "_tools", lambda self, facts, cache: FakeTools())
    monkeypatch.setattr(module, "ImageResolver", lambda tools, running: FakeSupply())

    class Provider(FakeProvider):
        def __init__(self, **given: Any) -> None:
            super().__init__()
            self.given = given

        def up(self) -> Cluster:
            order.append("cluster")
            return Cluster("kind", self.given["name"], api.kubeconfig(), made_here=True)

    def install_nfs(
        kube: Kube, image: str, node: str, progress: Progress, *, slowness: float
    ) -> nfs.NfsServer:
        order.append(f"{image} on {node}, slowness {slowness}")
        return nfs.NfsServer(kube, "10.96.0.9", node, image)

    def install_fluid(kube: Kube, **given: Any) -> fluid.FluidState:
        order.append(f"fluid by {given['helm'].program.name}, replacing {given['replace_unfinished']}")
        order.append(f"chart {given['chart']}")
        assert given["slowness"] == 2.5
        return fluid.FluidState({}, {}, 1, 1, "v1.0.8")

    monkeypatch.setattr(module, "KindProvider", Provider)
    monkeypatch.setattr(nfs, "install", install_nfs)
    monkeypatch.setattr(fluid, "install", install_fluid)
    return order


def test_the_whole_way_up(
    docker: FakeDocker, way_up: list[str], api: FakeApi, engine_stops: EngineStops
) -> None:
    """Engine, images, cluster, NFS server, Fluid, in this order; the system lists its parts."""
    builder = of(docker)
    system = builder.up()
    assert way_up == [
        "cluster",
        "nfs:1 on demo-0, slowness 2.5",
        "fluid by helm, replacing True",
        "chart /chart",
    ]
    assert system.upgrade is None
    assert (system.kubernetes, system.nodes, system.nfs_client) == ("1.33.13", ("demo-0",), "user-space")
    assert system.host.slowness == 2.5
    assert [limit.partition(" 2.5 ")[0] for limit in system.limits] == [
        "programs start",
        "a limit of the registry",
    ]
    assert len(api.asked("POST", LEASES)) == 1
    assert builder.provider is system.provider
    assert builder.down() == ()
    assert isinstance(builder.provider, FakeProvider)
    assert builder.provider.downs == 1
    assert engine_stops.stopped == []


@pytest.mark.parametrize(("there", "chart"), [("", "/old"), ("v0.9.3", "/old"), ("v1.0.8", "/chart")])
def test_version_to_upgrade_from_is_installed_first(
    docker: FakeDocker,
    way_up: list[str],
    monkeypatch: pytest.MonkeyPatch,
    there: str,
    chart: str,
) -> None:
    """Unless the cluster was kept and is upgraded already; the system says what there is to upgrade to."""
    supply = FakeSupply(earlier=FluidRelease("v0.9.3", Path("/old"), {}))
    monkeypatch.setattr(module, "ImageResolver", lambda tools, running: supply)
    monkeypatch.setattr(fluid, "state", lambda kube: fluid.FluidState({}, {}, 0, 0, there))
    system = of(docker).up()
    assert way_up[-1] == f"chart {chart}"
    assert system.upgrade == (supply.fluid if chart == "/old" else None)


def test_clusters_of_killed_runs_are_deleted_before_anything_is_created(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would run next to the new one; those to be kept, or of another cache, stay."""
    docker.node("killed-0", "killed", managed=True, state=a_state("killed", kept=False))
    docker.node("kept-0", "kept", managed=True, state=a_state("kept", kept=True))
    docker.node("elsewhere-0", "elsewhere", managed=True, state=Path("/other/cache/clusters/elsewhere"))
    docker.node("foreign-0", "foreign", managed=False)
    # What it holds does not count against the new one.
    crowded = replace(HOST, memory_available=GIB)
    monkeypatch.setattr(probes, "probe", lambda: crowded if "killed-0" in docker.containers else HOST)
    builder = of(docker)
    monkeypatch.setattr(module, "ImageResolver", the_build_breaks)
    with pytest.raises(InfrastructureError, match="the build broke"):
        builder.up()
    assert sorted(docker.containers) == ["elsewhere-0", "foreign-0", "kept-0"]
    assert [path.name for path in (cache_root() / "clusters").iterdir()] == ["kept"]
    assert "cluster killed was left by a run that was killed" in progress_output(builder)


def test_two_runs_on_one_machine_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is refused after a moment, and the first one loses nothing."""
    monkeypatch.setattr(machine_lock_module, "LOCK_SECONDS", 0.05)
    with machine_lock(tmp_path):
        with (
            pytest.raises(RefusalError, match="another run of the harness is under way"),
            machine_lock(tmp_path),
        ):
            pytest.fail("two at once")
        assert FileLock(tmp_path / "run.lock").lock_file
    with machine_lock(tmp_path):
        """It is free again."""


def test_a_lock_of_another_user_is_refused(tmp_path: Path) -> None:
    """A cache that everybody may write to still has one owner; a folder in its place will not open either."""
    (tmp_path / "run.lock").mkdir()
    with (
        pytest.raises(RefusalError, match=r"run\.lock of the cache cannot be taken") as caught,
        machine_lock(tmp_path),
    ):
        pytest.fail("a lock that nobody holds")
    assert "FLUID_CONFORMANCE_CACHE" in caught.value.advice


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    """Whatever ended the run; and its error is raised unchanged."""
    with pytest.raises(TimeoutError, match="of the run"), machine_lock(tmp_path):
        raise TimeoutError("of the run")
    with machine_lock(tmp_path):
        """It is free again."""


def test_a_completed_probe_is_what_answers(docker: FakeDocker) -> None:
    """A fake that prints no version is no engine: the daemon's own word is needed."""
    docker.commands.on("docker", "version", does=lambda ran: Completed(ran.argv, 0, "\n", ""))
    with pytest.raises(RefusalError, match="no container engine answers"):
        of(docker).up()
