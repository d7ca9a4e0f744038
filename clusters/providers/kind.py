"""Clusters of kind, made through pytest-kind's KindCluster.

KindCluster of pytest-kind 22.11.1 leaves open what a conformance run needs: a
configuration, several nodes, cleaning up when creation fails half-way, logs, a time limit,
and leaving alone a cluster of the same name that somebody else made. This provider adds those.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import FailureClass, HarnessError, RefusalError
from clusters.host.commands import CommandError, Completed
from clusters.host.engine import Engine
from clusters.host.known_errors import retold
from clusters.host.probes import Host
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.options import require_name
from clusters.progress import Progress, RunningStage
from clusters.providers.base import Cluster
from clusters.waiting import WaitTimeoutError, is_empty, wait

#: Where a node of ours shows our state folder: the mark that the cluster is ours.
MARK: Final = "/kind/fluid-conformance"
#: Lies in the state folder of a cluster that is to outlive the run that made it.
KEPT: Final = "kept"
#: With which kind labels the containers of a cluster, by its name.
_CLUSTER_LABEL: Final = "io.x-k8s.kind.cluster"
#: Where it finds the archive of the images that it imports.
IMAGES: Final = "/kind/images"
CREATE_SECONDS: Final = 600.0
READY_SECONDS: Final = 180.0
DELETE_SECONDS: Final = 120.0
#: Seconds for a node to import the archive (2 GB: 40).
IMPORT_SECONDS: Final = 300.0
#: Seconds that a cluster of ours gets to answer before it is made again: a busy machine is slow.
ANSWER_SECONDS: Final = 20.0
#: Range of the Pods' addresses; each node gets a /24 of it from the controller manager.
POD_SUBNET: Final = "10.244.0.0/16"
#: Lines of each journal of a node that a failure bundle takes, and seconds to read it.
LOG_LINES: Final = 2_000
LOG_SECONDS: Final = 20.0


@dataclass
class KindProvider:
    """Makes kind clusters and takes them down.

    Attributes:
        name: of the cluster.
        engine: container engine.
        kind: program.
        kubectl: program; KindCluster wants to know one.
        image: node image.
        nodes: how many; from two on, the first is the control plane alone.
        archive: folder of the image archive that each node imports, or None when nodes pull.
        state: folder of ours for this cluster.
        host: facts of the host.
        progress: where stages are told.
        run: run that made it, for labels.
        keep: it is to outlive the run.
        kubeconfig: where to write the kubeconfig; in the state folder when None.
    """

    name: str
    engine: Engine
    kind: Path
    kubectl: Path
    image: str
    nodes: int
    archive: Path | None
    state: Path
    host: Host
    progress: Progress
    run: str
    keep: bool = False
    own_network: bool = True
    kubeconfig: Path | None = None

    def __post_init__(self) -> None:
        require_name(self.name)

    @property
    def kubeconfig_path(self) -> Path:
        """Where the cluster's kubeconfig lies."""
        return self.kubeconfig or self.state / "kubeconfig"

    def up(self) -> Cluster:
        """Make the cluster, or find our own of that name that still answers.

        Raises:
            RefusalError: a cluster of that name is not ours, or is another than was asked for.
            InfrastructureError: it could not be made; what was made half-way is removed.
        """
        containers = self.containers()
        if containers:
            if not self.ours(containers):
                raise RefusalError(
                    f"a kind cluster named {self.name} exists already and the harness did not make it",
                    advice="choose another --cluster-name; the harness never touches what it did not make",
                )
            if self._found_warm(containers):
                return self._here(made_here=False)
            self.progress.note(f"cluster {self.name} is ours and does not answer: making it again")
            self.down()
        with self.progress.stage(f"create kind cluster {self.name}") as stage:
            try:
                self._create(stage)
                self._connect_nodes(stage)
            except BaseException as error:
                if isinstance(error, Exception):
                    self._keep_logs()
                try:
                    self._delete()
                except HarnessError as trouble:
                    self.progress.note(f"what was made of it half-way is still there: {trouble.message}")
                else:
                    shutil.rmtree(self.state, ignore_errors=True)
                raise
        return self._here(made_here=True)

    def _here(self, *, made_here: bool) -> Cluster:
        """The cluster, marked where it is to outlive the run."""
        if self.keep:
            self.state.mkdir(parents=True, exist_ok=True)
            (self.state / KEPT).touch()
        return Cluster("kind", self.name, self.kubeconfig_path, made_here=made_here)

    def _found_warm(self, containers: Sequence[str]) -> bool:
        """Whether our cluster answers; its nodes are then made ready, where a killed run did not."""
        with self.progress.stage(f"find kind cluster {self.name}") as stage:
            if not self._answers(stage):
                return False
            self._require_same(containers)
            self._connect_nodes(stage)
            stage.was_cached()
        return True

    def _require_same(self, containers: Sequence[str]) -> None:
        """Refuse a warm cluster that is another than was asked for: its report would tell untruths."""
        told = [self.engine.inspect("container", container) or {} for container in containers]
        images = {str((one.get("Config") or {}).get("Image")) for one in told}
        mounts = [mount for one in told for mount in one.get("Mounts", ())]
        archives = {mount.get("Source") for mount in mounts if mount.get("Destination") == IMAGES}
        differs = ""
        if len(containers) != self.nodes:
            differs = f"it has {len(containers)} nodes, and {self.nodes} were asked for"
        elif images != {self.image}:
            differs = f"its nodes are {', '.join(sorted(images))}, and {self.image} was asked for"
        elif archives != ({str(self.archive)} if self.archive is not None else set()):
            differs = "it was made with other images than there are now"
        if differs:
            raise RefusalError(
                f"cluster {self.name} is up, but {differs}",
                advice=f"choose another name, or first: python -m clusters down --cluster-name {self.name}",
            )

    def down(self) -> None:
        """Remove the cluster when it is ours; bounded in time."""
        containers = self.containers()
        if containers and not self.ours(containers):
            raise RefusalError(
                f"kind cluster {self.name} was not made by the harness, so it is left alone",
                advice=f"remove it yourself: kind delete cluster --name {self.name}",
            )
        if not containers:
            shutil.rmtree(self.state, ignore_errors=True)
            return
        with self.progress.stage(f"delete kind cluster {self.name}"):
            self._delete()
            shutil.rmtree(self.state, ignore_errors=True)

    def containers(self) -> tuple[str, ...]:
        """Names of the containers that are nodes of a cluster of this name, whoever made it."""
        return cluster_containers(self.engine, self.name)

    def ours(self, containers: Sequence[str]) -> bool:
        """Whether any of the containers carries our mark."""
        return any(own_node(self.engine, container) is not None for container in containers)

    def node_exec(self, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run a program on a node; a non-zero exit is returned, not raised."""
        return self.engine.exec(node, argv, check=False, timeout=timeout)

    def logs(self) -> Mapping[str, str]:
        """The journals of kubelet and containerd and the container's own output, of each node.

        A node that does not answer gives its console alone; why stands in the other's place.
        """
        found = {}
        for node in self.containers():
            done = self.engine.run("logs", "--tail", str(LOG_LINES), node, check=False)
            found[f"{node}/console.log"] = done.stdout + done.stderr
            for unit in ("kubelet", "containerd", "load-images"):
                argv = ["journalctl", "--no-pager", "-n", str(LOG_LINES), "-u", unit]
                try:
                    found[f"{node}/{unit}.log"] = self.node_exec(node, argv, timeout=LOG_SECONDS).stdout
                except CommandError as error:
                    found[f"{node}/{unit}.log"] = str(error)
                    break
        return found

    def config(self) -> dict[str, Any]:
        """The kind configuration (kind.x-k8s.io/v1alpha4)."""
        kubelet: dict[str, Any] = {"kind": "KubeletConfiguration", "serializeImagePulls": False}
        if self.host.cgroup_v1:
            kubelet["failCgroupV1"] = False
        if not self.host.sys_resource:
            # Lets kubelet go on where it may not raise its own limits.
            kubelet["featureGates"] = {"KubeletInUserNamespace": True}
        mounts = [{"hostPath": str(self.state), "containerPath": MARK, "readOnly": True}]
        if self.archive is not None:
            mounts.append({"hostPath": str(self.archive), "containerPath": IMAGES, "readOnly": True})
        roles = ["control-plane", *["worker"] * (self.nodes - 1)]
        return {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "name": self.name,
            "networking": {"disableDefaultCNI": self.own_network, "podSubnet": POD_SUBNET},
            "kubeadmConfigPatches": [yaml.safe_dump(kubelet)],
            "nodes": [{"role": role, "extraMounts": mounts} for role in roles],
        }

    def _create(self, stage: RunningStage) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        config = self.state / "kind.yaml"
        config.write_text(yaml.safe_dump(self.config(), sort_keys=False))
        (self.state / "run").write_text(self.run)
        try:
            self._child("create", CREATE_SECONDS, stage, config)
        except CommandError as error:
            raise retold(error, f"kind cluster {self.name} was not made") from error

    def _delete(self) -> None:
        """Remove our nodes, with kind and, where that fails, without it."""
        there = self.containers()
        if not self.ours(there):  # none of that name, or somebody else's that came up meanwhile
            return
        self.state.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(CommandError):
            self._child("delete", DELETE_SECONDS, None)
        left = self.containers()
        if left:
            self.engine.run("rm", "-f", "-v", *left)

    def _child(self, action: str, timeout: float, stage: RunningStage | None, *more: Path) -> None:
        argv: list[str | Path] = [sys.executable, "-m", "clusters.providers.kind_child", action, self.name]
        argv += [self.kubeconfig_path, self.image, self.kind, self.kubectl, *more]
        house = Path(__file__).parents[2]
        self.engine.commands.run(
            argv,
            timeout=timeout,
            cwd=self.state,
            env={**self.engine.env, "PYTHONPATH": str(house), "PYTHONWARNINGS": "ignore"},
            on_line=stage.says if stage is not None else (lambda _: None),
        )

    def _answers(self, stage: RunningStage) -> bool:
        """Whether the API server answers in time; at once False where it cannot, for want of a kubeconfig."""

        def look() -> str:
            try:
                self._kube().close()
            except HarnessError as error:
                return error.message
            return ""

        if not self.kubeconfig_path.is_file():
            return False
        try:
            wait(
                look,
                is_empty,
                subject=f"cluster {self.name}",
                condition="an answer",
                timeout=ANSWER_SECONDS,
                on_change=lambda text, _: stage.says(text),
                failure_class=FailureClass.INFRASTRUCTURE,
            )
        except WaitTimeoutError:
            return False
        return True

    def _kube(self) -> Kube:
        return Kube.connect(self.kubeconfig_path, run=self.run)

    def _connect_nodes(self, stage: RunningStage) -> None:
        """Give each node a bridge for its Pods and routes to the others', then wait until all are Ready."""
        kube = self._kube()
        try:
            with kube.changes(kinds.NODE) as changes:
                nodes = wait(
                    lambda: kube.list(kinds.NODE),
                    lambda seen: len(seen) == self.nodes and all(_pod_cidr(node) for node in seen),
                    subject=f"cluster {self.name}",
                    condition=f"a Pod range on {self.nodes} nodes",
                    timeout=READY_SECONDS,
                    changes=changes,
                    describe=lambda seen: f"{len(seen)} nodes, ranges {[_pod_cidr(node) for node in seen]}",
                    on_change=lambda text, _: stage.says(text),
                    failure_class=FailureClass.INFRASTRUCTURE,
                    advice="see the nodes' kubelet journals in the bundle",
                )
                if self.own_network:
                    self._bridge(nodes)
                wait(
                    lambda: [NodeSnapshot.of(node) for node in kube.list(kinds.NODE)],
                    lambda seen: all(_settled(node) for node in seen),
                    subject=f"cluster {self.name}",
                    condition="condition Ready on all nodes",
                    timeout=READY_SECONDS,
                    changes=changes,
                    describe=lambda seen: ", ".join(str(node) for node in seen),
                    on_change=lambda text, _: stage.says(text),
                    failure_class=FailureClass.INFRASTRUCTURE,
                    advice="see the nodes' kubelet journals in the bundle",
                )
                if not self.own_network and self.archive is not None:
                    self._import_images(stage)
        finally:
            kube.close()

    def _import_images(self, stage: RunningStage) -> None:
        """Let kind's own node image import the archive, once; a node of ours does so by itself."""
        done = "/kind/.fluid-conformance-imported"
        load = f"ctr -n k8s.io images import --digests=false {IMAGES}/images.tar"
        script = f"test -e {done} || {{ {load} && touch {done}; }}"
        for node in self.containers():
            stage.says(f"import images on {node}")
            self.engine.exec(node, ["sh", "-c", script], timeout=IMPORT_SECONDS)

    def _bridge(self, nodes: Sequence[dict[str, Any]]) -> None:
        addresses = {}
        for node in nodes:
            seen = NodeSnapshot.of(node)
            addresses[seen.name] = (_pod_cidr(node), seen.ip)
        for name, (own, _) in addresses.items():
            script = ["mkdir -p /etc/cni/net.d", "cat > /etc/cni/net.d/10-bridge.conflist"]
            self.engine.run(
                "exec", "-i", name, "sh", "-c", " && ".join(script), stdin=json.dumps(bridge_config(own))
            )
            for other, (cidr, address) in addresses.items():
                if other != name:
                    self.engine.exec(name, ["ip", "route", "replace", cidr, "via", address])

    def _keep_logs(self) -> None:
        """Keep the nodes' journals of a creation that failed, since the nodes will be gone."""
        folder = self.state.parent / f"{self.name}-failed"
        with contextlib.suppress(Exception):
            shutil.rmtree(folder, ignore_errors=True)
            for name, text in self.logs().items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            self.progress.note(f"the nodes' journals are kept in {folder}")


def cluster_containers(engine: Engine, name: str | None = None) -> tuple[str, ...]:
    """Containers that are kind nodes, of one cluster or of all."""
    label = _CLUSTER_LABEL + (f"={name}" if name else "")
    done = engine.run("ps", "-a", "--filter", f"label={label}", "--format", "{{.Names}}")
    return tuple(sorted(done.stdout.split()))


@dataclass(frozen=True, slots=True)
class OwnNode:
    """A container that is a node of a cluster of ours.

    Attributes:
        container: its name.
        cluster: name of its cluster.
        state: folder of ours for that cluster, in the cache of whoever made it.
    """

    container: str
    cluster: str
    state: Path

    @property
    def kept(self) -> bool:
        """Whether its cluster is to outlive the run that made it."""
        return (self.state / KEPT).exists()


def own_nodes(engine: Engine, name: str | None = None) -> tuple[OwnNode, ...]:
    """The nodes of our clusters: of one, or of all."""
    found = (own_node(engine, container) for container in cluster_containers(engine, name))
    return tuple(node for node in found if node is not None)


def own_node(engine: Engine, container: str) -> OwnNode | None:
    """What a container says of the cluster of ours that it is a node of; None when it is somebody else's."""
    told = engine.inspect("container", container) or {}
    marks = [mount for mount in told.get("Mounts", []) if mount.get("Destination") == MARK]
    if not marks:
        return None
    return OwnNode(container, cluster_of(told), Path(marks[0].get("Source", "")))


def cluster_of(told: Mapping[str, Any]) -> str:
    """The kind cluster of a container, by what the engine tells or notes of it; empty when it is of none."""
    return str(((told.get("Config") or {}).get("Labels") or {}).get(_CLUSTER_LABEL, ""))


def bridge_config(cidr: str) -> dict[str, Any]:
    """A network configuration list (CNI specification 0.4.0) for one node's Pod range."""
    ipaddress.ip_network(cidr)
    return {
        "cniVersion": "0.4.0",
        "name": "fluid-conformance",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _settled(node: NodeSnapshot) -> bool:
    """Ready, and no longer tainted for not having been: the taint goes a moment later."""
    return node.ready and not any(taint.startswith("node.kubernetes.io/") for taint in node.taints)


def _pod_cidr(node: Mapping[str, Any]) -> str:
    return str(node.get("spec", {}).get("podCIDR", ""))
