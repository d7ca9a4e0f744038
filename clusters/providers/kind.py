"""kind clusters, created through pytest-kind's KindCluster.

KindCluster of pytest-kind 22.11.1 has no configuration of the cluster, no second node, no logs, no time
limit, no clean-up of a failed creation, and no protection of a foreign cluster of the same name. This
provider adds those.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.disruption import Disruption
from clusters.errors import FailureClass, HarnessError, InfrastructureError, RefusalError
from clusters.host import network_settings
from clusters.host.commands import CommandError, Completed
from clusters.host.engine import Engine
from clusters.host.known_errors import retold
from clusters.host.probes import Host
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.write_guard import WriteGuard
from clusters.options import require_name
from clusters.progress import Progress, RunningStage
from clusters.providers import hung_mounts, memory_tier
from clusters.providers.base import Cluster
from clusters.providers.kind_config import kind_config
from clusters.providers.kind_logs import node_logs
from clusters.providers.kind_network import connect, pod_range
from clusters.providers.kind_nodes import KEPT, MARK, cluster_containers, managed_node
from clusters.waiting import WaitTimeoutError, is_empty, wait

#: Where the programs of a node read certificate authorities, containerd among them.
AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
#: Where the archive of images is mounted in a node.
IMAGES: Final = "/kind/images"
CREATE_SECONDS: Final = 600.0
READY_SECONDS: Final = 180.0
DELETE_SECONDS: Final = 120.0
#: Seconds for the engine to restart a node: it kills the node's processes after 10 s.
RESTART_SECONDS: Final = 90.0
#: Seconds for a node to import the archive (2 GB: 40).
IMPORT_SECONDS: Final = 300.0
#: Seconds in which an existing cluster must answer before it is created again: a busy machine is slow.
ANSWER_SECONDS: Final = 20.0


@dataclass
class KindProvider:
    """Creates and deletes a kind cluster.

    Attributes:
        name: of the cluster.
        engine: container engine.
        kind: program.
        kubectl: program; KindCluster needs its path.
        image: node image.
        nodes: how many; from two on, the first is the control plane alone.
        archive: folder of the image archive that each node imports, or None when nodes pull.
        state: the harness's folder for this cluster.
        host: facts of the host.
        progress: shows stages.
        run: run that created it, for labels.
        keep: it must outlive the run.
        own_network: the node image has no kindnetd, so that the harness connects the nodes.
        guard: permits commands on nodes; None permits all.
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
    guard: WriteGuard | None = None
    kubeconfig: Path | None = None

    def __post_init__(self) -> None:
        require_name(self.name)

    @property
    def kubeconfig_path(self) -> Path:
        """The cluster's kubeconfig."""
        return self.kubeconfig or self.state / "kubeconfig"

    @property
    def _authorities(self) -> Path:
        """A copy in a folder that the engine can mount, as Docker Desktop cannot mount all."""
        return self.state / "authorities.crt"

    def up(self) -> Cluster:
        """Create the cluster, or use the harness's own of that name if it answers.

        Raises:
            RefusalError: a cluster of that name is foreign, or differs from the options.
            InfrastructureError: it could not be created; its remains are deleted.
        """
        containers = self.containers()
        if containers:
            if not self.managed(containers):
                raise RefusalError(
                    f"a kind cluster named {self.name} exists already and the harness did not create it",
                    advice="choose another --cluster-name; the harness does not touch what it did not create",
                )
            if self._found_warm(containers):
                return self._here(made_here=False)
            self.progress.note(f"cluster {self.name} does not answer: creating it again")
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
                except HarnessError as further:
                    self.progress.note(f"remains of it could not be deleted: {further.message}")
                else:
                    shutil.rmtree(self.state, ignore_errors=True)
                raise
        return self._here(made_here=True)

    def _here(self, *, made_here: bool) -> Cluster:
        """The cluster; marked if it must outlive the run."""
        if self.keep:
            self.state.mkdir(parents=True, exist_ok=True)
            (self.state / KEPT).touch()
        return Cluster("kind", self.name, self.kubeconfig_path, made_here=made_here)

    def _found_warm(self, containers: Sequence[str]) -> bool:
        """Whether the existing cluster answers; its nodes are then connected, if a killed run did not."""
        with self.progress.stage(f"find kind cluster {self.name}") as stage:
            if not self._answers(stage):
                return False
            self._require_same(containers)
            self._connect_nodes(stage)
            stage.was_cached()
        return True

    def _require_same(self, containers: Sequence[str]) -> None:
        """Refuse an existing cluster that differs from the options: the report would be wrong."""
        found = [self.engine.inspect("container", container) or {} for container in containers]
        images = {str((one.get("Config") or {}).get("Image")) for one in found}
        mounts = [mount for one in found for mount in one.get("Mounts", ())]
        archives = {mount.get("Source") for mount in mounts if mount.get("Destination") == IMAGES}
        differs = ""
        if len(containers) != self.nodes:
            differs = f"it has {len(containers)} nodes, and --nodes is {self.nodes}"
        elif images != {self.image}:
            differs = f"its node image is {', '.join(sorted(images))} instead of {self.image}"
        elif archives != ({str(self.archive)} if self.archive is not None else set()):
            differs = "it was created with other images than the options name now"
        if differs:
            raise RefusalError(
                f"cluster {self.name} is up, but {differs}",
                advice=f"choose another name, or first: python -m clusters down --cluster-name {self.name}",
            )

    def down(self) -> None:
        """Delete the cluster if the harness manages it; bounded in time."""
        containers = self.containers()
        if containers and not self.managed(containers):
            raise RefusalError(
                f"kind cluster {self.name} was not created by the harness, so it is not deleted",
                advice=f"delete it yourself: kind delete cluster --name {self.name}",
            )
        if not containers:
            shutil.rmtree(self.state, ignore_errors=True)
            return
        with self.progress.stage(f"delete kind cluster {self.name}"):
            self._delete()
            shutil.rmtree(self.state, ignore_errors=True)

    def containers(self) -> tuple[str, ...]:
        """Names of the containers that are nodes of a cluster of this name, managed or foreign."""
        return cluster_containers(self.engine, self.name)

    def managed(self, containers: Sequence[str]) -> bool:
        """Whether one of the containers has the harness's mark."""
        return any(managed_node(self.engine, container) is not None for container in containers)

    def node_exec(
        self,
        node: str,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        changes: Disruption | None = None,
    ) -> Completed:
        """Run a program on a node; a non-zero exit is returned, not raised."""
        if self.guard is not None:
            self.guard.check_node_command(node, argv, changes)
        return self.engine.exec(node, argv, check=False, timeout=timeout)

    def restart_node(self, node: str) -> None:
        """Restart a node and connect it again; `up` connects one that a killed run has left.

        All its processes end, and its memory, mounts, routes and packet filter are lost. The call returns
        when the node can be reached; its kubelet and its Pods start meanwhile.

        Raises:
            UndeclaredWriteError: the scenario that runs has not declared such a change.
            InfrastructureError: it was not restarted, or does not become Ready.
        """
        if self.guard is not None:
            self.guard.check_node_command(node, ("reboot",), Disruption.NODE)
        before = self._started(node)
        with self.progress.stage(f"restart node {node}") as stage:
            self.engine.run("restart", node, timeout=RESTART_SECONDS * self.host.slowness)
            if self._started(node) == before:
                raise InfrastructureError(f"node {node} was not restarted", last_seen=f"started at {before}")
            memory_tier.enlarge(self.engine, node)  # before its worker starts
            self._connect_nodes(stage)

    def _started(self, node: str) -> str:
        """When the engine started the container of a node."""
        found = self.engine.inspect("container", node) or {}
        return str((found.get("State") or {}).get("StartedAt", ""))

    def logs(self) -> Mapping[str, str]:
        """The journals of kubelet and containerd and the container's own output, of each node.

        A node that does not answer has its console only, and the reason in place of the journals.
        """
        found: dict[str, str] = {}
        for node in self.containers():
            found |= node_logs(self.engine, node, self.node_exec)
        return found

    def config(self) -> dict[str, Any]:
        """The kind configuration (kind.x-k8s.io/v1alpha4)."""
        mounts = {MARK: self.state}
        if self.archive is not None:
            mounts[IMAGES] = self.archive
        if network_settings.authorities() is not None:
            # For what people deploy on a cluster that is kept; the harness's own images are in the archive.
            mounts[AUTHORITIES] = self._authorities
        return kind_config(self.name, self.nodes, self.host, mounts, own_network=self.own_network)

    def _create(self, stage: RunningStage) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        authorities = network_settings.authorities()
        if authorities is not None:
            shutil.copyfile(authorities, self._authorities)
        config = self.state / "kind.yaml"
        config.write_text(yaml.safe_dump(self.config(), sort_keys=False))
        (self.state / "run").write_text(self.run)
        try:
            self._child("create", CREATE_SECONDS * self.host.slowness, stage, config)
        except CommandError as error:
            raise retold(error, f"kind cluster {self.name} was not created") from error

    def _delete(self) -> None:
        """Delete the nodes: with kind, or without it if kind fails."""
        there = self.containers()
        if not self.managed(there):  # none of that name, or a foreign one that was created meanwhile
            return
        self.state.mkdir(parents=True, exist_ok=True)
        for node in there:
            hung_mounts.give_up(self.engine, node)
        with contextlib.suppress(CommandError):
            self._child("delete", DELETE_SECONDS * self.host.slowness, None)
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
            env={
                **network_settings.for_kind(),
                **self.engine.env,
                # The user's own setting may name Podman, whose containers are not found in this engine.
                "KIND_EXPERIMENTAL_PROVIDER": "docker",
                "PYTHONPATH": str(house),
                "PYTHONWARNINGS": "ignore",
            },
            on_line=stage.says if stage is not None else (lambda _: None),
        )

    def _answers(self, stage: RunningStage) -> bool:
        """Whether the API server answers in time; False at once if there is no kubeconfig."""

        def observe() -> str:
            try:
                self._kube().close()
            except HarnessError as error:
                return error.message
            return ""

        if not self.kubeconfig_path.is_file():
            return False
        try:
            wait(
                observe,
                is_empty,
                subject=f"cluster {self.name}",
                condition="an answer",
                timeout=ANSWER_SECONDS * self.host.slowness,
                on_change=lambda text, _: stage.says(text),
                failure_class=FailureClass.INFRASTRUCTURE,
            )
        except WaitTimeoutError:
            return False
        return True

    def _kube(self) -> Kube:
        return Kube.connect(self.kubeconfig_path, run=self.run)

    def _connect_nodes(self, stage: RunningStage) -> None:
        """Connect the nodes where kindnetd does not, and wait until all are Ready."""
        kube = self._kube()
        try:
            with kube.changes(kinds.NODE) as changes:
                nodes = wait(
                    lambda: kube.list(kinds.NODE),
                    lambda seen: len(seen) == self.nodes and all(pod_range(node) for node in seen),
                    subject=f"cluster {self.name}",
                    condition=f"a Pod range on {self.nodes} nodes",
                    timeout=READY_SECONDS * self.host.slowness,
                    changes=changes,
                    describe=lambda seen: f"{len(seen)} nodes, ranges {[pod_range(node) for node in seen]}",
                    on_change=lambda text, _: stage.says(text),
                    failure_class=FailureClass.INFRASTRUCTURE,
                    advice="see the nodes' kubelet journals in the bundle",
                )
                if self.own_network:
                    connect(self.engine, nodes)
                wait(
                    lambda: ClusterReader(kube).list(NodeSnapshot),
                    lambda seen: all(_settled(node) for node in seen),
                    subject=f"cluster {self.name}",
                    condition="condition Ready on all nodes",
                    timeout=READY_SECONDS * self.host.slowness,
                    changes=changes,
                    describe=lambda seen: ", ".join(str(node) for node in seen),
                    on_change=lambda text, _: stage.says(text),
                    failure_class=FailureClass.INFRASTRUCTURE,
                    advice="see the nodes' kubelet journals in the bundle",
                )
                for node in self.containers():
                    memory_tier.enlarge(self.engine, node)
                if not self.own_network and self.archive is not None:
                    self._import_images(stage)
        finally:
            kube.close()

    def _import_images(self, stage: RunningStage) -> None:
        """Import the archive once on nodes of kind's own image; the harness's image does it at its start."""
        done = "/kind/.fluid-conformance-imported"
        load = f"ctr -n k8s.io images import --digests=false {IMAGES}/images.tar"
        script = f"test -e {done} || {{ {load} && touch {done}; }}"
        for node in self.containers():
            stage.says(f"import images on {node}")
            self.engine.exec(node, ["sh", "-c", script], timeout=IMPORT_SECONDS * self.host.slowness)

    def _keep_logs(self) -> None:
        """Save the nodes' journals of a failed creation before the nodes are deleted."""
        folder = self.state.parent / f"{self.name}-failed"
        with contextlib.suppress(Exception):
            shutil.rmtree(folder, ignore_errors=True)
            logs = self.logs()
            for name, text in logs.items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            if logs:  # kind deletes the nodes of a failed creation itself, unless it is killed
                self.progress.note(f"the nodes' journals are kept in {folder}")


def _settled(node: NodeSnapshot) -> bool:
    """Ready, and without the taint of a node that is not Ready, which is removed a moment later."""
    return node.ready and not any(taint.startswith("node.kubernetes.io/") for taint in node.taints)
