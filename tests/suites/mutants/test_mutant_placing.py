"""A mutant takes the place of the last one, and a controller that Fluid has not started is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.host.commands import Completed
from clusters.kubernetes.kinds import Kind
from clusters.product import mounted_files
from suites.mutants import placing
from suites.mutants.building import Built
from suites.mutants.model import Program
from suites.mutants.placing import Placement

DIGEST = "c0ffee" + "0" * 58


@dataclass
class Cluster:
    """One controller; its Pods are replaced as soon as its template changes."""

    replicas: int
    name: str = ""
    spec: dict[str, Any] = field(
        default_factory=lambda: {"volumes": [], "containers": [{"name": "manager", "volumeMounts": []}]}
    )
    changes: list[tuple[str, tuple[str, ...], int]] = field(default_factory=list)
    strategies: list[str] = field(default_factory=list)

    def get(self, kind: Kind, name: str, namespace: str) -> dict[str, Any]:
        """The workload, whichever is asked for."""
        assert kind
        assert namespace
        self.name = name
        selector = {"matchLabels": {"app": name}}
        template = {"spec": self.spec}
        return {"spec": {"selector": selector, "template": template, "replicas": self.replicas}}

    def patch(self, kind: Kind, name: str, namespace: str, body: dict[str, Any]) -> None:
        """Take over volumes, containers, replicas, and how Pods are replaced."""
        if "updateStrategy" in body["spec"]:
            self.strategies.append(body["spec"]["updateStrategy"]["type"])
        if "template" not in body["spec"]:
            return
        self.spec = self.spec | body["spec"]["template"]["spec"]
        self.replicas = body["spec"].get("replicas", self.replicas)
        self.changes.append((name, mounted_files.mounted(self.spec), self.replicas))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster in which roll-outs end at once."""
    made = Cluster(replicas=1)
    monkeypatch.setattr(placing, "require_own_cluster", lambda _: Provider())
    monkeypatch.setattr(placing, "_not_yet", lambda *_: "")
    monkeypatch.setattr(placing, "_not_changed", lambda *_: "")
    monkeypatch.setattr(placing, "_pods", lambda *_: [])
    return made


class Provider:
    """No node."""

    def containers(self) -> tuple[str, ...]:
        """None."""
        return ()

    def node_exec(self, node: str, argv: Any, **_: object) -> Completed:
        """Never called."""
        raise AssertionError(node, argv)


@dataclass
class Kube:
    """As the code calls it."""

    cluster: Cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    def changes(self, *_: object) -> Any:
        """Nothing is watched."""
        return Watch()


class Watch:
    """A watch in which nothing happens."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def placement(cluster: Cluster) -> Placement:
    """On that cluster."""

    @dataclass
    class System:
        kube: Any
        provider: Any

    return Placement(cast("Any", System(Kube(cluster), Provider())))


def built(program: Program, digest: str = DIGEST) -> Built:
    """A changed program."""
    return Built(program, {program.path: Path("/x")}, digests={program.path: digest})


def test_the_next_mutant_of_a_program_replaces_the_last_one_directly(cluster: Cluster) -> None:
    """The path has the digest, so that the Pod template changes; the intact program does not run between."""
    placed = placement(cluster)
    placed.replace(built(Program.DATASET_CONTROLLER))
    placed.replace(built(Program.DATASET_CONTROLLER, "ab" * 32))
    placed.replace(None)
    folder = placing.FOLDER
    assert cluster.changes == [
        ("dataset-controller", (f"mutant-0 {folder}/c0ffee000000/dataset-controller",), 1),
        ("dataset-controller", (f"mutant-0 {folder}/{'ab' * 6}/dataset-controller",), 1),
        ("dataset-controller", (), 1),
    ]
    placed.replace(None)
    assert len(cluster.changes) == 3


def test_a_mutant_of_another_program_waits_until_the_last_one_is_out(cluster: Cluster) -> None:
    """There is never more than one."""
    placed = placement(cluster)
    placed.replace(built(Program.DATASET_CONTROLLER))
    placed.replace(built(Program.WEBHOOK))
    names = [(name, bool(files)) for name, files, _ in cluster.changes]
    assert names == [("dataset-controller", True), ("dataset-controller", False), ("fluid-webhook", True)]


def test_a_controller_without_replicas_is_started_with_the_change(cluster: Cluster) -> None:
    """Otherwise it would start during the row, or never; afterwards it has none again."""
    cluster.replicas = 0
    placed = placement(cluster)
    placed.replace(built(Program.THIN_CONTROLLER))
    placed.replace(built(Program.THIN_CONTROLLER, "ab" * 32))
    placed.replace(None)
    assert [replicas for _, _, replicas in cluster.changes] == [1, 1, 0]


def test_the_pods_of_the_csi_plugin_are_replaced_by_hand_until_it_is_whole_again(cluster: Cluster) -> None:
    """Its controller would wait for 30 s on each node."""
    placed = placement(cluster)
    cluster.spec["containers"][0]["name"] = "plugins"
    placed.replace(built(Program.CSI_PLUGIN))
    assert cluster.strategies == ["OnDelete"]
    placed.replace(None)
    assert cluster.strategies == ["OnDelete", "RollingUpdate"]
    assert [bool(files) for _, files, _ in cluster.changes] == [True, False]


def test_without_pods_nothing_is_proved(cluster: Cluster) -> None:
    """The result is then not run, whatever the row says."""
    placed = placement(cluster)
    assert placed.proof() == ()
    assert placed.replace(built(Program.WEBHOOK)) == ()
