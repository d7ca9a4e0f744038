"""Installing Fluid from its own chart, and finding the one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import FailureClass
from clusters.host.commands import CommandError, Commands
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.snapshots.controllers import DaemonSetSnapshot, DeploymentSnapshot
from clusters.product import mounted_files
from clusters.progress import Progress, RunningStage
from clusters.waiting import wait

NAMESPACE: Final = "fluid-system"
RELEASE: Final = "fluid"
CSI_DAEMON_SET: Final = "csi-nodeplugin-fluid"
CONTROLLERS: Final = ("dataset-controller", "alluxioruntime-controller")
READY_SECONDS: Final = 240.0
HELM_SECONDS: Final = 180.0
#: What helm 3 says of a release whose installation was killed.
_UNFINISHED: Final = "another operation (install/upgrade/rollback) is in progress"


@dataclass(frozen=True, slots=True)
class FluidState:
    """What of Fluid is there.

    Attributes:
        controllers: name → ready replicas of its Deployments.
        wanted: name → replicas asked for.
        csi_desired: nodes that the CSI plugin is to run on.
        csi_ready: nodes where it is ready.
        version: tag of the Dataset controller's image; empty when Fluid is not there.
    """

    controllers: Mapping[str, int]
    wanted: Mapping[str, int]
    csi_desired: int
    csi_ready: int
    version: str

    @property
    def ready(self) -> bool:
        """The controllers that a Dataset with an AlluxioRuntime needs, and the plugin on every node."""
        needed = all(self.controllers.get(name, 0) > 0 for name in CONTROLLERS)
        complete = all(self.controllers.get(name, 0) >= count for name, count in self.wanted.items())
        return needed and complete and self.csi_ready == self.csi_desired > 0

    def __str__(self) -> str:
        wanted = sorted(self.wanted.items())
        parts = [f"{name} {self.controllers.get(name, 0)}/{count}" for name, count in wanted]
        return ", ".join([*parts, f"CSI plugin on {self.csi_ready}/{self.csi_desired} nodes"])


def state(kube: Kube) -> FluidState:
    """What of Fluid is in the cluster; never fails for want of it."""
    deployments = [DeploymentSnapshot.of(obj) for obj in kube.list(kinds.DEPLOYMENT, NAMESPACE)]
    plugin = kube.get(kinds.DAEMON_SET, CSI_DAEMON_SET, NAMESPACE)
    csi = DaemonSetSnapshot.of(plugin or {})
    image = next((item.images[0] for item in deployments if item.name == "dataset-controller"), "")
    return FluidState(
        controllers={item.name: item.ready for item in deployments},
        wanted={item.name: item.replicas for item in deployments if item.replicas > 0},
        csi_desired=csi.desired,
        csi_ready=csi.ready,
        version=image.rpartition(":")[2],
    )


def missing(seen: FluidState) -> list[str]:
    """What of Fluid is not there that a Dataset with an AlluxioRuntime needs, a sentence each."""
    told = [f"Fluid's {name} has no ready Pod" for name in CONTROLLERS if not seen.controllers.get(name)]
    if seen.csi_desired == 0 or seen.csi_ready < seen.csi_desired:
        told.append(f"Fluid's CSI plugin is ready on {seen.csi_ready} of {seen.csi_desired} nodes")
    return told


def installed(kube: Kube) -> bool:
    """Whether the cluster knows Datasets."""
    try:
        kube.list(kinds.DATASET)
    except KubeError as error:
        if error.reason == "NoSuchKind":
            return False
        raise
    return True


def install(
    kube: Kube,
    *,
    helm: Path,
    chart: Path,
    chart_values: Mapping[str, Any],
    kubeconfig: Path,
    folder: Path,
    commands: Commands,
    progress: Progress,
    replace_unfinished: bool = False,
) -> FluidState:
    """Install Fluid's chart and wait until all that it brings is ready.

    Args:
        kube: the cluster.
        helm: program.
        chart: folder of Fluid's chart.
        chart_values: what to set.
        kubeconfig: reaches the cluster.
        folder: where the values are kept.
        commands: runs programs.
        progress: where the stage is told.
        replace_unfinished: leave to remove an installation that a killed run left unfinished.

    Raises:
        InfrastructureError: helm failed, or Fluid did not get ready.
    """
    with progress.stage("install Fluid") as stage:
        # Before helm, which keeps what others have added to a workload.
        for name in mounted_files.remove(kube, NAMESPACE):
            stage.says(f"{name} had a mutant of a run that was killed")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "fluid-values.yaml"
        file.write_text(yaml.safe_dump(dict(chart_values), sort_keys=False))
        argv: list[str | Path] = [helm, "upgrade", "--install", RELEASE, chart, "--kubeconfig", kubeconfig]
        argv += ["--namespace", NAMESPACE, "--create-namespace", "--values", file]
        # The chart's only hook upgrades CRDs by an image of its own; in 0.9.3 no value switches it off.
        argv.append("--no-hooks")
        env = {"HELM_CACHE_HOME": str(folder / "helm")}
        try:
            commands.run(argv, timeout=HELM_SECONDS, env=env)
        except CommandError as error:
            if not replace_unfinished or _UNFINISHED not in error.last_seen:
                raise
            # helm takes the lock of a run that was killed for that of one under way.
            stage.says("removing an installation that was left unfinished")
            undo: list[str | Path] = [helm, "uninstall", RELEASE, "--kubeconfig", kubeconfig]
            commands.run([*undo, "--namespace", NAMESPACE, "--wait"], timeout=HELM_SECONDS, env=env)
            commands.run(argv, timeout=HELM_SECONDS, env=env)
        return wait_ready(kube, stage)


def wait_ready(kube: Kube, stage: RunningStage) -> FluidState:
    """Wait until Fluid is ready to take a Dataset."""
    with kube.changes(kinds.DEPLOYMENT, NAMESPACE) as changes:
        return wait(
            lambda: state(kube),
            lambda seen: seen.ready,
            subject="Fluid",
            condition="readiness of controllers and CSI plugin",
            timeout=READY_SECONDS,
            changes=changes,
            on_change=lambda text, _: stage.says(text),
            failure_class=FailureClass.INFRASTRUCTURE,
            advice="see the Pods of fluid-system in the bundle",
        )
