"""kind clusters, with an engine and a kind that only pretend."""

from __future__ import annotations

import io
import json
import os
import queue
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clusters.disruption import Disruption
from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import CommandError
from clusters.kubernetes.write_guard import UndeclaredWriteError, WriteGuard
from clusters.progress import Progress
from clusters.providers import hung_mounts, kind_child
from clusters.providers import kind as module
from clusters.providers.kind import IMAGES, KindProvider
from clusters.providers.kind_network import bridge_config
from clusters.providers.kind_nodes import MARK, managed_nodes
from clusters.waiting import WaitTimeoutError
from tests.clusters.fakes import HOST, FakeCommands, FakeDocker, Ran, programs

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

NODES = "/api/v1/nodes"


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """An engine whose nodes a fake kind creates and deletes."""
    programs(monkeypatch, "docker")
    fake = FakeDocker(FakeCommands())

    def create(ran: Ran) -> None:
        config = yaml.safe_load(Path(ran.argv[-1]).read_text())
        for number, node in enumerate(config["nodes"]):
            mounts = {mount["containerPath"]: mount["hostPath"] for mount in node["extraMounts"]}
            state = Path(mounts.pop(MARK))
            name = f"{ran.argv[4]}-{number}"
            fake.node(name, ran.argv[4], managed=True, image=ran.argv[6], state=state, **mounts)
        Path(ran.argv[5]).write_text("made")

    def delete(ran: Ran) -> None:
        for name in [name for name in fake.containers if name.startswith(f"{ran.argv[4]}-")]:
            del fake.containers[name]

    fake.commands.on("clusters.providers.kind_child", "create", does=create)
    fake.commands.on("clusters.providers.kind_child", "delete", does=delete)
    return fake


@pytest.fixture
def provider(docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KindProvider:
    """A provider whose nodes need no connecting and whose clusters answer when they have a kubeconfig."""
    monkeypatch.setattr(KindProvider, "_connect_nodes", lambda self, stage: None)
    monkeypatch.setattr(KindProvider, "_answers", lambda self, stage: self.kubeconfig_path.is_file())
    return KindProvider(
        name="demo",
        engine=docker.engine,
        kind=Path("/bin/kind"),
        kubectl=Path("/bin/kubectl"),
        image="kindest/node:v1.33.13",
        nodes=1,
        archive=tmp_path / "archives" / "abc",
        state=tmp_path / "clusters" / "demo",
        host=HOST,
        progress=Progress(io.StringIO()),
        run="r1",
    )


def progress_output(provider: KindProvider) -> str:
    """What its progress said."""
    assert isinstance(provider.progress.stream, io.StringIO)
    return provider.progress.stream.getvalue()


def test_a_cluster_is_made_by_pytest_kind(provider: KindProvider, docker: FakeDocker) -> None:
    """KindCluster runs in a child, pointed at our engine, our programs and our configuration."""
    made = provider.up()
    assert (made.provider, made.name, made.made_here) == ("kind", "demo", True)
    ran = docker.commands.asked("clusters.providers.kind_child")[0]
    assert ran.argv[3:9] == (
        "create",
        "demo",
        str(provider.state / "kubeconfig"),
        "kindest/node:v1.33.13",
        "/bin/kind",
        "/bin/kubectl",
    )
    assert ran.env["DOCKER_HOST"] == docker.engine.address
    # Whatever the user's own environment says: kind's containers have to be in that engine.
    assert ran.env["KIND_EXPERIMENTAL_PROVIDER"] == "docker"
    assert (ran.cwd, ran.timeout) == (provider.state, module.CREATE_SECONDS)
    assert (provider.state / "run").read_text() == "r1"


def test_nodes_receive_proxies_and_authorities_of_the_host(
    provider: KindProvider, docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The networks of the cluster are added by kind; the authorities are where the engine can mount them."""
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("authorities")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    provider.up()
    (ran,) = docker.commands.asked("clusters.providers.kind_child")
    assert ran.env["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert ran.env["NO_PROXY"] == "localhost,127.0.0.1,::1"
    config = yaml.safe_load((provider.state / "kind.yaml").read_text())
    (mount,) = (
        one for one in config["nodes"][0]["extraMounts"] if one["containerPath"] == module.AUTHORITIES
    )
    assert mount["readOnly"] is True
    assert Path(mount["hostPath"]).parent == provider.state
    assert Path(mount["hostPath"]).read_text() == "authorities"


def test_mounts_are_given_up_before_kind_deletes_the_nodes(
    provider: KindProvider, docker: FakeDocker
) -> None:
    """A process that waits for an NFS server may outlive any signal."""
    provider.up()
    docker.commands.on("docker", "exec", raises=CommandError("docker exec failed"))
    provider.down()
    (given_up,) = docker.commands.asked("docker", "exec", hung_mounts.GIVE_UP)
    (deleted,) = docker.commands.asked("clusters.providers.kind_child", "delete")
    assert docker.commands.ran.index(given_up) < docker.commands.ran.index(deleted)


def test_a_warm_cluster_is_found_again(provider: KindProvider, docker: FakeDocker) -> None:
    """The second time nothing is created, and the same cluster is returned."""
    first = provider.up()
    second = provider.up()
    assert (second.kubeconfig, second.made_here) == (first.kubeconfig, False)
    assert len(docker.commands.asked("clusters.providers.kind_child", "create")) == 1
    assert "find kind cluster demo (cached" in progress_output(provider)


@pytest.mark.parametrize("keep", [False, True])
def test_a_cluster_that_is_to_outlive_its_run_says_so(
    provider: KindProvider, docker: FakeDocker, keep: bool
) -> None:
    """Also one that a run without that option had created; the mark identifies clusters of killed runs."""
    provider.up()
    assert not any(node.kept for node in managed_nodes(docker.engine))
    replace(provider, keep=keep).up()
    (node,) = managed_nodes(docker.engine, "demo")
    assert (node.cluster, node.state, node.kept) == ("demo", provider.state, keep)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"nodes": 3}, "it has 1 nodes, and --nodes is 3"),
        (
            {"image": "kindest/node:v1.32.5"},
            "its node image is kindest/node:v1.33.13 instead of kindest/node:v1.32.5",
        ),
        ({"archive": Path("/other")}, "it was created with other images than the options name now"),
        ({"archive": None}, "it was created with other images than the options name now"),
    ],
)
def test_a_warm_cluster_that_is_another_is_refused(
    provider: KindProvider, docker: FakeDocker, change: dict[str, Any], sentence: str
) -> None:
    """A report on it would be wrong; nothing of it is lost."""
    provider.up()
    with pytest.raises(RefusalError, match=f"cluster demo is up, but {sentence}") as caught:
        replace(provider, **change).up()
    assert "python -m clusters down --cluster-name demo" in caught.value.advice
    assert list(docker.containers) == ["demo-0"]


def test_a_managed_cluster_that_is_dead_is_created_again(provider: KindProvider, docker: FakeDocker) -> None:
    """Such as an incomplete one of a killed run."""
    docker.node("demo-0", "demo", managed=True)
    made = provider.up()
    assert made.made_here
    assert "does not answer: creating it again" in progress_output(provider)
    assert [ran.argv[3] for ran in docker.commands.asked("clusters.providers.kind_child")] == [
        "delete",
        "create",
    ]


def test_a_name_in_use_by_a_foreign_cluster_is_refused(provider: KindProvider, docker: FakeDocker) -> None:
    """Neither up nor down touches what the harness did not create."""
    docker.node("demo-control-plane", "demo", managed=False)
    with pytest.raises(
        RefusalError, match="named demo exists already and the harness did not create it"
    ) as caught:
        provider.up()
    assert "--cluster-name" in caught.value.advice
    with pytest.raises(RefusalError, match="was not created by the harness, so it is not deleted"):
        provider.down()
    assert list(docker.containers) == ["demo-control-plane"]
    assert docker.commands.asked("clusters.providers.kind_child") == []


SUBNET = "could not find an available, non-overlapping IPv4 address pool among the defaults"


def test_a_creation_that_fails_leaves_nothing_but_its_journals(
    provider: KindProvider, docker: FakeDocker
) -> None:
    """The error is a sentence, the incomplete node is deleted, and the cause of its failure can be read."""
    docker.commands.on("docker", "exec", "journalctl", stdout="kubelet: it went wrong")

    def fail(ran: Ran) -> None:
        docker.node("demo-0", "demo", managed=True)
        raise CommandError("x failed", completed=None) from None

    docker.commands.on("clusters.providers.kind_child", "create", does=fail)
    with pytest.raises(InfrastructureError, match="kind cluster demo was not created: x failed"):
        provider.up()
    assert docker.containers == {}
    assert not provider.state.exists()
    kept = provider.state.parent / "demo-failed" / "demo-0"
    assert (kept / "kubelet.log").read_text() == "kubelet: it went wrong"
    assert "journals are kept in" in progress_output(provider)


def test_a_subnet_in_use_is_called_that(provider: KindProvider, docker: FakeDocker) -> None:
    """The cluster's name, the cause, and what to do, before kind's own output."""
    docker.commands.on("clusters.providers.kind_child", "create", exit_code=1, stdout=f"ERROR: {SUBNET}")
    with pytest.raises(InfrastructureError) as caught:
        provider.up()
    first, *_ = str(caught.value).splitlines()
    assert first == (
        "kind cluster demo was not created: "
        "the subnet that the cluster's network needs is in use by another network"
    )
    assert "docker network prune" in caught.value.advice
    assert not provider.state.exists()


def test_an_interrupted_creation_is_undone_at_once(provider: KindProvider, docker: FakeDocker) -> None:
    """Ctrl-C does not wait for journals."""

    def interrupt(ran: Ran) -> None:
        docker.node("demo-0", "demo", managed=True)
        raise KeyboardInterrupt

    docker.commands.on("clusters.providers.kind_child", "create", does=interrupt)
    with pytest.raises(KeyboardInterrupt):
        provider.up()
    assert docker.containers == {}
    assert docker.commands.asked("journalctl") == []


def test_a_failure_to_undo_does_not_hide_the_failure(provider: KindProvider, docker: FakeDocker) -> None:
    """The first error is the one that is raised; what was not deleted is reported."""

    def fail(ran: Ran) -> None:
        docker.node("demo-0", "demo", managed=True)
        raise CommandError("the first")

    docker.commands.on("clusters.providers.kind_child", "create", does=fail)
    docker.commands.on("clusters.providers.kind_child", "delete", raises=CommandError("the second"))
    docker.commands.on("docker", "rm", raises=CommandError("the third"))
    with pytest.raises(InfrastructureError, match="the first"):
        provider.up()
    assert "could not be deleted: the third" in progress_output(provider)


def test_nodes_that_kind_cannot_delete_are_removed(provider: KindProvider, docker: FakeDocker) -> None:
    """A kind that fails or hangs leaves no node behind."""
    provider.up()
    docker.commands.on("clusters.providers.kind_child", "delete", raises=CommandError("hangs"))
    provider.down()
    assert docker.containers == {}
    assert docker.commands.asked("docker", "rm")[0].argv == ("docker", "rm", "-f", "-v", "demo-0")
    assert (
        docker.commands.asked("clusters.providers.kind_child", "delete")[0].timeout == module.DELETE_SECONDS
    )


def test_removing_nothing_runs_nothing(provider: KindProvider, docker: FakeDocker) -> None:
    """Only a folder that was left by a run that ended is deleted."""
    provider.state.mkdir(parents=True)
    provider.down()
    assert docker.commands.asked("clusters.providers.kind_child") == []
    assert not provider.state.exists()
    assert provider.progress.stages == []


def test_a_cluster_that_came_up_meanwhile_is_not_deleted(provider: KindProvider, docker: FakeDocker) -> None:
    """The name was taken between the harness's check and kind's: the foreign cluster stays."""

    def race(ran: Ran) -> None:
        docker.node("demo-0", "demo", managed=False)
        raise CommandError('node(s) already exist for a cluster with the name "demo"')

    docker.commands.on("clusters.providers.kind_child", "create", does=race)
    with pytest.raises(InfrastructureError):
        provider.up()
    assert list(docker.containers) == ["demo-0"]


def restarts(provider: KindProvider, docker: FakeDocker, *, works: bool = True) -> str:
    """Let the engine restart the only node of a cluster; return its name."""
    provider.up()
    (name,) = docker.containers
    docker.containers[name]["State"] = {"StartedAt": "10:00"}

    def restart(ran: Ran) -> None:
        if works:
            docker.containers[ran.argv[-1]]["State"] = {"StartedAt": "10:05"}

    docker.commands.on("docker", "restart", does=restart)
    return name


def test_a_restarted_node_is_connected_again(provider: KindProvider, docker: FakeDocker) -> None:
    """Its memory tier has its size again before the node is waited for."""
    name = restarts(provider, docker)
    provider.restart_node(name)
    done = [ran.argv[1:3] for ran in docker.commands.ran if ran.argv[1] in {"restart", "exec"}]
    assert done == [("restart", name), ("exec", name)]
    assert "remount,size=50%" in docker.commands.asked("docker", "exec", name)[0].argv


def test_a_node_that_was_not_restarted_is_reported(provider: KindProvider, docker: FakeDocker) -> None:
    """A restart without effect is never taken for one."""
    name = restarts(provider, docker, works=False)
    with pytest.raises(InfrastructureError, match=f"node {name} was not restarted") as caught:
        provider.restart_node(name)
    assert caught.value.last_seen == "started at 10:00"


def test_a_restart_must_be_declared(provider: KindProvider, docker: FakeDocker) -> None:
    """A scenario that has not declared that it disturbs the node does not restart it."""
    name = restarts(provider, docker)
    provider.guard = WriteGuard("fluid-system")
    with pytest.raises(UndeclaredWriteError):
        provider.restart_node(name)
    assert docker.commands.asked("docker", "restart") == []
    with provider.guard.permitting(frozenset({Disruption.NODE})):
        provider.restart_node(name)


def test_logs_are_those_that_nodes_still_have(provider: KindProvider, docker: FakeDocker) -> None:
    """A node that hangs does not cost the others their journals, nor its own console."""
    docker.node("demo-0", "demo", managed=True)
    docker.node("demo-1", "demo", managed=True)
    docker.commands.on("docker", "logs", stdout="console")
    docker.commands.on("docker", "exec", "journalctl", stdout="journal")
    docker.commands.on("docker", "exec", "demo-0", raises=CommandError("did not end within 20 s"))
    logs = provider.logs()
    assert logs["demo-0/console.log"] == "console"
    assert logs["demo-0/kubelet.log"] == "did not end within 20 s"
    assert {name for name in logs if name.startswith("demo-1")} == {
        "demo-1/console.log",
        "demo-1/kubelet.log",
        "demo-1/containerd.log",
        "demo-1/load-images.log",
    }


def test_the_configuration_fits_the_host(provider: KindProvider) -> None:
    """A host without limits needs no workaround; the mark and the images are mounted into every node."""
    config = replace(provider, nodes=3).config()
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    for node in config["nodes"]:
        mounts = {mount["containerPath"]: mount["hostPath"] for mount in node["extraMounts"]}
        assert mounts == {MARK: str(provider.state), IMAGES: str(provider.archive)}
    kubelet = yaml.safe_load(config["kubeadmConfigPatches"][0])
    assert kubelet == {"kind": "KubeletConfiguration", "serializeImagePulls": False}
    assert config["networking"]["disableDefaultCNI"] is True


def test_the_configuration_works_round_limits(provider: KindProvider) -> None:
    """A kubelet has to know of cgroup v1 and of a missing capability; published nodes bring a network."""
    host = replace(HOST, cgroup_v1=True, sys_resource=False)
    config = replace(provider, host=host, archive=None, own_network=False).config()
    kubelet = yaml.safe_load(config["kubeadmConfigPatches"][0])
    assert kubelet["failCgroupV1"] is False
    assert kubelet["featureGates"] == {"KubeletInUserNamespace": True}
    assert config["networking"]["disableDefaultCNI"] is False
    assert len(config["nodes"][0]["extraMounts"]) == 1


def test_a_bridge_is_for_one_range() -> None:
    """A text that is no range is an error here, not in a node."""
    config = bridge_config("10.244.1.0/24")
    assert config["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]
    with pytest.raises(ValueError, match="does not appear to be"):
        bridge_config("10.244.0.0/240")


def node(name: str, address: str, cidr: str, *, ready: bool = True) -> dict[str, Any]:
    """A node as the API returns it."""
    return {
        "metadata": {"name": name},
        "spec": {"podCIDR": cidr},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


@pytest.fixture
def connected(docker: FakeDocker, tmp_path: Path, api: FakeApi) -> KindProvider:
    """A provider of two nodes, whose API answers."""
    api.watches[NODES] = queue.Queue()
    return KindProvider(
        name="demo",
        engine=docker.engine,
        kind=Path("/bin/kind"),
        kubectl=Path("/bin/kubectl"),
        image="node:1",
        nodes=2,
        archive=None,
        state=tmp_path / "demo",
        host=HOST,
        progress=Progress(io.StringIO()),
        run="r1",
        kubeconfig=api.kubeconfig(),
    )


def test_nodes_are_connected_and_waited_for(
    connected: KindProvider, docker: FakeDocker, api: FakeApi
) -> None:
    """Each has a bridge with its own range and a route to the other's; a cluster is up when all are Ready."""
    pair = [("a", "172.18.0.2", "10.244.0.0/24"), ("b", "172.18.0.3", "10.244.1.0/24")]

    def listed(ready: bool) -> dict[str, Any]:
        items = [node(*one, ready=ready) for one in pair]
        return {"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": items}

    def bridged(ran: Ran) -> None:
        if len(docker.commands.asked("docker", "exec", "-i")) == len(pair):
            api.answer("GET", NODES, listed(ready=True))

    api.answer("GET", NODES, listed(ready=False))
    docker.commands.on("docker", "exec", "-i", does=bridged)
    with connected.progress.stage("connect") as stage:
        connected._connect_nodes(stage)
    configured = docker.commands.asked("docker", "exec", "-i")
    ranges = [
        json.loads(ran.stdin or "")["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] for ran in configured
    ]
    assert ranges == ["10.244.0.0/24", "10.244.1.0/24"]
    routes = [ran.argv[2:] for ran in docker.commands.asked("docker", "exec", "ip")]
    assert routes == [
        ("a", "ip", "route", "replace", "10.244.1.0/24", "via", "172.18.0.3"),
        ("b", "ip", "route", "replace", "10.244.0.0/24", "via", "172.18.0.2"),
    ]


def test_nodes_that_do_not_become_ready_are_reported(
    connected: KindProvider, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the node, what is missing, and where to search for the cause."""
    monkeypatch.setattr(module, "READY_SECONDS", 0.2)
    api.answer("GET", NODES, {"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": []})
    with (
        connected.progress.stage("connect") as stage,
        pytest.raises(WaitTimeoutError, match="waiting for a Pod range on 2 nodes of cluster demo") as caught,
    ):
        connected._connect_nodes(stage)
    assert "0 nodes" in caught.value.last_seen


def test_a_cluster_answers_or_does_not(connected: KindProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow one has time; one without a kubeconfig or with a dead address is distinguished from it."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)
    with connected.progress.stage("look") as stage:
        assert connected._answers(stage)
        config = yaml.safe_load(connected.kubeconfig_path.read_text())
        config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
        connected.kubeconfig_path.write_text(yaml.safe_dump(config))
        assert not connected._answers(stage)
        assert "http://127.0.0.1:1" in stage.detail
        connected.kubeconfig_path.unlink()
        assert not connected._answers(stage)


def test_the_child_ends_with_kinds_own_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The output has only the messages of kind, with no traceback of the harness after them."""
    monkeypatch.chdir(tmp_path)
    kind = tmp_path / "kind"
    kind.write_text("#!/bin/sh\n[ $1 = get ] && exit 0\necho 'ERROR: no' >&2\nexit 7\n")
    kind.chmod(0o755)
    arguments = ["demo", str(tmp_path / "kubeconfig"), "", str(kind), "kubectl"]
    assert kind_child.main(["create", *arguments, "kind.yaml"]) == 7
    assert kind_child.main(["delete", *arguments]) == 7


def test_the_child_passes_the_request_to_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Name, kubeconfig, image and configuration reach kind as they were given."""
    monkeypatch.chdir(tmp_path)
    kind = tmp_path / "kind"
    kind.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    kind.chmod(0o755)
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "clusters.providers.kind_child",
            "delete",
            "demo",
            "kc",
            "i:1",
            kind,
            "k",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(module.__file__).parents[2]), "PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text() == "delete cluster --name=demo --kubeconfig=kc\n"
