"""An existing cluster: what is refused, what is read of it, and what is removed at the end."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clusters.errors import InfrastructureError, RefusalError
from clusters.facts import Origin
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import CommandError, Completed
from clusters.images import charts, on_nodes
from clusters.images.offline import definitions
from clusters.images.tools import Tools
from clusters.kubernetes.client import Kube
from clusters.kubernetes.ownership import MANAGED_BY_LABEL
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.options import Options
from clusters.paths import cache_root
from clusters.pins import pins
from clusters.product import fluid, fluid_release
from clusters.product.helm import Helm
from clusters.product.nfs import NAMESPACE
from clusters.progress import Progress
from clusters.providers import existing, existing_fluid
from clusters.providers.existing import ExistingProvider
from clusters.system import SystemBuilder
from clusters.waiting import WaitFailedError
from tests.clusters.fakes import HOST, FakeCommands, chart_values, programs

if TYPE_CHECKING:
    from tests.clusters.conftest import Channels, FakeApi

DATA = Path(__file__).parents[2] / "data" / "clusters"
NAMESPACES = "/api/v1/namespaces"
NAMESPACE_PATH = f"{NAMESPACES}/{NAMESPACE}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{fluid.NAMESPACE}/deployments"
SUCCESS = json.dumps({"status": "Success"}).encode()
BUILT = pins().default


def _namespace(*, managed: bool) -> dict[str, Any]:
    labels = {MANAGED_BY_LABEL: "fluid-conformance"} if managed else {}
    return {"metadata": {"name": NAMESPACE, "uid": "u1", "labels": labels}, "status": {"phase": "Active"}}


def _deployment(name: str, image: str, namespace: str = fluid.NAMESPACE, **env: str) -> dict[str, Any]:
    container = {"name": "manager", "image": image, "env": [{"name": k, "value": v} for k, v in env.items()]}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": 1},
    }


def _node(*images: str) -> NodeSnapshot:
    status = {"images": [{"names": [image]} for image in images], "allocatable": {"cpu": "3500m"}}
    return NodeSnapshot.of(
        {"metadata": {"name": "n1"}, "status": {**status, "nodeInfo": {"kernelVersion": "6.1.0"}}}
    )


@pytest.fixture
def commands() -> FakeCommands:
    """Programs that succeed."""
    return FakeCommands()


@pytest.fixture
def provider(kube: Kube, tmp_path: Path) -> ExistingProvider:
    """A provider for the fake cluster."""
    return ExistingProvider(tmp_path / "kubeconfig", kube, "toolbox:1", Progress())


def test_fluid_is_there_when_its_controller_is(api: FakeApi, kube: Kube) -> None:
    """Kinds left by an earlier Fluid do not make one; a Fluid in another namespace does not count."""
    where = "/apis/apps/v1/deployments"
    api.answer("GET", where, {"items": []})
    assert not existing_fluid.has_fluid(kube)
    api.answer("GET", where, {"items": [_deployment("dataset-controller", "x:1")]})
    assert existing_fluid.has_fluid(kube)
    api.answer("GET", where, {"items": [_deployment("dataset-controller", "x:1", "elsewhere")]})
    with pytest.raises(RefusalError, match="namespace elsewhere"):
        existing_fluid.has_fluid(kube)


def test_a_cluster_without_fluid_is_refused_without_leave(api: FakeApi) -> None:
    """Nothing is created on a cluster where Fluid is neither there nor to be installed."""
    api.answer("GET", "/apis/apps/v1/deployments", {"items": []})
    stack = SystemBuilder(Options(kubeconfig=api.kubeconfig()), "r1", Progress())
    with pytest.raises(RefusalError, match="--install-fluid"):
        stack.up()
    assert stack.down() == ()
    assert {request.method for request in api.requests} == {"GET"}


@pytest.mark.parametrize(
    ("without", "ready", "usable"), [(0, 2, False), (1, 2, True), (1, 1, False), (3, 0, False)]
)
def test_the_plugin_is_not_awaited_on_nodes_that_cannot_run_it(
    without: int, ready: int, usable: bool
) -> None:
    """Nodes that are not ready, or run Windows; on one node at least it must be ready."""
    state = fluid.FluidState({"dataset-controller": 1}, {"dataset-controller": 1}, 3, ready, "v1")
    assert existing_fluid._usable(state, without) is usable


@pytest.mark.parametrize(
    ("ready", "running", "on", "named"),
    [
        ("Unknown", 0, "n1", True),
        ("True", 0, "n1", False),
        ("Unknown", 0, "n2", False),
        ("Unknown", 1, "n1", False),
    ],
)
def test_controller_on_a_node_that_is_not_ready_is_named(
    api: FakeApi, *, ready: str, running: int, on: str, named: bool
) -> None:
    """Not one that is ready, and not one that starts on another node."""
    kube = Kube.connect(api.kubeconfig(), run="r1")
    name = "alluxioruntime-controller"
    node = {"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
    pod = {"metadata": {"name": f"{name}-5b4f-x", "namespace": "fluid-system"}, "spec": {"nodeName": on}}
    api.answer("GET", "/api/v1/nodes", {"items": [node]})
    api.answer("GET", "/api/v1/namespaces/fluid-system/pods", {"items": [pod]})
    state = fluid.FluidState({name: running}, {name: 1}, 1, 1, "v1")
    says = f"{name} of Fluid is on node n1, which is not ready"
    assert existing_fluid.lost_controller(kube, state) == (says if named else "")


def test_nodes_that_cannot_run_the_plugin_are_counted(api: FakeApi, kube: Kube) -> None:
    """One that is cordoned or tainted runs it."""

    def node(ready: str = "True", system: str = "linux", **spec: Any) -> dict[str, Any]:
        conditions = [{"type": "Ready", "status": ready}]
        return {"spec": spec, "status": {"conditions": conditions, "nodeInfo": {"operatingSystem": system}}}

    nodes = [node(), node(unschedulable=True), node("Unknown"), node(system="windows")]
    api.answer("GET", "/api/v1/nodes", {"items": nodes})
    assert existing_fluid._nodes_without_plugin(kube) == 2


def test_a_cluster_without_the_harness_images_is_refused(api: FakeApi) -> None:
    """Before anything is created, the error says which image to push, and where."""
    api.answer("GET", "/apis/apps/v1/deployments", {"items": [_deployment("dataset-controller", "x:1")]})
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.answer("GET", "/api/v1/nodes", {"items": [{"metadata": {"name": "n1"}, "status": ready}]})
    with pytest.raises(RefusalError, match="published nowhere") as caught:
        SystemBuilder(Options(kubeconfig=api.kubeconfig()), "r1", Progress()).up()
    assert "clusters.registry push HOST" in caught.value.advice
    assert {request.method for request in api.requests} == {"GET"}


def test_versions_are_those_that_the_cluster_says(api: FakeApi, kube: Kube) -> None:
    """Fluid by its controller's tag, Alluxio by the image that it gives a runtime which names none."""
    image = "mirror:5000/alluxio/alluxio-dev:2.9.0"
    controller = _deployment("alluxioruntime-controller", "x:1", ALLUXIO_RUNTIME_IMAGE_ENV=image)
    api.answer("GET", f"{DEPLOYMENTS}/alluxioruntime-controller", controller)
    there = existing_fluid.versions_there(kube, fluid.FluidState({}, {}, 0, 0, "v1.0.2-abc1234"))
    assert (there.kubernetes, there.fluid, there.alluxio) == ("1.33.13", "1.0.2", "2.9.0")
    assert fluid.alluxio_image(kube) == image


def test_what_the_cluster_does_not_say_is_unknown(kube: Kube) -> None:
    """A version is never guessed from the options."""
    there = existing_fluid.versions_there(kube, fluid.FluidState({}, {}, 0, 0, "latest"))
    assert (there.fluid, there.alluxio) == ("latest", "unknown")


@pytest.mark.parametrize(
    ("controllers", "desired", "csi", "usable"),
    [
        ({"dataset-controller": 1, "alluxioruntime-controller": 0}, {"dataset-controller": 1}, (2, 2), True),
        ({"dataset-controller": 1}, {"dataset-controller": 1}, (2, 1), False),
        ({"dataset-controller": 1}, {"dataset-controller": 1}, (0, 0), False),
        (
            {"dataset-controller": 1, "fluid-webhook": 0},
            {"dataset-controller": 1, "fluid-webhook": 1},
            (1, 1),
            False,
        ),
        ({"dataset-controller": 0}, {"dataset-controller": 1}, (1, 1), False),
    ],
)
def test_a_controller_that_nobody_asked_for_may_be_away(
    controllers: dict[str, int], desired: dict[str, int], csi: tuple[int, int], usable: bool
) -> None:
    """Fluid starts the controller of a kind of runtime with the first of them; all others must be ready."""
    assert existing_fluid._usable(fluid.FluidState(controllers, desired, *csi, "v1")) is usable


def test_the_harness_images_come_from_the_nodes_or_a_mirror() -> None:
    """Nodes that have an image use it as it is; a named registry has priority."""
    toolbox = definitions.toolbox()
    assert on_nodes.harness_image(toolbox, [_node(f"docker.io/{toolbox.name}")], None) == toolbox.name
    slim = f"{toolbox.name}-slim"
    assert on_nodes.harness_image(toolbox, [_node(f"docker.io/{slim}")], None) == slim
    assert on_nodes.harness_image(toolbox, [_node()], "h:5") == f"h:5/{toolbox.name}"
    with pytest.raises(RefusalError, match="do not all have"):
        on_nodes.harness_image(toolbox, [_node(f"docker.io/{toolbox.name}"), _node()], None)


def test_built_images_of_fluid_are_used_where_all_nodes_have_them() -> None:
    """One that is missing on one node means that none is used."""
    names = [image.name for image in definitions.fluid(BUILT).values()]
    held = [f"docker.io/{name}" for name in [*names, f"alluxio/alluxio-dev:{BUILT.alluxio}"]]
    assert set(on_nodes.built_fluid(BUILT, [_node(*held)]).values()) == set(names)
    assert on_nodes.built_fluid(BUILT, [_node(*held), _node(*held[1:])]) == {}
    assert on_nodes.built_fluid(BUILT.model_copy(update={"fluid": "1.0.2"}), [_node(*held)]) == {}


def test_images_are_reported_with_their_origin(api: FakeApi, kube: Kube) -> None:
    """Images with the harness's names were built or are substitutes; all others were published."""
    registrar = definitions.fluid(BUILT)["csi-node-driver-registrar"].name
    images = {"fluidcloudnative/fluid-csi:v1.0.8-6533239": "docker.io/fluidcloudnative/fluid-csi@sha256:a"}
    images |= {f"h:5/{registrar}": "sha256:b", f"fluidcloudnative/fluid-webhook:v{BUILT.fluid}": "sha256:c"}
    containers = [{"name": str(n), "image": name} for n, name in enumerate(images)]
    statuses = [{"name": str(n), "imageID": image_id} for n, image_id in enumerate(images.values())]
    pod = {"spec": {"containers": containers}, "status": {"containerStatuses": statuses}}
    api.answer("GET", f"{NAMESPACES}/{fluid.NAMESPACE}/pods", {"items": [pod]})
    api.answer("GET", f"{NAMESPACE_PATH}/pods", {"items": []})
    facts = {fact.name: (fact.digest, fact.origin) for fact in on_nodes.image_facts(kube, BUILT)}
    assert facts == {
        "fluidcloudnative/fluid-csi:v1.0.8-6533239": ("sha256:a", Origin.PULLED),
        f"h:5/{registrar}": ("sha256:b", Origin.SUBSTITUTE),
        f"fluidcloudnative/fluid-webhook:v{BUILT.fluid}": ("sha256:c", Origin.BUILT),
    }


def test_the_facts_of_the_host_are_the_nodes_own() -> None:
    """A real node's answer is read as this machine's own files are."""
    found = existing.host_of((DATA / "node-probe.txt").read_text(), _node())
    assert (found.kernel, found.cpus, found.cpu_model) == ("6.1.0", 3, "AMD EPYC")
    assert found.memory == 24_684_092 * 1024
    assert (found.cgroup_v1, found.sys_resource, found.kernel_nfs, found.fuse) == (True, False, False, True)


def test_a_module_of_the_node_counts_as_an_nfs_client() -> None:
    """A client that the node's kernel can load is one."""
    said = (DATA / "node-probe.txt").read_text() + "kernel/fs/nfs/nfs.ko.xz: kernel/net/sunrpc/sunrpc.ko.xz\n"
    assert existing.host_of(said, _node()).kernel_nfs


def test_programs_run_on_nodes_through_a_pod_of_the_harness(api: FakeApi, provider: ExistingProvider) -> None:
    """The Pod enters the node's own namespaces; an old one that is ready is used again."""

    def kubelet(channels: Channels) -> None:
        channels.send(1, b"here")
        channels.send(3, SUCCESS)
        channels.close()

    pod = f"{NAMESPACE_PATH}/pods/node-n1"
    api.answer(
        "GET",
        pod,
        {"metadata": {"name": "node-n1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
    )
    api.execs[f"{pod}/exec"] = kubelet
    assert provider.node_exec("n1", ["uname", "-r"]).stdout == "here"
    (request,) = api.asked("GET", f"{pod}/exec")
    words = [value for key, value in request.query if key == "command"]
    assert words[:3] == ["nsenter", "--target", "1"]
    assert words[-2:] == ["uname", "-r"]
    assert not api.asked("PATCH", pod)


def test_an_image_that_nodes_cannot_pull_is_reported_at_once(
    api: FakeApi, provider: ExistingProvider
) -> None:
    """No time-out is waited for, and the advice says what to push."""
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "toolbox:1: not found"}}
    spec = {"containers": [{"name": "node", "image": "toolbox:1"}]}
    pod = {
        "metadata": {"name": "node-n1"},
        "spec": spec,
        "status": {"containerStatuses": [{"name": "node", "state": waiting}]},
    }
    api.answer("GET", f"{NAMESPACE_PATH}/pods/node-n1", pod)
    api.answer("PATCH", NAMESPACE_PATH, {})
    api.answer("PATCH", f"{NAMESPACE_PATH}/pods/node-n1", {})
    with pytest.raises(WaitFailedError, match="not found") as caught:
        provider.node_exec("n1", ["true"])
    assert "clusters.registry push HOST" in caught.value.advice
    (sent,) = api.asked("PATCH", NAMESPACE_PATH)
    assert sent.body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def test_a_node_without_a_shell_is_reported(
    monkeypatch: pytest.MonkeyPatch, provider: ExistingProvider
) -> None:
    """A node that cannot be read is a failure of the infrastructure, with the error."""
    failed: Callable[..., Any] = lambda *_, **__: Completed((), 127, "", "sh: not found")  # noqa: E731 - a fake
    monkeypatch.setattr(provider, "node_exec", failed)
    with pytest.raises(InfrastructureError, match="cannot be probed"):
        provider.host(_node())


def test_down_removes_only_what_the_harness_created(api: FakeApi, provider: ExistingProvider) -> None:
    """The harness's own namespace is deleted; Fluid stays, because this run did not install it."""
    api.answer(
        "GET",
        NAMESPACE_PATH,
        _namespace(managed=True),
        _namespace(managed=True),
        api.refusal(404, "NotFound"),
    )
    api.answer("DELETE", NAMESPACE_PATH, {})
    provider.down()
    assert [request.path for request in api.requests if request.method == "DELETE"] == [NAMESPACE_PATH]


def test_down_leaves_a_foreign_namespace(api: FakeApi, provider: ExistingProvider) -> None:
    """Nothing is deleted if nothing belongs to the harness."""
    api.answer("GET", NAMESPACE_PATH, _namespace(managed=False))
    provider.down()
    assert {request.method for request in api.requests} == {"GET"}


def no_foreign_users(api: FakeApi) -> None:
    """The cluster has no Dataset and no runtime."""
    for plural in ("datasets", "alluxioruntimes", "thinruntimes"):
        api.answer("GET", f"/apis/data.fluid.io/v1alpha1/{plural}", {"items": []})


def test_down_removes_fluid_when_this_run_installed_it(api: FakeApi, provider: ExistingProvider) -> None:
    """Just the helm release, once."""
    no_foreign_users(api)
    commands = FakeCommands()
    provider.installs_fluid(fluid.release(Helm(Path("/usr/bin/helm"), commands), provider.kubeconfig))
    provider.down()
    provider.down()
    (ran,) = commands.ran
    assert ran.argv[:3] == ("helm", "uninstall", "fluid")
    assert ran.argv[ran.argv.index("--namespace") + 1] == "fluid-system"
    assert "--wait" in ran.argv


def test_a_fluid_that_cannot_be_removed_is_reported(api: FakeApi, provider: ExistingProvider) -> None:
    """A release that stays is an error; one that does not exist is not, by an option of helm."""
    no_foreign_users(api)
    commands = FakeCommands()
    commands.on("helm", "uninstall", exit_code=1, stderr="Error: timed out waiting")
    provider.installs_fluid(fluid.release(Helm(Path("/usr/bin/helm"), commands), provider.kubeconfig))
    with pytest.raises(CommandError, match="could not be removed"):
        provider.down()
    assert "--ignore-not-found" in commands.ran[0].argv


def test_leftovers_of_killed_runs_are_deleted_in_the_order_of_their_dependencies(
    api: FakeApi, kube: Kube
) -> None:
    """Pods, Datasets, namespaces, volumes; what a cluster without Fluid does not know is passed over."""
    labels = {MANAGED_BY_LABEL: "fluid-conformance"}

    def managed_object(name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "uid": name, "labels": labels}}

    left = f"{NAMESPACES}/fc-1"
    api.answer("GET", NAMESPACES, {"items": [managed_object("fc-1"), _namespace(managed=True)]})
    places = {
        f"{left}/pods": "app",
        "/apis/data.fluid.io/v1alpha1/namespaces/fc-1/datasets": "demo",
        NAMESPACES: "fc-1",
        "/api/v1/persistentvolumes": "nfs.fc-1.src",
    }
    for path, name in places.items():
        if path != NAMESPACES:
            api.answer("GET", path, {"items": [managed_object(name)]}, {"items": []})
        api.answer("GET", f"{path}/{name}", managed_object(name), api.refusal(404, "NotFound"))
        api.answer("DELETE", f"{path}/{name}", {})
    for kind in (
        "dataloads",
        "dataprocesses",
        "databackups",
        "datamigrates",
        "thinruntimes",
        "alluxioruntimes",
    ):
        path = f"/apis/data.fluid.io/v1alpha1/namespaces/fc-1/{kind}"
        api.answer("GET", path, api.text("404 page not found", 404))
    for kind in ("clusterroles", "clusterrolebindings"):
        api.answer("GET", f"/apis/rbac.authorization.k8s.io/v1/{kind}", {"items": []})
    profiles = "/apis/data.fluid.io/v1alpha1/thinruntimeprofiles"
    api.answer("GET", profiles, api.text("404 page not found", 404))
    assert existing.remove_leftovers(kube, Progress(io.StringIO())) == ("fc-1",)
    deleted = [request.path for request in api.requests if request.method == "DELETE"]
    assert deleted == [f"{path}/{name}" for path, name in places.items()]


def test_the_existing_cluster_is_not_said_to_be_made_here(provider: ExistingProvider) -> None:
    """The report says that the cluster existed before."""
    cluster = provider.up()
    assert (cluster.provider, cluster.made_here) == ("existing", False)
    assert provider.logs() == {}


@pytest.fixture
def install(
    api: FakeApi, provider: ExistingProvider, commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Install Fluid with some options on nodes with some images; gives the chart values."""
    programs(monkeypatch, "helm")
    chart = ArtifactCache(cache_root(), FakeCommands(), Progress()).path(
        charts.fluid_chart(BUILT.fluid, Helm(Path("/usr/bin/helm"), FakeCommands()))
    )
    (chart / "fluid").mkdir(parents=True)
    (chart / "fluid" / "values.yaml").write_text(yaml.safe_dump(chart_values("v1.0.8-6")))
    passed: dict[str, Any] = {}
    monkeypatch.setattr(fluid, "install", lambda kube, **given: passed.update(given))

    def run(*nodes: NodeSnapshot, **options: Any) -> dict[str, Any]:
        given = Options(kubeconfig=api.kubeconfig(), install_fluid=True, versions=BUILT, **options)
        tools = Tools(given, HOST, ArtifactCache(cache_root(), commands, Progress()))
        existing_fluid.install(provider, tools, given, nodes, Progress())
        found: dict[str, Any] = passed["chart_values"]
        return found

    return run


def test_a_foreign_release_that_does_not_run_is_left_alone(
    install: Callable[..., dict[str, Any]],
    api: FakeApi,
    provider: ExistingProvider,
    commands: FakeCommands,
) -> None:
    """It would be upgraded, and uninstalled at the end of the run."""
    api.answer("GET", f"/api/v1/namespaces/{fluid.NAMESPACE}/secrets", {"items": []})
    commands.on("helm", "list", stdout='[{"name": "fluid", "status": "pending-install"}]')
    with pytest.raises(RefusalError, match="release fluid in namespace fluid-system with status pending"):
        install(_node())
    provider.down()
    assert [ran.argv[1] for ran in commands.ran if ran.argv[0] == "helm"] == ["list"]


def test_an_installation_of_a_run_that_was_killed_is_named(
    install: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, commands: FakeCommands
) -> None:
    """With the command that removes it."""
    monkeypatch.setattr(fluid_release, "installed_by", lambda kube: "r7")
    commands.on("helm", "list", stdout='[{"name": "fluid", "status": "pending-install"}]')
    with pytest.raises(RefusalError, match="run r7 was ended before") as caught:
        install(_node())
    assert "cluster down" in caught.value.advice


def test_fluid_is_installed_as_published(
    install: Callable[..., dict[str, Any]],
    api: FakeApi,
    provider: ExistingProvider,
    commands: FakeCommands,
) -> None:
    """Nodes pull the images that the chart names, and `down` uninstalls the release, which has a mark."""
    no_foreign_users(api)
    values = install(_node())
    assert values["csi"] == {"featureGates": "FuseRecovery=false"}
    assert values[fluid_release.RUN_VALUE] == provider.kube.run
    provider.down()
    assert commands.asked("helm", "uninstall")


def test_fluid_is_installed_from_a_mirror(install: Callable[..., dict[str, Any]]) -> None:
    """The nodes are led to the registry that was named."""
    values = install(_node(), registry="h:5")
    assert values["csi"]["plugins"]["imagePrefix"] == "h:5/fluidcloudnative"
    assert values["runtime"]["alluxio"]["fuse"]["imagePrefix"] == "h:5/alluxio"


def test_fluid_is_installed_with_the_images_that_nodes_have(install: Callable[..., dict[str, Any]]) -> None:
    """Built images that lie on all nodes are used as they are."""
    names = [image.name for image in definitions.fluid(BUILT).values()]
    node = _node(*(f"docker.io/{name}" for name in [*names, f"alluxio/alluxio-dev:{BUILT.alluxio}"]))
    assert install(node)["csi"]["plugins"]["imageTag"] == f"v{BUILT.fluid}"


def test_built_images_that_nodes_lack_are_refused(
    install: Callable[..., dict[str, Any]], provider: ExistingProvider, commands: FakeCommands
) -> None:
    """With --images=build nothing published is installed, and nothing is created."""
    with pytest.raises(RefusalError, match="as they are built here"):
        install(_node(), images="build")
    provider.down()
    assert commands.ran == []


def test_empty_folders_of_deleted_namespaces_are_removed_from_nodes(
    provider: ExistingProvider, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On each node that accepts Pods; without a namespace nothing runs."""
    ran: list[tuple[str, Sequence[str]]] = []

    def node_exec(self: ExistingProvider, node: str, argv: Sequence[str], **_: object) -> Completed:
        ran.append((node, argv))
        return Completed(tuple(argv), 0, "", "")

    monkeypatch.setattr(ExistingProvider, "node_exec", node_exec)
    provider.remove_folders(())
    assert ran == []
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.answer("GET", "/api/v1/nodes", {"items": [{"metadata": {"name": "n1"}, "status": ready}]})
    provider.remove_folders(["fc-1"])
    assert [(node, argv[-2:]) for node, argv in ran] == [
        ("n1", ("/dev/shm/fc-1", "/runtime-mnt/alluxio/fc-1"))
    ]
